"""Differences of two columns of one type, and sums with them: exact, within what the type holds."""

from decimal import Decimal
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raygen.relations import quantities
from raygen.table import arrow

SIGNIFICANT = 14  # decimal digits of the larger operand that a difference of floats keeps
Values: TypeAlias = pa.Array | pa.ChunkedArray


def difference_type(kind: pa.DataType) -> pa.DataType:
    """Type of the difference of two values of a type."""
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        return pa.duration(kind.unit)
    if pa.types.is_floating(kind):
        return pa.float64()
    if pa.types.is_decimal(kind):
        return pa.decimal128(38, kind.scale) if kind.precision < 38 else pa.decimal256(39, kind.scale)
    return pa.int64()


def difference(y: Values, x: Values) -> pa.Array:
    """y - x, exact; of floats to the digits that the larger one has."""
    kind, (y, x) = difference_type(y.type), (arrow.plain(y), arrow.plain(x))
    if pa.types.is_floating(kind):
        y, x = y.cast(kind), x.cast(kind)
        return pc.if_else(pc.is_valid(pc.add(y, x)), _trimmed(pc.subtract(y, x), y, x), pa.scalar(None, kind))
    if pa.types.is_decimal(kind):
        wide = pa.decimal256(40, kind.scale)
        return pc.subtract(y.cast(wide), x.cast(wide)).cast(kind)
    y, x = _ticks(y), _ticks(x)
    return _unwrapped(pc.subtract(y, x), y, pc.less(x, 0)).cast(kind)


def too_far(y: Values, x: Values) -> np.ndarray:
    """Whether y - x is beyond what its type holds, or nearly, bool of shape (rows,)."""
    if pa.types.is_dictionary(y.type) or y.type != x.type or pa.types.is_uint64(y.type):
        return np.zeros(len(y), bool)
    if difference_type(y.type).bit_width != 64 or pa.types.is_floating(y.type):
        return np.zeros(len(y), bool)
    y, x = (_ticks(arrow.plain(one)).cast(pa.float64(), safe=False) for one in (y, x))
    apart = pc.abs(pc.subtract(y, x)).fill_null(0).to_numpy(zero_copy_only=False)
    return np.asarray(apart >= 2.0**63 - 1024)


def added(x: Values, step: Values, kind: pa.DataType) -> pa.Array:
    """x + step as a value of a type, or the nearest that it holds: the inverse of `difference`."""
    x, step = arrow.plain(x), arrow.plain(step)
    if pa.types.is_floating(kind):
        x = x.cast(pa.float64())
        return _trimmed(pc.add(x, step), x, step).cast(kind)
    if pa.types.is_decimal(kind):
        wide = pa.decimal256(40, kind.scale)
        total = pc.add(x.cast(wide), step.cast(wide))
        ends = [Decimal(end).scaleb(-kind.scale, arrow.DIGITS) for end in quantities.limits(kind)]
        return _clipped(total, *(pa.scalar(end, total.type) for end in ends)).cast(kind)
    x, step = _ticks(x), _ticks(step)
    total = _clipped(_unwrapped(pc.add(x, step), x, pc.greater(step, 0)), *quantities.limits(kind))
    is_narrow = pa.types.is_date32(kind) or pa.types.is_time32(kind)
    return total.cast(pa.int32()).cast(kind) if is_narrow else total.cast(kind)


def _unwrapped(total: pa.Array, start: pa.Array, rises: pa.Array) -> pa.Array:
    """Sums of int64, those that wrapped around at the end that they passed."""
    passed = pc.if_else(rises, pc.less(total, start), pc.greater(total, start))
    return pc.if_else(passed, pc.if_else(rises, arrow.INT64.max, arrow.INT64.min), total)


def _clipped(values: pa.Array, low: int | pa.Scalar, high: int | pa.Scalar) -> pa.Array:
    values = pc.if_else(pc.less(values, low), low, values)
    return pc.if_else(pc.greater(values, high), high, values)


def _ticks(values: pa.Array) -> pa.Array:
    if values.type.bit_width == 32 and not pa.types.is_integer(values.type):
        values = values.cast(pa.int32())
    return values.cast(pa.int64())


def _trimmed(values: pa.Array, *operands: pa.Array) -> pa.Array:
    """Sums of floats without the digits that their operands do not have."""
    missing = np.asarray(values.is_null())
    sums = values.to_numpy(zero_copy_only=False)
    sizes = np.max([np.abs(o.to_numpy(zero_copy_only=False)) for o in operands], axis=0)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        digits = SIGNIFICANT - np.ceil(np.log10(np.maximum(sizes, 1e-300)))
        scale = 10.0 ** np.clip(digits, 0, 300)
        near = np.round(sums * scale) / scale
    return pa.array(np.where(np.isfinite(near), near, sums), mask=missing)
