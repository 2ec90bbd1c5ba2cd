"""Weekdays: where the bars of a column of days are wide, the weekday is a part of its own.

A bar of a week says nothing of what happens on Sundays alone. So the weekday is drawn too, and moves the day
that the bar gave to the nearest one of that weekday within the bar.
"""

from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raygen.codec.bins import NumericBlock
from raygen.codec.block import Block
from raygen.codec.categories import CategoryBlock
from raygen.codec.cells import GRID
from raygen.table.stats import CategoryStats

NAMES = ("Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday")  # the epoch's first
WEEK = len(NAMES)
WIDE = 3  # days of a bar that does not tell the weekday, and between two that a stepped bar lists, at most
ENOUGH = 0.5  # of the rows that have a day, in wide bars


def names_of(days: np.ndarray) -> pa.Array:
    """The weekday of each day since the epoch; null where that is NaN."""
    missing = np.isnan(days)
    index = (np.where(missing, 0, days).astype(np.int64) % WEEK).astype(np.int8)
    names = pa.array(NAMES, pa.large_string())
    return pa.DictionaryArray.from_arrays(pa.array(index, mask=missing), names).dictionary_decode()


def fit(stats: CategoryStats, days: Block, min_rows: int) -> CategoryBlock | None:
    """The block of the weekdays of `days`; None where these tell them, or no weekday has `min_rows` rows."""
    found = CategoryBlock.fit(stats, WEEK, min_rows)
    return found if isinstance(days, NumericBlock) and _is_wide(days) and found.members else None


def _is_wide(block: NumericBlock) -> bool:
    """Whether the bars of a block of days say too little of the weekday, and any weekday can be near."""
    if block.reading or not block.is_bar.any() or block.spacing.step > 1:
        return False
    if block.days is not None and (any(block.days.classes[1:]) or block.days.step > 1):
        return False
    spans, listed = block.grid[:, -1] - block.grid[:, 0], 1 + np.sum(np.diff(block.grid) > 0, axis=1)
    wide = (spans >= WIDE) & (~block.stepped | (listed * WIDE >= spans))
    return bool(np.sum((block.high - block.low)[wide]) >= ENOUGH)


def moved(
    block: NumericBlock, days: np.ndarray, codes: np.ndarray, position: np.ndarray, names: pa.Array
) -> np.ndarray:
    """Days moved to the nearest one with a weekday that their bar has: of those that it lists where it is
    stepped, else of those from its first to its last that the calendar of the column has. Where there is
    none, they stay.

    Args:
        block: Of the days.
        days: float64 of shape (rows,), as `block` decoded them; NaN where missing.
        codes, position: What they were decoded from.
        names: The weekdays; null: any.
    """
    wanted = pc.index_in(names, pa.array(NAMES, names.type)).fill_null(-1).to_numpy(zero_copy_only=False)
    cell = np.where(np.isnan(days), 0, np.minimum(codes, len(block.grid) - 1))
    some = (wanted >= 0) & ~np.isnan(days) & block.is_bar[cell]
    out, stepped = days.copy(), block.stepped[cell]
    listed, free = np.flatnonzero(some & stepped), np.flatnonzero(some & ~stepped)
    step = (np.clip(position[listed], 0, 1 - 1e-7) * GRID).astype(np.int64)
    out[listed] = nearest_listed(block)[cell[listed], step, wanted[listed]]
    out[free] = _near(block, cell[free], days[free], wanted[free])
    return out


def _near(block: NumericBlock, cell: np.ndarray, days: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The nearest day of a weekday that a bar can draw to each day that it drew; else the day itself."""
    shift = (wanted - days.astype(np.int64) + WEEK // 2) % WEEK - WEEK // 2
    ends = np.round(block.grid.astype(float)[:, [0, -1]]).clip(block.minimum, block.maximum)
    low, high = ends[cell].T
    near = days + shift
    near = np.where(near < low, near + WEEK, np.where(near > high, near - WEEK, near))
    fits = (near >= low) & (near <= high)
    if block.days is not None:
        fits &= block.days.snap(near) == near
    return np.where(fits, near, days)


def near_codes(block: NumericBlock, intervals: list[tuple[float, float]]) -> np.ndarray:
    """Codes of which some day can lie in one of some intervals."""
    low, high = np.floor(block.grid[:, 0]), np.ceil(block.grid[:, -1])
    near = [(low <= last) & (first <= high) for first, last in intervals]
    return np.flatnonzero(np.logical_or.reduce(near)) if near else np.arange(0)


def share_listed(block: NumericBlock, bar: int, days: np.ndarray) -> np.ndarray:
    """Share of a stepped bar's positions that are moved to each of some days, if its weekday is drawn."""
    near = nearest_listed(block)[bar][:, days.astype(np.int64) % WEEK]
    return np.mean(near == days, axis=0)


@lru_cache(maxsize=64)
def _nearest_listed(points: bytes) -> np.ndarray:
    grid = np.frombuffer(points).reshape(-1, GRID)
    distance = np.abs(grid[:, :, None] - grid[:, None, :])
    found = np.empty((*grid.shape, WEEK))
    for weekday in range(WEEK):
        own = np.where((grid % WEEK == weekday)[:, None, :], distance, np.inf)
        near = np.take_along_axis(grid, own.argmin(axis=2), axis=1)
        found[:, :, weekday] = np.where(np.isfinite(own.min(axis=2)), near, grid)
    return found


def nearest_listed(block: NumericBlock) -> np.ndarray:
    """For each cell, step of its grid and weekday: the nearest day of the cell that has it, or the day of the
    step where there is none; float64 of shape (cells, GRID, 7)."""
    return _nearest_listed(np.ascontiguousarray(block.grid, float).tobytes())
