"""What is learned, and the folder it is kept in.

In reading order: `vae` (the Keras VAE), `density_ratio` (boosted trees that tell real from drawn rows),
`folder` (the model folder).
"""
