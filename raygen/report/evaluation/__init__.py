"""The report on synthetic rows.

In reading order: `scores`, `sentences`, `figures`, `page`, `terminal`.
"""
