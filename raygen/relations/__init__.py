"""What ties columns of a table exactly: a small language for it, its arithmetic, and how it is found.

In reading order: `tokens` and `syntax` (text to a rule), `quantities` (exact numbers), `expressions` (a
rule's value in each row), `conditions` (its `where`), `pairs` (what a lookup knows), `relation` (a rule of
a column), `language` (text to relation), `checks` (relations that fit each other), `counts` (how many rows
keep them); then `sampled` (a sample as matrices), `finding/` (what it shows, kind by kind), `ties` (which
columns come from which), `discovery` (the relations that are told) and `sample` (the rows that are looked
at); last `differences` (of two columns), `reduction` (what is left to learn, and the table back) and `uses`
(how each is used).
"""
