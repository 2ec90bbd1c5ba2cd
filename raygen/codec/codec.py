"""The codec: a table to integer codes and back, one block of codes for each part of a column."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Any, cast

import numpy as np
import pyarrow as pa

from raygen.codec import calendar_parts, number_blocks, parts, saved, support
from raygen.codec.bins import NumericBlock
from raygen.codec.block import Block
from raygen.codec.calendar_parts import Mover
from raygen.codec.categories import CategoryBlock
from raygen.codec.gaussian import GaussianBlock
from raygen.codec.row_hash import content_hash
from raygen.codec.tables import Tables
from raygen.errors import ModelError, SchemaError
from raygen.fakes.columns import Fakes
from raygen.relations.reduction import Given, Reduction
from raygen.table import arrow
from raygen.table.part import Part
from raygen.table.protection import UNPROTECTED, Protection
from raygen.table.schema import MADE, Schema
from raygen.table.stats import CategoryStats, NumericStats, Stats


class Codec:
    """Between a table of `schema` and its codes.

    Args:
        schema: The table's columns.
        blocks: A block for each part (a column, month and weekday of its days, the time of day of a timestamp
            column); of an `id` or `fake` column, only where some of its values are missing, of months and
            weekdays, only where the days do not tell them.
        moments: First and last moment of each timestamp column, as a clock in its zone shows them and in its
            units.
        reduction: What relations leave of the table to learn; None: all of it.
        explained: For each column that relations give in some rows, the share of the rows that each of them
            gives; the codes after those of its block stand for them.
        fakes: What its `fake` columns are made of.
    """

    def __init__(
        self,
        schema: Schema,
        blocks: dict[Part, Block],
        moments: dict[str, tuple] | None = None,
        reduction: Reduction | None = None,
        explained: dict[Part, list[float]] | None = None,
        fakes: Fakes | None = None,
    ):
        self.schema, self.reduction, self.fakes = schema, reduction or Reduction(schema), fakes
        self.explained = explained or {}
        self.moments = moments or {}
        with_offsets = [part for part, block in blocks.items() if block.has_offset.any()]
        self.parts = with_offsets + [part for part in blocks if part not in with_offsets]
        self.blocks = {part: blocks[part] for part in self.parts}
        self.num_offsets = len(with_offsets)
        self.movers = {Part(part.column): self._mover(part.column) for part in blocks if part.is_calendar}
        self.gaussian = any(isinstance(block, GaussianBlock) for block in blocks.values())

    @classmethod
    def fit(
        cls,
        schema: Schema,
        stats: dict[Part, Stats],
        bars: int,
        max_categories: int,
        numeric: str = "bars",
        protection: Protection = UNPROTECTED,
        limits: Mapping[str, int] = MappingProxyType({}),
        reduction: Reduction | None = None,
        explained: dict[str, np.ndarray] | None = None,
        given: dict[Part, Stats] | None = None,
        fakes: Fakes | None = None,
    ) -> "Codec":
        """Build the codec from the statistics of each part of what is learned (see `observe`).

        Args:
            schema: The table's columns; levels of dictionaries that too few rows have are left out of the
                codec's.
            stats: Of each part.
            bars: About so many for each number.
            max_categories: Codes of a column of strings.
            numeric: "bars" or "gaussian".
            protection: How many rows, or more, have each value that is stored, or are behind a number that is
                made of several.
            limits: Of single columns in place of `max_categories`.
            reduction: What relations leave to learn of the table; None: all of it.
            explained: Rows that each relation gives, by column (see `Reduction.explained`).
            given: Statistics of the columns of dictionaries that relations give in every row.
            fakes: What `fake` columns are made of.
        """
        blocks: dict[Part, Block] = {}
        moments: dict[str, tuple] = {}
        whole, schema = schema, reduction.inner if reduction else schema
        tied = {Part(name): rows for name, rows in (explained or {}).items()}
        shares = {part: (rows / max(1, stats[part].num_rows)).tolist() for part, rows in tied.items()}
        for part, own in stats.items():
            name = part.column
            if part in tied:  # the block is of the other rows
                own = _without_missing(own, int(tied[part].sum()))
            min_rows = protection.of(name)
            if schema.kinds[name] in MADE and own.num_missing < min_rows:
                continue
            if isinstance(own, CategoryStats):
                room, text = limits.get(name, max_categories), support.is_text(schema, name)
                kin = reduction.kin(name) if reduction else {}
                blocks[part] = CategoryBlock.fit(own, room, min_rows, protection.rare_of(name), text, kin)
                continue
            most = bars if numeric == "bars" else 0
            block = number_blocks.fit(schema, part, own, most, min_rows)
            blocks[part] = block
            if parts.holds_days(schema, part) or calendar_parts.is_of_days(block):
                blocks |= calendar_parts.fit(name, cast(NumericStats, stats[part]), block, min_rows)
            if parts.is_moment(schema, part):
                moments[name] = number_blocks.ends(schema, name, own, block, min_rows)
        whole = replace(whole, levels=support.known_levels(whole, stats | (given or {}), protection))
        lost = {p.column for p, b in blocks.items() if b.missing == 1 and protection.of(p.column) > 1}
        whole = support.with_missing(whole, lost)
        reduction = Reduction(whole, reduction.uses) if reduction else None
        return cls(whole, blocks, moments, reduction, shares, fakes)

    @property
    def num_columns(self) -> int:
        return len(self.parts)

    @property
    def cardinalities(self) -> list[int]:
        """Codes of each block, those that stand for relations among them."""
        return [block.cardinality + len(self.explained.get(p, ())) for p, block in self.blocks.items()]

    @property
    def turn_order(self) -> list[int]:
        """Numbers of the blocks in the order in which they are drawn in turn: what a relation needs comes
        before what it gives, a day before its month and weekday; empty: as they are."""
        if not (self.explained or self.reduction.differences or self.movers):
            return []
        order: list[Part] = []

        def put(column: str) -> None:
            for relation in self.reduction.giving(column):
                for name in relation.inputs:
                    put(name)
            order.extend(p for p in Part.every(column) if p in self.blocks and p not in order)

        for part in self.parts:
            put(part.column)
        return [self.parts.index(part) for part in order]

    @property
    def offset_type(self) -> type:
        return np.float32 if self.gaussian else np.uint8

    def values(self, inner: pa.Table) -> dict[Part, parts.Values]:
        """The learned values of a table of what relations leave, by part (see `parts.values`)."""
        blocks = self.blocks.items()
        exact = {part: isinstance(b, NumericBlock) and b.scale is not None for part, b in blocks}
        found = parts.values(self.reduction.inner, inner, exact)
        for part, mover in self.movers.items():
            days = calendar_parts.on_line(mover.block, found[part])
            found |= {one: calendar_parts.names_of(days, one.role) for one in mover.parts}
        return found

    def encode(self, table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """Turn a table into codes.

        Args:
            table: Rows with every column of the schema that is not dropped, in any order.

        Returns:
            uint16 codes of shape (table.num_rows, num_columns), each below the cardinality of its block, and
            offsets of shape (table.num_rows, num_offsets): uint8 positions inside the bar, in 256ths of its
            mass, or float32 standard deviations from the mean.

        Raises:
            SchemaError: If a value is missing in a column that had none in the statistics.
        """
        inner, ties = self.reduction.reduce(table)
        values = self.values(inner)
        codes = np.empty((table.num_rows, self.num_columns), np.uint16)
        offsets = np.empty((table.num_rows, self.num_offsets), self.offset_type)
        for i, (part, block) in enumerate(self.blocks.items()):
            codes[:, i], offset = block.encode(values[part])
            if i < self.num_offsets:
                offsets[:, i] = offset
            if isinstance(block, CategoryBlock) and block.min_rows > 1:
                kin, others = self.reduction.kin(part.column), self.reduction.kin_of_rows(part.column, table)
                codes[:, i] = block.by_kin(codes[:, i], values[part], kin, others)
            tie = ties[part.column] if part in self.explained else None
            learned = codes[:, i] if tie is None else codes[tie < 0, i]
            if learned.max(initial=0) >= block.cardinality:
                message = (
                    f"column '{part.column}' has missing values; when its statistics were taken it had none."
                )
                raise SchemaError(message, "leave the source as it is while it is read.")
            if tie is not None:
                codes[tie >= 0, i] = block.cardinality + tie[tie >= 0]
        return codes, offsets

    def decode(
        self,
        codes: np.ndarray,
        positions: np.ndarray,
        first_row: int = 0,
        seed: int = 0,
        given: Mapping[str, Given] = MappingProxyType({}),
    ) -> pa.Table:
        """Turn codes into a table of the schema's output columns.

        Args:
            codes: Integers of shape (rows, num_columns).
            positions: Floats of shape (rows, num_columns): where in the bar or which member of the group, in
                [0, 1), or how many standard deviations from the mean.
            first_row: Number of the first of these rows among all that are generated; `id` and `fake` columns
                are made of it.
            seed: Of the generation; `fake` columns are made of it too.
            given: Values that cells have whatever their codes are (see `Reduction.restore`).

        Raises:
            SchemaError: If an `id` column cannot hold the rows' numbers.
        """
        self.schema.check_ids(first_row + len(codes))
        values, ties, days = dict[Part, Any](), {}, {}
        for i, (part, block) in enumerate(self.blocks.items()):
            own = codes[:, i].astype(np.int64)
            if part in self.explained:
                ties[part.column] = np.maximum(own - block.cardinality, -1)
                own = np.minimum(own, block.cardinality - 1)
            if part in self.movers:
                days[part] = own, positions[:, i]
            else:
                values[part] = block.decode(own, positions[:, i])
        for part, mover in self.movers.items():
            values[part] = mover.decode(*days[part], [values[one] for one in mover.parts])
        for name in self.moments:
            block, times = self.blocks[Part.time(name)], values[Part.time(name)]
            alone = np.isnan(times) & ~np.isnan(values[Part(name)])  # a day that was drawn no time
            if not isinstance(block, CategoryBlock):
                times[alone] = block.present(_chance(codes[alone], positions[alone]))
        inner = self.reduction.inner
        made = first_row, len(codes), seed
        columns = [self._column(field, values, *made) for field in inner.output]

        @cache  # relations may ask for it hundreds of times
        def chances() -> np.ndarray:
            return _chance(codes, positions)

        def present(name: str, shift: float = 0.0) -> pa.Array:
            chance = (chances() + shift) % 1.0
            own = [part for part in (Part(name), Part.time(name)) if part in self.blocks]
            drawn = {part: self.blocks[part].present(chance) for part in own}
            return self._column(inner.arrow.field(name), drawn, *made)

        rows = self.reduction.restore(pa.table(columns, schema=inner.output), ties, present, given)
        whole = self.schema.output
        return pa.Table.from_arrays([rows[name] for name in whole.names], schema=whole)

    def _mover(self, column: str) -> Mover:
        """Of the days of a column, some of whose parts of the calendar have blocks."""
        drawn = tuple(part for part in Part.calendar(column) if part in self.blocks)
        return Mover(cast(NumericBlock, self.blocks[Part(column)]), drawn)

    def _column(
        self, field: pa.Field, values: dict[Part, Any], first_row: int, rows: int, seed: int
    ) -> pa.Array:
        """A column of what is learned, of the values of its parts."""
        name, part, kind = field.name, Part(field.name), self.reduction.inner.kinds[field.name]
        if kind == "id":
            return parts.numbered(first_row, rows, field.type, values.get(part))
        if self.fakes and kind == "fake":
            return self.fakes.column(field, seed, first_row, rows, values.get(part))
        if kind == "datetime" and arrow.is_moment(field.type):
            own = values[part], values[Part.time(name)]
            return arrow.from_day_and_time(*own, field.type, *self.moments[name])
        if kind == "datetime":
            return arrow.whole_units(values[part], field.type)
        if kind == "numeric":
            return arrow.from_numbers(values[part], field.type, field.nullable)
        return arrow.from_strings(values[part], field.type, self.reduction.inner.levels.get(name, ()))

    def tables(self) -> Tables:
        """Constants of the code space for the network."""
        low, high, has_offset = list[np.ndarray](), list[np.ndarray](), list[np.ndarray]()
        for size, block in zip(self.cardinalities, self.blocks.values(), strict=True):
            tied = size - block.cardinality  # codes that stand for relations
            for whole, own in ((low, block.edges[0]), (high, block.edges[1])):
                whole.append(np.append(own, np.full(tied, 0.5)))
            has_offset.append(np.append(block.has_offset, np.zeros(tied, bool)))
        ordered = [block.ordered for block in self.blocks.values()]
        edges = (np.concatenate(low).astype(np.float32), np.concatenate(high).astype(np.float32))
        return Tables(
            self.cardinalities, ordered, self.num_offsets, *edges, np.concatenate(has_offset), self.gaussian
        )

    def frequencies(self) -> np.ndarray:
        """Share of the table's rows that have each code, float64 of shape (sum of cardinalities,)."""
        shares = []
        for part, block in self.blocks.items():
            explained = np.array(self.explained.get(part, ()))
            shares += [block.frequencies() * (1 - explained.sum()), explained]
        return np.concatenate(shares)

    def to_dict(self) -> dict:
        blocks = [
            {**part._asdict(), "type": type(block).__name__, **block.to_dict()}
            for part, block in self.blocks.items()
        ]
        moments = {name: list(ends) for name, ends in self.moments.items()}
        explained = {part.column: shares for part, shares in self.explained.items()}
        relations = {"relations": self.reduction.to_dict(), "explained": explained}
        fakes = {"fakes": self.fakes.to_dict()} if self.fakes else {}
        return {"blocks": blocks, "moments": moments, **relations, **fakes}

    @classmethod
    def from_dict(cls, schema: Schema, state: dict) -> "Codec":
        types: dict[str, type[Block]] = {
            kind.__name__: kind for kind in (NumericBlock, GaussianBlock, CategoryBlock)
        }
        try:
            reduction = Reduction.from_dict(schema, state["relations"])
            saved_blocks = saved.blocks(reduction.inner, state)
            blocks = {part: types[block["type"]].from_dict(block) for part, block in saved_blocks.items()}
            moments = {name: tuple(ends) for name, ends in state["moments"].items()}
            shares = saved.explained(state["explained"], reduction.tied)
            explained = {Part(name): own for name, own in shares.items()}
            made = "fake" in schema.kinds.values()
            fakes = Fakes.from_dict(schema, state["fakes"]) if made else None
            return cls(schema, blocks, moments, reduction, explained, fakes)
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ModelError(
                f"the model's codec cannot be read: {error}.", "train the model again."
            ) from None


def _without_missing(stats: Stats, rows: int) -> Stats:
    """Statistics without so many of the rows that have no value."""
    return replace(stats, num_rows=stats.num_rows - rows, num_missing=stats.num_missing - rows)


def _chance(codes: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """A number in [0, 1) for each row, as good as random, that follows from its codes and positions."""
    bits = np.ascontiguousarray(positions, np.float32).view(np.uint32)
    return content_hash(codes.astype(np.uint16), bits) / 2.0**64
