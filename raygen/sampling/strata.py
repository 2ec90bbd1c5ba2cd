"""What `generate.per` asks for: so many rows of each category of a column."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raygen.codec.categories import CategoryBlock
from raygen.codec.code_ranges import Pieces, of_members
from raygen.codec.codec import Codec
from raygen.codec.levels import levels_of, pieces_of
from raygen.errors import ConfigError
from raygen.sampling import condition_values, row_tests
from raygen.sampling.conditions import Condition
from raygen.sampling.row_tests import RowTests
from raygen.table.part import Part


@dataclass(frozen=True)
class Stratum:
    """A category that `per` asks for.

    Attributes:
        name: Its text.
        pieces: Of the column's block, without which no row has this category; None: there are none.
        tests: What whole rows must satisfy beside; None: nothing.
    """

    name: str
    pieces: Pieces | None
    tests: RowTests | None = None


def strata_of(
    codec: Codec, column: str, conditions: list[Condition], tests: RowTests | None
) -> tuple[Stratum, ...]:
    """The categories of a column that satisfy the conditions on it, in ascending order.

    Args:
        codec: Of the model.
        column: One that is learned.
        conditions: On this column.
        tests: What whole rows must satisfy by conditions on other columns.

    Raises:
        ConfigError: If the column has no categories, or one of them cannot be drawn.
    """
    kind, block = codec.schema.kinds[column], codec.blocks.get(Part(column))
    is_given = column in codec.reduction.touched
    if kind not in ("categorical", "boolean") or not (is_given or isinstance(block, CategoryBlock)):
        raise ConfigError(
            f"generate.per: column '{column}' is {kind}.",
            "name a categorical or boolean column, or use --where.",
        )
    if any(one.sign == "is null" for one in conditions):
        return ()
    if isinstance(block, CategoryBlock) and not is_given:
        return _learned(block, conditions, tests)
    return _given(codec, column, conditions, tests)


def _learned(
    block: CategoryBlock, conditions: list[Condition], tests: RowTests | None
) -> tuple[Stratum, ...]:
    strata = []
    for index in _chosen(block.members, conditions):
        alone = np.zeros(len(block.members), bool)
        alone[index] = True
        pieces = of_members(block, alone)
        if not len(pieces.codes):
            raise ConfigError(
                f"generate.per: category '{block.members[index]}' is too rare to be drawn.",
                "leave it out by --where ... NOT IN.",
            )
        strata.append(Stratum(block.members[index], pieces, tests))
    return tuple(strata)


def _given(
    codec: Codec, column: str, conditions: list[Condition], tests: RowTests | None
) -> tuple[Stratum, ...]:
    """Strata of a column that relations give: whole rows are tested for their category."""
    known = levels_of(codec, column)
    if known is None:
        raise ConfigError(
            f"generate.per: relations compute column '{column}' of columns that have no categories.",
            f'use --where "{column} = ..." for each value.',
        )
    names = [known.texts[index] for index in _chosen(known.texts, conditions)]
    return tuple(
        Stratum(name, pieces_of(codec, column, {name}), row_tests.with_category(codec, tests, column, name))
        for name in names
    )


def _chosen(members: Sequence[str], conditions: list[Condition]) -> list[int]:
    """Numbers of the members that satisfy the conditions, in the order of their texts."""
    satisfied = np.flatnonzero(condition_values.allowed(members, conditions))
    return sorted(satisfied.tolist(), key=lambda index: members[index])
