"""Records to pages and terminal lines.

In reading order: `text` (figures as text), `page` (HTML), `svg` (pictures), and one package for each report:
`latent`, `evaluation`, `search`.
"""
