"""Codes of strings, booleans and ids' kin: categories, most frequent first."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from raygen.codec import block
from raygen.codec.bins import frequencies_of, share_missing
from raygen.table.protection import MADE_UP
from raygen.table.stats import CategoryStats

USUAL = {"min_rows": 1, "rare": "merge"}  # not stored


@dataclass(frozen=True)
class CategoryBlock:
    """Codes of a string: the most frequent ones have one each, the rest share groups of neighbours in sorted
    order.

    Attributes:
        members: All strings, those of one code side by side.
        codes: int64 of shape (members,), ascending.
        shares: float64 of shape (members,): how frequent each is; a member of a group is drawn by it.
        missing: Share of the rows that have no value; if there are any, the code after the last one stands
            for it.
        min_rows: So many rows, or more, have each member; no value of fewer goes to the most frequent code.
        rare: Where strings of fewer rows go: "merge", to the groups, or to all codes where there are none;
            "star", to the member `MADE_UP`; "missing", to no value.
    """

    ordered: ClassVar[bool] = False

    members: list[str]
    codes: np.ndarray
    shares: np.ndarray
    missing: float
    min_rows: int = 1
    rare: str = "merge"

    @classmethod
    def fit(
        cls,
        stats: CategoryStats,
        max_categories: int,
        min_rows: int = 1,
        rare: str = "merge",
        is_text: bool = False,
        kin: Mapping[str, str] = MappingProxyType({}),
    ) -> "CategoryBlock":
        """The block of a column. Where each of its strings is of fewer than `min_rows` rows, `MADE_UP` stands
        for them if the column `is_text`, else they are missing; strings of one group have the same `kin`,
        where that leaves groups enough."""
        names, missing = stats.frequencies(), stats.num_missing
        total = sum(count for _, count in names)
        names = [(name, count) for name, count in names if count >= min_rows]
        left = total - sum(count for _, count in names)
        if not names and is_text:
            rare = "star"
        enough = left >= min_rows if rare == "star" else left > 0 and left + missing >= min_rows
        if rare == "star" and enough:
            known = dict(names) | {MADE_UP: left + dict(names).get(MADE_UP, 0)}
            names, left = sorted(known.items(), key=lambda one: (-one[1], one[0])), 0
        elif rare == "missing" and enough:
            missing, total, left = missing + left, total - left, 0
        elif rare != "merge":
            rare = "merge"
        alone = names if len(names) <= max_categories else names[: max_categories // 2]
        rest = sorted(names[len(alone) :], key=lambda one: (kin.get(one[0], ""), one))
        codes = list(range(len(alone)))
        if rest:
            mass = np.cumsum([count for _, count in rest], dtype=float)
            kinds = np.unique([kin.get(name, "") for name, _ in rest], return_inverse=True)[1]
            room = max_categories - len(alone)
            if 2 * kinds.max() < room:
                room -= kinds.max()
            else:
                kinds[:] = 0
            group = np.minimum((mass - 1) / mass[-1] * room, room - 1).astype(int)
            begins = np.append(0, (np.diff(group) > 0) | (np.diff(kinds) > 0))
            codes += (len(alone) + np.cumsum(begins)).tolist()
        ordered = alone + rest
        counts = np.array([count for _, count in ordered], float)
        if left and ordered:
            first = len(alone) if rest else 0
            counts[first:] *= 1 + left / counts[first:].sum()
        return cls(
            members=[name for name, _ in ordered],
            codes=np.array(codes, np.int64),
            shares=counts / max(1, total),
            missing=share_missing(missing, stats.num_rows, bool(ordered), min_rows),
            min_rows=min_rows,
            rare=rare,
        )

    @property
    def num_codes(self) -> int:
        return int(self.codes[-1]) + 1 if len(self.codes) else 0

    @property
    def cardinality(self) -> int:
        return max(1, self.num_codes + (self.missing > 0))

    @property
    def has_offset(self) -> np.ndarray:
        """bool of shape (cardinality,): none; the member of a group is drawn by how frequent it is."""
        return np.zeros(self.cardinality, bool)

    @property
    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        return block.unordered(self.cardinality)

    def frequencies(self) -> np.ndarray:
        """Share of the rows that have each code."""
        return frequencies_of(np.bincount(self.codes, self.shares, self.num_codes), self.missing)

    def encode(self, values: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """A string array to codes, and offsets of 0; a string too rare for the statistics to keep goes to a
        group, by a hash of it."""
        index = pc.index_in(values, pa.array(self.members, values.type))
        gone = self.num_codes
        if self.min_rows > 1 and not self.missing:
            gone = int(np.argmax(self.frequencies()))
        codes = np.append(self.codes, gone)[index.fill_null(-1).to_numpy(zero_copy_only=False)]
        unknown = pc.and_(index.is_null(), values.is_valid())
        if self.members and unknown.true_count:
            hashed = pd.util.hash_array(values.filter(unknown).to_numpy(zero_copy_only=False))
            codes[unknown.to_numpy(zero_copy_only=False)] = self._of_rare(hashed)
        return codes, np.zeros(len(codes), np.uint8)

    def by_kin(
        self, codes: np.ndarray, values: pa.Array, kin: Mapping[str, str], kin_of_rows: pa.Array | None
    ) -> np.ndarray:
        """The codes of strings, with those that are merged moved to members of the same kin, where there are
        some: by a hash of each, as often as these come.

        Args:
            codes: As `encode` gives them.
            values: The strings.
            kin: Of members.
            kin_of_rows: Of the rows' own strings; None: they have no kin.
        """
        if self.rare != "merge" or kin_of_rows is None:
            return codes
        known, out = pa.array(self.members, values.type), codes.copy()
        rare = pc.and_(pc.invert(pc.is_in(values, known)), values.is_valid())
        rows = np.flatnonzero(rare.to_numpy(zero_copy_only=False))
        hashed = pd.util.hash_array(values.filter(rare).to_numpy(zero_copy_only=False)) / 2.0**64
        own = np.array(kin_of_rows.filter(rare).to_pylist(), object)
        of_members = np.array([kin.get(name) for name in self.members], object)
        for one in {text for text in own if text is not None}:
            members, here = np.flatnonzero(of_members == one), own == one
            if len(members):
                upto = np.cumsum(self.shares[members])
                place = np.searchsorted(upto[:-1], hashed[here] * upto[-1], side="right")
                out[rows[here]] = self.codes[members[place]]
        return out

    def _of_rare(self, hashed: np.ndarray) -> np.ndarray:
        """Codes of strings that are no members, by a hash of each where they are merged."""
        if self.rare != "merge":
            of_all = self.codes[self.members.index(MADE_UP)] if self.rare == "star" else self.num_codes
            return np.full(len(hashed), of_all)
        grouped = self.codes[1:][np.diff(self.codes) == 0]
        if self.min_rows > 1 and not len(grouped):
            upto = np.cumsum(self.shares)
            return np.searchsorted(upto[:-1], hashed / 2.0**64 * upto[-1], side="right")
        first = grouped[0] if len(grouped) else self.num_codes - 1
        return first + (hashed % np.uint64(self.num_codes - first)).astype(np.int64)

    def decode(self, codes: np.ndarray, position: np.ndarray) -> pa.Array:
        """Codes, and uniform positions in [0, 1) that choose the member of a group, to strings; null where
        missing."""
        if not self.members:
            return pa.nulls(len(codes), pa.string())
        gone = codes >= self.num_codes
        index = self.member(np.where(gone, 0, codes), position)
        names = pa.array(self.members, pa.string())
        return pa.DictionaryArray.from_arrays(
            pa.array(index.astype(np.int32), mask=gone), names
        ).dictionary_decode()

    def present(self, position: np.ndarray) -> pa.Array:
        """Values that are not missing, by how frequent they are, at positions in [0, 1); missing where there
        are none."""
        if not self.members:
            return pa.nulls(len(position), pa.string())
        upper = np.cumsum(self.shares)
        index = np.searchsorted(upper, position * upper[-1], "right").clip(0, len(self.members) - 1)
        return pa.array(self.members, pa.string()).take(pa.array(index))

    def member(self, codes: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Number of the member that each code, none of them missing, and position stand for; it never falls
        as the position grows."""
        if self.num_codes == len(self.members):
            return codes
        upper = np.cumsum(self.shares)
        first = np.searchsorted(self.codes, np.arange(self.num_codes))
        last = np.append(first[1:], len(self.codes)) - 1
        low = np.where(first > 0, upper[first - 1], 0.0)[codes]
        index = np.searchsorted(upper, low + position * (upper[last][codes] - low), side="right")
        return index.clip(first[codes], last[codes])

    def to_dict(self) -> dict:
        state = {
            "members": self.members,
            "codes": self.codes.tolist(),
            "shares": self.shares.tolist(),
            "missing": self.missing,
        }
        protected = {"min_rows": self.min_rows, "rare": self.rare}
        return state | {key: value for key, value in protected.items() if (key, value) not in USUAL.items()}

    @classmethod
    def from_dict(cls, state: dict) -> "CategoryBlock":
        return cls(
            state["members"],
            np.asarray(state["codes"], np.int64),
            np.asarray(state["shares"], float),
            state["missing"],
            state.get("min_rows", USUAL["min_rows"]),
            state.get("rare", USUAL["rare"]),
        )
