"""Ray Tune searches settings.

In reading order: `driver`, `ray_tune` (algorithm and scheduler), `trial`, `space` (what may be searched),
`record` (what is kept).
"""
