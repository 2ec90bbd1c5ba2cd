"""What a table is: where its rows come from, of which kind its columns are, and their statistics.

In reading order: `schema` (a column's kind), `facts` (what to check it by), `source` (files that hold a
table), `csv_dialect` (how CSV is written), `arrow` (values as Arrow keeps them), `stats` (mergeable
statistics of columns), `readings` (numbers that are days or times), `split` (which rows are held out, and how
workers share the others).
"""
