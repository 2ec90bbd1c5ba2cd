"""The small verbs.

`init` (and `facts`, what to check a column by), `plan`, `inspect_model`, `demo`.
"""
