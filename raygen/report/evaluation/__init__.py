"""The report on synthetic rows.

In reading order: `record` (what report.json holds), `scores`, `losses`, `sentences`, `figures`, `columns`,
`page`, `terminal`.
"""
