"""Columns of a sample as matrices, in which all pairs of columns are compared at once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from raygen import rng
from raygen.relations import quantities
from raygen.relations.conditions import is_missing
from raygen.relations.expressions import COUNTED, kind_of_type
from raygen.relations.quantities import Quantity
from raygen.table import arrow

LOOK = 256  # rows by which candidates are found
DAY = 86_400.0
_COPIED = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}


@dataclass
class Sample:
    """A sample of a table's rows, in random order.

    Attributes:
        table: The rows; texts that Arrow only views are copied.
        schema: That of the table as it was given.
        kinds: The kind of each column; those of kind "other" and those without two values are left out of
            all that is compared.
    """

    table: pa.Table
    schema: pa.Schema
    kinds: dict[str, str]

    @classmethod
    def of(cls, table: pa.Table, seed: int) -> "Sample":
        order = rng.generator(seed, "order of a sample in which relations are looked for").permutation(
            table.num_rows
        )
        copied = pa.schema([(one.name, _COPIED.get(one.type, one.type)) for one in table.schema])
        shuffled = table.cast(copied).take(pa.array(order)).combine_chunks()
        return cls(shuffled, table.schema, {one.name: kind_of_type(one.type) for one in table.schema})

    @property
    def rows(self) -> int:
        return self.table.num_rows

    @cached_property
    def names(self) -> list[str]:
        return list(self.table.column_names)

    @cached_property
    def missing(self) -> np.ndarray:
        """bool of shape (columns, rows)."""
        return np.array([is_missing(column) for column in self.table.columns]).reshape(-1, self.rows)

    @cached_property
    def codes(self) -> np.ndarray:
        """int32 of shape (columns, rows): which of the column's distinct values; -1 where missing."""
        codes = np.full((len(self.names), self.rows), -1, np.int32)
        for k, name in enumerate(self.names):
            if self.kinds[name] != "other":
                encoded = arrow.plain(self.table.column(k)).dictionary_encode().indices
                codes[k] = encoded.fill_null(-1).to_numpy(zero_copy_only=False)
        codes[self.missing] = -1
        return codes

    @cached_property
    def distinct(self) -> np.ndarray:
        """int64 of shape (columns,): values that differ, of those that are there."""
        return np.array([np.unique(code[code >= 0]).size for code in self.codes], np.int64)

    @cached_property
    def surprise(self) -> np.ndarray:
        """float32 of shape (columns, rows): minus the logarithm of the share of the rows that have the same
        value; 0 where missing."""
        out = np.zeros(self.codes.shape, np.float32)
        for k, code in enumerate(self.codes):
            there = code >= 0
            if there.any():
                counts = np.bincount(code[there])
                out[k, there] = np.log(there.sum() / counts[code[there]])
        return out

    @cached_property
    def entropy(self) -> np.ndarray:
        """float of shape (columns,): nats per row of the values that are there."""
        there = np.maximum((~self.missing).sum(axis=1), 1)
        return self.surprise.sum(axis=1) / there

    @cached_property
    def differing(self) -> np.ndarray:
        """float of shape (columns,): how often two rows have different values."""
        out = np.zeros(len(self.names))
        for k, code in enumerate(self.codes):
            counts = np.bincount(code[code >= 0]).astype(float)
            out[k] = 1 - float((counts**2).sum()) / max(counts.sum() ** 2, 1.0)
        return out

    @cached_property
    def rows_of_codes(self) -> np.ndarray:
        """`codes` by rows: int32 of shape (rows, columns)."""
        return np.ascontiguousarray(self.codes.T)

    @cached_property
    def quantities(self) -> dict[str, Quantity]:
        names = [name for name in self.names if self.kinds[name] in COUNTED]
        return {name: quantities.of_array(self.table.column(name)) for name in names}

    @cached_property
    def numbers(self) -> np.ndarray:
        """float64 of shape (columns, rows): numbers; moments and spans in seconds, those of a zone as
        instants; texts and truths as numbers of their own, alike in all columns; NaN where missing."""
        out = np.full((len(self.names), self.rows), np.nan)
        texts = [k for k, name in enumerate(self.names) if self.kinds[name] in ("text", "truth")]
        if texts:
            arrays = [arrow.strings(self.table.column(k)) for k in texts]
            ids = pa.chunked_array(arrays).combine_chunks().dictionary_encode().indices
            out[texts] = ids.to_numpy(zero_copy_only=False).reshape(len(texts), self.rows)
        for k, name in enumerate(self.names):
            if name in self.quantities:
                quantity = self.quantities[name]
                if self.has_zone(k):
                    quantity = quantities.of_array(self.table.column(k), instants=True)
                unit = 1.0 if self.kinds[name] == "number" else DAY
                if (unit == DAY and DAY % quantity.per == 0) or quantity.per == 1:
                    out[k] = quantity.whole * (unit / quantity.per)
                else:
                    out[k] = quantity.floats if unit == 1.0 else quantity.whole / (quantity.per / DAY)
        out[self.missing] = np.nan
        return out

    def has_zone(self, k: int) -> bool:
        """Whether a column is of moments that another clock shows than that of Greenwich."""
        return getattr(arrow.value_type(self.table.schema.field(k).type), "tz", None) not in (None, "UTC")

    def is_instant(self, k: int) -> bool:
        """Whether a column is of moments that know their zone."""
        return getattr(arrow.value_type(self.table.schema.field(k).type), "tz", None) is not None

    def of_kind(self, *kinds: str) -> list[int]:
        """Columns of these kinds with at least two values."""
        return [k for k, name in enumerate(self.names) if self.kinds[name] in kinds and self.distinct[k] > 1]

    def look(self, rows: int = LOOK) -> "Sample":
        """The first rows."""
        return Sample(self.table.slice(0, rows).combine_chunks(), self.schema, self.kinds)


def entropy_of(share: np.ndarray | float) -> np.ndarray:
    """Nats of an event of that share, elementwise."""
    share = np.clip(np.asarray(share, float), 1e-12, 1 - 1e-12)
    return -share * np.log(share) - (1 - share) * np.log1p(-share)


def saved(kept: np.ndarray, surprise: np.ndarray, told: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a class "as the relation says" saves beside a column's own values.

    It is taken where the relation holds and the value is rarer than the class: a zero stays a zero.

    Args:
        kept: bool of shape (columns, rows), where the relation holds.
        surprise: Nats of each value, of the same shape.
        told: Rows of each column in which the relation says something.

    Returns:
        Nats per row, and the rows that take the class; both of shape (columns,).
    """
    used = kept
    for _ in range(2):
        share = np.maximum(used.sum(axis=1), 1) / told
        used = kept & (surprise > -np.log(np.minimum(share, 1))[:, None])
    count = used.sum(axis=1)
    gain = np.einsum("ij,ij->i", used, surprise) / told - entropy_of(count / told)
    every = np.einsum("ij,ij->i", kept, surprise) / told - entropy_of(kept.sum(axis=1) / told)
    return np.maximum(gain, every), np.where(gain > every, count, kept.sum(axis=1))


@dataclass(frozen=True)
class Candidate:
    """A rule that a sample seems to show.

    Attributes:
        column: The column that it is about.
        text: The rule.
        gain: Nats per row that it saves, about.
        rank: Of rules with like gain, the lower is taken.
    """

    column: str
    text: str
    gain: float
    rank: int = 0
