"""One block of codes: a number cut into atoms and bars, or a string among categories and groups."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import ClassVar

import numpy as np

from raygen.codec.cells import GRID, Cell, Law, quantiles
from raygen.codec.grid import Days, Grid
from raygen.codec.support import nearest
from raygen.table import readings
from raygen.table.arrow import SPECIAL
from raygen.table.arrow import present as there
from raygen.table.stats import NumericStats

LEFT_OUT = {"min_rows": 1, "scale": None, "reading": ""}  # of what is stored, if it says no more than this


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
        reading: Of whole numbers that are days, months or times of day, which of `table.readings`; then all
            of the above are places on its line.
        scale: If not None, all values are whole numbers of 10 ** -scale, of which float64 has too few
            digits: Python's integers in arrays of objects, None where missing.
        min_rows: So many rows, or more, are behind each number that is stored. What fewer of them have goes
            to where the nearest values are, no value to the most frequent cell.
    """

    ordered: ClassVar[bool] = True

    grid: np.ndarray
    low: np.ndarray
    high: np.ndarray
    stepped: np.ndarray
    spacing: Grid
    minimum: float
    maximum: float
    missing: float
    days: Days | None = None
    min_rows: int = 1
    scale: int | None = None
    reading: str = ""

    @classmethod
    def fit(
        cls, stats: NumericStats, bars: int, days: bool = False, min_rows: int = 1, reading: str = ""
    ) -> "NumericBlock":
        """Cut the distribution of a column into cells, at most about 2 x `bars` of them, or 5 x `bars` where
        its values come again and again; those of `SPECIAL` are atoms. `days` says that they are days since
        the epoch; `min_rows` how many rows are behind whatever is stored, at the least; `reading` what
        whole numbers stand for."""
        odd = np.empty(0)
        if reading:
            stats, odd = readings.on_line(stats, reading, min_rows)
        law = Law.of(stats, bars, days or reading in readings.DAYS, min_rows, odd)
        cells = law.cells()
        special = np.where(stats.special >= min_rows, stats.special, 0)
        for mark in np.flatnonzero(special):
            cells.append(Cell(SPECIAL[[mark]], special[[mark]] / max(1, stats.num_usual)))
        cells.sort(key=lambda cell: cell.values[len(cell.values) // 2])
        mass = np.array([np.sum(cell.shares) for cell in cells])
        high = np.cumsum(mass) / max(mass.sum(), 1e-300)
        missing = stats.num_missing + int(np.sum(stats.special - special))
        minimum, maximum = law.ends()
        return cls(
            grid=np.array([quantiles(cell) for cell in cells], law.values.dtype).reshape(-1, GRID),
            low=np.concatenate([[0.0], high[:-1]]) if len(high) else high,
            high=high,
            stepped=np.array([cell.stepped for cell in cells], bool),
            spacing=law.spacing,
            minimum=minimum,
            maximum=maximum,
            missing=share_missing(missing, stats.num_rows, bool(cells), min_rows),
            days=law.days,
            min_rows=min_rows,
            scale=stats.scale,
            reading=reading,
        )

    @property
    def cardinality(self) -> int:
        return max(1, len(self.grid) + (self.missing > 0))

    def frequencies(self) -> np.ndarray:
        """Share of the rows that have each code."""
        return frequencies_of(self.high - self.low, self.missing)

    @property
    def is_bar(self) -> np.ndarray:
        """bool of shape (cells,): the cell is a range, not an atom."""
        return self.grid[:, 0] != self.grid[:, -1]

    @property
    def has_offset(self) -> np.ndarray:
        """bool of shape (cardinality,): the code stands for values that differ."""
        return np.append(self.is_bar, np.zeros(self.cardinality - len(self.grid), bool))

    @property
    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Shares of the values below and up to each code, .5 for that of missing ones."""
        rest = np.full(self.cardinality - len(self.grid), 0.5)
        return np.append(self.low, rest), np.append(self.high, rest)

    def encode(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """float64 `values` (NaN: missing) to codes, and to the position inside the bar, uint8 in 256 steps of
        mass."""
        gone, usual = len(self.grid), readings.to_line(values, self.reading) if self.reading else values
        if self.min_rows > 1:
            if self.scale is None:
                usual = np.where(np.isin(usual, np.setdiff1d(SPECIAL, self.grid)), np.nan, usual)
            gone = gone if self.missing else int(np.argmax(self.high - self.low))
        codes = np.full(len(values), gone, np.int64)
        offsets = np.full(len(values), 128, np.uint8)
        present = there(usual)
        codes[present], offsets[present] = self._encode(usual[present])
        return codes, offsets

    def _encode(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `encode`, of values that are there."""
        bars, atoms = np.flatnonzero(self.is_bar), np.flatnonzero(~self.is_bar)
        code, offset = np.zeros(len(x), np.int64), np.full(len(x), 128, np.uint8)
        exact = np.zeros(len(x), bool)
        if len(atoms):
            points = self.grid[atoms, 0]
            near = np.searchsorted(points, x).clip(0, len(points) - 1)
            exact = points[near] == x
            code[exact] = atoms[near[exact]]
            if not len(bars):  # a value that the statistics never saw goes to the nearest atom
                code[~exact] = atoms[nearest(points, x[~exact])]
        if len(bars):
            knots, position = self._knots(bars)
            others, knots = x[~exact].astype(float), knots.astype(float)
            place = np.interp(others, knots, position)
            steep = ~np.isfinite(place)  # between knots that differ by less than 1e-308
            place[steep] = position[np.searchsorted(knots, others[steep]).clip(0, len(knots) - 1)]
            code[~exact] = bars[place.astype(int).clip(0, len(bars) - 1)]
            offset[~exact] = ((place % 1) * 256).astype(np.uint8)
            if self.min_rows > 1 and len(atoms):
                self._to_atoms(x, code, offset)
        return code, offset

    def _to_atoms(self, x: np.ndarray, code: np.ndarray, offset: np.ndarray) -> None:
        """Move rows of values beside their bar to an atom that is nearer."""
        low, high = self.grid[code, 0], self.grid[code, -1]
        beside = np.maximum(np.maximum(low - x, x - high), 0)
        atoms = np.flatnonzero(~self.is_bar)
        near = atoms[nearest(self.grid[atoms, 0], x)]
        closer = np.abs(self.grid[near, 0] - x) < beside
        code[closer], offset[closer] = near[closer], 128

    def decode(self, codes: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Codes and positions inside the bar, in [0, 1), to float64 values; NaN where missing."""
        values = self._decode(codes, position)
        return readings.from_line(values, self.reading) if self.reading else values

    def _decode(self, codes: np.ndarray, position: np.ndarray) -> np.ndarray:
        gone = codes >= len(self.grid)
        none: float | None = np.nan if self.scale is None else None
        if not self.is_bar.any():
            alone = np.append(self.grid[:, 0], np.array([none], self.grid.dtype))
            return alone[np.minimum(codes, len(self.grid))]
        cell = np.where(gone, 0, codes)
        stepped = self.stepped[cell]
        place = np.clip(position, 0, 1 - 1e-7) * np.where(stepped, GRID, GRID - 1)
        index = place.astype(np.int64)
        flat = cell * GRID + index
        left = self.grid.ravel()[flat]
        right = self.grid.ravel()[np.minimum(flat + 1, self.grid.size - 1)]
        part = place - index
        if self.scale is None:
            between = left * (1 - part)
            between += right * part
        else:
            between = left + _whole((right - left) * part)
        between = self.spacing.snap(between)
        if self.days is not None:
            between = self.days.snap(between)
        values = np.where(stepped, left, np.clip(between, self.minimum, self.maximum))
        values[gone] = none
        return values

    def floats(self, values: np.ndarray | Sequence[float]) -> np.ndarray:
        """Values that `decode` has made, none of them missing, as float64 in the column's units."""
        return np.asarray(values, float) / 10.0 ** (self.scale or 0)

    @property
    def ends(self) -> np.ndarray:
        """The least and the greatest value, float64 in the column's units."""
        both = self.floats([self.minimum, self.maximum])
        return readings.from_line(both, self.reading) if self.reading else both

    def present(self, position: np.ndarray) -> np.ndarray:
        """Values that are not missing, by how frequent they are alone, at positions in [0, 1); missing
        where there are none."""
        if not len(self.grid):
            return self.decode(np.zeros(len(position), np.int64), position)
        cell = np.searchsorted(self.high, position, "right").clip(0, len(self.grid) - 1)
        inside = (position - self.low[cell]) / np.maximum(self.high[cell] - self.low[cell], 1e-300)
        return self.decode(cell, inside)

    def _knots(self, bars: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values in ascending order, and bar number + position inside it for each: the inverse of the
        grids."""
        knots, position, even = [], [], np.linspace(0, 1 - 1e-6, GRID)
        for number, bar in enumerate(bars):
            if self.stepped[bar]:
                points, where = np.unique(self.grid[bar], return_inverse=True)
                inside = np.bincount(where, (np.arange(GRID) + 0.5) / GRID) / np.bincount(where)
            else:
                points, inside = self.grid[bar], even
            knots.append(points)
            position.append(number + inside)
        return np.concatenate(knots), np.concatenate(position)

    def to_dict(self) -> dict:
        state = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in asdict(self).items()}
        return {k: v for k, v in state.items() if (k, v) not in LEFT_OUT.items()}

    @classmethod
    def from_dict(cls, state: dict) -> "NumericBlock":
        given = {**LEFT_OUT, **state}
        given = {field.name: given[field.name] for field in fields(cls)}
        given |= {name: np.asarray(state[name], float) for name in ("low", "high")}
        kind = float if given["scale"] is None else object
        given |= {
            "grid": np.asarray(state["grid"], kind).reshape(-1, GRID),
            "stepped": np.asarray(state["stepped"], bool),
            "spacing": Grid(**state["spacing"]),
        }
        if state["days"] is not None:
            classes = tuple(None if c is None else tuple(c) for c in state["days"]["classes"])
            given["days"] = Days(**{**state["days"], "classes": classes})
        return cls(**given)


def _whole(values: np.ndarray) -> np.ndarray:
    """Python's whole numbers."""
    return np.array([round(value) for value in values.tolist()], object)


def share_missing(missing: int, rows: int, some: bool, min_rows: int) -> float:
    """Share of the rows without a value; none if they are too few, all if the block has not `some` values."""
    if min_rows == 1:
        return missing / max(1, rows)
    return (missing / rows if missing >= min_rows else 0.0) if some else 1.0


def frequencies_of(shares: np.ndarray, missing: float) -> np.ndarray:
    if not len(shares):
        return np.ones(1)
    return np.append(shares * (1 - missing), missing) if missing > 0 else shares
