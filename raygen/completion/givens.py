"""Given cells as codes: which codes each block of a row may have, and where in its bar a number lies."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raygen.codec import calendar_parts, parts
from raygen.codec.bins import NumericBlock
from raygen.codec.block import Block
from raygen.codec.categories import CategoryBlock
from raygen.codec.codec import Codec
from raygen.completion.partial import Partial
from raygen.relations.relation import Relation
from raygen.table import arrow
from raygen.table.part import Part
from raygen.table.schema import MADE, Schema

PLACES = 16  # inside a bar, that are asked what a relation says of them
DAYS = 512  # such places, of days of which any can be drawn
FORBIDDEN = -1e30  # added to the logit of a code that a row cannot have


@dataclass(frozen=True)
class Givens:
    """What is known of the codes of some rows.

    Attributes:
        known: float32 of shape (rows, blocks): 1 where the block's code is known.
        codes: int32 of the same shape; 0 where it is not.
        places: float32 of the same shape: position inside the bar, or standard deviations from the mean.
        allowed: float32 of shape (rows, codes): 0, or FORBIDDEN.
        unseen: By column, bool of shape (rows,): whether a value is given that the model never saw.
    """

    known: np.ndarray
    codes: np.ndarray
    places: np.ndarray
    allowed: np.ndarray
    unseen: dict[str, np.ndarray]

    def rows(self, some: slice) -> "Givens":
        """What is known of some rows; `unseen` is of all."""
        return Givens(
            self.known[some],
            self.codes[some],
            self.places[some],
            self.allowed[some],
            self.unseen,
        )

    def padded(self, multiple: int) -> "Givens":
        """The same with rows of which nothing is given, up to a multiple of so many."""
        more = [(0, -len(self.codes) % multiple), (0, 0)]
        known, codes, places, allowed = (
            np.pad(array, more) for array in (self.known, self.codes, self.places, self.allowed)
        )
        return Givens(known, codes, places, allowed, self.unseen)


class Encoder:
    """Makes `Givens` of `Partial`, for one codec."""

    def __init__(self, codec: Codec):
        self.codec, self.reduction = codec, codec.reduction
        sizes = codec.cardinalities
        self.starts, self.num_codes = np.cumsum([0, *sizes[:-1]]), sum(sizes)
        self.restrictions = self._restrictions()
        told = [(one, codec.blocks[codec.parts[one.block]]) for one in self.restrictions]
        # columns whose relation holds by the codes that are allowed alone
        self.certain = {
            one.column
            for one, block in told
            if not codec.parts[one.block].is_calendar
            and isinstance(block, CategoryBlock)
            and block.num_codes == len(block.members)
        }

    def of(self, rows: Partial) -> Givens:
        inner, ties = self.reduction.reduce(rows.table)
        values = self.codec.values(inner)
        shape = rows.num_rows, len(self.codec.parts)
        known, codes, places = np.zeros(shape, np.float32), np.zeros(shape, np.int32), np.full(shape, 0.5)
        allowed, unseen = np.zeros((shape[0], self.num_codes), np.float32), dict[str, np.ndarray]()
        for i, (part, block) in enumerate(self.codec.blocks.items()):
            name = part.column
            span = slice(int(self.starts[i]), int(self.starts[i]) + self.codec.cardinalities[i])
            self._forbid_missing(part, block, rows.valued[name], allowed[:, span])
            here = rows.known[name]
            if name in self.reduction.differences:
                inputs = self.reduction.differences[name].inputs
                here = here & np.logical_and.reduce([rows.known[one] for one in inputs])
            own, place, seen = _encoded(block, values[part])
            tie = self._tie(part, rows, ties)
            own, seen = np.where(tie >= 0, block.cardinality + tie, own), seen | (tie >= 0)
            if part.role == "value":
                unseen[name] = here & ~seen
            here = here & seen
            known[:, i], codes[here, i], places[here, i] = here, own[here], place[here]
            allowed[here, span] = FORBIDDEN
            allowed[np.flatnonzero(here), span.start + own[here]] = 0.0
        for one in self.restrictions:
            self._restrict(one, rows, known, allowed)
        return Givens(known, codes, places.astype(np.float32), allowed, unseen)

    def blocks_of(self, known: dict[str, np.ndarray]) -> np.ndarray:
        """bool of shape (rows, blocks) of what is known by column."""
        return np.stack([known[part.column] for part in self.codec.parts], axis=1)

    def _tie(self, part: Part, rows: Partial, ties: dict[str, np.ndarray]) -> np.ndarray:
        """Number of the relation that gives a column's value, all of whose inputs are known; -1: none, as of
        its month, weekday and time, which are missing where a relation gives it."""
        name, none = part.column, np.full(rows.num_rows, -1)
        tie = ties.get(name, none) if part.role == "value" else none
        for number, relation in enumerate(self.reduction.tied.get(name, ())):
            known = np.logical_and.reduce([rows.known[one] for one in relation.inputs])
            tie = np.where((tie == number) & ~known, -1, tie)
        return tie

    def _forbid_missing(self, part: Part, block: Block, valued: np.ndarray, allowed: np.ndarray) -> None:
        """No missing value is drawn where one is asked for, if there are others."""
        there = len(block.members) if isinstance(block, CategoryBlock) else block.cardinality > 1
        if self.codec.schema.kinds[part.column] not in MADE and block.missing > 0 and there:
            allowed[valued, block.cardinality - 1] = FORBIDDEN

    def _restrictions(self) -> "list[_Restriction]":
        """Relations that say a column by one other: where the column is given, the other's code is one of
        some."""
        together: dict[tuple[str, str, bool], list[Relation]] = {}
        for use in self.reduction.uses:
            relation = use.relation
            name = relation.inputs[0] if len(relation.inputs) == 1 else ""
            is_used = use.how in ("computed", "tied", "override") and relation.gives and relation.is_total
            if is_used and Part(name) in self.codec.blocks and name not in self.reduction.touched:
                key = relation.column, name, bool(relation.rule.where)
                together.setdefault(key, []).append(relation)
        found = []
        for (column, name, in_some), relations in together.items():
            codes, values = self._values_of_codes(name)
            says = pc.coalesce(*(_texts(one.values(pa.table({name: values}))) for one in relations))
            own = {Part(name): codes, **self._codes_of_calendar(name, values)}
            where = self.codec.parts.index
            found += [_Restriction(where(part), column, own[part], says, in_some) for part in own]
        return found

    def _values_of_codes(self, name: str) -> tuple[np.ndarray, pa.Array]:
        """Values of a column, each with its code: all members of categories, some of each bar."""
        block, i = self.codec.blocks[Part(name)], self.codec.parts.index(Part(name))
        kind = self.codec.schema.arrow.field(name).type
        if isinstance(block, CategoryBlock):
            return block.codes, arrow.from_strings(pa.array(block.members, pa.string()), kind)
        places = DAYS if Part(name) in self.codec.movers else PLACES
        own = np.repeat(np.arange(block.cardinality), places)
        codes = np.zeros((len(own), len(self.codec.parts)), np.int64)
        inside = np.full(codes.shape, 0.5)
        codes[:, i], inside[:, i] = own, np.tile((np.arange(places) + 0.5) / places, block.cardinality)
        for part in set(Part.calendar(name)) & set(self.codec.parts):  # no month or weekday moves them
            codes[:, self.codec.parts.index(part)] = self.codec.blocks[part].cardinality
        return own, arrow.plain(self.codec.decode(codes, inside)[name])

    def _codes_of_calendar(self, name: str, values: pa.Array) -> dict[Part, np.ndarray]:
        """Codes of the month and the weekday of days, where these are parts of their own."""
        mover = self.codec.movers.get(Part(name))
        if mover is None:
            return {}
        alone = Schema(self.codec.schema.arrow, {name: self.codec.schema.kinds[name]})
        known = parts.values(alone, pa.table({name: values}))[Part(name)]
        days = calendar_parts.on_line(mover.block, known)
        names = {part: calendar_parts.names_of(days, part.role) for part in mover.parts}
        return {part: self.codec.blocks[part].encode(names[part])[0] for part in names}

    def _restrict(self, one: "_Restriction", rows: Partial, known: np.ndarray, allowed: np.ndarray) -> None:
        """Forbid codes none of whose values has what is given of the relation's column."""
        where = np.flatnonzero(rows.known[one.column] & (known[:, one.block] == 0))
        given = _texts(rows.table[one.column]).take(pa.array(where)).dictionary_encode()
        size = self.codec.cardinalities[one.block]
        span = slice(int(self.starts[one.block]), int(self.starts[one.block]) + size)
        for number, value in enumerate(given.dictionary):
            fits = pc.equal(one.says, value).fill_null(one.in_some).to_numpy(zero_copy_only=False)
            if fits.any():
                mask = np.full(size, FORBIDDEN, np.float32)
                mask[one.codes[fits]] = 0.0
                mask[self.codec.blocks[self.codec.parts[one.block]].cardinality :] = 0.0
                chosen = where[given.indices.to_numpy(zero_copy_only=False) == number]
                allowed[chosen, span] = np.minimum(allowed[chosen, span], mask)


@dataclass(frozen=True)
class _Restriction:
    """What relations say of a column for values of block `block`: of each its code, and the text, null where
    they say nothing; with `in_some` they do so of some values alone, and the others may come."""

    block: int
    column: str
    codes: np.ndarray
    says: pa.Array
    in_some: bool


def _texts(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    return arrow.strings(array).cast(pa.large_string())


def _encoded(block: Block, values: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes, positions and whether the model has seen the value, each of shape (rows,)."""
    if isinstance(block, CategoryBlock):
        codes, _ = block.encode(values)
        there = pc.is_in(values, pa.array(block.members, values.type)).to_numpy(zero_copy_only=False)
        missing = values.is_null().to_numpy(zero_copy_only=False)
        return codes, np.full(len(codes), 0.5), np.where(missing, block.missing > 0, there)
    codes, offsets = block.encode(values)
    if not isinstance(block, NumericBlock):
        return codes, offsets.astype(float), codes < block.cardinality
    there = arrow.present(values)
    line = block.ends
    own = block.floats(values[there])
    seen = np.full(len(codes), block.missing > 0)
    inside = (own >= line[0]) & (own <= line[1])
    seen[there] = np.where(np.isfinite(own), inside, np.isin(own, block.floats(block.grid[:, 0])))
    return codes, (offsets + 0.5) / 256, seen & (codes < block.cardinality)
