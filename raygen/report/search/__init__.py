"""The report of a search.

In reading order: `trials`, `sentences`, `importance`, `figures`, `page`, `terminal`.
"""
