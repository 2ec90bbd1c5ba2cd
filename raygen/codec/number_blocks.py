"""Blocks of numbers and of parts of moments, and the ends of moments."""

import pyarrow as pa

from raygen.codec import parts
from raygen.codec.bins import NumericBlock
from raygen.codec.block import Block
from raygen.codec.gaussian import GaussianBlock
from raygen.errors import SchemaError
from raygen.table import arrow, readings
from raygen.table.part import Part
from raygen.table.schema import Schema
from raygen.table.stats import NumericStats


def fit(
    schema: Schema, part: Part, stats: NumericStats, bars: int, min_rows: int
) -> NumericBlock | GaussianBlock:
    """The block of a part that holds numbers: of about so many bars, or a Gaussian if `bars` is 0.

    Raises:
        SchemaError: If it has more digits than a Gaussian.
    """
    is_number = schema.kinds[part.column] == "numeric"
    if not bars:
        if stats.scale is not None and is_number:
            raise _too_long(part.column)
        return GaussianBlock.fit(stats, *_limits(schema, part), min_rows)
    reading = readings.find(stats) if is_number else ""
    return NumericBlock.fit(stats, bars, parts.holds_days(schema, part), min_rows, reading)


def _too_long(name: str) -> SchemaError:
    return SchemaError(
        f"column '{name}' holds numbers of more digits than a Gaussian has (above 2^53, or decimals).",
        f'set schema.numeric = "bars", or schema.columns.{name} to another kind.',
    )


def _limits(schema: Schema, part: Part) -> tuple[float, float]:
    """Lowest and highest number that a part of a column of its type can be."""
    kind = schema.arrow.field(part.column).type
    if part.role == "time" or pa.types.is_time(arrow.value_type(kind)):
        return 0, arrow.ticks_per_day(kind) - 1
    return arrow.limits(kind)


def ends(
    schema: Schema,
    column: str,
    stats: NumericStats,
    block: Block,
    min_rows: int,
) -> tuple:
    """First and last moment of a column, None where there are none: of one row each, or the mean of
    `min_rows` of one day, or an end of the block's days."""
    ticks = arrow.ticks_per_day(schema.arrow.field(column).type)
    found: list[int | None] = []
    for tail, edge in ((stats.first, 0), (stats.last, ticks - 1)):
        some = [int(moment) for moment in tail[:min_rows]]
        if len(some) < min_rows:
            found.append(None)
        elif isinstance(block, NumericBlock) and some[0] // ticks != some[-1] // ticks:
            found.append(int(block.maximum if edge else block.minimum) * ticks + edge)
        else:
            found.append(sum(some) // len(some))
    return tuple(found)
