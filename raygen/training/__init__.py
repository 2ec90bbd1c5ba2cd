"""From a table to a model: Ray Data encodes, Ray Train trains.

In reading order: `driver` (what is settled before workers start), `encoding` (the encoded table), `ray_train`
(workers), `worker` (what one does), `trainer` (the loop), `loader` (its rows), `samplers`, `checkpoints`,
`objective` (what a search compares), `ray_metrics`.
"""
