"""Exact numbers: whole multiples of a unit of their own, with the rows that have none.

A number with two digits after the point is a whole number of hundredths, so that 0.1 + 0.2 is 0.3; moments
and spans are whole numbers of the type's own units, of which a day has `per`. Whole numbers that do not fit
into int64 become Python's own. Floats with more than `MAX_DIGITS` digits after the point have no such unit:
they stay floats, and are compared to about nine digits.
"""

from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from math import lcm

import numpy as np
import pyarrow as pa

from raygen.table import arrow

MAX_DIGITS = 9
ROUGH = 1e-9  # of the largest term: floats without a unit are alike
ROUGH_SINGLE = 2e-6  # the same of 32-bit floats
FITS = 2**62
WIDE = Context(prec=80)
TRIED = 64  # values that tell at once that a unit is too coarse


@dataclass(frozen=True)
class Quantity:
    """Numbers of shape (rows,) or (1,): `whole / per`, in days if they are moments or spans.

    Attributes:
        whole: int64, or Python's integers; float64 if `per` is 0.
        per: Units of one, or of a day; 0 for floats without a unit.
        valid: bool, whether there is a number.
        slack: What floats without a unit may differ by.
    """

    whole: np.ndarray
    per: int
    valid: np.ndarray
    slack: np.ndarray | float = 0.0

    @property
    def floats(self) -> np.ndarray:
        if not self.per:
            return self.whole
        return np.asarray(self.whole / self.per, np.float64)


def constant(value: Fraction) -> Quantity:
    return Quantity(_fitting(np.array([value.numerator], object)), value.denominator, np.ones(1, bool))


def of_array(array: pa.Array | pa.ChunkedArray, instants: bool = False) -> Quantity:
    """Numbers, moments, dates, times of day or spans of an Arrow array; moments of a zone as a clock there
    shows them, or with `instants` as one in Greenwich does."""
    array = arrow.plain(array)
    kind = array.type
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_floating(kind):
        return of_floats(array.fill_null(float("nan")).to_numpy(zero_copy_only=False))
    if pa.types.is_decimal(kind):
        return Quantity(*_of_decimals(array), valid)
    if pa.types.is_integer(kind):
        return Quantity(_fitting(array.fill_null(0).to_numpy(zero_copy_only=False)), 1, valid)
    if instants and pa.types.is_timestamp(kind):
        array = array.cast(pa.timestamp(kind.unit))
    whole, missing = arrow.moments(array)
    return Quantity(whole, arrow.ticks_per_day(kind), ~missing)


def of_floats(values: np.ndarray) -> Quantity:
    """Floats as whole multiples of 10^-d, with the smallest d that nearly fits them, or as floats."""
    rough = ROUGH_SINGLE if values.dtype.itemsize <= 4 else ROUGH
    precision = 4 * float(np.finfo(values.dtype).eps)
    valid = np.isfinite(values)
    there = values[valid].astype(np.float64)
    if np.abs(there).max(initial=0) > 1e300:
        valid &= np.abs(values) <= 1e300
        there = values[valid].astype(np.float64)
    for digits in range(MAX_DIGITS + 1):
        if all(_on_grid(part, digits, precision) for part in (there[:TRIED], there)):
            whole = np.zeros(len(values), np.int64)
            whole[valid] = np.rint(there * 10.0**digits).astype(np.int64)
            return Quantity(whole, 10**digits, valid)
    floats = np.where(valid, values, 0).astype(np.float64)
    return Quantity(floats, 0, valid, rough * np.abs(floats))


def _on_grid(values: np.ndarray, digits: int, precision: float) -> bool:
    with np.errstate(over="ignore"):
        units = values * 10.0**digits
    size = np.abs(units)
    if size.max(initial=0) * precision > 0.05:
        return digits == 0 and bool((values == np.rint(values)).all() and size.max(initial=0) < 2.0**62)
    return bool((np.abs(units - np.rint(units)) <= precision * size).all())


def added(parts: list[Quantity]) -> Quantity:
    valid = parts[0].valid
    for part in parts[1:]:
        valid = valid & part.valid
    if not all(part.per for part in parts):
        slack = np.max(np.broadcast_arrays(*(_slack(part) for part in parts)), axis=0)
        return Quantity(sum(part.floats for part in parts), 0, valid, slack)  # type: ignore[arg-type]
    per = lcm(*(part.per for part in parts))
    terms = [(part.whole, per // part.per) for part in parts]
    if sum(max(1, _most(whole)) * times for whole, times in terms) >= FITS:  # a factor has to fit too
        terms = [(whole.astype(object), times) for whole, times in terms]
    return Quantity(sum(whole * times for whole, times in terms), per, valid)  # type: ignore[arg-type]


def _slack(part: Quantity) -> np.ndarray:
    return np.asarray(part.slack if not part.per else ROUGH * np.abs(part.floats))


def times(factor: Fraction, of: Quantity) -> Quantity:
    if not of.per:
        return Quantity(of.whole * float(factor), 0, of.valid, of.slack * abs(float(factor)))
    whole = of.whole
    if max(1, _most(whole)) * abs(factor.numerator) >= FITS:
        whole = whole.astype(object)
    return Quantity(whole * factor.numerator, of.per * factor.denominator, of.valid)


def multiplied(left: Quantity, right: Quantity) -> Quantity:
    valid = left.valid & right.valid
    if not (left.per and right.per):
        values = left.floats * right.floats
        return Quantity(values, 0, valid, ROUGH * np.abs(values))
    whole = left.whole
    if _most(left.whole) * _most(right.whole) >= FITS:
        whole = whole.astype(object)
    return Quantity(whole * right.whole, left.per * right.per, valid)


def moved(of: Quantity, like: Quantity, kind: pa.DataType, steps: int) -> Quantity:
    """The quantity and so many steps of an Arrow type more; of floats, steps of the last digit that it or
    `like` has, or such that they differ."""
    plain = arrow.value_type(kind)
    if not pa.types.is_floating(plain):
        unit = 10**plain.scale if pa.types.is_decimal(plain) else _units(plain)
        return added([of, constant(Fraction(steps, unit))])
    if of.per and like.per:
        return added([of, constant(Fraction(steps, lcm(of.per, like.per)))])
    rough = ROUGH if plain.bit_width == 64 else ROUGH_SINGLE
    return Quantity(of.floats + steps * np.maximum(4 * rough * np.abs(of.floats), 1e-12), 0, of.valid)


def absolute(of: Quantity) -> Quantity:
    return Quantity(np.abs(of.whole), of.per, of.valid, of.slack)


def floored(of: Quantity) -> Quantity:
    if not of.per:
        return Quantity(np.floor(of.whole + of.slack), 0, of.valid, of.slack)
    return Quantity(of.whole // of.per, 1, of.valid)


def rounded(of: Quantity, digits: int) -> Quantity:
    """The nearest number with so many digits after the point; of two, the one farther from zero."""
    unit = Fraction(10) ** digits
    if not of.per:
        whole = np.trunc(of.whole * float(unit) + np.copysign(0.5, of.whole))
        return times(1 / unit, of_floats(whole))
    units = times(unit, of)
    whole = units.whole if _most(units.whole) * 2 < FITS else units.whole.astype(object)
    size = (2 * np.abs(whole) + units.per) // (2 * units.per)
    return times(1 / unit, Quantity(np.where(whole < 0, -size, size), 1, of.valid))


def compared(left: Quantity, right: Quantity) -> np.ndarray:
    """int8 of shape (rows,): -1, 0 or 1 where left is less than, equal to or more than right; of any value
    where one of them is not valid."""
    difference = added([left, times(Fraction(-1), right)])
    alike = np.abs(difference.whole) <= (difference.slack if not difference.per else 0)
    return np.where(alike, 0, np.where(difference.whole > 0, 1, -1)).astype(np.int8)


def to_array(
    of: Quantity, kind: pa.DataType, rows: int, nearest: bool = False, instants: bool = False
) -> pa.Array:
    """The inverse of `of_array`; null where it has no number or the type cannot hold it, or with `nearest`
    the number that comes next to it."""
    plain = arrow.value_type(kind)
    whole, valid = np.broadcast_to(of.whole, rows), np.broadcast_to(of.valid, rows).copy()
    if pa.types.is_floating(plain):
        values = Quantity(whole, of.per, valid).floats
        return encoded(pa.array(np.where(valid, values, 0), mask=~valid).cast(plain, safe=False), kind)
    unit = 10**plain.scale if pa.types.is_decimal(plain) else _units(plain)
    low, high = limits(plain)
    if not of.per:
        low, high = max(low, 1 - FITS), min(high, FITS - 1)
        size = np.rint(whole * float(unit))
    else:
        size = rounded(times(Fraction(unit), Quantity(whole, of.per, valid)), 0).whole
    fit = np.asarray((size >= low) & (size <= high), bool)
    if nearest and not fit.all():
        ticks = np.where(size < low, low, np.where(fit, size.astype(object), high))
    else:
        valid &= fit
        ticks = np.where(valid, size, 0)
    if not of.per:
        ticks = ticks.astype(np.int64)
    if pa.types.is_decimal(plain):
        return encoded(_to_decimals(ticks, valid, plain), kind)
    if pa.types.is_integer(plain):
        return encoded(pa.array(ticks.astype(plain.to_pandas_dtype()), plain, mask=~valid), kind)
    if instants and pa.types.is_timestamp(plain):
        return encoded(pa.array(ticks.astype(np.int64), mask=~valid).cast(plain), kind)
    return arrow.from_moments(ticks.astype(np.int64), ~valid, kind)


def encoded(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Values in a type; with a dictionary of those that occur if it has one."""
    if not pa.types.is_dictionary(kind):
        return array.cast(kind)
    codes = array.dictionary_encode()
    values = codes.dictionary.cast(kind.value_type)
    return pa.DictionaryArray.from_arrays(codes.indices.cast(kind.index_type), values, ordered=kind.ordered)


def _units(kind: pa.DataType) -> int:
    return 1 if pa.types.is_integer(kind) else arrow.ticks_per_day(kind)


def limits(kind: pa.DataType) -> tuple[int, int]:
    """Least and greatest whole number of its units that a type holds."""
    if pa.types.is_decimal(kind):
        return 1 - 10**kind.precision, 10**kind.precision - 1
    if pa.types.is_integer(kind):
        info = np.iinfo(kind.to_pandas_dtype())
        return int(info.min), int(info.max)
    if pa.types.is_time(kind):
        return 0, arrow.ticks_per_day(kind) - 1
    width = arrow.INT32 if pa.types.is_date32(kind) else arrow.INT64
    return int(width.min) + 1, int(width.max)


def fits(value: Fraction, kind: pa.DataType) -> bool:
    """Whether a constant is within what an Arrow type can hold."""
    kind = arrow.value_type(kind)
    if pa.types.is_floating(kind):
        return abs(value) <= Fraction(float(np.finfo(kind.to_pandas_dtype()).max))
    unit = 10**kind.scale if pa.types.is_decimal(kind) else _units(kind)
    low, high = limits(kind)
    return low <= value * unit <= high


def _most(whole: np.ndarray) -> int:
    return max(abs(int(whole.max(initial=0))), abs(int(whole.min(initial=0))))


def _fitting(whole: np.ndarray) -> np.ndarray:
    """As int64 where all fit, otherwise Python's integers."""
    return whole.astype(np.int64) if _most(whole) < FITS else whole.astype(object)


def _of_decimals(array: pa.Array) -> tuple[np.ndarray, int]:
    kind = array.type
    try:
        wide = array.cast(pa.decimal128(38, kind.scale)) if not pa.types.is_decimal128(kind) else array
    except pa.ArrowInvalid:  # more digits than 38
        digits = [0 if one is None else int(one.scaleb(kind.scale, WIDE)) for one in array.to_pylist()]
        return _fitting(np.array(digits, object)), 10**kind.scale
    words = np.frombuffer(wide.buffers()[1] or b"", np.int64).reshape(-1, 2)[wide.offset :][: len(wide)]
    low = np.where(wide.is_valid().to_numpy(zero_copy_only=False), words[:, 0], 0)
    high = np.where(wide.is_valid().to_numpy(zero_copy_only=False), words[:, 1], 0)
    if (high == low >> 63).all():
        return _fitting(low), 10**kind.scale
    return high.astype(object) * 2**64 + low.astype(np.uint64).astype(object), 10**kind.scale


def _to_decimals(ticks: np.ndarray, valid: np.ndarray, kind: pa.DataType) -> pa.Array:
    if _most(ticks) >= 10**38:
        scaled = [Decimal(int(one)).scaleb(-kind.scale, WIDE) for one in ticks]
        return pa.array(scaled, kind, mask=~valid)
    words = np.empty((len(ticks), 2), np.int64)
    if ticks.dtype == object:
        words[:, 0] = (ticks % 2**64).astype(np.uint64).view(np.int64)
        words[:, 1] = (ticks // 2**64).astype(np.int64)
    else:
        words[:, 0], words[:, 1] = ticks, ticks >> 63
    wide = pa.decimal128(38, kind.scale)
    mask = pa.py_buffer(np.packbits(valid, bitorder="little").tobytes())
    return pa.Array.from_buffers(wide, len(ticks), [mask, pa.py_buffer(words.tobytes())]).cast(kind)
