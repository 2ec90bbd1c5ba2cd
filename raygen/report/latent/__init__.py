"""The latent report: where z should be drawn from.

In reading order: `record`, `sentences`, `quantities`, `figures`, `page`, `terminal`.
"""
