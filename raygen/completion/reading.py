"""Rows of a table's files by their numbers, read onwards."""

import hashlib
import json
from collections.abc import Iterator

import pyarrow as pa

from raygen.table.source import Source


class RowReader:
    """Gives rows [first, last) of a source; asked for in order, each file is read once, in flat memory.

    Args:
        source: The table.
    """

    def __init__(self, source: Source):
        self.source = source
        self.batches: Iterator[tuple[int, pa.RecordBatch]] = iter(())
        self.held: list[tuple[int, pa.RecordBatch]] = []
        self.upto = -1  # rows before this number were given, or passed over

    def __call__(self, first: int, last: int) -> pa.Table:
        begin = self.held[0][0] if self.held else self.upto
        if begin < 0 or first < begin or (self.source.is_plain and first > self.upto):
            self.batches, self.held = self.source.batches_from(first), []
        self.held = [(at, batch) for at, batch in self.held if at + batch.num_rows > first]
        while not self.held or self.held[-1][0] + self.held[-1][1].num_rows < last:
            at, batch = next(self.batches, (-1, None))
            if batch is None:
                break
            if at + batch.num_rows > first:
                self.held.append((at, batch))
        self.upto = last
        pieces = [
            batch.slice(max(first - at, 0), min(last, at + batch.num_rows) - max(first, at))
            for at, batch in self.held
            if at < last
        ]
        return pa.Table.from_batches(pieces, self.source.schema)


def identity(source: Source) -> str:
    """What tells the files of a source from others: a hash of their names, sizes and times."""
    return hashlib.sha256(json.dumps(source.identity, default=str).encode()).hexdigest()[:32]
