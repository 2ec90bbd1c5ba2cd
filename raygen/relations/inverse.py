"""A relation solved for one of its inputs."""

from fractions import Fraction

import pyarrow as pa

from raygen.relations.expressions import COUNTED, kind_of_type
from raygen.relations.relation import Relation
from raygen.relations.syntax import Column, Node, Rule, Scaled, Sum, columns_of


def solved(relation: Relation, name: str, kind: pa.DataType) -> Relation | None:
    """What an input of `y = expression` is, given y and the other inputs; None where the expression does not
    say it, as |x| does not say x.

    Args:
        relation: One that gives values, or says what they are near to.
        name: Of the input.
        kind: The input's Arrow type.
    """
    node = relation.rule.of
    if relation.rule.sign not in ("=", "within") or node is None or relation.rule.where:
        return None
    counted = kind_of_type(kind) in COUNTED and kind_of_type(relation.type) in COUNTED
    if columns_of(node).count(name) != 1 or not (counted or isinstance(node, Column)):
        return None
    found = _solve(node, Column(relation.column, 0), name)
    if found is None:
        return None
    text = f"{relation.column} = {relation.text} solved for {name}"
    return Relation(name, text, relation.holds, Rule("=", found), kind)


def _solve(node: Node, target: Node, name: str) -> Node | None:
    """`name` where `node` equals `target`."""
    if isinstance(node, Column):
        return target
    if isinstance(node, Scaled) and node.power == 0 and node.factor:
        return _solve(node.of, Scaled(1 / node.factor, target, 0, 0), name)
    if isinstance(node, Sum):
        (inside,) = (part for part in node.parts if name in columns_of(part))
        others = tuple(Scaled(Fraction(-1), part, 0, 0) for part in node.parts if part is not inside)
        return _solve(inside, Sum((target, *others), 0), name)
    return None
