"""A table as integer codes, and back.

In reading order: `codec` (all columns), `bins` (numbers), `grid` (where values can lie), `categories`
(strings and booleans), `gaussian` (numbers by squared error), `code_ranges` (which codes hold an interval of
values), `log_volume` (nats of codes to nats of values), `row_hash` (hashes of rows).
"""
