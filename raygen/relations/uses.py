"""How each relation of a table is used, by what its rows say."""

import pyarrow as pa

from raygen.relations.counts import Count
from raygen.relations.reduction import Use, difference
from raygen.relations.relation import Relation
from raygen.relations.syntax import Column

GIVES_VALUES = ("function", "lookup")


def uses(relations: list[Relation], counts: list[Count], schema: pa.Schema) -> tuple[Use, ...]:
    """How each relation is used, by the rows that keep and break it. What gives values takes precedence, then
    what stands first; a relation that would close a circle is not used."""
    chosen: dict[int, Use] = {}
    inputs: dict[str, set[str]] = {}
    numbered = list(enumerate(zip(relations, counts, strict=True)))
    for number, (relation, count) in sorted(numbered, key=lambda one: one[1][0].kind not in GIVES_VALUES):
        taken = {u.how for u in chosen.values() if u.relation.column == relation.column}
        how = _how(relation, count, schema, taken)
        if how != "checked":
            if relation.column in _above(relation.inputs, inputs):
                how = "checked"
            else:
                inputs.setdefault(relation.column, set()).update(relation.inputs)
        chosen[number] = Use(relation, how, not count.absent)
    return tuple(chosen[number] for number in range(len(relations)))


def _above(names: tuple[str, ...], inputs: dict[str, set[str]]) -> set[str]:
    """Some columns, and those that they are given by, directly or not."""
    above, waiting = set(names), list(names)
    while waiting:
        new = inputs.get(waiting.pop(), set()) - above
        above |= new
        waiting += new
    return above


def _how(relation: Relation, count: Count, schema: pa.Schema, taken: set[str]) -> str:
    if "computed" in taken or not count.holds:
        return "checked"
    if relation.kind in GIVES_VALUES:
        exact = relation.is_total and not count.breaks and not count.gaps
        return "computed" if exact and not taken else "tied"
    if count.breaks or not relation.is_total:
        return "checked"
    if relation.kind == "order" and _subtracts(relation, schema):
        if not count.gaps and "difference" not in taken:
            return "difference"
        return "override" if relation.rule.sign in ("<=", ">=") else "checked"
    return "override" if relation.kind == "missing" or relation.gives else "checked"


def _subtracts(relation: Relation, schema: pa.Schema) -> bool:
    """Whether an order is of two columns whose differences are exact."""
    if not isinstance(relation.rule.of, Column):
        return False
    y, x = (schema.field(name).type for name in (relation.column, relation.inputs[0]))
    if x != y or pa.types.is_dictionary(y) or pa.types.is_uint64(y) or pa.types.is_decimal256(y):
        return False
    empty = pa.array([], y)
    try:
        difference(empty, empty)
    except pa.ArrowException:
        return False
    return True
