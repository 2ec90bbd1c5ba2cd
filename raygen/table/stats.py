"""Mergeable statistics of a column: `merge(observe(a), observe(b))` answers as `observe(a + b)` does.

Exact up to `MAX_DISTINCT` values; beyond, quantiles come from a KLL sketch (Karnin, Lang and Liberty 2016,
rank error below 0.1 %) and the frequent strings from a frequent-items sketch (Anderson et al. 2017), both of
Apache DataSketches.
"""

import math
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raygen.table.arrow import LARGEST, SPECIAL, as_whole, rounded
from raygen.table.arrow import present as there

MAX_DISTINCT = 100_000
KLL_K = 4096
KLL_ROWS = 1_000_000  # rows of equal values that are added to a sketch at a time
FREQUENT_LG_K = 18
MAX_DECIMALS = 9
QUANTILES = 2**15
TAIL = 100  # moments at either end that are known one by one


@dataclass
class NumericStats:
    """Of numbers, missing ones (NaN) and special ones counted apart.

    Attributes:
        num_rows, num_missing: Rows seen, and those without a value.
        special: int64 of shape (5,): rows of each of `arrow.SPECIAL`; all that follows is of the other
            values.
        values, counts: The distinct values in ascending order and how often each came, while `sketch` is
            None.
        sketch: KLL sketch of all values, once there were more than `MAX_DISTINCT` distinct ones.
        minimum, maximum: Of the values; +inf and -inf before the first.
        digits: int64 of shape (MAX_DECIMALS + 1,): rows whose value takes so many digits after the point to
            be written exactly; the last: that many or more.
        base, divisor: The values lie `divisor` (0: all are equal) or multiples of it away from `base`, if all
            are whole; it is 1 where they are not.
        first, last: The `TAIL` first moments in ascending, and the last ones in descending order, where the
            days are those of moments; int64 in the column's units.
        scale: If not None, values, minimum and maximum are Python's whole numbers of 10 ** -scale, all digits
            kept (but not in `sketch`).
    """

    num_rows: int = 0
    num_missing: int = 0
    special: np.ndarray = field(default_factory=lambda: np.zeros(len(SPECIAL), np.int64))
    values: np.ndarray = field(default_factory=lambda: np.empty(0))
    counts: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    sketch: bytes | None = None
    minimum: float = np.inf
    maximum: float = -np.inf
    digits: np.ndarray = field(default_factory=lambda: np.zeros(MAX_DECIMALS + 1, np.int64))
    base: int = 0
    divisor: int = 0
    first: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    last: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    scale: int | None = None

    @classmethod
    def observe(cls, values: np.ndarray, single: bool = False, scale: int = 0) -> "NumericStats":
        """Statistics of float64 `values` of shape (rows,), or of whole numbers of 10 ** -scale (see
        `arrow.whole_numbers`); `single` says they were stored in 32 bits or fewer."""
        if values.dtype == object:
            return cls._observe_whole(values, scale)
        known = (np.abs(values) <= LARGEST) | np.isin(values, SPECIAL)  # what is beyond is missing, as NaN is
        distinct, counts = np.unique(values[known], return_counts=True)
        stats = cls(len(values), int((~known).sum()))
        stats.special = np.array([counts[distinct == mark].sum() for mark in SPECIAL], np.int64)
        usual = np.abs(distinct) <= LARGEST
        distinct, counts = distinct[usual], counts[usual]
        stats.values, stats.counts = distinct, counts
        if len(distinct):
            stats.minimum, stats.maximum = float(distinct[0]), float(distinct[-1])
            needed = _digits(distinct, single)
            stats.digits = np.bincount(needed, counts, MAX_DECIMALS + 1).astype(np.int64)
            stats.base, stats.divisor = _lattice(distinct) if not needed.any() else (0, 1)
        return stats._compact()

    @classmethod
    def _observe_whole(cls, values: np.ndarray, scale: int) -> "NumericStats":
        present = values[there(values)]
        stats = cls(len(values), len(values) - len(present), scale=scale)
        stats.values, stats.counts = np.unique(present, return_counts=True)
        if len(present):
            stats.minimum, stats.maximum = stats.values[0], stats.values[-1]
            stats.digits[0] = len(present)
            stats.base, stats.divisor = _lattice(stats.values)
        return stats._compact()

    def whole(self, scale: int) -> "NumericStats":
        """The same of whole numbers of 10 ** -scale."""
        if self.scale is not None:
            return self
        ends = (
            as_whole(np.array([self.minimum, self.maximum]), scale) if self.num_usual else (np.inf, -np.inf)
        )
        values, digits = as_whole(self.values, scale), np.zeros_like(self.digits)
        digits[0] = self.digits.sum()
        lattice = (0, 1) if scale or self.divisor == 1 else (self.base, self.divisor)
        if len(values):
            lattice = _lattice(values)
        return replace(
            self,
            values=values,
            minimum=ends[0],
            maximum=ends[1],
            digits=digits,
            base=lattice[0],
            divisor=lattice[1],
            scale=scale,
        )

    @staticmethod
    def merge(a: "NumericStats", b: "NumericStats") -> "NumericStats":
        scale = b.scale if a.scale is None else a.scale
        if scale is not None:
            a, b = a.whole(scale), b.whole(scale)
        out = NumericStats(a.num_rows + b.num_rows, a.num_missing + b.num_missing, scale=scale)
        out.minimum, out.maximum = min(a.minimum, b.minimum), max(a.maximum, b.maximum)
        out.special, out.digits = a.special + b.special, a.digits + b.digits
        seen = [part for part in (a, b) if part.num_usual]
        if seen:
            out.divisor = math.gcd(a.divisor, b.divisor, seen[-1].base - seen[0].base)
            out.base = 0 if out.divisor == 1 else min(part.base for part in seen)
        out.first = np.sort(np.concatenate([a.first, b.first]))[:TAIL]
        out.last = np.sort(np.concatenate([a.last, b.last]))[::-1][:TAIL]
        if a.sketch is None and b.sketch is None:
            out.values, where = np.unique(np.concatenate([a.values, b.values]), return_inverse=True)
            out.counts = np.bincount(where, np.concatenate([a.counts, b.counts]), len(out.values)).astype(
                np.int64
            )
            return out._compact()
        out.sketch = _kll(a, b)
        return out

    @property
    def num_usual(self) -> int:
        """Rows whose value is neither missing nor special."""
        return self.num_rows - self.num_missing - int(self.special.sum())

    def distribution(self) -> tuple[np.ndarray, np.ndarray]:
        """Distinct usual values in ascending order and their share of the rows that have one (shares sum to
        1)."""
        if self.sketch is None:
            return self.values, self.counts / max(1, self.counts.sum())
        from datasketches import kll_doubles_sketch

        sketch = kll_doubles_sketch.deserialize(self.sketch)
        points = np.asarray(sketch.get_quantiles((np.arange(QUANTILES) + 0.5) / QUANTILES))
        if self.scale is not None:
            points = as_whole(points, self.scale)
        points[0], points[-1] = self.minimum, self.maximum
        values, counts = np.unique(points, return_counts=True)
        return values, counts / QUANTILES

    def _compact(self) -> "NumericStats":
        if len(self.values) > MAX_DISTINCT:
            self.sketch = _kll(self)
            self.values, self.counts = self.values[:0], np.empty(0, np.int64)
        return self


@dataclass
class CategoryStats:
    """Of strings, missing ones counted apart.

    Attributes:
        num_rows, num_missing: Rows seen, and those without a value.
        counts: How often each distinct string came, while `sketch` is None.
        sketch: Frequent-items sketch, once there were more than `MAX_DISTINCT` distinct strings.
    """

    num_rows: int = 0
    num_missing: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    sketch: bytes | None = None

    @classmethod
    def observe(cls, values: pa.Array) -> "CategoryStats":
        """Statistics of a string array, null where missing."""
        counted = pc.value_counts(values.drop_null())
        names, counts = counted.field("values").to_pylist(), counted.field("counts").to_pylist()
        return cls(len(values), values.null_count, dict(zip(names, counts, strict=True)))._compact()

    @staticmethod
    def merge(a: "CategoryStats", b: "CategoryStats") -> "CategoryStats":
        out = CategoryStats(a.num_rows + b.num_rows, a.num_missing + b.num_missing)
        if a.sketch is None and b.sketch is None:
            out.counts = dict(a.counts)
            for name, count in b.counts.items():
                out.counts[name] = out.counts.get(name, 0) + count
            return out._compact()
        out.sketch = _frequent(a, b)
        return out

    def frequencies(self) -> list[tuple[str, int]]:
        """Strings and their counts, most frequent first, ties by name; the frequent ones only, once there is
        a sketch."""
        counts = self.counts
        if self.sketch is not None:
            from datasketches import frequent_items_error_type, frequent_strings_sketch

            items = frequent_strings_sketch.deserialize(self.sketch).get_frequent_items(
                frequent_items_error_type.NO_FALSE_NEGATIVES
            )
            counts = {name: max(1, lower) for name, _, lower, _ in items[:MAX_DISTINCT]}
        return sorted(counts.items(), key=lambda item: (-item[1], item[0]))

    def _compact(self) -> "CategoryStats":
        if len(self.counts) > MAX_DISTINCT:
            self.sketch, self.counts = _frequent(self), {}
        return self


Stats: TypeAlias = NumericStats | CategoryStats


def _digits(values: np.ndarray, single: bool) -> np.ndarray:
    """Digits after the point that write each value exactly, `MAX_DECIMALS` at most."""
    kind = np.float32 if single else np.float64
    needed = np.zeros(len(values), np.int64)
    left = np.arange(len(values))
    for digits in range(MAX_DECIMALS):
        left = left[rounded(values[left], digits).astype(kind) != values[left].astype(kind)]
        needed[left] = digits + 1
    return needed


def _lattice(whole: np.ndarray) -> tuple[int, int]:
    """Base and divisor of whole numbers; 0 and 1 where some have no float64 of their own."""
    if whole.dtype == object:
        divisor = math.gcd(*(whole - whole[0]))
        return 0 if divisor == 1 else whole[0], divisor
    if np.abs(whole[[0, -1]]).max() >= 2**53:
        return 0, 1
    divisor = int(np.gcd.reduce((whole - whole[0]).astype(np.int64), initial=0))
    return 0 if divisor == 1 else int(whole[0]), divisor


def _kll(*parts: NumericStats) -> bytes:
    from datasketches import kll_doubles_sketch

    total = kll_doubles_sketch(KLL_K)
    for part in parts:
        if part.sketch is not None:
            total.merge(kll_doubles_sketch.deserialize(part.sketch))
        upto = np.cumsum(part.counts)
        for start in range(0, int(upto[-1]) if len(upto) else 0, KLL_ROWS):  # in pieces: counts may be large
            rows = np.arange(start, min(start + KLL_ROWS, upto[-1]))
            values = part.values[np.searchsorted(upto, rows, side="right")]
            total.update(values.astype(float) / 10.0 ** (part.scale or 0))
    return total.serialize()


def _frequent(*parts: CategoryStats) -> bytes:
    from datasketches import frequent_strings_sketch

    total = frequent_strings_sketch(FREQUENT_LG_K)
    for part in parts:
        if part.sketch is not None:
            total.merge(frequent_strings_sketch.deserialize(part.sketch))
        for name, count in part.counts.items():
            total.update(name, count)
    return total.serialize()
