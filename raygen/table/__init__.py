"""What a table is: where its rows come from, of which kind its columns are, and their statistics.

In reading order: `schema` (a column's kind), `keys` (numbers that name rows), `texts` (what text holds),
`source` (a table and its rows),
`files` (which files hold it), `csv_dialect` (how CSV is written), `csv_rows` (what rows behind the first ones
tell), `spelling` (how a value is: of `spelled_numbers`, `spelled_moments`), `csv_types` and `json_lines`
(types of text), `arrow` (values as Arrow has them), `part` (day and time of a moment), `stats`
(mergeable statistics of columns), `readings` (numbers that are days or times), `split` (which rows are held
out, and how workers share the others).
"""
