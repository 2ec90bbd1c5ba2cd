"""The number columns of a table as floats, and the lowest and highest value of each: from Parquet footers, or
from the rows."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs as pafs

from raygen.table import arrow

NUMBERS = ("numeric", "datetime")
NOTHING = (np.inf, -np.inf)  # the range of no values
FOOTERS_AT_A_TIME = 16  # a footer on an object store is one or two short waits

Range = tuple[float, float]


def floats(column: pa.Array | pa.ChunkedArray, kind: str) -> np.ndarray:
    """float64 of shape (rows,), NaN where missing: numbers as `table.arrow.numbers` has them, datetimes in
    seconds, cut to microseconds."""
    if kind == "numeric":
        return arrow.numbers(column)
    array = arrow.plain(column)
    if not pa.types.is_temporal(array.type):
        array = array.cast(pa.timestamp("us"))
    if pa.types.is_date32(array.type) or pa.types.is_time32(array.type):
        ticks = array.cast(pa.int32()).cast(pa.int64())
    else:
        ticks = array.cast(pa.int64())
    whole = ticks.fill_null(0).to_numpy(zero_copy_only=False)
    if pa.types.is_date32(array.type):
        values = whole * float(arrow.SECONDS_PER_DAY)
    else:  # in the type's own units: as microseconds, the far years would not fit 64 bits
        a_second = arrow.ticks_per_day(array.type) // arrow.SECONDS_PER_DAY
        values = whole // 1000 / 1e6 if a_second == 10**9 else whole / float(a_second)
    return np.where(ticks.is_null().to_numpy(zero_copy_only=False), np.nan, values)


def range_of(values: np.ndarray) -> Range:
    known = values[~np.isnan(values)]
    return (float(known.min()), float(known.max())) if len(known) else NOTHING


def observed(block: pa.Table, kinds: Mapping[str, str]) -> dict[str, Range]:
    """Range of each number column of these rows; those of many blocks join by `merged`."""
    return {name: range_of(floats(block[name], kind)) for name, kind in kinds.items() if kind in NUMBERS}


def merged(parts: Iterable[Mapping[str, Range]]) -> dict[str, Range]:
    """Ranges of the rows of all parts together."""
    out: dict[str, Range] = {}
    for part in parts:
        for name, (low, high) in part.items():
            so_far = out.get(name, NOTHING)
            out[name] = (min(so_far[0], low), max(so_far[1], high))
    return out


def ranges_of(
    files: Sequence[str], kinds: Mapping[str, str], filesystem: pafs.FileSystem | None = None
) -> dict[str, Range | None]:
    """Range of each number column over all rows of Parquet files, read from their footers alone.

    Args:
        files: Paths inside `filesystem`; local ones without it.
        kinds: Kind by column name.

    Returns:
        Range by name; None where a footer does not tell (no statistics, or an infinite or NaN one): take
        `observed` of the rows.
    """
    numbers = {name: kind for name, kind in kinds.items() if kind in NUMBERS}
    with ThreadPoolExecutor(FOOTERS_AT_A_TIME) as pool:
        footers = list(
            pool.map(_footer, files, repeat(numbers), repeat(filesystem or pafs.LocalFileSystem()))
        )
    out: dict[str, Range | None] = {}
    for name in numbers:
        known = [part for footer in footers if (part := footer[name]) is not None]
        out[name] = (
            merged({name: part} for part in [NOTHING, *known])[name] if len(known) == len(footers) else None
        )
    return out


def _footer(path: str, kinds: Mapping[str, str], filesystem: pafs.FileSystem) -> dict[str, Range | None]:
    with filesystem.open_input_file(path) as opened:
        file = pq.ParquetFile(opened)
        schema, metadata = file.schema_arrow, file.metadata
    places = {metadata.schema.column(i).path: i for i in range(metadata.num_columns)}
    out: dict[str, Range | None] = {}
    for name, kind in kinds.items():
        groups = [metadata.row_group(g).column(places[name]) for g in range(metadata.num_row_groups)]
        parts = [_range_in(group, schema.field(name).type, kind) for group in groups]
        known = [part for part in parts if part is not None]
        out[name] = (
            merged({name: part} for part in [NOTHING, *known])[name] if len(known) == len(parts) else None
        )
    return out


def _range_in(chunk: pq.ColumnChunkMetaData, kind_of_arrow: pa.DataType, kind: str) -> Range | None:
    """The range that the statistics of a column chunk give, or None."""
    statistics = chunk.statistics
    if statistics is None:
        return None if chunk.num_values else NOTHING
    if not statistics.has_min_max:
        return NOTHING if statistics.has_null_count and statistics.null_count == chunk.num_values else None
    try:
        ends = floats(pa.array([statistics.min, statistics.max], arrow.value_type(kind_of_arrow)), kind)
    except (
        pa.ArrowException,
        TypeError,
        ValueError,
        OverflowError,
    ):  # as for 16-bit floats, whose statistics Arrow does not read
        return None
    return None if np.isnan(ends).any() else (float(ends[0]), float(ends[1]))
