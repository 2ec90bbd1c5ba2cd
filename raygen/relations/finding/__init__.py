"""What a sample of a table shows, kind by kind.

In reading order: `pairs_of_columns` and `functions` (of one column and of two), `sums` and `rounded_sums` (of
several), `bands`, `lookups`, `missing`, `bounds` and `orders`.
"""
