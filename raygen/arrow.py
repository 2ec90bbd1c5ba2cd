"""Arrow arrays to the float64 numbers, strings and day/time pairs that raygen learns, and back."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

TICKS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
SECONDS_PER_DAY = 86_400


def plain(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One contiguous array with its dictionary, if any, decoded."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def numbers(array: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """float64 of shape (rows,); NaN where the value is missing, NaN or infinite."""
    array = plain(array)
    values = pc.cast(array, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.where(np.isfinite(values), values, np.nan)


def from_numbers(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    """The inverse of `numbers`; NaN becomes null. `values` must already fit the type's range and precision."""
    missing = np.isnan(values)
    kind, target = value_type(kind), kind
    if pa.types.is_integer(kind):
        whole = np.where(missing, 0, values).astype(np.int64)
        out = pa.array(whole, pa.int64(), mask=missing).cast(kind)
    else:
        out = pa.array(values, pa.float64(), mask=missing).cast(kind, safe=False)
    return out if target == kind else out.cast(target)


def strings(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    """UTF-8 text of each value; null where missing."""
    return pc.cast(plain(array), pa.large_string())


def from_strings(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """The inverse of `strings`."""
    return pc.cast(pc.cast(array, value_type(kind)), kind)


def ticks_per_day(kind: pa.DataType) -> int:
    """How many of the type's own units a day has."""
    kind = value_type(kind)
    if pa.types.is_date32(kind):
        return 1
    unit = "ms" if pa.types.is_date64(kind) else kind.unit
    return TICKS_PER_SECOND[unit] * SECONDS_PER_DAY


def day_and_time(array: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Days since the epoch (or of a duration) and ticks within the day, each float64 with NaN where missing."""
    array = plain(array)
    narrow = pa.types.is_date32(array.type) or pa.types.is_time32(array.type)
    whole = array.cast(pa.int32()).cast(pa.int64()) if narrow else array.cast(pa.int64())
    missing = whole.is_null().to_numpy(zero_copy_only=False)
    day, time = np.divmod(whole.fill_null(0).to_numpy(zero_copy_only=False), ticks_per_day(array.type))
    return np.where(missing, np.nan, day), np.where(missing, np.nan, time)


def from_day_and_time(day: np.ndarray, time: np.ndarray, kind: pa.DataType) -> pa.Array:
    """The inverse of `day_and_time`; null where `day` is NaN."""
    kind, target = value_type(kind), kind
    missing = np.isnan(day)
    whole = np.where(missing, 0, day).astype(np.int64) * ticks_per_day(kind)
    whole += np.where(missing | np.isnan(time), 0, time).astype(np.int64)
    ticks = pa.array(whole, pa.int64(), mask=missing)
    if pa.types.is_date32(kind) or pa.types.is_time32(kind):
        ticks = ticks.cast(pa.int32())
    out = ticks.cast(kind)
    return out if target == kind else out.cast(target)
