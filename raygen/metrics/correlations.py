"""Mergeable moments of pairs of number columns, each pair over the rows where both are known, and Pearson's
correlation from them."""

from dataclasses import dataclass

import numpy as np

CANCELLED = (
    1e-4  # a sum of squares that centering leaves less of has lost too many digits, and is summed again
)


@dataclass(frozen=True)
class Moments:
    """Of each ordered pair of columns (i, j); arrays of shape (columns, columns).

    Attributes:
        rows: Rows where both are known.
        mean: Of column i there; 0 without any.
        squares: Sum of squares of column i about that mean.
        products: Sum of products of the two about their means.
    """

    rows: np.ndarray
    mean: np.ndarray
    squares: np.ndarray
    products: np.ndarray

    @classmethod
    def empty(cls, columns: int) -> "Moments":
        return cls(*np.zeros((4, columns, columns)))

    @classmethod
    def observe(cls, values: np.ndarray) -> "Moments":
        """Moments of float64 `values` of shape (columns, rows), NaN where missing; their squares must be
        finite."""
        known = ~np.isnan(values)
        ones = known.astype(np.float64)
        first = np.array(
            [column[where][0] if where.any() else 0.0 for column, where in zip(values, known, strict=True)]
        )
        centered = np.where(
            known, values - first[:, None], 0.0
        )  # first by a value, so that a constant becomes exactly 0
        mean = centered.sum(1) / ones.sum(1).clip(min=1)
        centered = np.where(known, centered - mean[:, None], 0.0)
        rows, sums, squares = ones @ ones.T, centered @ ones.T, (centered * centered) @ ones.T
        share = sums / rows.clip(min=1)
        mean_here = np.where(rows > 0, (first + mean)[:, None] + share, 0.0)
        out = cls(rows, mean_here, squares - sums * share, centered @ centered.T - sums * share.T)
        doubtful = (
            out.squares < CANCELLED * squares
        )  # the values beside a null are close together and far from the others
        for i, j in np.argwhere(np.triu(doubtful | doubtful.T)):
            out._sum_again(i, j, values[[i, j]][:, known[i] & known[j]])
        return out

    def merge(self, other: "Moments") -> "Moments":
        """Moments of the rows of both (Chan, Golub and LeVeque 1983, eq. 1.5)."""
        rows = self.rows + other.rows
        weight = other.rows / rows.clip(min=1)
        apart = other.mean - self.mean
        squares = self.squares + other.squares + apart**2 * self.rows * weight
        return Moments(
            rows,
            self.mean + apart * weight,
            squares,
            self.products + other.products + apart * apart.T * self.rows * weight,
        )

    def correlations(self) -> np.ndarray:
        """Pearson's r of shape (columns, columns); NaN where one of the two is constant or fewer than 2 rows
        have both."""
        scale = np.sqrt(self.squares) * np.sqrt(self.squares.T)
        r = self.products / np.where(scale > 0, scale, np.nan)
        return r.clip(-1, 1)

    def _sum_again(self, i: int, j: int, both: np.ndarray) -> None:
        """Put the exact moments of two columns in place, given the rows where both are known."""
        first = both[:, :1]
        mean = (both - first).mean(1, keepdims=True)
        centered = both - first - mean
        self.mean[[i, j], [j, i]] = (first + mean)[:, 0]
        self.squares[[i, j], [j, i]] = (centered * centered).sum(1)
        self.products[[i, j], [j, i]] = centered[0] @ centered[1]
