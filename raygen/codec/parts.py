"""What a codec learns of a table: parts of its columns, and their statistics."""

from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raygen.table import arrow
from raygen.table.part import Part
from raygen.table.schema import MADE, Schema
from raygen.table.stats import TAIL, CategoryStats, NumericStats, Stats

Values: TypeAlias = np.ndarray | pa.Array


def values(schema: Schema, table: pa.Table, exact: dict[Part, bool] | None = None) -> dict[Part, Values]:
    """The learned values of a table by part: float64 arrays for numbers, string arrays for categories;
    of an `id` or `fake` column, that there is a value. Of numbers, `exact` says whether they are whole
    numbers of their last place (see `arrow.marked_numbers`); None: where float64 has too few digits."""
    out: dict[Part, Values] = {}
    for name, kind in schema.kinds.items():
        part = Part(name)
        if kind == "drop":
            continue
        if kind in MADE:  # rows that are compared with others have none
            known = name in table.column_names
            there = arrow.plain(table[name]).is_valid() if known else pa.repeat(True, table.num_rows)
            out[part] = pc.if_else(there, "", pa.scalar(None, pa.large_string()))
            continue
        column = table[name]
        if kind == "numeric":
            out[part] = arrow.marked_numbers(column, None if exact is None else exact[part])
        elif kind == "datetime":
            whole, missing = arrow.moments(column)
            day, time = arrow.day_and_time(whole, missing, column.type)
            if arrow.is_moment(column.type) or arrow.is_day(column.type):
                out[part] = day
            else:
                out[part] = arrow.units(whole, missing, None if exact is None else exact[part])
            if arrow.is_moment(column.type):
                out[Part.time(name)] = time
        else:
            out[part] = arrow.strings(column)
    return out


def observe(schema: Schema, table: pa.Table) -> dict[Part, Stats]:
    """Statistics of every part of a table; merge two of them with `merge`."""
    out: dict[Part, Stats] = {}
    read = values(schema, table)
    for part, own in read.items():
        if isinstance(own, np.ndarray):
            source = schema.arrow.field(part.column).type
            kind = arrow.value_type(source)
            single = pa.types.is_float32(kind) or pa.types.is_float16(kind)
            scale = arrow.scale_of(kind)
            seen = NumericStats.observe(own, single, scale)
            if is_moment(schema, part):
                seen.first, seen.last = _tails(own, read[Part.time(part.column)], source)
            out[part] = seen
        else:
            out[part] = CategoryStats.observe(own)
    return out


def numbered(first_row: int, rows: int, kind: pa.DataType, there: pa.Array | None) -> pa.Array:
    """An `id` column of some rows: their numbers, counted from 1, but null where `there` is."""
    missing = None if there is None else there.is_null().to_numpy(zero_copy_only=False)
    numbers = pa.array(np.arange(first_row + 1, first_row + rows + 1, dtype=np.int64), mask=missing)
    if pa.types.is_decimal(kind):
        numbers = numbers.cast(pa.decimal128(19, 0))  # as long as any of 64 bits
    return numbers.cast(arrow.value_type(kind)).cast(kind)


def merge(a: dict[Part, Stats], b: dict[Part, Stats]) -> dict[Part, Stats]:
    """Statistics of the rows of `a` and `b` together."""
    kinds: dict[Part, Any] = {part: type(own) for part, own in a.items()}
    return {part: kind.merge(a[part], b[part]) for part, kind in kinds.items()}


def is_moment(schema: Schema, part: Part) -> bool:
    """Whether a part holds the days of timestamps."""
    return _is_datetime(schema, part) and arrow.is_moment(schema.arrow.field(part.column).type)


def holds_days(schema: Schema, part: Part) -> bool:
    day = _is_datetime(schema, part) and arrow.is_day(schema.arrow.field(part.column).type)
    return day or is_moment(schema, part)


def _is_datetime(schema: Schema, part: Part) -> bool:
    return part.role == "value" and schema.kinds[part.column] == "datetime"


def _tails(days: np.ndarray, times: np.ndarray, kind: pa.DataType) -> tuple[np.ndarray, np.ndarray]:
    """The `TAIL` first moments in ascending, and the last ones in descending order, int64."""
    there = ~np.isnan(days)
    moments = days[there].astype(np.int64) * arrow.ticks_per_day(kind) + times[there].astype(np.int64)
    if len(moments) > 2 * TAIL:
        moments = np.partition(moments, (TAIL - 1, len(moments) - TAIL))
        moments = np.concatenate([moments[:TAIL], moments[-TAIL:]])
    moments.sort()
    return moments[:TAIL], moments[::-1][:TAIL]
