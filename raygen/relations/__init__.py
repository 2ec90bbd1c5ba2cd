"""What ties columns of a table exactly: a small language for it, its arithmetic, and how it is found.

In reading order: `syntax` (text to a rule), `quantities` (exact numbers), `expressions` (a rule's value in
each row), `conditions` (its `where`), `pairs` (what a lookup knows), `relation` (a rule of a column),
`language` (text to relation), `checks` (relations that fit each other), `counts` (how many rows keep them),
`discovery` (relations that a table shows).
"""
