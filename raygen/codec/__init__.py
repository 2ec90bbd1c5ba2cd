"""A table as integer codes, and back.

In reading order: `codec` (all columns), `bins` (numbers), `cells` (how they are cut), `support` (what may be
stored), `grid` (where values can lie), `categories` (strings and booleans), `gaussian` (numbers by squared
error), `code_ranges` (which codes hold an interval of values), `log_volume` (nats of codes to nats of the
values), `row_hash` (hashes of rows).
"""
