"""The report of a search.

In reading order: `record`, `trials`, `sentences`, `importance`, `figures`, `page`, `terminal`.
"""
