"""Categories that a column can have: those of its own codes, and those that relations give it."""

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from raygen.codec.categories import CategoryBlock
from raygen.codec.code_ranges import Pieces, of_members, whole
from raygen.codec.codec import Codec
from raygen.relations.relation import Relation
from raygen.relations.syntax import Column, columns_of
from raygen.table import arrow
from raygen.table.part import Part

MOST_COMBINED = 2**16  # categories of several columns, from which a relation computes others


@dataclass(frozen=True)
class Levels:
    """Texts of a column's categories in ascending order, and whether its values may be missing."""

    texts: tuple[str, ...]
    has_missing: bool


def levels_of(codec: Codec, column: str) -> Levels | None:
    """The categories that a column can have in generated rows; None if it is no column of categories, or a
    relation computes them of other things than categories."""
    if codec.schema.kinds[column] not in ("categorical", "boolean"):
        return None
    reduction, block = codec.reduction, codec.blocks.get(Part(column))
    if column not in reduction.touched:
        if not isinstance(block, CategoryBlock):
            return None
        return Levels(_texts(codec, column, block.members), block.missing > 0 or not block.members)
    texts: set[str] = set()
    if column not in reduction.computed:
        if not isinstance(block, CategoryBlock):
            return None
        texts.update(_texts(codec, column, block.members))
    for relation in reduction.giving(column):
        given = _given(codec, relation)
        if given is None:
            return None
        texts |= given
    return Levels(tuple(sorted(texts)), column not in reduction.complete)


def pieces_of(codec: Codec, column: str, texts: set[str]) -> Pieces | None:
    """Pieces of the codes of a column that relations give, outside of which no row has one of these
    categories; None: there are no such pieces, or they are all of its codes."""
    reduction, block = codec.reduction, codec.blocks.get(Part(column))
    if not isinstance(block, CategoryBlock):
        return None
    tied, overrides = reduction.tied.get(column, []), reduction.overrides.get(column, [])
    if any(one.kind != "missing" and not one.gives for one in overrides):
        return None  # what breaks a bound is drawn again
    for relation in (*overrides, *(one for one in tied if one.is_total)):
        given = _given(codec, relation)  # in place of any code
        if given is None or given & texts:
            return None
    own = of_members(block, np.array([text in texts for text in block.members], bool))
    fills = column in reduction.complete or any(one.rule.is_exact for one in overrides)
    first = block.num_codes if fills else block.cardinality  # a missing value may be filled by any other
    others = whole(np.arange(first, block.cardinality + len(tied)))
    sides = zip((own.codes, own.low, own.high), (others.codes, others.low, others.high), strict=True)
    return Pieces(*map(np.concatenate, sides))


def _texts(codec: Codec, column: str, members: list[str]) -> tuple[str, ...]:
    """Members as the column's type spells them, in ascending order."""
    array = pa.array(members, pa.large_string())
    return tuple(sorted(_spelled(arrow.from_strings(array, codec.schema.arrow.field(column).type))))


def _spelled(values: pa.Array) -> set[str]:
    return {text for text in arrow.strings(values).to_pylist() if text is not None}


def _given(codec: Codec, relation: Relation) -> set[str] | None:
    """The categories that a relation may give its column; None: they are not known."""
    if relation.rule.sign in ("missing", "!="):
        return set()
    if relation.pairs is not None:
        return _spelled(relation.pairs.take(np.arange(len(relation.pairs)), relation.type))
    node = relation.rule.of
    names = list(dict.fromkeys(columns_of(node))) if node else []
    known = [levels_of(codec, name) for name in names]
    if node is None or None in known or not (relation.gives or isinstance(node, Column)):
        return None
    texts = [one.texts for one in known if one]
    if math.prod(map(len, texts)) > MOST_COMBINED:
        return None
    rows = list(itertools.product(*texts))
    if not rows:
        return set()
    columns = {
        name: arrow.from_strings(pa.array(own, pa.large_string()), codec.schema.arrow.field(name).type)
        for name, own in zip(names, zip(*rows, strict=True), strict=False)
    }
    table = pa.table(columns or {"": pa.nulls(1)})
    if not relation.gives:  # a bound, which takes the place of what is beyond it
        return _spelled(table[names[0]])
    everywhere = replace(relation, rule=replace(relation.rule, where=()))
    return _spelled(everywhere.values(table))
