"""Rows of any table in the words of a real one: numbers as floats, levels as codes of the real levels, and a
hash of each row."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

LEVELS = ("categorical", "boolean")


@dataclass
class CodedRows:
    """Rows in the reference's words: floats, level codes (0 null, then the real levels, last any other), new
    levels by name."""

    num_rows: int
    numbers: dict[str, np.ndarray]
    levels: dict[str, np.ndarray]
    unseen: dict[str, set[str]]


def take(table: pa.Table, rows: np.ndarray) -> pa.Table:
    """The rows of these numbers, in this order; views become texts and bytes, for Arrow takes no views."""
    places = pa.array(rows)
    columns = [_without_views(column).take(places) for column in table.unify_dictionaries().columns]
    return pa.table(columns, table.column_names)


def _without_views(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_string_view(column.type):
        return column.cast(pa.large_string())
    return column.cast(pa.large_binary()) if pa.types.is_binary_view(column.type) else column


def as_texts(values: pa.Array) -> pa.Array:
    """Levels as text, so that 1, 1.0 and "1" are one; null where null or NaN."""
    kind = values.type
    if (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_integer(kind)
    ):
        return values.cast(pa.large_string())
    if pa.types.is_temporal(kind):
        return _without_zeros(values.cast(pa.large_string()))  # Python has no year 10000 and no nanoseconds
    if pa.types.is_floating(kind):
        values = pc.add(pc.if_else(pc.is_nan(values), None, values), pa.scalar(0.0, kind))  # -0.0 is 0.0
    return pa.array(
        [v if v is None else str(v).removesuffix(".0") for v in values.to_pylist()], pa.large_string()
    )


def _without_zeros(moments: pa.Array) -> pa.Array:
    """Moments as text without zeros at the end of their seconds, so that those of all units are one."""
    return pc.replace_substring_regex(moments, r"(:\d\d)(?:\.0+|(\.\d*[1-9])0+)", r"\1\2")


def _encoded(column: pa.ChunkedArray) -> list[pa.DictionaryArray]:
    return [
        chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode() for chunk in column.chunks
    ]


def level_names(column: pa.ChunkedArray) -> pa.Array:
    """The distinct levels as text, the most frequent first."""
    texts = pa.chunked_array(
        [as_texts(part.dictionary).take(part.indices) for part in _encoded(column)], pa.large_string()
    )
    counted = pc.value_counts(texts.combine_chunks().drop_null())
    order = pc.sort_indices(
        pa.table(counted.flatten(), ["name", "count"]), [("count", "descending"), ("name", "ascending")]
    )
    return counted.field("values").take(order)


def shared_codes(*columns: pa.ChunkedArray) -> tuple[list[np.ndarray], list[str]]:
    """Codes that all columns share, of shape (rows,) each, and the levels by name: 0 null, then the levels in
    order of appearance."""
    texts = [as_texts(part.dictionary).take(part.indices) for column in columns for part in _encoded(column)]
    joined = pa.chunked_array(texts, pa.large_string()).combine_chunks().dictionary_encode()
    codes = pc.add(joined.indices, 1).fill_null(0).to_numpy().astype(np.int64)
    ends = np.cumsum([len(column) for column in columns])[:-1]
    return np.split(codes, ends), joined.dictionary.to_pylist()


def codes_of(column: pa.ChunkedArray, names: pa.Array) -> tuple[np.ndarray, set[str]]:
    """Codes of shape (rows,): 0 null, 1 the first of `names`, one more than the last of them for any other;
    and these others by name."""
    out, others, other = [np.empty(0, np.int64)], set(), len(names) + 1
    for part in _encoded(column):
        texts = as_texts(part.dictionary)
        codes = pc.fill_null(pc.index_in(texts, value_set=names), len(names)).to_numpy().astype(np.int64) + 1
        codes = np.append(np.where(texts.is_null().to_numpy(zero_copy_only=False), 0, codes), 0)
        places = part.indices.fill_null(len(texts)).to_numpy()
        if other in codes:
            used = np.bincount(places, minlength=len(codes)) > 0  # a dictionary may hold more than its rows
            others |= set(texts.filter(pa.array(used[:-1] & (codes[:-1] == other))).to_pylist())
        out.append(codes[places])
    return np.concatenate(out), others


def row_hashes(rows: CodedRows) -> np.ndarray:
    """64 bits for each row: equal for equal rows, and for two others with a chance of 2^-64.

    So r real rows and s synthetic ones share r * s / 2^64 by accident: .00001 of a row for a million and 1e8.
    """
    total = np.zeros(rows.num_rows, np.uint64)
    for place, (name, values) in enumerate([*rows.numbers.items(), *rows.levels.items()], 1):
        seed = _mixed(np.array([place], np.uint64))
        if name in rows.levels:
            total += _mixed(np.arange(values.max(initial=0) + 1).astype(np.uint64) ^ seed)[values]
        else:
            total += _mixed((values + 0.0).view(np.uint64) ^ seed)  # + 0.0: -0.0 is 0.0
    return total


def _mixed(bits: np.ndarray) -> np.ndarray:
    """The finalizer of SplitMix64 (Steele, Lea and Flood 2014): one to one, every bit of the result depends
    on every bit of `bits`."""
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
