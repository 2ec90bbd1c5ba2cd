"""What the kinds of blocks have in common: codes of one part of a column, and the way back."""

from typing import Any, ClassVar, Protocol, Self

import numpy as np


class Block(Protocol):
    """Codes of one part of a column. `tests/codec/test_blocks.py` holds every kind to this.

    Attributes:
        ordered: Whether the codes are in the order of the values.
    """

    ordered: ClassVar[bool]

    @property
    def cardinality(self) -> int:
        """How many codes there are: at least one."""

    @property
    def missing(self) -> float:
        """Share of the rows that have no value: the last code, if there are some."""

    @property
    def min_rows(self) -> int:
        """So many rows, or more, are behind whatever is stored."""

    @property
    def has_offset(self) -> np.ndarray:
        """bool of shape (cardinality,): the network learns where in the code a value lies."""

    @property
    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Shares of the column below and up to each code, of shape (cardinality,); .5 where unordered."""

    def frequencies(self) -> np.ndarray:
        """Share of the rows that have each code, of shape (cardinality,)."""

    def encode(self, values: Any) -> tuple[np.ndarray, np.ndarray]:
        """Values as `parts.values` gives them to int64 codes and to offsets; a code of `cardinality` is a
        missing value where the statistics had none."""

    def decode(self, codes: np.ndarray, position: np.ndarray) -> Any:
        """Codes, and where in each the value lies, to values."""

    def present(self, position: np.ndarray) -> Any:
        """Values that are not missing, if there are any, by how frequent they are."""

    def to_dict(self) -> dict:
        """What JSON can hold."""

    @classmethod
    def from_dict(cls, state: dict) -> Self:
        """The block that `to_dict` came from."""


def unordered(cardinality: int) -> tuple[np.ndarray, np.ndarray]:
    """`edges` of codes without an order."""
    return np.full(cardinality, 0.5), np.full(cardinality, 0.5)
