"""What a lookup knows: the value that each key has, and in how many rows it was seen."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raygen.relations import quantities
from raygen.relations.conditions import is_missing
from raygen.table import arrow


@dataclass(frozen=True)
class Pairs:
    """Sorted by keys, each of which comes once; texts as Arrow writes the values.

    Attributes:
        keys: For each key column its texts.
        values: The text of the value of each key.
        support: Rows in which each key has that value.
    """

    keys: tuple[tuple[str, ...], ...]
    values: tuple[str, ...]
    support: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.values)

    def __hash__(self) -> int:
        return hash((self.keys, self.values))

    def find(self, table: pa.Table, columns: tuple[str, ...]) -> np.ndarray:
        """Which pair each row has, int64 of shape (rows,); -1 where the key is missing or unknown."""
        known = [np.array(sorted(set(texts)), object) for texts in self.keys]
        places = [
            np.searchsorted(levels, np.array(texts, object))
            for levels, texts in zip(known, self.keys, strict=True)
        ]
        own, rows = np.zeros(len(self), np.int64), np.zeros(table.num_rows, np.int64)
        there = np.ones(table.num_rows, bool)
        for levels, place, column in zip(known, places, columns, strict=True):
            codes = _codes(table.column(column), levels)
            there &= codes >= 0
            own, rows = own * len(levels) + place, rows * len(levels) + codes
        order = np.argsort(own, kind="stable")
        at = np.searchsorted(own[order], rows).clip(0, max(len(own) - 1, 0))
        if not len(own):
            return np.full(table.num_rows, -1)
        return np.where(there & (own[order][at] == rows), order[at], -1)

    def by_first_key(self) -> "Pairs":
        """The most frequent value of each value of the first key column."""
        counts: dict[tuple[str, ...], int] = {}
        for key, value, rows in zip(self.keys[0], self.values, self.support, strict=True):
            counts[key, value] = counts.get((key, value), 0) + rows
        return Pairs.of_counts(counts)

    def take(self, found: np.ndarray, kind: pa.DataType) -> pa.Array:
        """Values of pairs in an Arrow type; null where -1."""
        plain = arrow.value_type(kind)
        values = _values_of(pa.array(self.values, pa.large_string()), plain)
        taken = values.take(pa.array(np.where(found < 0, 0, found), pa.int64(), mask=found < 0))
        return quantities.encoded(taken, kind)

    def to_dict(self) -> dict:
        return {
            "keys": [list(texts) for texts in self.keys],
            "values": list(self.values),
            "support": list(self.support),
        }

    @classmethod
    def from_dict(cls, state: dict) -> "Pairs":
        keys = tuple(tuple(texts) for texts in state["keys"])
        return cls(keys, tuple(state["values"]), tuple(state["support"]))

    @classmethod
    def of_counts(cls, counts: dict[tuple[str, ...], int]) -> "Pairs":
        """The most frequent value of each key; `counts` has keys followed by a value. Of values seen equally
        often, the first in order."""
        best: dict[tuple[str, ...], tuple[int, str]] = {}
        for (*key, value), count in sorted(counts.items()):
            if count > best.get(tuple(key), (0, ""))[0]:
                best[tuple(key)] = (count, value)
        order = sorted(best)
        width = len(order[0]) if order else 1
        keys = tuple(tuple(key[i] for key in order) for i in range(width))
        return cls(keys, tuple(best[key][1] for key in order), tuple(best[key][0] for key in order))


def counted(table: pa.Table, columns: tuple[str, ...]) -> dict[tuple[str, ...], int]:
    """Rows of each combination of texts, of rows in which none of the columns is missing."""
    missing = np.zeros(table.num_rows, bool)
    levels, rows = [], np.zeros(table.num_rows, np.int64)
    for name in columns:
        missing |= is_missing(table.column(name))
        encoded = texts_of(table.column(name)).dictionary_encode()
        levels.append(encoded.dictionary.to_pylist())
        codes = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
        rows = rows * max(len(levels[-1]), 1) + codes
    distinct, counts = np.unique(rows[~missing], return_counts=True)
    texts = []
    for known in reversed(levels):
        distinct, code = np.divmod(distinct, max(len(known), 1))
        texts.append([known[i] for i in code])
    return dict(zip(zip(*reversed(texts), strict=True), counts.tolist(), strict=True))


def texts_of(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Values as texts; dates and moments beyond year 9999, spans and times of day, which Arrow does not read
    back, as numbers of their units."""
    array = arrow.plain(array)
    if _is_moment(array.type):
        return array.cast(_whole_of(array.type)).cast(pa.large_string())
    if not _is_span(array.type):
        return arrow.strings(array)
    ticks, missing = arrow.moments(array)
    return pa.array(ticks, mask=missing).cast(pa.large_string())


def _values_of(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    """The inverse of `texts_of`, but that texts that Arrow would view are copies."""
    if pa.types.is_string_view(kind):
        return texts
    if _is_moment(kind):
        return texts.cast(_whole_of(kind)).cast(kind)
    if not _is_span(kind):
        return arrow.from_strings(texts, kind)
    ticks = texts.cast(pa.int64())
    return arrow.from_moments(ticks.to_numpy(zero_copy_only=False), np.zeros(len(texts), bool), kind)


def _is_span(kind: pa.DataType) -> bool:
    return bool(pa.types.is_time(kind) or pa.types.is_duration(kind))


def _is_moment(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _whole_of(kind: pa.DataType) -> pa.DataType:
    return pa.int32() if pa.types.is_date32(kind) else pa.int64()


def _codes(column: pa.ChunkedArray, levels: np.ndarray) -> np.ndarray:
    """The place of each value's text in sorted `levels`; -1 where it is none of them."""
    plain = arrow.plain(column)
    encoded = plain.dictionary_encode()
    texts = texts_of(encoded.dictionary)
    places = pc.index_in(texts, pa.array(levels.tolist(), pa.large_string())).fill_null(-1)
    places = np.append(places.to_numpy(zero_copy_only=False).astype(np.int64), -1)
    codes = encoded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
    return places[codes]
