"""Laws of z: samplers, fitted to the posteriors of training rows and scored on held-out rows.

In reading order: `samplers` (all of them, their fit, their score and the choice), `gaussians`, `mixture`,
`flow`, `flow_network`, `streams` (random numbers in TensorFlow's graph, by position).
"""
