"""How each relation of a table is used, by what its rows say."""

from dataclasses import replace

import pyarrow as pa

from raygen.relations import syntax
from raygen.relations.counts import Count
from raygen.relations.differences import difference
from raygen.relations.reduction import Use
from raygen.relations.relation import Relation
from raygen.relations.syntax import Column
from raygen.relations.tokens import spelled
from raygen.table.protection import UNPROTECTED, Protection
from raygen.table.schema import Schema

GIVES_VALUES = ("function", "lookup")
TURNED = {">=": "<=", ">": "<", "<=": ">=", "<": ">", "!=": "!="}
LEAST_SHARE = 0.5  # of the rows that an order holds in, for the difference to be learned


def uses(
    relations: list[Relation],
    counts: list[Count],
    schema: Schema,
    protection: Protection = UNPROTECTED,
    numeric: str = "bars",
) -> tuple[Use, ...]:
    """How each relation is used, by the rows that keep and break it. What gives values takes precedence,
    then what compares columns and is never broken, then what stands first, bounds by constants alone last; an
    order that always holds and would close a circle, or is of a column that is given, is turned: y >= x into
    x <= y; another relation that would close one is not used, and one that rows break is one that holds
    often. Of lookups, `protection` says which pairs are kept and which keys are drawn. A column that is drawn
    from a Gaussian (`numeric`) has no ends: bounds have to be kept that the codes of bars keep by
    themselves."""
    chosen: dict[int, Use] = {}
    inputs: dict[str, set[str]] = {}
    numbered = list(enumerate(zip(relations, counts, strict=True)))
    for number, (relation, count) in sorted(numbered, key=lambda one: _turn(*one[1])):
        ways = [(relation, count), *_turned(relation, count, schema)]
        if any(
            use.how == "tied" and use.relation.is_total
            for use in chosen.values()
            if use.relation.column == relation.column
        ):
            ways.reverse()
        for one, rows in ways:
            others = [use for use in chosen.values() if use.relation.column == one.column]
            how = _how(one, rows, schema, protection, others, numeric == "bars")
            if how != "checked" and one.column not in _above(one.inputs, inputs):
                inputs.setdefault(one.column, set()).update(one.inputs)
                relation, count = one, rows
                break
        else:
            how = "checked"
        if relation.is_total and count.breaks:
            relation = replace(relation, holds="often")
        chosen[number] = Use(relation, how, not count.absent)
    computed = {use.relation.column: number for number, use in chosen.items() if use.how == "computed"}
    if computed and set(schema.learned) <= set(computed):  # one of them is learned, so that there are rows
        first = min(computed.values())
        chosen[first] = replace(chosen[first], how="override")
    return tuple(chosen[number] for number in range(len(relations)))


def _turned(relation: Relation, count: Count, schema: Schema) -> list[tuple[Relation, Count]]:
    """An order of two columns that always holds as one of the other column, with its rows; none of what is no
    such order."""
    rule = relation.rule
    if (
        relation.kind != "order"
        or not relation.is_total
        or count.breaks
        or rule.sign not in TURNED
        or not isinstance(rule.of, Column)
    ):
        return []
    text, name = f"{TURNED[rule.sign]} {spelled(relation.column)}", rule.of.name
    kind = schema.arrow.field(name).type
    other = replace(relation, column=name, text=text, rule=syntax.read(name, text), type=kind)
    absent = count.missing - count.others
    return [(other, replace(count, gaps=count.others, others=count.gaps, absent=absent))]


def why_unused(number: int, used: tuple[Use, ...], counts: list[Count]) -> str:
    """Why nothing is made of a relation that always holds, in words; empty: it is used, or the codes of its
    column keep it as they are."""
    use, relation = used[number], used[number].relation
    if use.how != "checked" or not relation.is_total:
        return ""
    if not counts[number].holds:
        return "there is no row of which it says anything"
    inputs: dict[str, set[str]] = {}
    for other in used:
        if other.how == "computed" and other.relation.column == relation.column:
            return f"'{relation.column}' is computed in every row, {other.relation.phrase}"
        if other.how != "checked":
            inputs.setdefault(other.relation.column, set()).update(other.relation.inputs)
    if relation.kind != "missing" and relation.column in _above(relation.inputs, inputs):
        return f"what it needs is given by '{relation.column}' itself, by other relations"
    return ""


def _turn(relation: Relation, count: Count) -> tuple[bool, bool, bool]:
    compares, is_broken = relation.kind not in GIVES_VALUES, not relation.is_total or count.breaks > 0
    return compares, not relation.inputs, compares and is_broken


def _above(names: tuple[str, ...], inputs: dict[str, set[str]]) -> set[str]:
    """Some columns, and those that they are given by, directly or not."""
    above, waiting = set(names), list(names)
    while waiting:
        new = inputs.get(waiting.pop(), set()) - above
        above |= new
        waiting += new
    return above


def _how(
    relation: Relation,
    count: Count,
    schema: Schema,
    protection: Protection,
    others: list[Use],
    has_ends: bool,
) -> str:
    """How a relation is used beside others of its column, whose codes keep within the values seen or not."""
    taken = {use.how for use in others} - {"checked"}
    if "computed" in taken or not count.holds or (relation.kind == "lookup" and not relation.pairs):
        return "checked"
    if relation.kind in GIVES_VALUES:
        if not relation.is_total or count.breaks or count.gaps:
            return "tied"
        if relation.kind == "lookup" and not _keys_are_known(relation, count, schema, protection):
            return "override"
        return "tied" if taken else "computed"
    is_first = has_ends and "difference" not in taken and relation.rule.sign != "!="
    is_order = relation.kind == "order" and not count.gaps and count.share >= LEAST_SHARE
    if is_order and is_first and _subtracts(relation, schema.arrow):
        return "difference"  # with its sign: rows that break the order do so as often as in the table
    if count.breaks or not relation.is_total:
        return "checked"
    if relation.kind == "missing" or relation.gives:
        return "override"
    own_codes_keep_it = has_ends or schema.kinds[relation.column] not in ("numeric", "datetime")
    return "override" if relation.inputs or taken or not own_codes_keep_it else "checked"


def _keys_are_known(relation: Relation, count: Count, schema: Schema, protection: Protection) -> bool:
    """Whether a lookup that always holds knows every key that can be drawn: of numbers and of pairs of
    columns there are others, and of keys of few rows those that no frequent one stands for."""
    kinds = [schema.kinds[name] for name in relation.inputs]
    if len(kinds) > 1 or kinds[0] not in ("categorical", "boolean"):
        return False
    least, (key,) = protection.of(relation.column, *relation.inputs), relation.inputs
    unknown = [rows for rows in count.pairs.values() if rows < least]
    return not unknown or (max(unknown) < protection.of(key) and protection.rare_of(key) == "merge")


def _subtracts(relation: Relation, schema: pa.Schema) -> bool:
    """Whether an order is of two columns whose differences are exact, or of one and a sum near it."""
    kind = schema.field(relation.column).type
    if relation.rule.within is not None:
        return not (pa.types.is_dictionary(kind) or pa.types.is_uint64(kind) or pa.types.is_decimal256(kind))
    if not isinstance(relation.rule.of, Column):
        return False
    y, x = (schema.field(name).type for name in (relation.column, relation.inputs[0]))
    if x != y or pa.types.is_dictionary(y) or pa.types.is_uint64(y) or pa.types.is_decimal256(y):
        return False
    empty = pa.array([], y)
    try:
        difference(empty, empty)
    except (pa.ArrowException, ValueError):  # of texts
        return False
    return True
