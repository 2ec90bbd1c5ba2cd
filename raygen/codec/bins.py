"""One block of codes: a number cut into atoms and bars, or a string among categories and groups."""

from dataclasses import asdict, dataclass, fields

import numpy as np

from raygen.codec.grid import Days, Grid
from raygen.table.arrow import SPECIAL
from raygen.table.stats import QUANTILES, NumericStats

GRID = 32  # points of the quantile grid inside a bar
ROWS_PER_BAR = 16  # a bar of fewer rows would memorise single values
MOST_DISTINCT = 0.3  # distinct values for each row, of a column that has no continuum of them
FEW_A_BAR = 24  # distinct values of a bar, of which the grid then holds each, or nearly
SCATTERED = 0.5  # of the distinct values that a law without gaps would have
MUCH_ROOM = 1e12  # numbers on the grid: that many have no two rows by chance
MIN_REPEATS = 5  # rows of a value that is said to come again and again
OFTEN = 8.0  # times as often as the values beside it
BESIDE = 8  # of these, on either side


@dataclass(frozen=True)
class NumericBlock:
    """Codes of a number, in the order of its values: an atom is one frequent value, a bar is a range of equal
    mass.

    Attributes:
        grid: float64 of shape (cells, GRID): values at equal steps of mass inside a bar; all equal in an
            atom.
        low, high: float64 of shape (cells,): shares of the values below and up to the cell.
        stepped: bool of shape (cells,): draw grid values as they are (an atom, or few distinct ones) instead
            of between them.
        spacing, minimum, maximum: What a drawn value is moved to.
        days: Of a column of days, those that come.
        missing: Share of the rows that have no value; if there are any, the code after the last cell stands
            for it.
    """

    grid: np.ndarray
    low: np.ndarray
    high: np.ndarray
    stepped: np.ndarray
    spacing: Grid
    minimum: float
    maximum: float
    missing: float
    days: Days | None = None

    @classmethod
    def fit(cls, stats: NumericStats, bars: int, days: bool = False) -> "NumericBlock":
        """Cut the distribution of a column into cells, at most about 2 x `bars` of them, or 5 x `bars` where
        its values come again and again; those of `SPECIAL` are atoms. `days` says that they are days since
        the epoch."""
        values, share = stats.distribution()
        rows = stats.num_usual
        continuous = len(values) > MOST_DISTINCT * rows or stats.sketch is not None
        spacing = Grid.fit(stats)
        rest = share <= 1 / bars
        if stats.sketch is None and _scattered(values[rest], rows * np.sum(share[rest]), spacing):
            bars = int(np.clip(len(values) // FEW_A_BAR, bars, 4 * bars))
        bars = int(np.clip(rows // ROWS_PER_BAR, 4, bars))
        counts = share * (rows if stats.sketch is None else QUANTILES)
        atom = np.ones(len(values), bool) if len(values) <= 2 * bars else _atoms(counts, bars)
        middle = np.cumsum(share[~atom]) - share[~atom] / 2
        bar = (middle * bars / (1 - 1e-9)).astype(int)
        cells = [(values[i : i + 1], share[i : i + 1]) for i in np.flatnonzero(atom)]
        for members in np.split(np.arange(len(bar)), np.flatnonzero(np.diff(bar)) + 1) if len(bar) else []:
            cells.append((values[~atom][members], share[~atom][members]))
        for mark in np.flatnonzero(stats.special):
            cells.append((SPECIAL[[mark]], stats.special[[mark]] / max(1, rows)))
        cells.sort(key=lambda cell: cell[0][len(cell[0]) // 2])
        mass = np.array([np.sum(s) for _, s in cells])
        high = np.cumsum(mass) / max(mass.sum(), 1e-300)
        stepped = np.array(
            [
                len(v) == 1
                or (len(v) <= GRID and not continuous)
                or (stats.sketch is None and _scattered(v, rows * np.sum(s), spacing))
                for v, s in cells
            ],
            bool,
        )
        return cls(
            grid=np.array(
                [_quantiles(*cell, alone) for cell, alone in zip(cells, stepped, strict=True)]
            ).reshape(-1, GRID),
            low=np.concatenate([[0.0], high[:-1]]) if len(high) else high,
            high=high,
            stepped=stepped,
            spacing=spacing,
            minimum=float(values[0]) if len(values) else 0.0,
            maximum=float(values[-1]) if len(values) else 0.0,
            missing=stats.num_missing / max(1, stats.num_rows),
            days=Days.fit(values[~atom], counts[~atom]) if days and continuous else None,
        )

    @property
    def cardinality(self) -> int:
        return max(1, len(self.grid) + (self.missing > 0))

    def frequencies(self) -> np.ndarray:
        """Share of the rows that have each code."""
        return _frequencies(self.high - self.low, self.missing)

    @property
    def is_bar(self) -> np.ndarray:
        """bool of shape (cells,): the cell is a range, not an atom."""
        return self.grid[:, 0] != self.grid[:, -1]

    @property
    def has_offset(self) -> np.ndarray:
        """bool of shape (cardinality,): the code stands for values that differ."""
        return np.append(self.is_bar, np.zeros(self.cardinality - len(self.grid), bool))

    def encode(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """float64 `values` (NaN: missing) to codes, and to the position inside the bar, uint8 in 256 steps of
        mass."""
        codes = np.full(len(values), len(self.grid), np.int64)
        offsets = np.full(len(values), 128, np.uint8)
        present = ~np.isnan(values)
        bars, atoms = np.flatnonzero(self.is_bar), np.flatnonzero(~self.is_bar)
        x = values[present]
        code = np.zeros(len(x), np.int64)
        offset = np.full(len(x), 128, np.uint8)
        exact = np.zeros(len(x), bool)
        if len(atoms):
            points = self.grid[atoms, 0]
            near = np.searchsorted(points, x).clip(0, len(points) - 1)
            exact = points[near] == x
            code[exact] = atoms[near[exact]]
            if not len(bars):  # a value that the statistics never saw goes to the nearest atom
                code = atoms[
                    np.where(
                        np.abs(points[np.maximum(near - 1, 0)] - x) < np.abs(points[near] - x),
                        np.maximum(near - 1, 0),
                        near,
                    )
                ]
        if len(bars):
            knots, position = self._knots(bars)
            place = np.interp(x[~exact], knots, position)
            code[~exact] = bars[place.astype(int).clip(0, len(bars) - 1)]
            offset[~exact] = ((place % 1) * 256).astype(np.uint8)
        codes[present], offsets[present] = code, offset
        return codes, offsets

    def decode(self, codes: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Codes and positions inside the bar, in [0, 1), to float64 values; NaN where missing."""
        gone = codes >= len(self.grid)
        if not self.is_bar.any():
            return np.append(self.grid[:, 0], np.nan)[np.minimum(codes, len(self.grid))]
        cell = np.where(gone, 0, codes)
        stepped = self.stepped[cell]
        place = np.clip(position, 0, 1 - 1e-7) * np.where(stepped, GRID, GRID - 1)
        index = place.astype(np.int64)
        flat = cell * GRID + index
        left = self.grid.ravel()[flat]
        right = self.grid.ravel()[np.minimum(flat + 1, self.grid.size - 1)]
        part = place - index
        between = left * (1 - part)
        between += right * part
        between = self.spacing.snap(between)
        if self.days is not None:
            between = self.days.snap(between)
        values = np.where(stepped, left, np.clip(between, self.minimum, self.maximum))
        values[gone] = np.nan
        return values

    def present(self, position: np.ndarray) -> np.ndarray:
        """Values that are not missing, by how frequent they are alone, at positions in [0, 1)."""
        cell = np.searchsorted(self.high, position, "right").clip(0, len(self.grid) - 1)
        inside = (position - self.low[cell]) / np.maximum(self.high[cell] - self.low[cell], 1e-300)
        return self.decode(cell, inside)

    def _knots(self, bars: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values in ascending order, and bar number + position inside it for each: the inverse of the
        grids."""
        knots, position = [], []
        for number, bar in enumerate(bars):
            if self.stepped[bar]:
                points, where = np.unique(self.grid[bar], return_inverse=True)
                inside = np.bincount(where, (np.arange(GRID) + 0.5) / GRID) / np.bincount(where)
            else:
                points, inside = self.grid[bar], np.linspace(0, 1 - 1e-6, GRID)
            knots.append(points)
            position.append(number + inside)
        return np.concatenate(knots), np.concatenate(position)

    def to_dict(self) -> dict:
        return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, state: dict) -> "NumericBlock":
        given = {field.name: state[field.name] for field in fields(cls)}
        given |= {name: np.asarray(state[name], float) for name in ("low", "high")}
        grid = np.asarray(state["grid"], float).reshape(-1, GRID)
        given |= {
            "grid": grid,
            "stepped": np.asarray(state["stepped"], bool),
            "spacing": Grid(**state["spacing"]),
        }
        if state["days"] is not None:
            classes = tuple(None if c is None else tuple(c) for c in state["days"]["classes"])
            given["days"] = Days(state["days"]["low"], state["days"]["high"], classes)
        return cls(**given)


def _scattered(values: np.ndarray, rows: float, spacing: Grid) -> bool:
    """Whether distinct values are far fewer than so many rows of a law without gaps would have: then what
    lies between them is no value."""
    if not len(values):
        return False
    room = float(values[-1] - values[0]) / spacing.resolution + 1
    return bool(len(values) < SCATTERED * (room * -np.expm1(-rows / room) if room < MUCH_ROOM else rows))


def _atoms(counts: np.ndarray, bars: int) -> np.ndarray:
    """bool of shape (values,): a value that more rows have than belong in a bar, or one of the `bars` most
    frequent of those that come far more often than the values beside them."""
    upto, at = np.concatenate([[0.0], np.cumsum(counts)]), np.arange(len(counts))
    low, high = np.maximum(at - BESIDE, 0), np.minimum(at + BESIDE + 1, len(counts))
    beside = (upto[high] - upto[low] - counts) / np.maximum(high - low - 1, 1)
    often = (counts >= MIN_REPEATS) & (counts > OFTEN * beside)
    if often.sum() > bars:
        often &= counts > np.sort(counts[often])[-bars - 1]
    return often | (counts > counts.sum() / bars)


def _frequencies(shares: np.ndarray, missing: float) -> np.ndarray:
    if not len(shares):
        return np.ones(1)
    return np.append(shares * (1 - missing), missing) if missing > 0 else shares


def _quantiles(values: np.ndarray, shares: np.ndarray, stepped: bool) -> np.ndarray:
    """Values at GRID equal steps of mass: those in the middles of the steps, or, for a continuous range,
    between real ones, ends included."""
    upper = np.cumsum(shares) / np.sum(shares)
    if stepped:
        return values[np.searchsorted(upper, (np.arange(GRID) + 0.5) / GRID).clip(0, len(values) - 1)]
    middle = upper - shares / np.sum(shares) / 2
    middle = (middle - middle[0]) / max(middle[-1] - middle[0], 1e-300)
    return np.interp(np.linspace(0, 1, GRID), middle, values)
