"""Scores of the rows of a run, or of anybody's.

In reading order: `driver`, `real_rows`, `synthetic_rows`, `counting` (all rows, by Ray Data), `error_budget`.
"""
