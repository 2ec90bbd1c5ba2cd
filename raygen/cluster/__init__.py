"""Ray and TensorFlow on this machine or cluster.

In reading order: `connection`, `resources` (what there is), `mailbox` (messages from workers to the driver),
`devices` (GPUs), `ray_internals` (what Ray does not promise to keep).
"""
