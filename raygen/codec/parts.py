"""What a codec learns of a table: parts of its columns, and their statistics."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raygen.table import arrow
from raygen.table.part_names import column_of, time_of
from raygen.table.schema import MADE, Schema
from raygen.table.stats import TAIL, CategoryStats, NumericStats


def values(schema: Schema, table: pa.Table, exact: dict[str, bool] | None = None) -> dict:
    """The learned values of a table by part name: float64 arrays for numbers, string arrays for categories;
    of an `id` or `fake` column, that there is a value. Of numbers, `exact` says whether they are whole
    numbers of their last place (see `arrow.marked_numbers`); None: where float64 has too few digits."""
    out = {}
    for name, kind in schema.kinds.items():
        if kind == "drop":
            continue
        if kind in MADE:  # rows that are compared with others have none
            known = name in table.column_names
            there = arrow.plain(table[name]).is_valid() if known else pa.repeat(True, table.num_rows)
            out[name] = pc.if_else(there, "", pa.scalar(None, pa.large_string()))
            continue
        column = table[name]
        if kind == "numeric":
            out[name] = arrow.marked_numbers(column, None if exact is None else exact[name])
        elif kind == "datetime":
            whole, missing = arrow.moments(column)
            day, time = arrow.day_and_time(whole, missing, column.type)
            if arrow.is_moment(column.type) or arrow.is_day(column.type):
                out[name] = day
            else:
                out[name] = arrow.units(whole, missing, None if exact is None else exact[name])
            if arrow.is_moment(column.type):
                out[time_of(name)] = time
        else:
            out[name] = arrow.strings(column)
    return out


def observe(schema: Schema, table: pa.Table) -> dict[str, NumericStats | CategoryStats]:
    """Statistics of every part of a table; merge two of them with `merge`."""
    out: dict = {}
    read = values(schema, table)
    for name, own in read.items():
        if isinstance(own, np.ndarray):
            kind = arrow.value_type(schema.arrow.field(column_of(name)).type)
            single = pa.types.is_float32(kind) or pa.types.is_float16(kind)
            scale = arrow.scale_of(kind)
            out[name] = NumericStats.observe(own, single, scale)
        else:
            out[name] = CategoryStats.observe(own)
        if is_moment(schema, name):
            tails = _tails(own, read[time_of(name)], schema.arrow.field(name).type)
            out[name].first, out[name].last = tails
    return out


def numbered(first_row: int, rows: int, kind: pa.DataType, there: pa.Array | None) -> pa.Array:
    """An `id` column of some rows: their numbers, counted from 1, but null where `there` is."""
    missing = None if there is None else there.is_null().to_numpy(zero_copy_only=False)
    numbers = pa.array(np.arange(first_row + 1, first_row + rows + 1, dtype=np.int64), mask=missing)
    if pa.types.is_decimal(kind):
        numbers = numbers.cast(pa.decimal128(19, 0))  # as long as any of 64 bits
    return numbers.cast(arrow.value_type(kind)).cast(kind)


def merge(a: dict, b: dict) -> dict:
    """Statistics of the rows of `a` and `b` together."""
    return {name: type(a[name]).merge(a[name], b[name]) for name in a}


def is_moment(schema: Schema, part: str) -> bool:
    """Whether a part holds the days of timestamps."""
    return schema.kinds.get(part) == "datetime" and arrow.is_moment(schema.arrow.field(part).type)


def holds_days(schema: Schema, part: str) -> bool:
    day = schema.kinds.get(part) == "datetime" and arrow.is_day(schema.arrow.field(part).type)
    return day or is_moment(schema, part)


def _tails(days: np.ndarray, times: np.ndarray, kind: pa.DataType) -> tuple[np.ndarray, np.ndarray]:
    """The `TAIL` first moments in ascending, and the last ones in descending order, int64."""
    there = ~np.isnan(days)
    moments = days[there].astype(np.int64) * arrow.ticks_per_day(kind) + times[there].astype(np.int64)
    if len(moments) > 2 * TAIL:
        moments = np.partition(moments, (TAIL - 1, len(moments) - TAIL))
        moments = np.concatenate([moments[:TAIL], moments[-TAIL:]])
    moments.sort()
    return moments[:TAIL], moments[::-1][:TAIL]
