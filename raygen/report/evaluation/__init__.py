"""The report on synthetic rows.

In reading order: `record` (what report.json holds), `scores`, `losses`, `copying`, `sentences`, `figures`,
`columns`, `tables`, `page`, `terminal`.
"""
