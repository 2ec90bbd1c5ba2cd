"""The passes of Ray Data that count all rows of a table."""

import copy
import functools

import numpy as np
import pyarrow as pa

from raygen.evaluation import synthetic_rows
from raygen.metrics import column_ranges
from raygen.metrics.counts import Counts, Reference
from raygen.table.source import Source


def tally(source: Source, reference: Reference) -> Counts:
    """All rows counted against the reference, in one pass; in two where the files do not tell the range of a
    number column."""
    import ray

    columns = list(reference.kinds)
    numbers = {name: kind for name, kind in reference.kinds.items() if kind in column_ranges.NUMBERS}
    told = (
        column_ranges.ranges_of(source.paths, numbers, source.filesystem)
        if source.format == "parquet"
        else {}
    )
    known = {name: r for name, r in told.items() if r is not None}
    if len(known) < len(numbers):
        seen = each_piece(
            source,
            columns,
            lambda blocks: column_ranges.merged(column_ranges.observed(block, numbers) for block in blocks),
        )
        known = dict.fromkeys(numbers, column_ranges.NOTHING) | column_ranges.merged(seen)
    nothing = reference.count(pa.schema([source.schema.field(n) for n in columns]).empty_table(), known)
    shared = ray.put(reference)

    def count(blocks) -> Counts:
        counted_by, counted = ray.get(shared), copy.deepcopy(nothing)
        for block in blocks:
            counted_by.add(block, counted)
        return counted

    return functools.reduce(Counts.merge, each_piece(source, columns, count), nothing)


def each_piece(source: Source, columns: list[str], work) -> list:
    """What `work` makes of the blocks of each piece of the files: a few row groups of Parquet each, read by
    Ray Data's tasks; CSV here."""
    import pickle

    import ray

    if source.format == "csv":
        return [work(pa.Table.from_batches([batch]).select(columns) for batch in source.batches())]
    filesystem = source.filesystem

    def run(batch: dict) -> dict:
        made = []
        for path, first, last in zip(batch["path"], batch["first"], batch["last"], strict=True):
            made.append(
                pickle.dumps(work(synthetic_rows.blocks(filesystem, str(path), range(first, last), columns)))
            )  # between Ray's processes only
        return {"packed": np.array(made, object)}

    pieces = ray.data.from_items(synthetic_rows.pieces(source))
    return [pickle.loads(row["packed"]) for row in pieces.map_batches(run, batch_size=1).iter_rows()]
