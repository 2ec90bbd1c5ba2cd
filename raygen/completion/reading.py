"""Rows of a table's files by their numbers, read onwards."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate

import pyarrow as pa

from raygen.table.files import Files
from raygen.table.source import Source


@dataclass(frozen=True)
class CountedSource:
    """A table whose files have been read once if they are text: for their types, and for their rows.

    Attributes:
        source: The table.
        counts: Rows of each file.
    """

    source: Source
    counts: list[int]

    @classmethod
    def open(cls, uri: str, like: pa.Schema) -> "CountedSource":
        """Find the files, and read what is to be known of them (see `Source.open`)."""
        source = Source.open(uri, like)
        return cls(source, source.count_rows())

    @property
    def rows(self) -> int:
        return sum(self.counts)

    @property
    def schema(self) -> pa.Schema:
        return self.source.schema

    @property
    def identity(self) -> str:
        """What tells the files from others: a hash of their names, sizes and times."""
        return hashlib.sha256(json.dumps(self.source.identity, default=str).encode()).hexdigest()[:32]

    def as_now(self) -> "CountedSource":
        """The same with the files that are there now, which are not read."""
        return replace(self, source=replace(self.source, files=Files.of(self.source.uri)))

    def first_of_file(self, row: int) -> int:
        """Number of the first row of the file that holds a row."""
        return max((at for at in accumulate(self.counts, initial=0) if at <= row), default=0)


class RowReader:
    """Gives rows [first, last) of a source; asked for in order, each file is read once, in flat memory, and
    files that lie between two calls are passed over.

    Args:
        table: The source.
    """

    def __init__(self, table: CountedSource):
        self.table, self.source = table, table.source
        self.batches: Iterator[tuple[int, pa.RecordBatch]] = iter(())
        self.held: list[tuple[int, pa.RecordBatch]] = []
        self.upto = -1  # rows before this number were given, or passed over

    def __call__(self, first: int, last: int) -> pa.Table:
        begin = self.held[0][0] if self.held else self.upto
        start = first if self.source.is_plain else self.table.first_of_file(first)
        if begin < 0 or first < begin or start > self.upto:
            self.batches, self.held = self.source.batches_from(first, self.table.counts), []
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
