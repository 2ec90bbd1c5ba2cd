"""What the network needs to know of the codes."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tables:
    """What the network needs to know of the codes; blocks with offsets come first.

    Attributes:
        cardinalities: Codes of each block.
        ordered: For each block, whether its codes are in the order of values.
        num_offsets: Blocks with offsets.
        low, high: float32 of shape (sum of cardinalities,): shares of the column below and up to a code; .5
            where unordered.
        has_offset: bool of shape (sum of cardinalities,): the code is a bar, or stands for the values of a
            Gaussian block.
        gaussian: Offsets are standard deviations from the mean instead of positions inside a bar.
    """

    cardinalities: list[int]
    ordered: list[bool]
    num_offsets: int
    low: np.ndarray
    high: np.ndarray
    has_offset: np.ndarray
    gaussian: bool = False
