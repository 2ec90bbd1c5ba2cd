"""One block of codes: a number cut into atoms and bars, or a string among categories and groups."""

from dataclasses import asdict, dataclass, fields

import numpy as np

from raygen.table.arrow import rounded
from raygen.table.stats import MAX_DECIMALS, NumericStats

GRID = 32  # points of the quantile grid inside a bar
ROWS_PER_BAR = 16  # a bar of fewer rows would memorise single values


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
        decimals, divisor, minimum, maximum: What a drawn value is rounded and clipped to.
        missing: Share of the rows that have no value; if there are any, the code after the last cell stands
            for it.
    """

    grid: np.ndarray
    low: np.ndarray
    high: np.ndarray
    stepped: np.ndarray
    decimals: int
    divisor: int
    minimum: float
    maximum: float
    missing: float

    @classmethod
    def fit(cls, stats: NumericStats, bars: int) -> "NumericBlock":
        """Cut the distribution of a column into at most about 2 x `bars` cells."""
        values, share = stats.distribution()
        bars = int(np.clip((stats.num_rows - stats.num_missing) // ROWS_PER_BAR, 4, bars))
        atom = np.ones(len(values), bool) if len(values) <= 2 * bars else share > 1 / bars
        middle = np.cumsum(share[~atom]) - share[~atom] / 2
        bar = (middle * bars / (1 - 1e-9)).astype(int)
        cells = [(values[i : i + 1], share[i : i + 1]) for i in np.flatnonzero(atom)]
        for members in np.split(np.arange(len(bar)), np.flatnonzero(np.diff(bar)) + 1) if len(bar) else []:
            cells.append((values[~atom][members], share[~atom][members]))
        cells.sort(key=lambda cell: cell[0][len(cell[0]) // 2])
        mass = np.array([np.sum(s) for _, s in cells])
        high = np.cumsum(mass) / max(mass.sum(), 1e-300)
        continuous = len(values) > 0.3 * (stats.num_rows - stats.num_missing) or stats.sketch is not None
        return cls(
            grid=np.array([_quantiles(v, s, continuous) for v, s in cells]).reshape(-1, GRID),
            low=np.concatenate([[0.0], high[:-1]]) if len(high) else high,
            high=high,
            stepped=np.array([len(v) == 1 or (len(v) <= GRID and not continuous) for v, _ in cells], bool),
            decimals=stats.decimals,
            divisor=stats.divisor,
            minimum=float(values[0]) if len(values) else 0.0,
            maximum=float(values[-1]) if len(values) else 0.0,
            missing=stats.num_missing / max(1, stats.num_rows),
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
        between = in_units(between, self.decimals, self.divisor)
        values = np.where(stepped, left, np.clip(between, self.minimum, self.maximum))
        values[gone] = np.nan
        return values

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
        return cls(**{**given, "grid": grid, "stepped": np.asarray(state["stepped"], bool)})


def in_units(values: np.ndarray, decimals: int, divisor: int) -> np.ndarray:
    """`values` rounded to multiples of a column's divisor, or to its decimals."""
    if divisor > 1:
        return np.round(values / divisor) * divisor
    return rounded(values, decimals) if decimals < MAX_DECIMALS else values


def _frequencies(shares: np.ndarray, missing: float) -> np.ndarray:
    if not len(shares):
        return np.ones(1)
    return np.append(shares * (1 - missing), missing) if missing > 0 else shares


def _quantiles(values, shares, continuous: bool) -> np.ndarray:
    """Values at GRID equal steps of mass: middles of the steps for few values, ends included for a continuous
    range."""
    values, shares = np.asarray(values, float), np.asarray(shares, float)
    upper = np.cumsum(shares) / shares.sum()
    if len(values) <= GRID and not continuous:
        return values[np.searchsorted(upper, (np.arange(GRID) + 0.5) / GRID).clip(0, len(values) - 1)]
    middle = upper - shares / shares.sum() / 2
    middle = (middle - middle[0]) / max(middle[-1] - middle[0], 1e-300)
    return np.interp(np.linspace(0, 1, GRID), middle, values)
