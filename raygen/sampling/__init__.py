"""Row i in one process: z is drawn, decoded and turned into values.

In reading order: `rows` (the rows of a generation), `decoder` and `turn_decoder` (codes from z, columns
independent or in turn), `draws`, `conditions`, `selection`, `conditional`, `candidates`, `turn_candidates`
and `resampling` (rows that satisfy conditions), `oversampling`, `row_blocks`, `latent_report` and
`sampler_comparison` (what each sampler does to the table).
"""
