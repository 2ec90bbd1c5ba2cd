"""Shards, drawn, decoded and written by one process, in an actor of Ray Data or without Ray."""

import time
from collections.abc import Callable, Iterator
from typing import Protocol

import pyarrow as pa

from raygen import storage
from raygen.errors import OutputError
from raygen.generation import completeness, manifest
from raygen.generation.formats import Format
from raygen.generation.hive import Partitions
from raygen.generation.manifest import Totals
from raygen.generation.shards import Plan

TELL_SECONDS = 0.5
Event = tuple[int, int, int]  # an item, its rows done so far, rows made since the last one


class NumberedRows(Protocol):
    """Rows that are a function of their number."""

    @property
    def schema(self) -> pa.Schema: ...

    def table(self, first: int, last: int) -> pa.Table:
        """Rows [first, last)."""


class Work(Protocol):
    """What says which shards there are and how a file is written."""

    @property
    def plan(self) -> Plan: ...
    @property
    def folder(self) -> str: ...
    @property
    def format(self) -> Format: ...
    @property
    def partitions(self) -> Partitions: ...

    def mark(self, shard: int) -> bytes:
        """What a file of a shard says of itself."""

    def rows(self) -> NumberedRows:
        """Its rows, as this process makes them."""


def _count_nothing(rows: int, num_bytes: int) -> None:
    pass


class ShardWriter:
    """Makes what is missing of item after item.

    Args:
        job: The generation, or what else is written by rows.
        rows: Gives them by their numbers.
        tell: Called with how far it is.
        count: Called with rows and with bytes that were made.
    """

    def __init__(
        self,
        job: Work,
        rows: NumberedRows,
        tell: Callable[[Event], object],
        count: Callable[[int, int], None] = _count_nothing,
    ):
        self.job, self.tell, self.count = job, tell, count
        self.plan, self.folder, self.format = job.plan, job.folder, job.format
        self.told = 0.0
        self.number, self.done, self.untold = 0, 0, 0  # of the item at work
        self.made: list[int] = []
        self.rows = rows

    def item(self, first: int, last: int) -> dict:
        """Make or keep the shards of some parts, and write those parts of the manifest that are not there."""
        self.number, self.done, self.untold, self.made = first, 0, 0, []
        totals, listed = Totals(), dict[str, dict[str, int]]()
        for number in range(first, last):
            named, shards = manifest.read_part(self.folder, self.plan, number), self.plan.part(number)
            sizes = manifest.sizes(self.folder, self.plan, shards, listed)
            lines = [
                line
                for shard in shards
                for line in self._shard(shard, sizes, manifest.of_shard(named, shard))
            ]
            if lines != named:
                if number == self.plan.num_parts - 1:
                    completeness.check_rows(self.folder, self.plan)
                manifest.write_part(self.folder, self.plan, number, lines)
            totals += Totals.of(lines)
        self._tell(0, 0)
        made_rows = sum(b - a for a, b in map(self.plan.span, self.made))
        return {
            "item": first,
            "made": len(self.made),
            "made_rows": made_rows,
            **totals.to_dict(),
        }

    def _shard(self, shard: int, sizes: dict[str, int], vouched: list[dict]) -> list[dict]:
        """Write a shard, unless it is there already; its lines of the manifest."""
        first, last = self.plan.span(shard)
        if kept := self._kept(shard, sizes, vouched):
            self._tell(last - first, 0)
            return kept
        try:
            lines = self._write(shard)
        except OutputError as error:
            if isinstance(
                error.__cause__, FileNotFoundError
            ):  # another driver has finished this generation, and swept our temporary file away
                named = manifest.read_part(self.folder, self.plan, self.plan.part_of(shard))
                there = manifest.sizes(self.folder, self.plan, range(shard, shard + 1), {})
                if theirs := self._kept(shard, there, manifest.of_shard(named, shard)):
                    return theirs
            raise
        self.count(0, sum(line["bytes"] for line in lines))
        self.made.append(shard)
        return lines

    def _kept(self, shard: int, sizes: dict[str, int], vouched: list[dict]) -> list[dict] | None:
        """Lines of a shard that is there; None if it is to be made.

        Files of the length that the manifest tells are taken as they are; what no part vouches for yet is
        read from end to end if it is Parquet, which tells of itself, and made again if it is text.
        """
        files, (first, last) = self.plan.files(shard), self.plan.span(shard)
        if not sizes.keys() >= set(files):
            return None
        if vouched:
            return vouched if all(line["bytes"] == sizes[line["file"]] for line in vouched) else None
        rows = {
            file: self.format.marked_rows(storage.inside(self.folder, file), self.job.mark(shard))
            for file in files
        }
        if None in rows.values() or sum(filter(None, rows.values())) != last - first:
            return None
        return [
            manifest.line(
                shard, file, rows[file] or 0, sizes[file], storage.sha256(storage.inside(self.folder, file))
            )
            for file in files
        ]

    def _write(self, shard: int) -> list[dict]:
        """Make all files of a shard, one after the other; a shard of partitions is held in memory."""
        schema, made = self.rows.schema, self._tables(*self.plan.span(shard))
        parts: list = [made]
        if self.job.partitions.columns:
            parts = [[part] for part in self.job.partitions.split(pa.concat_tables(made))]
            schema = parts[0][0].schema
        lines = []
        for file, tables in zip(self.plan.files(shard), parts, strict=True):
            with storage.whole(self.plan.own(self.folder, file)) as stream:
                marked = {**(schema.metadata or {}), b"raygen": self.job.mark(shard)}
                rows, size, digest = self.format.write(stream, schema.with_metadata(marked), tables)
                if shard == self.plan.num_shards - 1:
                    completeness.check_rows(self.folder, self.plan)  # raised here, the file stays as it is
            lines.append(manifest.line(shard, file, rows, size, digest))
        return lines

    def _tables(self, first: int, last: int) -> Iterator[pa.Table]:
        """Rows [first, last), some at a time."""
        for start in range(first, last, self.format.group_rows):
            stop = min(start + self.format.group_rows, last)
            yield self.rows.table(start, stop)
            self.count(stop - start, 0)
            self._tell(stop - start, stop - start)
            pa.default_memory_pool().release_unused()  # else what Arrow keeps grows slowly

    def _tell(self, done: int, made: int) -> None:
        """Tell how far it is, twice a second at most."""
        self.done, self.untold = self.done + done, self.untold + made
        now = time.perf_counter()
        if now - self.told >= TELL_SECONDS or not done:
            self.tell((self.number, self.done, self.untold))
            self.told, self.untold = now, 0
