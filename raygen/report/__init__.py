"""Records to pages and terminal lines.

In reading order: `record` (what all records share), `text` (figures as text), `page` (HTML), `svg`
(pictures), and one package for each report: `latent`, `evaluation`, `search`.
"""
