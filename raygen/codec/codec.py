"""The codec: a table to integer codes and back, one block of codes for each part of a column."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raygen.codec import saved, support
from raygen.codec.bins import NumericBlock
from raygen.codec.categories import CategoryBlock
from raygen.codec.gaussian import GaussianBlock
from raygen.errors import ModelError, SchemaError
from raygen.relations.reduction import TIE, Reduction
from raygen.table import arrow
from raygen.table.schema import PART_OF, Schema
from raygen.table.stats import TAIL, CategoryStats, NumericStats

TIME = PART_OF  # suffix of the part of a datetime column that holds the time of day
Block = NumericBlock | GaussianBlock | CategoryBlock


@dataclass(frozen=True)
class Tables:
    """What the network needs to know of the codes; blocks with offsets come first.

    Attributes:
        cardinalities: Codes of each block.
        ordered: For each block, whether its codes are in the order of values.
        num_offsets: Blocks with offsets.
        low, high: float32 of shape (sum of cardinalities,): shares of the column below and up to a code; .5
            where unordered.
        has_offset: bool of shape (sum of cardinalities,): the code is a bar, or stands for the values of a
            Gaussian block.
        gaussian: Offsets are standard deviations from the mean instead of positions inside a bar.
    """

    cardinalities: list[int]
    ordered: list[bool]
    num_offsets: int
    low: np.ndarray
    high: np.ndarray
    has_offset: np.ndarray
    gaussian: bool = False


class Codec:
    """Between a table of `schema` and its codes.

    Args:
        schema: The table's columns.
        blocks: A block for each part (a column, or the time of day of a timestamp column) by its name; of an
            `id` column, only where some of its values are missing.
        moments: First and last moment of each timestamp column, as a clock in its zone shows them and in its
            units.
        reduction: What relations leave of the table to learn; None: all of it.
    """

    def __init__(
        self,
        schema: Schema,
        blocks: dict[str, Block],
        moments: dict[str, tuple] | None = None,
        reduction: Reduction | None = None,
    ):
        self.schema, self.reduction = schema, reduction or Reduction(schema)
        self.moments = moments or {}
        with_offsets = [
            n for n, b in blocks.items() if not isinstance(b, CategoryBlock) and b.has_offset.any()
        ]
        self.parts = with_offsets + [n for n in blocks if n not in with_offsets]
        self.blocks = {name: blocks[name] for name in self.parts}
        self.num_offsets = len(with_offsets)
        self.gaussian = any(isinstance(block, GaussianBlock) for block in blocks.values())

    @classmethod
    def fit(
        cls,
        schema: Schema,
        stats: dict,
        bars: int,
        max_categories: int,
        numeric: str = "bars",
        min_rows: int = 1,
        reduction: Reduction | None = None,
    ) -> "Codec":
        """Build the codec from the statistics of each part of what is learned (see `observe`).

        Args:
            schema: The table's columns; levels of dictionaries that fewer than `min_rows` rows have are left
                out of the codec's.
            stats: Of each part.
            bars: About so many for each number.
            max_categories: Codes of a column of strings.
            numeric: "bars" or "gaussian".
            min_rows: So many rows, or more, have each value that is stored, or are behind a number that is
                made of several.
            reduction: What relations leave to learn of the table; None: all of it.
        """
        blocks: dict[str, Block] = {}
        whole, schema = schema, reduction.inner if reduction else schema
        for name, part in stats.items():
            if schema.kinds.get(name) == "id" and part.num_missing < min_rows:
                continue
            if isinstance(part, CategoryStats):
                made_up = support.MADE_UP if support.is_text(schema, name) else None
                blocks[name] = CategoryBlock.fit(part, max_categories, min_rows, made_up)
            elif numeric == "gaussian":
                blocks[name] = GaussianBlock.fit(part, *_limits(schema, name), min_rows)
            else:
                blocks[name] = NumericBlock.fit(part, bars, _holds_days(schema, name), min_rows)
        moments = {n: _ends(schema, n, stats[n], blocks[n], min_rows) for n in stats if _is_moment(schema, n)}
        given = {n: levels for n, levels in whole.levels.items() if n not in schema.kinds}
        whole = replace(whole, levels=given | support.known_levels(schema, stats, min_rows).levels)
        return cls(whole, blocks, moments, Reduction(whole, reduction.uses) if reduction else None)

    @property
    def num_columns(self) -> int:
        return len(self.parts)

    @property
    def turn_order(self) -> list[int]:
        """Numbers of the blocks in the order in which they are drawn in turn: which relation gives a value
        comes before the value; empty: as they are."""
        if not self.reduction.tied:
            return []
        names = [name for name in self.parts if not name.endswith(TIE)]
        for column in self.reduction.tied:
            own = (column, column + TIME)
            names.insert(min(names.index(name) for name in own if name in names), column + TIE)
        return [self.parts.index(name) for name in names]

    @property
    def offset_type(self) -> type:
        return np.float32 if self.gaussian else np.uint8

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
        values = parts(self.reduction.inner, self.reduction.reduce(table))
        codes = np.empty((table.num_rows, self.num_columns), np.uint16)
        offsets = np.empty((table.num_rows, self.num_offsets), self.offset_type)
        for i, (name, block) in enumerate(self.blocks.items()):
            if isinstance(block, CategoryBlock):
                codes[:, i] = block.encode(values[name])
            else:
                codes[:, i], offset = block.encode(values[name])
                if i < self.num_offsets:
                    offsets[:, i] = offset
            if len(codes) and codes[:, i].max() >= block.cardinality:
                message = (
                    f"column '{name.removesuffix(TIME)}' has missing values; when its "
                    "statistics were taken it had none."
                )
                raise SchemaError(message, "leave the source as it is while it is read.")
        return codes, offsets

    def decode(self, codes: np.ndarray, positions: np.ndarray, first_row: int = 0) -> pa.Table:
        """Turn codes into a table of the schema's output columns.

        Args:
            codes: Integers of shape (rows, num_columns).
            positions: Floats of shape (rows, num_columns): where in the bar or which member of the group, in
                [0, 1), or how many standard deviations from the mean.
            first_row: Number of the first of these rows among all that are generated; `id` columns are made
                of it.

        Raises:
            SchemaError: If an `id` column cannot hold the rows' numbers.
        """
        self.schema.check_ids(first_row + len(codes))
        values = {}
        for i, (name, block) in enumerate(self.blocks.items()):
            values[name] = block.decode(codes[:, i].astype(np.int64), positions[:, i])
        for name in self.moments:
            number, block = self.parts.index(name + TIME), self.blocks[name + TIME]
            alone = np.isnan(values[name + TIME]) & ~np.isnan(values[name])  # a day that was drawn no time
            if not isinstance(block, CategoryBlock):
                values[name + TIME][alone] = block.present(positions[alone, number])
        inner = self.reduction.inner
        columns = [self._column(field, values, first_row, len(codes)) for field in inner.output]

        def present(name: str) -> pa.Array:
            drawn = self.blocks[name].present(positions[:, self.parts.index(name)])
            return self._column(inner.arrow.field(name), {name: drawn}, first_row, len(codes))

        rows = self.reduction.restore(pa.table(columns, schema=inner.output), present)
        whole = self.schema.output
        return pa.Table.from_arrays([rows[name] for name in whole.names], schema=whole)

    def _column(self, field: pa.Field, values: dict, first_row: int, rows: int) -> pa.Array:
        """A column of what is learned, of the values of its parts."""
        name, kind = field.name, self.reduction.inner.kinds[field.name]
        if kind == "id":
            return _numbered(first_row, rows, field.type, values.get(name))
        if kind == "datetime" and arrow.is_moment(field.type):
            return arrow.from_day_and_time(values[name], values[name + TIME], field.type, *self.moments[name])
        if kind == "datetime":
            return arrow.whole_units(values[name], field.type)
        if kind == "numeric":
            return arrow.from_numbers(values[name], field.type, field.nullable)
        return arrow.from_strings(values[name], field.type, self.reduction.inner.levels.get(name, ()))

    def tables(self) -> Tables:
        """Constants of the code space for the network."""
        low, high, has_offset = [], [], []
        for block in self.blocks.values():
            size = block.cardinality
            below, upto = np.full(size, 0.5), np.full(size, 0.5)
            if isinstance(block, NumericBlock):
                cells = len(block.grid)
                below[:cells], upto[:cells] = block.low, block.high
            low.append(below)
            high.append(upto)
            has_offset.append(np.zeros(size, bool) if isinstance(block, CategoryBlock) else block.has_offset)
        sizes = [block.cardinality for block in self.blocks.values()]
        ordered = [isinstance(block, NumericBlock) for block in self.blocks.values()]
        edges = (np.concatenate(low).astype(np.float32), np.concatenate(high).astype(np.float32))
        return Tables(sizes, ordered, self.num_offsets, *edges, np.concatenate(has_offset), self.gaussian)

    def frequencies(self) -> np.ndarray:
        """Share of the table's rows that have each code, float64 of shape (sum of cardinalities,)."""
        return np.concatenate([block.frequencies() for block in self.blocks.values()])

    def to_dict(self) -> dict:
        blocks = {n: {"type": type(b).__name__, **b.to_dict()} for n, b in self.blocks.items()}
        moments = {name: list(ends) for name, ends in self.moments.items()}
        return {"blocks": blocks, "moments": moments, "relations": self.reduction.to_dict()}

    @classmethod
    def from_dict(cls, schema: Schema, state: dict) -> "Codec":
        types: dict[str, type[Block]] = {
            kind.__name__: kind for kind in (NumericBlock, GaussianBlock, CategoryBlock)
        }
        try:
            reduction = Reduction.from_dict(schema, state["relations"])
            saved.check(reduction.inner, state, TIME)
            blocks = {n: types[block["type"]].from_dict(block) for n, block in state["blocks"].items()}
            moments = {name: tuple(ends) for name, ends in state["moments"].items()}
            return cls(schema, blocks, moments, reduction)
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ModelError(
                f"the model's codec cannot be read: {error}.", "train the model again."
            ) from None


def parts(schema: Schema, table: pa.Table) -> dict:
    """The learned values of a table by part name: float64 arrays for numbers, string arrays for categories;
    of an `id` column, that there is a value."""
    out = {}
    for name, kind in schema.kinds.items():
        if kind == "drop":
            continue
        if kind == "id":  # rows that are compared with others have none
            known = name in table.column_names
            there = arrow.plain(table[name]).is_valid() if known else pa.repeat(True, table.num_rows)
            out[name] = pc.if_else(there, "", pa.scalar(None, pa.large_string()))
            continue
        column = table[name]
        if kind == "numeric":
            out[name] = arrow.marked_numbers(column)
        elif kind == "datetime":
            whole, missing = arrow.moments(column)
            day, time = arrow.day_and_time(whole, missing, column.type)
            if arrow.is_moment(column.type):
                out[name], out[name + TIME] = day, time
            elif arrow.is_day(column.type):
                out[name] = day
            else:
                out[name] = np.where(missing, np.nan, whole)
        else:
            out[name] = arrow.strings(column)
    return out


def observe(schema: Schema, table: pa.Table) -> dict[str, NumericStats | CategoryStats]:
    """Statistics of every part of a table; merge two of them with `merge`."""
    out: dict = {}
    read = parts(schema, table)
    for name, values in read.items():
        if isinstance(values, np.ndarray):
            kind = arrow.value_type(schema.arrow.field(name.removesuffix(TIME)).type)
            single = pa.types.is_float32(kind) or pa.types.is_float16(kind)
            out[name] = NumericStats.observe(values, single)
        else:
            out[name] = CategoryStats.observe(values)
        if _is_moment(schema, name):
            tails = _tails(values, read[name + TIME], schema.arrow.field(name).type)
            out[name].first, out[name].last = tails
    return out


def _is_moment(schema: Schema, part: str) -> bool:
    """Whether a part holds the days of timestamps."""
    return schema.kinds.get(part) == "datetime" and arrow.is_moment(schema.arrow.field(part).type)


def _holds_days(schema: Schema, part: str) -> bool:
    day = schema.kinds.get(part) == "datetime" and arrow.is_day(schema.arrow.field(part).type)
    return day or _is_moment(schema, part)


def _limits(schema: Schema, part: str) -> tuple[float, float]:
    """Lowest and highest number that a part of a column of its type can be."""
    kind = schema.arrow.field(part.removesuffix(TIME)).type
    if part.endswith(TIME) or pa.types.is_time(arrow.value_type(kind)):
        return 0, arrow.ticks_per_day(kind) - 1
    return arrow.limits(kind)


def _ends(schema: Schema, part: str, stats: NumericStats, block: Block, min_rows: int) -> tuple:
    """First and last moment of a column, None where there are none: of one row each, or the mean of
    `min_rows` of one day, or an end of the block's days."""
    ticks = arrow.ticks_per_day(schema.arrow.field(part).type)
    ends: list[int | None] = []
    for tail, edge in ((stats.first, 0), (stats.last, ticks - 1)):
        some = [int(moment) for moment in tail[:min_rows]]
        if len(some) < min_rows:
            ends.append(None)
        elif isinstance(block, NumericBlock) and some[0] // ticks != some[-1] // ticks:
            ends.append(int(block.maximum if edge else block.minimum) * ticks + edge)
        else:
            ends.append(sum(some) // len(some))
    return tuple(ends)


def _tails(days: np.ndarray, times: np.ndarray, kind: pa.DataType) -> tuple[np.ndarray, np.ndarray]:
    """The `TAIL` first moments in ascending, and the last ones in descending order, int64."""
    there = ~np.isnan(days)
    moments = days[there].astype(np.int64) * arrow.ticks_per_day(kind) + times[there].astype(np.int64)
    if len(moments) > 2 * TAIL:
        moments = np.partition(moments, (TAIL - 1, len(moments) - TAIL))
        moments = np.concatenate([moments[:TAIL], moments[-TAIL:]])
    moments.sort()
    return moments[:TAIL], moments[::-1][:TAIL]


def merge(a: dict, b: dict) -> dict:
    """Statistics of the rows of `a` and `b` together."""
    return {name: type(a[name]).merge(a[name], b[name]) for name in a}


def _numbered(first_row: int, rows: int, kind: pa.DataType, there: pa.Array | None) -> pa.Array:
    missing = None if there is None else there.is_null().to_numpy(zero_copy_only=False)
    numbers = pa.array(np.arange(first_row + 1, first_row + rows + 1, dtype=np.int64), mask=missing)
    return numbers.cast(arrow.value_type(kind)).cast(kind)
