"""Arrow arrays to the float64 numbers, strings and day/time pairs that raygen learns, and back."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

TICKS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
SECONDS_PER_DAY = 86_400
INT32, INT64 = np.iinfo(np.int32), np.iinfo(np.int64)
EXACT = 2**53 - 1  # from 2^53 on, whole numbers have no float64 of their own
LARGEST = (
    1e300  # so that differences stay finite; what is larger marks a missing value, as the largest float does
)
EXACT_POWER = 22  # 10.0**22 is the last power of ten that float64 holds exactly


def plain(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One contiguous array with its dictionary, if any, decoded."""
    chunks = array.chunks if isinstance(array, pa.ChunkedArray) else [array]
    if pa.types.is_dictionary(array.type):
        chunks = [chunk.dictionary_decode() for chunk in chunks]
    return pa.concat_arrays(chunks) if chunks else pa.array([], value_type(array.type))


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


def from_numbers(values: np.ndarray, kind: pa.DataType, nullable: bool = True) -> pa.Array:
    """The inverse of `numbers`; NaN becomes null, or stays NaN in a float column that is not `nullable`.

    `values` must already fit the type's range.
    """
    missing = np.isnan(values) if nullable or not pa.types.is_floating(value_type(kind)) else None
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


def from_strings(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """The inverse of `strings`."""
    return _through_dictionary(
        array, kind, lambda a, t: pa.nulls(len(a)) if pa.types.is_null(t) else a.cast(t)
    )


def ticks_per_day(kind: pa.DataType) -> int:
    """How many of the type's own units a day has."""
    kind = value_type(kind)
    if pa.types.is_date32(kind):
        return 1
    unit = "ms" if pa.types.is_date64(kind) else kind.unit
    return TICKS_PER_SECOND[unit] * SECONDS_PER_DAY


def day_and_time(array: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Days since the epoch (or of a duration) and ticks within the day, each float64 with NaN where
    missing."""
    array = plain(array)
    narrow = pa.types.is_date32(array.type) or pa.types.is_time32(array.type)
    whole = array.cast(pa.int32()).cast(pa.int64()) if narrow else array.cast(pa.int64())
    missing = whole.is_null().to_numpy(zero_copy_only=False)
    day, time = np.divmod(whole.fill_null(0).to_numpy(zero_copy_only=False), ticks_per_day(array.type))
    return np.where(missing, np.nan, day), np.where(missing, np.nan, time)


def from_day_and_time(day: np.ndarray, time: np.ndarray, kind: pa.DataType) -> pa.Array:
    """The inverse of `day_and_time`; null where one of the two is NaN."""
    missing = np.isnan(day) | np.isnan(time)
    day, time, ticks = np.where(missing, 0, day), np.where(missing, 0, time), ticks_per_day(kind)
    about = day * ticks + time  # a drawn time may lead past the last moment that the type can hold
    fits = (about > INT64.min) & (about < INT64.max)
    whole = np.where(fits, day, 0).astype(np.int64) * ticks + np.where(fits, time, 0).astype(np.int64)
    whole = np.where(fits, whole, np.where(about > 0, INT64.max, INT64.min + 1))
    return _through_dictionary(pa.array(whole, pa.int64(), mask=missing), kind, _from_ticks)


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
    if pa.types.is_date32(kind) or pa.types.is_time32(kind):
        ticks = ticks.cast(pa.int32())
    return ticks.cast(kind)
