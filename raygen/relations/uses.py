"""How each relation of a table is used, by what its rows say."""

import pyarrow as pa

from raygen.relations.counts import Count
from raygen.relations.reduction import Use, difference
from raygen.relations.relation import Relation
from raygen.relations.syntax import Column

GIVES_VALUES = ("function", "lookup")


def uses(relations: list[Relation], counts: list[Count], schema: pa.Schema) -> tuple[Use, ...]:
    """How each relation is used, by the rows that keep and break it; those that stand first take
    precedence."""
    chosen: list[Use] = []
    for relation, count in zip(relations, counts, strict=True):
        taken = {u.how for u in chosen if u.relation.column == relation.column}
        chosen.append(Use(relation, _how(relation, count, schema, taken), not count.absent))
    return tuple(chosen)


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
