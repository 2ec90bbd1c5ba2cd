"""Conditions on a table as pieces of its codes: which codes satisfy them, and which part of each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from raygen.codec.bins import NumericBlock
from raygen.codec.block import Block
from raygen.codec.categories import CategoryBlock
from raygen.codec.code_ranges import Interval, Pieces, of_members, of_values, whole
from raygen.codec.codec import Codec
from raygen.codec.levels import levels_of, pieces_of
from raygen.errors import ConfigError, did_you_mean, listed
from raygen.sampling import condition_values, row_blocks, row_tests
from raygen.sampling.conditions import Condition, parse, parse_per
from raygen.sampling.row_tests import RowTests
from raygen.sampling.strata import Stratum, strata_of
from raygen.table import arrow
from raygen.table.part import Part


@dataclass(frozen=True)
class Selection:
    """The rows that `generate.where` and `generate.per` ask for.

    Attributes:
        text: The conditions in one spelling, for people.
        pieces: By number of the block; a block without conditions is not in it.
        tests: Of columns that relations give and of days that months or weekdays move; None: no condition is
            on such a column, or strata have them.
        column, block: The column and the block that strata differ in; None without `per`, and the block where
            a relation gives all of the column.
        strata: In the order of their rows; empty without `per`.
        rows_per_stratum: Exactly so many; 0 without `per`.
    """

    text: str
    pieces: dict[int, Pieces]
    column: str | None = None
    block: int | None = None
    strata: tuple[Stratum, ...] = ()
    rows_per_stratum: int = 0
    tests: RowTests | None = None

    @property
    def num_rows(self) -> int:
        """Rows of all strata; 0 without `per`: as many as one likes."""
        return self.rows_per_stratum * len(self.strata)

    @property
    def num_laws(self) -> int:
        return max(1, len(self.strata))

    def tests_of(self, law: int) -> RowTests | None:
        """What is tested on whole rows of a stratum, or on all rows."""
        return self.strata[law].tests if self.strata else self.tests

    def own_pieces(self, law: int) -> Pieces | None:
        """Pieces of a stratum in the block that strata differ in."""
        return self.strata[law].pieces if self.strata else None

    def pieces_of(self, law: int) -> dict[int, Pieces]:
        """By number of the block, those of a stratum among them."""
        own = self.own_pieces(law)
        return self.pieces | ({self.block: own} if self.block is not None and own else {})

    def describe(self, law: int) -> str:
        """The conditions of a stratum, or of all rows, for people."""
        if not self.strata:
            return self.text
        own = f"{self.column} = '{self.strata[law].name}'"
        return f"{own} AND {self.text}" if self.text else own

    def blocks(self, first: int, last: int, block_rows: int) -> Iterator[tuple[int, int, int]]:
        """As `sampling.row_blocks.blocks`. Strata lie one after the other; a block holds rows of one of them,
        that of its number modulo their count."""
        if not self.strata:
            yield from row_blocks.blocks(first, last, block_rows)
            return
        size, count = self.rows_per_stratum, len(self.strata)
        for stratum in range(first // size, -(-last // size)):
            start = stratum * size
            for number, a, b in row_blocks.blocks(max(first - start, 0), min(last - start, size), block_rows):
                yield number * count + stratum, a, b


@dataclass(frozen=True)
class Proposal:
    """What candidates are drawn from; their weights undo it.

    Attributes:
        weights: float64 of shape (components,), sum 1: of the sampler's components.
        factors: float32 of shape (codes,): what the masses of codes are multiplied by where columns are drawn
            in turn; None: nothing.
    """

    weights: np.ndarray
    factors: np.ndarray | None = None


@dataclass(frozen=True)
class Law:
    """How rows of one stratum are drawn; found by `sampling.conditional.explore`, the same for every actor.

    Attributes:
        proposal: What candidates are drawn from.
        candidates: Drawn for each row.
        probability: Of the conditions under the model.
        distinct: Different candidates among those that become a block's rows, as a share of its rows, about.
    """

    proposal: Proposal
    candidates: int
    probability: float
    distinct: float


def select(codec: Codec, where: str, per: str = "") -> Selection | None:
    """What the rows that satisfy `where`, and so many of each category as `per` says, are in codes; None if
    both are empty.

    Raises:
        ConfigError: If a text cannot be read, or names a column or a value that the model does not have, or
            no value satisfies it.
    """
    conditions = parse(where)
    if not conditions and not per.strip():
        return None
    by_column: dict[str, list[Condition]] = {}
    for one in conditions:
        _check_column(codec, one.column, "generate.where")
        by_column.setdefault(one.column, []).append(one)
    pieces: dict[int, Pieces] = {}
    for column, own in by_column.items():
        for part, found in _column(codec, column, own).items():
            if not len(found.codes):
                raise condition_values.nothing(own, "no value that the model can give satisfies it")
            number = codec.parts.index(part)
            if found.share.sum() < codec.cardinalities[number]:  # else all satisfy it
                pieces[number] = found
    text = " AND ".join(map(str, conditions))
    if not per.strip():
        return Selection(text, pieces, tests=row_tests.of(codec, conditions))
    column, rows = parse_per(per)
    _check_column(codec, column, "generate.per")
    others = [one for one in conditions if one.column != column]
    strata = strata_of(codec, column, by_column.get(column, []), row_tests.of(codec, others))
    if not strata:
        raise ConfigError(
            f"generate.per = '{per}': no category of '{column}' satisfies generate.where = \"{text}\".",
            "loosen the condition.",
        )
    place = codec.parts.index(Part(column)) if Part(column) in codec.blocks else None
    rest = {number: own for number, own in pieces.items() if number != place}
    return Selection(" AND ".join(map(str, others)), rest, column, place, strata, rows)


def _check_column(codec: Codec, column: str, setting: str) -> None:
    kinds = codec.schema.kinds
    if column not in kinds:
        raise ConfigError(
            f"{setting}: the model has no column '{column}'.", did_you_mean(column, codec.schema.learned)
        )
    if column not in codec.schema.learned:
        message = f"{setting}: column '{column}' is of kind {kinds[column]}, which is not learned."
        raise ConfigError(message, f"name one of: {listed(codec.schema.learned)}.")


def _column(codec: Codec, column: str, conditions: list[Condition]) -> dict[Part, Pieces]:
    """Pieces of each part of a column; none of one that relations give, where any code may satisfy them."""
    value = Part(column)
    if column in codec.reduction.touched:
        pieces = _given(codec, column, conditions)
        return {} if pieces is None else {value: pieces}
    parts = [part for part in Part.every(column) if part in codec.blocks]
    signs = {c.sign for c in conditions}
    if "is null" in signs:
        if len(signs) > 1:
            raise condition_values.nothing(conditions, "no value is missing and satisfies the rest")
        found = {}
        for part in parts:
            block = codec.blocks[part]
            if not block.missing:
                raise condition_values.nothing(conditions, f"column '{column}' has no missing values")
            found[part] = whole(np.array([block.cardinality - 1]))
        return found
    rest = [c for c in conditions if c.sign != "is not null"]
    known = {part: _known(codec.blocks[part]) for part in parts}
    if not rest:
        return known
    block = codec.blocks[value]
    if isinstance(block, CategoryBlock):
        known[value] = of_members(block, condition_values.allowed(block.members, rest))
    elif isinstance(block, NumericBlock):
        cast = _caster(codec, column)
        intervals = _intervals(codec, rest)
        if value in codec.movers:
            known[value] = whole(codec.movers[value].near_codes(intervals))
        else:
            known[value] = of_values(block, intervals, lambda x: cast(block.floats(x)))
    else:
        message = (
            f"generate.where: column '{column}' was learned by squared error (schema.numeric = \"gaussian\")."
        )
        raise ConfigError(message, 'condition other columns, or train with schema.numeric = "bars".')
    return known


def _known(block: Block) -> Pieces:
    """All codes but that of missing values."""
    return whole(np.arange(block.cardinality - (block.missing > 0)))


def _given(codec: Codec, column: str, conditions: list[Condition]) -> Pieces | None:
    """Pieces of the codes of a column that relations give, without which nothing satisfies the conditions."""
    known = levels_of(codec, column)
    if known is None:
        return None
    if any(one.sign == "is null" for one in conditions):
        if not known.has_missing:
            raise condition_values.nothing(conditions, f"column '{column}' has no missing values")
        return None
    allowed = condition_values.allowed(known.texts, conditions)
    texts = {text for text, one in zip(known.texts, allowed, strict=True) if one}
    if not texts:
        raise condition_values.nothing(conditions, "no value that the model can give satisfies it")
    return pieces_of(codec, column, texts)


def _caster(codec: Codec, column: str) -> Callable:
    kind = arrow.value_type(codec.schema.arrow.field(column).type)
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        return lambda values: np.asarray(values).astype(kind.to_pandas_dtype())
    return lambda values: np.asarray(values, float)


def _intervals(codec: Codec, conditions: list[Condition]) -> list[Interval]:
    """The values that satisfy all conditions, in ascending order, as the column's type writes them."""
    column, cast = conditions[0].column, _caster(codec, conditions[0].column)
    read = condition_values.day if codec.schema.kinds[column] == "datetime" else condition_values.number
    if read is condition_values.day and condition_values.has_no_day(codec.schema.arrow.field(column).type):
        raise condition_values.no_day(codec, column)

    def beside(value: np.floating, towards: float) -> np.floating:
        return np.nextafter(value, cast(towards))

    left: list[Interval] = [(-np.inf, np.inf)]
    for one in conditions:
        points = sorted({cast(read(one, value))[()] for value in one.values})
        if one.sign in ("=", "in"):
            own = [(p, p) for p in points]
        elif one.sign in ("!=", "not in"):
            own = list(
                zip(
                    [-np.inf, *(beside(p, np.inf) for p in points)],
                    [*(beside(p, -np.inf) for p in points), np.inf],
                    strict=True,
                )
            )
        elif one.sign == "between":
            if read(one, one.values[0]) > read(one, one.values[1]):
                raise condition_values.nothing([one], "its range is empty")
            own = [(points[0], points[-1])]
        elif one.sign in ("<", "<="):
            own = [(-np.inf, points[0] if "=" in one.sign else beside(points[0], -np.inf))]
        else:
            own = [(points[0] if "=" in one.sign else beside(points[0], np.inf), np.inf)]
        left = [(max(a, c), min(b, d)) for a, b in left for c, d in own if max(a, c) <= min(b, d)]
    if not left:
        raise condition_values.nothing(conditions, "its range is empty")
    block = codec.blocks[Part(column)]
    if not isinstance(block, NumericBlock) or not len(block.grid):
        return left
    least, most = block.ends
    if left[0][0] > most or left[-1][1] < least:
        low, high = (condition_values.written(end, read) for end in (least, most))
        raise condition_values.nothing(conditions, f"the model gives values from {low} to {high}")
    return left
