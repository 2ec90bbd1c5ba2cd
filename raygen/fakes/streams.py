"""Whole numbers that follow from a seed and the number of a row, as good as random and the same on every
machine: no row needs the rows before it."""

import math

import numpy as np

from raygen import rng

ROUNDS = 6
GOLDEN, FIRST, SECOND = (
    np.uint64(one) for one in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


class Stream:
    """Numbers by row for one purpose.

    Args:
        seed: Of the generation.
        purpose: Numbers that no other stream has.
    """

    def __init__(self, seed: int, *purpose: int):
        self.name = seed, purpose

    def hashes(self, rows: np.ndarray, number: int = 0) -> np.ndarray:
        """uint64 for each row, others for each `number`."""
        seed, purpose = self.name
        low, high = (rng.integer(seed, "made-up values", *purpose, number, half) for half in (0, 1))
        return _mixed(_mixed(rows ^ np.uint64(low)) + np.uint64(high << 31))

    def below(self, count: int, rows: np.ndarray, number: int = 0) -> np.ndarray:
        """A number in [0, count) for each row, int64."""
        return (self.hashes(rows, number) % np.uint64(count)).astype(np.int64)

    def order(self, count: int, rows: np.ndarray) -> np.ndarray:
        """A number in [0, count) for each row, uint64, of which `count` rows in a row have each once.

        A Feistel network over pairs of digits, walked until it is inside (Black and Rogaway 2002, sec. 4 and
        5).

        Args:
            count: Below 2^62.
            rows: uint64 numbers of rows.
        """
        base = np.uint64(math.isqrt(count - 1) + 1)
        found = self._turned(rows % np.uint64(count), base)
        while (outside := found >= np.uint64(count)).any():
            found[outside] = self._turned(found[outside], base)
        return found

    def _turned(self, numbers: np.ndarray, base: np.uint64) -> np.ndarray:
        left: np.ndarray = numbers // base
        right: np.ndarray = numbers % base
        for number in range(1, ROUNDS + 1):
            left, right = right, (left + self.hashes(right, number) % base) % base
        return left * base + right


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """The finalizer of SplitMix64 (Steele, Lea and Flood 2014, fig. 15)."""
    numbers = numbers * GOLDEN + GOLDEN
    numbers = (numbers ^ (numbers >> np.uint64(30))) * FIRST
    numbers = (numbers ^ (numbers >> np.uint64(27))) * SECOND
    return numbers ^ (numbers >> np.uint64(31))
