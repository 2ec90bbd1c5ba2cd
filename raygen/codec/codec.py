"""The codec: a table to integer codes and back, one block of codes for each part of a column."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

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
        blocks: A block for each part (a column, or the time of day of a datetime column) by its name.
    """

    def __init__(self, schema: Schema, blocks: dict[str, Block]):
        self.schema = schema
        with_offsets = [
            n for n, b in blocks.items() if not isinstance(b, CategoryBlock) and b.has_offset.any()
        ]
        self.parts = with_offsets + [n for n in blocks if n not in with_offsets]
        self.blocks = {name: blocks[name] for name in self.parts}
        self.num_offsets = len(with_offsets)
        self.gaussian = any(isinstance(block, GaussianBlock) for block in blocks.values())

    @classmethod
    def fit(
        cls, schema: Schema, stats: dict, bars: int, max_categories: int, numeric: str = "bars"
    ) -> "Codec":
        """Build the codec from the statistics of each part (see `observe`); `numeric` is "bars" or
        "gaussian"."""
        blocks: dict[str, Block] = {}
        for name, part in stats.items():
            if isinstance(part, CategoryStats):
                blocks[name] = CategoryBlock.fit(part, max_categories)
            elif numeric == "gaussian":
                kind = schema.arrow.field(name.removesuffix(TIME)).type
                blocks[name] = GaussianBlock.fit(
                    part, *((0, arrow.ticks_per_day(kind) - 1) if name.endswith(TIME) else arrow.limits(kind))
                )
            else:
                blocks[name] = NumericBlock.fit(part, bars)
        return cls(schema, blocks)

    @property
    def num_columns(self) -> int:
        return len(self.parts)

    @property
    def offset_type(self) -> type:
        return np.float32 if self.gaussian else np.uint8

    def encode(self, table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """Turn a table into codes.

        Args:
            table: Rows with every learned column of the schema, in any order.

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
        columns = []
        for field in self.schema.output:
            name, kind = field.name, self.schema.kinds[field.name]
            if kind == "id":
                columns.append(_numbered(first_row, len(codes), field.type))
            elif kind == "datetime":
                columns.append(arrow.from_day_and_time(values[name], values[name + TIME], field.type))
            elif kind == "numeric":
                columns.append(arrow.from_numbers(values[name], field.type, field.nullable))
            else:
                columns.append(arrow.from_strings(values[name], field.type))
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
        return {n: {"type": type(b).__name__, **b.to_dict()} for n, b in self.blocks.items()}

    @classmethod
    def from_dict(cls, schema: Schema, state: dict) -> "Codec":
        types: dict[str, type[Block]] = {
            kind.__name__: kind for kind in (NumericBlock, GaussianBlock, CategoryBlock)
        }
        try:
            return cls(schema, {name: types[block["type"]].from_dict(block) for name, block in state.items()})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(
                f"the model's codec cannot be read: {error!r}.", "train the model again."
            ) from None


def parts(schema: Schema, table: pa.Table) -> dict:
    """The learned values of a table by part name: float64 arrays for numbers, string arrays for
    categories."""
    out = {}
    for name in schema.learned:
        kind, column = schema.kinds[name], table[name]
        if kind == "numeric":
            out[name] = arrow.numbers(column)
        elif kind == "datetime":
            out[name], out[name + TIME] = arrow.day_and_time(column)
        else:
            out[name] = arrow.strings(column)
    return out


def observe(schema: Schema, table: pa.Table) -> dict[str, NumericStats | CategoryStats]:
    """Statistics of every part of a table; merge two of them with `merge`."""
    out: dict[str, NumericStats | CategoryStats] = {}
    for name, values in parts(schema, table).items():
        if isinstance(values, np.ndarray):
            kind = arrow.value_type(schema.arrow.field(name.removesuffix(TIME)).type)
            single = pa.types.is_float32(kind) or pa.types.is_float16(kind)
            out[name] = NumericStats.observe(values, single)
        else:
            out[name] = CategoryStats.observe(values)
    return out


def merge(a: dict, b: dict) -> dict:
    """Statistics of the rows of `a` and `b` together."""
    return {name: type(a[name]).merge(a[name], b[name]) for name in a}


def _numbered(first_row: int, rows: int, kind: pa.DataType) -> pa.Array:
    numbers = pa.array(np.arange(first_row + 1, first_row + rows + 1, dtype=np.int64))
    return numbers.cast(arrow.value_type(kind)).cast(kind)
