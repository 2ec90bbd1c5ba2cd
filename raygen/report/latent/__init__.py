"""The latent report: where z should be drawn from.

In reading order: `sentences`, `quantities`, `figures`, `page`, `terminal`.
"""
