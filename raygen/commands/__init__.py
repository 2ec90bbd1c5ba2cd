"""The small verbs.

`init`, `plan`, `inspect_model`, `demo`.
"""
