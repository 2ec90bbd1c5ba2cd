"""The other block of a number: its value in standard deviations from the mean, for a network that has a
Gaussian head."""

from dataclasses import asdict, dataclass, fields
from typing import ClassVar

import numpy as np

from raygen.codec import block
from raygen.codec.grid import Grid
from raygen.table.arrow import LARGEST
from raygen.table.stats import NumericStats


@dataclass(frozen=True)
class GaussianBlock:
    """A number as its distance from the mean in standard deviations; its only codes say whether there is a
    value.

    What is drawn is rounded as the column is, but not clipped to the observed range: a Gaussian has no ends.
    Only the type has.

    Attributes:
        mean, std: Of the column's values; `std` is 0 in a column of one value (or none), where nothing is
            left to learn.
        spacing: What a drawn value is rounded to.
        lowest, highest: What the column's type can hold, on that grid.
        missing: Share of the rows that have no value; if there are some, and some that have one, code 1
            stands for it.
        min_rows: So many rows, or more, are behind each number that is stored; of fewer rows without a value,
            the mean is theirs.
    """

    ordered: ClassVar[bool] = False

    mean: float
    std: float
    spacing: Grid
    lowest: float
    highest: float
    missing: float
    min_rows: int = 1

    @classmethod
    def fit(
        cls,
        stats: NumericStats,
        lowest: float = -LARGEST,
        highest: float = LARGEST,
        min_rows: int = 1,
    ) -> "GaussianBlock":
        """The block of a column whose type ends at `lowest` and `highest`."""
        values, share = stats.distribution()
        values = values.astype(float)
        spacing = Grid.fit(stats, min_rows)
        units = spacing, *spacing.within(lowest, highest)
        if not len(values) or stats.num_usual < min_rows:
            return cls(0.0, 0.0, *units, 1.0, min_rows)
        scale = np.abs(values).max() or 1.0  # squares of the largest numbers would overflow
        mean = np.sum(share * (values / scale))
        std = np.sqrt(np.sum(share * (values / scale - mean) ** 2))
        missing = 1 - stats.num_usual / stats.num_rows
        if stats.num_rows - stats.num_usual < min_rows > 1:
            missing = 0.0
        return cls(float(mean * scale), float(std * scale), *units, missing, min_rows)

    @property
    def cardinality(self) -> int:
        return 1 + (0 < self.missing < 1)

    @property
    def has_offset(self) -> np.ndarray:
        """bool of shape (cardinality,): the code stands for values that differ."""
        return np.array([self.std > 0, False])[: self.cardinality]

    @property
    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        return block.unordered(self.cardinality)

    def frequencies(self) -> np.ndarray:
        """Share of the rows that have each code."""
        return np.array([1 - self.missing, self.missing]) if self.cardinality > 1 else np.ones(1)

    def encode(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """float64 `values` (NaN: missing) to codes, and to standard deviations from the mean, float32, 0
        where missing; what is not finite counts as missing."""
        gone = ~(np.abs(values) <= LARGEST)
        away = np.where(gone, 0.0, values - self.mean) / (self.std or np.inf)
        code = gone & (self.missing < 1) & (self.missing > 0 or self.min_rows == 1)
        return code.astype(np.int64), away.astype(np.float32)

    def decode(self, codes: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Codes and standard deviations from the mean to float64 values; NaN where missing."""
        drawn = np.full(len(codes), self.mean)
        if self.std:
            drawn = self.mean + self.std * position.astype(float)
            drawn = self.spacing.snap(drawn).clip(self.lowest, self.highest)
        return np.where((codes > 0) | (self.missing == 1), np.nan, drawn)

    def present(self, position: np.ndarray) -> np.ndarray:
        """Values that are not missing, such that a share `position` of the column's Gaussian is below."""
        from scipy.special import ndtri

        away = ndtri(np.clip(position, 1e-12, 1 - 1e-12))
        return self.decode(np.zeros(len(position), np.int64), away)

    def to_dict(self) -> dict:
        return {k: v for k, v in asdict(self).items() if (k, v) != ("min_rows", 1)}

    @classmethod
    def from_dict(cls, state: dict) -> "GaussianBlock":
        given = {"min_rows": 1, **state}
        given = {field.name: given[field.name] for field in fields(cls)}
        return cls(**{**given, "spacing": Grid(**state["spacing"])})
