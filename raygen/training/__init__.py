"""From a table to a model: Ray Data encodes, Ray Train trains.

In reading order: `driver` (what is settled before workers start), `job` (what they get), `encoding` (the
encoded table), `ray_train` (workers), `worker` (what one does), `rounds` (steps, a score, a checkpoint),
`trainer` (the loop), `loader` (its rows), `samplers`, `checkpoints`, `objective` (what a search compares),
`ray_metrics`.
"""
