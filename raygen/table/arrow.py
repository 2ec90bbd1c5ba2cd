"""Arrow arrays to the float64 numbers, strings and day/time pairs that raygen learns, and back."""

from collections.abc import Callable, Sequence
from decimal import Context, Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

TICKS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
SECONDS_PER_DAY = 86_400
INT32, INT64 = np.iinfo(np.int32), np.iinfo(np.int64)
EXACT = 2**53 - 1  # from 2^53 on, whole numbers have no float64 of their own
LARGEST = 1e300  # of numbers that are learned, so that their differences stay finite
LARGEST_FLOAT = float(np.finfo(float).max)  # by which programs mark what has no value
SPECIAL = np.array([-4e300, -2e300, 2e300, 3e300, 4e300])  # stand for these among numbers that are learned
STOOD_FOR = np.array([-LARGEST_FLOAT, -np.inf, np.inf, np.nan, LARGEST_FLOAT])
DIGITS = Context(prec=100)  # more than any decimal has
FLOAT_DIGITS = 9  # after the point, that float64 numbers are learned with
SHORT = 15  # digits of a decimal that are those of its float64, whichever they are
EXACT_POWER = 22  # 10.0**22 is the last power of ten that float64 holds exactly


def plain(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One contiguous array with its dictionary, if any, decoded."""
    chunks = array.chunks if isinstance(array, pa.ChunkedArray) else [array]
    if pa.types.is_dictionary(array.type):
        chunks = [chunk.dictionary_decode() for chunk in chunks]
    return pa.concat_arrays(chunks) if chunks else pa.array([], value_type(array.type))


def taken(table: pa.Table, numbers: np.ndarray | pa.Array) -> pa.Table:
    """The rows of these numbers, in this order, in the table's own types; null for a number that is null."""
    places = numbers if isinstance(numbers, pa.Array) else pa.array(numbers, pa.int64())
    columns = []
    for column in table.columns:
        plain = pa.large_string() if pa.types.is_string_view(column.type) else column.type
        plain = pa.large_binary() if pa.types.is_binary_view(column.type) else plain  # Arrow takes no views
        columns.append(column.cast(plain).take(places).cast(column.type))
    return pa.table(columns, schema=table.schema)


def value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def rounded(values: np.ndarray, digits: int) -> np.ndarray:
    """`values` with so many digits after the point; one too large for a float64 to have that many stays as it
    is."""
    small = np.abs(values) < 2.0**53 / 10.0**digits
    if small.all():
        return np.round(values, digits)
    out = np.array(values, float)
    out[small] = np.round(out[small], digits)
    return out


def numbers(array: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """float64 of shape (rows,); NaN where the value is missing, NaN, infinite or beyond `LARGEST`."""
    array = plain(array)
    if pa.types.is_decimal(array.type):
        array = array.cast(pa.string())  # Arrow's own cast to floats is off by one bit in places
    values = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.where(np.abs(values) <= LARGEST, values, np.nan)


def marked_numbers(array: pa.Array | pa.ChunkedArray, exact: bool | None = False) -> np.ndarray:
    """As `numbers`, but floats of `STOOD_FOR` that are no missing values are those of `SPECIAL`. With
    `exact`, integers and decimals are Python's whole numbers of their last place, None where missing; None:
    if float64 does not hold them all."""
    if exact is None:
        exact = _is_long(array)
    if exact:
        return whole_numbers(array)
    values, plain_array = numbers(array), plain(array)
    if pa.types.is_floating(plain_array.type):
        raw = plain_array.cast(pa.float64()).to_numpy(zero_copy_only=False)
        there = plain_array.is_valid().to_numpy(zero_copy_only=False)
        marks = [raw == one if one == one else np.isnan(raw) & there for one in STOOD_FOR.tolist()]
        values = np.select(marks, SPECIAL.tolist(), values)
    return values


def whole_numbers(array: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Integers and decimals as whole numbers of their last place, object of shape (rows,); None where
    missing."""
    array, scale = plain(array), scale_of(array.type)
    found = array.to_pylist()
    if pa.types.is_decimal(array.type):
        found = [None if x is None else int(x.scaleb(scale, DIGITS)) for x in found]
    return _objects(found)


def as_whole(values: np.ndarray, scale: int) -> np.ndarray:
    """float64 numbers as whole numbers of 10 ** -scale, by the digits that they are written with; NaN becomes
    None."""
    found = [None if np.isnan(x) else int(Decimal(repr(x)).scaleb(scale, DIGITS)) for x in values.tolist()]
    return _objects(found)


def present(values: np.ndarray) -> np.ndarray:
    """Whether each of float64 or Python's numbers is there, bool of shape (rows,)."""
    if values.dtype != object:
        return ~np.isnan(values)
    return np.array([value is not None for value in values.tolist()], bool)


def scale_of(kind: pa.DataType) -> int:
    """Digits after the point of a type of exact numbers."""
    kind = value_type(kind)
    return kind.scale if pa.types.is_decimal(kind) else 0


def _objects(values: list) -> np.ndarray:
    out = np.empty(len(values), object)
    out[:] = values
    return out


def _is_long(array: pa.Array | pa.ChunkedArray) -> bool:
    """Whether some of the numbers have more digits than float64 keeps."""
    kind = value_type(array.type)
    if pa.types.is_integer(kind) and kind.bit_width == 64:
        ends = pc.min_max(plain(array))
        return ends["min"].is_valid and (ends["min"].as_py() < -EXACT or ends["max"].as_py() > EXACT)
    if not pa.types.is_decimal(kind) or kind.precision <= SHORT:
        return False
    array = plain(array)
    near = from_numbers(rounded(numbers(array), min(kind.scale, FLOAT_DIGITS)), kind)
    return not near.equals(array)


def from_numbers(values: np.ndarray, kind: pa.DataType, nullable: bool = True) -> pa.Array:
    """The inverse of `marked_numbers`; NaN becomes null, or stays NaN in a float column that is not
    `nullable`.

    `values` must already fit the type's range. Those of `whole_numbers` come back as well.
    """
    if values.dtype == object:
        return _through_dictionary(_from_whole(values, value_type(kind)), kind, lambda array, _: array)
    missing = np.isnan(values) if nullable or not pa.types.is_floating(value_type(kind)) else None
    if (
        pa.types.is_floating(value_type(kind))
        and np.abs(values).max(initial=0.0, where=~np.isnan(values)) > LARGEST
    ):
        values = np.select([values == mark for mark in SPECIAL], STOOD_FOR.tolist(), values)
    values = values + 0.0  # no zero is below zero
    return _through_dictionary(pa.array(values, pa.float64(), mask=missing), kind, _from_floats)


def limits(kind: pa.DataType) -> tuple[float, float]:
    """Lowest and highest number, or day of a datetime, that this type can hold; those of decimals and moments
    are kept by what makes them."""
    kind = value_type(kind)
    if pa.types.is_integer(kind):
        info = np.iinfo(kind.to_pandas_dtype())
        return max(info.min, -EXACT), min(info.max, EXACT)
    if pa.types.is_date32(kind):
        return INT32.min, INT32.max
    largest = (
        min(float(np.finfo(kind.to_pandas_dtype()).max), LARGEST) if pa.types.is_floating(kind) else LARGEST
    )
    return -largest, largest


def strings(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    """UTF-8 text of each value; null where missing."""
    return pc.cast(plain(array), pa.large_string())


def from_strings(array: pa.Array, kind: pa.DataType, levels: Sequence[str] = ()) -> pa.Array:
    """The inverse of `strings`; a dictionary begins with `levels`, whether they occur or not."""

    def build(texts: pa.Array, plain: pa.DataType) -> pa.Array:
        return pa.nulls(len(texts)) if pa.types.is_null(plain) else texts.cast(plain)

    if not levels or not pa.types.is_dictionary(kind):
        return _through_dictionary(array, kind, build)
    array, known = array.cast(pa.large_string()), pa.array(levels, pa.large_string())
    others = array.filter(pc.invert(pc.is_in(array, known, skip_nulls=False))).drop_null().unique()
    dictionary = pa.concat_arrays([known, others])
    index = pc.index_in(array, dictionary).cast(kind.index_type)
    return pa.DictionaryArray.from_arrays(index, build(dictionary, kind.value_type), ordered=kind.ordered)


def ticks_per_day(kind: pa.DataType) -> int:
    """How many of the type's own units a day has."""
    kind = value_type(kind)
    if pa.types.is_date32(kind):
        return 1
    unit = "ms" if pa.types.is_date64(kind) else kind.unit
    return TICKS_PER_SECOND[unit] * SECONDS_PER_DAY


def is_moment(kind: pa.DataType) -> bool:
    """Whether a value of this type has a day and a time of day, which are learned one after the other."""
    return pa.types.is_timestamp(value_type(kind))


def is_day(kind: pa.DataType) -> bool:
    return pa.types.is_date(value_type(kind))


def moments(array: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Of timestamps, dates, times of day or durations: int64 in the type's own units, those of timestamps as
    a clock in their zone shows them, 0 where missing; and bool, missing; both of shape (rows,)."""
    array = plain(array)
    if pa.types.is_timestamp(array.type) and array.type.tz is not None:
        array = pc.local_timestamp(array)
    narrow = pa.types.is_date32(array.type) or pa.types.is_time32(array.type)
    whole = array.cast(pa.int32()).cast(pa.int64()) if narrow else array.cast(pa.int64())
    missing = whole.is_null().to_numpy(zero_copy_only=False)
    return whole.fill_null(0).to_numpy(zero_copy_only=False), missing


def from_moments(whole: np.ndarray, missing: np.ndarray, kind: pa.DataType) -> pa.Array:
    """The inverse of `moments`; of two moments that a clock shows alike, when it is put back, the earlier."""
    return _through_dictionary(pa.array(whole, pa.int64(), mask=missing), kind, _from_ticks)


def day_and_time(whole: np.ndarray, missing: np.ndarray, kind: pa.DataType) -> tuple[np.ndarray, np.ndarray]:
    """Days since the epoch, and the type's own units within the day, of `moments`; each float64 with NaN
    where missing."""
    day, time = np.divmod(whole, ticks_per_day(kind))
    return np.where(missing, np.nan, day), np.where(missing, np.nan, time)


def from_day_and_time(
    day: np.ndarray, time: np.ndarray, kind: pa.DataType, first: int | None, last: int | None
) -> pa.Array:
    """The inverse of `day_and_time` and `moments`, kept within the `first` and the `last` moment; null where
    the day is NaN."""
    missing, ticks = np.isnan(day), ticks_per_day(kind)
    lowest, highest = INT64.min + 1 if first is None else first, INT64.max if last is None else last
    day, time = np.where(missing, 0, day), np.where(missing, 0, time)
    about = day * ticks + time  # a drawn time may lead past the last moment that the type can hold
    fits = (about > lowest) & (about < highest)
    whole = np.where(fits, day, 0).astype(np.int64) * ticks + np.where(fits, time, 0).astype(np.int64)
    whole = np.where(fits, whole.clip(lowest, highest), np.where(about > lowest, highest, lowest))
    return from_moments(np.where(missing, 0, whole), missing, kind)


def units(whole: np.ndarray, missing: np.ndarray, exact: bool | None = False) -> np.ndarray:
    """Units of times of day and durations: float64 with NaN where missing, or with `exact` Python's whole
    numbers and None; None: if float64 does not hold them all."""
    if exact is None:
        exact = bool(np.any((whole > EXACT) | (whole < -EXACT)))
    if not exact:
        return np.where(missing, np.nan, whole)
    return _objects([None if gone else value for gone, value in zip(missing, whole.tolist(), strict=True)])


def whole_units(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    """Days, or `units` of times of day and durations, as the type holds them; NaN and None become null."""
    missing = ~present(values)
    whole = np.where(missing, 0, values)
    if values.dtype == object:
        return from_moments(whole.astype(np.int64), missing, kind)
    if pa.types.is_date64(value_type(kind)):
        whole = whole * ticks_per_day(kind)
    about = whole.clip(-(2.0**63), 2.0**63 - 1024)
    return from_moments(about.astype(np.int64), missing, kind)


def _through_dictionary(
    array: pa.Array, kind: pa.DataType, build: Callable[[pa.Array, pa.DataType], pa.Array]
) -> pa.Array:
    """`build(array, kind)`; of the distinct values alone where `kind` is a dictionary."""
    if not pa.types.is_dictionary(kind):
        return build(array, kind)
    encoded = array.dictionary_encode()
    return pa.DictionaryArray.from_arrays(
        encoded.indices.cast(kind.index_type),
        build(encoded.dictionary, kind.value_type),
        ordered=kind.ordered,
    )


def _from_whole(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    found = values.tolist()
    if pa.types.is_decimal(kind):
        found = [None if x is None else Decimal(x).scaleb(-kind.scale, DIGITS) for x in found]
    return pa.array(found, kind)


def _from_floats(values: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_integer(kind):
        return values.cast(pa.int64(), safe=False).cast(kind)
    if not pa.types.is_decimal(kind):
        return values.cast(kind, safe=False)
    # Arrow's own cast from floats writes 0.1 as 0.100000000000000006 and wraps around beyond the precision;
    # its cast from text does neither.
    digits = min(kind.scale, EXACT_POWER)
    largest = np.floor(np.nextafter(10.0**kind.precision, 0)) / 10.0**kind.scale
    fitting = rounded(values.to_numpy(zero_copy_only=False), digits).clip(-largest, largest)
    return pa.array(fitting, mask=np.isnan(fitting)).cast(pa.string()).cast(kind)


def _from_ticks(ticks: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        shown = ticks.cast(pa.timestamp(kind.unit))
        return pc.assume_timezone(shown, kind.tz, ambiguous="earliest", nonexistent="latest")
    if pa.types.is_date32(kind) or pa.types.is_time32(kind):
        ticks = ticks.cast(pa.int32())
    return ticks.cast(kind)
