"""Someone else's Keras VAE: its defects, and where to draw its z from.

In reading order: `driver`, `networks` (the encoder and the decoder), `log_sigma` (how it takes z_log_sigma),
`measurements`, `defects`.
"""
