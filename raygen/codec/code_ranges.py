"""Pieces of codes: the parts of a block's codes whose values are among some that are wanted."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from raygen.codec.bins import NumericBlock
from raygen.codec.categories import CategoryBlock

STEPS = 2**24  # positions are looked at in steps of 1 / STEPS, each a float32 of its own
STEP = 1 / STEPS
Interval = tuple[float, float]  # of values, both ends belong to it


@dataclass(frozen=True)
class Pieces:
    """Parts of the codes of one block, each from position `low` to position `high`, both of which still
    satisfy the conditions.

    Attributes:
        codes: int64 of shape (pieces,), ascending.
        low, high: float32 of the same shape, in [0, 1); 0 and 1 - STEP is the whole code.
    """

    codes: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def share(self) -> np.ndarray:
        """float64 of shape (pieces,): part of the code's positions that lies in each piece."""
        return np.minimum(self.high.astype(float) + STEP - self.low, 1.0)


def whole(codes: np.ndarray) -> Pieces:
    """Codes of which no part is left out."""
    return Pieces(codes, np.zeros(len(codes), np.float32), np.full(len(codes), 1 - STEP, np.float32))


def of_members(block: CategoryBlock, allowed: np.ndarray) -> Pieces:
    """A piece for each run of allowed members within a code."""
    padded = np.concatenate([[False], allowed, [False]])
    edge = np.append(np.diff(block.codes, prepend=-1) > 0, True)  # a code begins at this member
    first = np.flatnonzero(allowed & (~padded[:-2] | edge[:-1]))
    last = np.flatnonzero(allowed & (~padded[2:] | edge[1:]))
    codes = block.codes[first]
    low, high = _span(lambda steps: block.member(codes, _position(steps)), first, last)
    keep = low <= high
    return Pieces(codes[keep], _position(low[keep]), _position(high[keep]))


def of_values(block: NumericBlock, intervals: list[Interval], cast: Callable) -> Pieces:
    """A piece for each cell and interval that meet; `cast` is what the column's type makes of a value."""
    cells = np.arange(len(block.grid))
    codes, low, high = [], [], []
    for bottom, top in intervals:
        first, last = _span(lambda steps: cast(block.decode(cells, _position(steps))), bottom, top)
        meet = np.flatnonzero(first <= last)
        codes.append(meet)
        low.append(first[meet])
        high.append(last[meet])
    if not codes:
        return whole(np.arange(0))
    order = np.lexsort([np.concatenate(low), np.concatenate(codes)])
    return Pieces(
        np.concatenate(codes)[order], *(_position(np.concatenate(steps)[order]) for steps in (low, high))
    )


def _position(steps: np.ndarray) -> np.ndarray:
    return (steps * STEP).astype(np.float32)


def _span(
    value: Callable, bottom: np.ndarray | float, top: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """First and last step at which `value`, which never falls as steps grow, lies within [bottom, top]; none
    where first > last."""
    size = len(bottom) if isinstance(bottom, np.ndarray) else len(value(np.zeros(1, np.int64)))
    first = _bisect(lambda steps: value(steps) >= bottom, size)
    return first, _bisect(lambda steps: value(steps) > top, size) - 1


def _bisect(holds: Callable, size: int) -> np.ndarray:
    """The first step, for each of `size`, at which `holds` is true, given that it stays so; STEPS where there
    is none."""
    low, high = np.zeros(size, np.int64), np.full(size, STEPS)
    while (low < high).any():
        middle = (low + high) // 2
        true = holds(np.minimum(middle, STEPS - 1))
        low, high = np.where(true | (low == high), low, middle + 1), np.where(true, middle, high)
    return high
