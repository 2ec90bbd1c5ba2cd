"""The passes of Ray Data that count all rows of a table."""

import copy
import functools
from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np
import pyarrow as pa

from raygen.evaluation import synthetic_rows
from raygen.metrics import column_ranges
from raygen.metrics.counts import Counts, Reference
from raygen.table.source import Source

Part = TypeVar("Part")


def tally(source: Source, reference: Reference) -> Counts:
    """All rows counted against the reference, in one pass; in two where the files do not tell the range of a
    number column."""
    import ray

    columns = list(reference.kinds)
    numbers = {name: kind for name, kind in reference.kinds.items() if kind in column_ranges.NUMBERS}
    ranges = {}
    if source.is_plain:
        footers = column_ranges.ranges_of(source.paths, numbers, source.filesystem)
        ranges = {name: ends for name, ends in footers.items() if ends is not None}
    if len(ranges) < len(numbers):
        of_rows = each_piece(
            source,
            columns,
            lambda blocks: column_ranges.merged(column_ranges.observed(block, numbers) for block in blocks),
        )
        ranges = dict.fromkeys(numbers, column_ranges.NOTHING) | column_ranges.merged(of_rows)
    nothing = reference.count(pa.schema([source.schema.field(n) for n in columns]).empty_table(), ranges)
    shared = ray.put(reference)

    def count(blocks: Iterable[pa.Table]) -> Counts:
        reference, counts = ray.get(shared), copy.deepcopy(nothing)
        for block in blocks:
            reference.add(block, counts)
        return counts

    return functools.reduce(Counts.merge, each_piece(source, columns, count), nothing)


def each_piece(source: Source, columns: list[str], work: Callable[[Iterable[pa.Table]], Part]) -> list[Part]:
    """What `work` makes of the blocks of each piece of the files: a few row groups of Parquet each, read by
    Ray Data's tasks; other files here."""
    import pickle

    import ray

    if not source.is_plain:
        return [work(pa.Table.from_batches([batch]).select(columns) for batch in source.batches())]
    filesystem = source.filesystem

    def run(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        parts = []
        for path, first, last in zip(batch["path"], batch["first"], batch["last"], strict=True):
            blocks = synthetic_rows.blocks(filesystem, str(path), range(first, last), columns)
            parts.append(pickle.dumps(work(blocks)))  # between Ray's processes only
        return {"packed": np.array(parts, object)}

    pieces = ray.data.from_items(synthetic_rows.pieces(source))
    return [pickle.loads(row["packed"]) for row in pieces.map_batches(run, batch_size=1).iter_rows()]
