"""How alike two tables are, and how much one gives away of the other.

In reading order: `scorecard` (all scores), `fidelity` (Shape, Trend, C2ST), `memory`, `precision_recall`,
`coverage`, `utility`, `privacy`, `nearest` (distances), `intervals`; and counted over all rows: `counts`,
`counted`, `histograms`, `column_ranges`, `row_codes`, `correlations`.
"""
