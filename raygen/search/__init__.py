"""Ray Tune searches settings.

In reading order: `driver`, `job` (what all trials share), `ray_tune` (algorithm and scheduler), `trial`,
`space` (what may be searched), `log` (what each trial was).
"""
