"""Row i in one process: z is drawn, decoded and turned into values.

In reading order: `rows` (the rows of a generation), `decoder` (codes from z), `conditions`, `selection` and
`conditional` (rows that satisfy conditions), `oversampling`, `row_blocks`, `latent_report` and
`sampler_comparison` (what each sampler does to the table).
"""
