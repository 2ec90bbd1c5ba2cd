"""The codec: a table to integer codes and back, one block of codes for each part of a column."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raygen.codec.bins import NumericBlock
from raygen.codec.categories import CategoryBlock
from raygen.codec.gaussian import GaussianBlock
from raygen.errors import ModelError, SchemaError
from raygen.table import arrow
from raygen.table.schema import Schema
from raygen.table.stats import CategoryStats, NumericStats

TIME = "\x00time"  # suffix of the part of a datetime column that holds the time of day
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
    """

    def __init__(self, schema: Schema, blocks: dict[str, Block], moments: dict[str, tuple] | None = None):
        self.schema = schema
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
        limits: Mapping[str, int] = MappingProxyType({}),
    ) -> "Codec":
        """Build the codec from the statistics of each part (see `observe`); `numeric` is "bars" or
        "gaussian", `limits` are of single columns in place of `max_categories`."""
        blocks: dict[str, Block] = {}
        for name, part in stats.items():
            if schema.kinds.get(name) == "id" and not part.num_missing:
                continue
            if isinstance(part, CategoryStats):
                blocks[name] = CategoryBlock.fit(part, limits.get(name, max_categories))
            elif numeric == "gaussian":
                blocks[name] = GaussianBlock.fit(part, *_limits(schema, name))
            else:
                blocks[name] = NumericBlock.fit(part, bars, days=_holds_days(schema, name))
        return cls(schema, blocks, {n: (p.first, p.last) for n, p in stats.items() if _is_moment(schema, n)})

    @property
    def num_columns(self) -> int:
        return len(self.parts)

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
        values = parts(self.schema, table)
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
        columns = []
        for field in self.schema.output:
            name, kind = field.name, self.schema.kinds[field.name]
            if kind == "id":
                columns.append(_numbered(first_row, len(codes), field.type, values.get(name)))
            elif kind == "datetime" and arrow.is_moment(field.type):
                ends = self.moments[name]
                columns.append(arrow.from_day_and_time(values[name], values[name + TIME], field.type, *ends))
            elif kind == "datetime":
                columns.append(arrow.whole_units(values[name], field.type))
            elif kind == "numeric":
                columns.append(arrow.from_numbers(values[name], field.type, field.nullable))
            else:
                levels = self.schema.levels.get(name, ())
                columns.append(arrow.from_strings(values[name], field.type, levels))
        return pa.Table.from_arrays(columns, schema=self.schema.output)

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
        return {"blocks": blocks, "moments": {name: list(ends) for name, ends in self.moments.items()}}

    @classmethod
    def from_dict(cls, schema: Schema, state: dict) -> "Codec":
        types: dict[str, type[Block]] = {
            kind.__name__: kind for kind in (NumericBlock, GaussianBlock, CategoryBlock)
        }
        try:
            blocks = {n: types[block["type"]].from_dict(block) for n, block in state["blocks"].items()}
            return cls(schema, blocks, {name: tuple(ends) for name, ends in state["moments"].items()})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(
                f"the model's codec cannot be read: {error!r}.", "train the model again."
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
            first, last = _ends(out[name], values, read[name + TIME], schema.arrow.field(name).type)
            out[name].first, out[name].last = first, last
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


def _ends(stats: NumericStats, days: np.ndarray, times: np.ndarray, kind: pa.DataType) -> tuple:
    """First and last moment of some days and times of day; None where there are none."""
    if not stats.num_usual:
        return None, None
    ticks = arrow.ticks_per_day(kind)
    return (
        int(stats.minimum) * ticks + int(np.min(times[days == stats.minimum])),
        int(stats.maximum) * ticks + int(np.max(times[days == stats.maximum])),
    )


def merge(a: dict, b: dict) -> dict:
    """Statistics of the rows of `a` and `b` together."""
    return {name: type(a[name]).merge(a[name], b[name]) for name in a}


def _numbered(first_row: int, rows: int, kind: pa.DataType, there: pa.Array | None) -> pa.Array:
    missing = None if there is None else there.is_null().to_numpy(zero_copy_only=False)
    numbers = pa.array(np.arange(first_row + 1, first_row + rows + 1, dtype=np.int64), mask=missing)
    return numbers.cast(arrow.value_type(kind)).cast(kind)
