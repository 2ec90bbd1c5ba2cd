"""A distribution cut into cells: which values are atoms, which lie side by side in a bar."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from raygen.codec import support
from raygen.codec.grid import Days, Grid
from raygen.table.stats import QUANTILES, NumericStats

GRID = 32  # points of the quantile grid inside a bar
ROWS_PER_BAR = 16  # a bar of fewer rows would memorise single values
MEANS_PER_BAR = 2  # of `min_rows` rows
MOST_DISTINCT = 0.3  # distinct values for each row, of a column that has no continuum of them
FEW_A_BAR = 24  # distinct values of a bar, of which the grid then holds each, or nearly
SCATTERED = 0.5  # of the distinct values that a law without gaps would have
MUCH_ROOM = 1e12  # numbers on the grid: that many have no two rows by chance
MIN_REPEATS = 5  # rows of a value that is said to come again and again
OFTEN = 8.0  # times as often as the values beside it
BESIDE = 8  # of these, on either side
WIDE = 2.0  # times as wide as what lies beside it is a gap in which nothing lies


class Cell(NamedTuple):
    """An atom, or a bar.

    Attributes:
        values, shares: Those in it, in ascending order, and how frequent each is.
        stepped: All are drawn as they are.
        ends: Where a bar that is not stepped begins and ends; None: at its first and its last value.
    """

    values: np.ndarray
    shares: np.ndarray
    stepped: bool = True
    ends: tuple[float, float] | None = None


@dataclass(frozen=True)
class Law:
    """How the rows of a column lie on its values.

    Attributes:
        values: Distinct, in ascending order.
        shares: Of the rows, those that have each.
        atom, mean: bool for each: it is a cell of its own; it is no value but a mean of some.
        bars: Cells for the others.
        num_rows: All of them.
        continuous: There is a continuum of values.
        spacing, days: Where they can lie.
        seen: Values that are no atoms and rows of each, as they came; None where not all are known.
        borders: Values before which there is a wide gap (see `borders`).
    """

    values: np.ndarray
    shares: np.ndarray
    atom: np.ndarray
    mean: np.ndarray
    bars: int
    num_rows: int
    continuous: bool
    spacing: Grid
    days: Days | None
    seen: tuple[np.ndarray, np.ndarray] | None
    borders: np.ndarray

    @classmethod
    def of(cls, stats: NumericStats, bars: int, days: bool, min_rows: int, odd: np.ndarray) -> "Law":
        """That of a column; see `NumericBlock.fit`. Nothing lies between a value that is `odd` and others."""
        values, shares = stats.distribution()
        rows, known = stats.num_usual, stats.sketch is None
        continuous = len(values) > MOST_DISTINCT * rows or not known
        spacing = Grid.fit(stats, min_rows)
        rest = shares <= 1 / bars
        gaps = known and scattered(values[rest], rows * np.sum(shares[rest]), spacing)
        if gaps:
            bars = int(np.clip(len(values) // FEW_A_BAR, bars, 4 * bars))
        if min_rows > 1:
            bars = int(np.clip(rows // max(ROWS_PER_BAR, MEANS_PER_BAR * min_rows), 1, bars))
        else:
            bars = int(np.clip(rows // ROWS_PER_BAR, 4, bars))
        counts = shares * (rows if known else QUANTILES)
        atom = np.ones(len(values), bool) if len(values) <= 2 * bars else atoms(counts, bars)
        atom |= np.isin(values, odd)
        calendar = None
        if days and continuous:
            calendar = Days.fit(values[~atom], counts[~atom], min_rows, spacing)
        seen = (values[~atom], counts[~atom]) if known else None
        mean = np.zeros(len(values), bool)
        far = borders(values[~atom], max(ROWS_PER_BAR, MEANS_PER_BAR * min_rows), bars // 4)
        law = cls(values, shares, atom, mean, bars, rows, continuous, spacing, calendar, seen, far)
        return law._supported(counts, min_rows, gaps) if min_rows > 1 else law

    def _supported(self, counts: np.ndarray, min_rows: int, gaps: bool) -> "Law":
        """The same law with values that each stand for so many rows; `gaps`: between them is no value."""
        rows, few = np.round(counts).astype(np.int64), bool(self.atom.all())
        stay = self.atom & (rows >= min_rows) & (not few)
        sides = self._sides(self.values[~stay])
        parts = [support.pooled(self.values[~stay][a], rows[~stay][a], min_rows, gaps) for a in sides]
        if not all(len(one[0]) for one in parts):
            parts = [support.pooled(self.values[~stay], rows[~stay], min_rows, gaps)]
        kept, mass, mean = (np.concatenate(one) for one in zip(*parts, strict=True))
        kept = self._snapped(kept, mean & few)
        frequent, often = self.values[stay], rows[stay]
        if not len(kept) and len(frequent):
            np.add.at(often, support.nearest(frequent, self.values[~stay]), rows[~stay])
        values, where = np.unique(np.concatenate([frequent, kept]), return_inverse=True)
        total = np.bincount(where, np.concatenate([often, mass]), len(values))
        own = np.bincount(where, np.append(np.ones(len(frequent)), ~mean), len(values)) > 0
        atom = np.bincount(where, np.arange(len(where)) < len(frequent), len(values)) > 0
        atom |= few
        days = self.days.between(values[~atom]) if self.days is not None else None
        shares = total / max(1, total.sum())
        return replace(self, values=values, shares=shares, atom=atom, mean=~own, days=days)

    def _snapped(self, values: np.ndarray, some: np.ndarray) -> np.ndarray:
        """`some` of the values moved to where values can lie."""
        if not some.any():
            return values
        moved = self.spacing.snap(values)
        return np.where(some, moved if self.days is None else self.days.snap(moved), values)

    def ends(self) -> tuple:
        """The least and the greatest value; a mean is moved to where one can lie, inwards."""
        if not len(self.values):
            return 0.0, 0.0
        (low, high), mean = self.values[[0, -1]], self.mean[[0, -1]]
        near = self._snapped(self.values[[0, -1]], mean)
        unit = self.spacing.step if self.values.dtype == object else self.spacing.resolution
        step = np.array([unit, -unit], self.values.dtype) * (near != np.clip(near, low, high))
        inner = self._snapped(near + step, step != 0)
        if self.days is not None and len(self.days.all):
            inner = np.where(mean, self.days.all[[0, -1]], inner)
        first, last = inner if inner[0] <= inner[1] else near
        return (first, last) if self.values.dtype == object else (float(first), float(last))

    def cells(self) -> list[Cell]:
        """Atoms, and bars of equal mass."""
        found = [Cell(self.values[i : i + 1], self.shares[i : i + 1]) for i in np.flatnonzero(self.atom)]
        values, shares, mean = (x[~self.atom] for x in (self.values, self.shares, self.mean))
        sides = [(a, one) for a in self._sides(values) for one in _cut(shares[a], self.bars, mean[a])]
        for side, within in sides:
            members = side[within]
            some, own = values[members], shares[members]
            if self._is_stepped(some, own):
                found.append(Cell(self._snapped(some, mean[members]), own))
            elif self.mean.any():  # the last mean of a bar is far from the first one of the next
                before, after = values[max(members[0] - 1, side[0])], values[min(members[-1] + 1, side[-1])]
                ends = _middle(before, some[0]), _middle(some[-1], after)
                found.append(Cell(some, own, False, ends))
            else:
                found.append(Cell(some, own, False))
        return found

    def _sides(self, values: np.ndarray) -> list[np.ndarray]:
        """Numbers of the values between one border and the next."""
        return np.split(np.arange(len(values)), np.searchsorted(values, self.borders))

    def _is_stepped(self, values: np.ndarray, shares: np.ndarray) -> bool:
        """Whether those of a bar are drawn as they are."""
        if len(values) == 1 or (len(values) <= GRID and not self.continuous):
            return True
        if self.seen is None:
            return False
        if not self.mean.any():
            return scattered(values, self.num_rows * np.sum(shares), self.spacing)
        inside = (self.seen[0] >= values[0]) & (self.seen[0] <= values[-1])
        return scattered(self.seen[0][inside], self.seen[1][inside].sum(), self.spacing)


def scattered(values: np.ndarray, rows: float, spacing: Grid) -> bool:
    """Whether distinct values are far fewer than so many rows of a law without gaps would have: then what
    lies between them is no value."""
    if not len(values):
        return False
    room = float(values[-1] - values[0]) / spacing.resolution + 1
    return bool(len(values) < SCATTERED * (room * -np.expm1(-rows / room) if room < MUCH_ROOM else rows))


def borders(values: np.ndarray, least: int, most: int) -> np.ndarray:
    """Those of some distinct values, in ascending order, before which there is a gap much wider than the next
    `least` values take on either side of it, so that nothing lies in it; at most so many."""
    at = np.arange(least, len(values) - least + 1)
    gaps = values[at] - values[at - 1]
    beside = np.maximum(values[at - 1] - values[at - least], values[at + least - 1] - values[at])
    wide = np.flatnonzero(gaps > WIDE * beside)
    widest = wide[np.argsort(-gaps[wide], kind="stable")[:most]]
    return values[np.sort(at[widest])]


def atoms(counts: np.ndarray, bars: int) -> np.ndarray:
    """bool of shape (values,): a value that more rows have than belong in a bar, or one of the `bars` most
    frequent of those that come far more often than the values beside them."""
    upto, at = np.concatenate([[0.0], np.cumsum(counts)]), np.arange(len(counts))
    low, high = np.maximum(at - BESIDE, 0), np.minimum(at + BESIDE + 1, len(counts))
    beside = (upto[high] - upto[low] - counts) / np.maximum(high - low - 1, 1)
    often = (counts >= MIN_REPEATS) & (counts > OFTEN * beside)
    if often.sum() > bars:
        often &= counts > np.sort(counts[often])[-bars - 1]
    return often | (counts > counts.sum() / bars)


def _cut(shares: np.ndarray, bars: int, mean: np.ndarray) -> list[np.ndarray]:
    """Numbers of the members of at most so many bars of equal mass; a mean is no bar alone if there are
    others."""
    if not len(shares):
        return []
    middle = np.cumsum(shares) - shares / 2
    bar = (middle * bars / (1 - 1e-9)).astype(int)
    found: list[np.ndarray] = []
    for members in np.split(np.arange(len(bar)), np.flatnonzero(np.diff(bar)) + 1):
        if found and any(len(some) == 1 and mean[some[0]] for some in (found[-1], members)):
            found[-1] = np.concatenate([found[-1], members])
        else:
            found.append(members)
    return found


def quantiles(cell: Cell) -> np.ndarray:
    """GRID values at equal steps of mass: those in the middles of the steps, or, for a continuous range,
    between real ones, ends included."""
    values, upper = cell.values, np.cumsum(cell.shares) / np.sum(cell.shares)
    if cell.stepped:
        return values[np.searchsorted(upper, (np.arange(GRID) + 0.5) / GRID).clip(0, len(values) - 1)]
    middle = upper - cell.shares / np.sum(cell.shares) / 2
    if cell.ends is not None and cell.ends[0] < values[0]:
        values, middle = np.insert(values, 0, cell.ends[0]), np.append(0.0, middle)
    if cell.ends is not None and cell.ends[1] > values[-1]:
        values, middle = np.append(values, cell.ends[1]), np.append(middle, 1.0)
    middle = (middle - middle[0]) / max(middle[-1] - middle[0], 1e-300)
    if values.dtype != object:
        return np.interp(np.linspace(0, 1, GRID), middle, values)
    beyond = np.interp(np.linspace(0, 1, GRID), middle, (values - values[0]).astype(float))
    exact = np.array([values[0] + round(distance) for distance in beyond.tolist()], object)
    return np.clip(exact, values[0], values[-1])


def _middle(low: float, high: float) -> float:
    return (low + high) // 2 if isinstance(low, int) else (low + high) / 2
