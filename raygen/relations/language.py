"""The text of a column's relation to a relation, with the errors of what the table cannot mean."""

from fractions import Fraction
from typing import Literal, get_args

import pyarrow as pa

from raygen.errors import ConfigError, did_you_mean
from raygen.relations import quantities, syntax
from raygen.relations.expressions import COUNTED, Unfit, as_moment, kind_of, kind_of_type
from raygen.relations.relation import Relation
from raygen.relations.syntax import Column, Condition, Constant, Rule
from raygen.relations.tokens import HINT, mistake

Holds = Literal["always", "often"]


def parse(column: str, text: str, holds: Holds, schema_arrow: pa.Schema) -> Relation:
    """The relation that a text declares for a column.

    Args:
        column: The column that it is about.
        text: In the language of `syntax`.
        holds: "always", or "often" if rows may break it.
        schema_arrow: The table's columns.

    Raises:
        ConfigError: If the text does not parse, or names what is not in the table or does not fit.
    """
    if holds not in get_args(Holds):
        raise ConfigError(
            f'schema.relations: column \'{column}\': holds = {holds!r}: expected "always" or "often".',
            'set holds = "often" where some rows break the rule.',
        )
    for name in (column, *(rule := syntax.read(column, text)).columns):
        if name not in schema_arrow.names:
            where = "" if name == column else f": is = {text!r}"
            raise ConfigError(
                f"schema.relations: column '{column}'{where}: the table has no column '{name}'.",
                did_you_mean(name, schema_arrow.names),
            )
    if column in rule.columns:
        raise ConfigError(
            f"schema.relations: column '{column}': is = {text!r} names the column itself.",
            "name other columns alone, or delete this relation.",
        )
    try:
        _check(rule, column, schema_arrow)
    except Unfit as unfit:
        raise mistake(column, text, unfit.place, unfit.expected, HINT) from None
    return Relation(column, text, holds, rule, schema_arrow.field(column).type)


def _check(rule: Rule, column: str, schema: pa.Schema) -> None:
    kinds = {name: kind_of_type(schema.field(name).type) for name in (column, *rule.columns)}
    own, own_type = kinds[column], schema.field(column).type
    for condition in rule.where:
        _check_condition(condition, kinds[condition.column], schema.field(condition.column).type)
    if rule.sign == "missing":
        return
    if "other" in {own, *(kinds[name] for name in rule.columns)}:
        raise Unfit(
            1, f"columns of numbers, moments, spans, texts or truths; '{column}' is of type {own_type}"
        )
    if rule.of is None:
        return
    if isinstance(rule.of, Constant):
        _check_value(rule.of, own, own_type)
    else:
        kind = kind_of(rule.of, kinds)
        if kind != own:
            raise Unfit(rule.of.place, f"a {own}, which '{column}' is, not a {kind}")
        if kind not in COUNTED and not isinstance(rule.of, Column):
            raise Unfit(rule.of.place, f"a column or a constant for a {kind}")
        _check_constants(rule.of)
    if own not in COUNTED and rule.sign not in ("=", "!="):
        raise Unfit(1, f"= or != for a {own}, which '{column}' is")
    if rule.within and rule.within.is_span != (own != "number"):
        amount = "number" if own == "number" else "span such as '1 minute'"
        raise Unfit(rule.within.place, f"a {amount} behind 'within' for a {own}, which '{column}' is")


def _check_condition(condition: Condition, kind: str, own_type: pa.DataType) -> None:
    if (
        condition.sign not in ("=", "!=", "in", "not in", "is missing", "is not missing")
        and kind not in COUNTED
    ):
        raise Unfit(condition.place, f"=, != or in for '{condition.column}', which is a {kind}")
    for value in condition.values:
        _check_value(value, kind, own_type, fits=False)


def _check_value(value: Constant, kind: str, own_type: pa.DataType, fits: bool = True) -> None:
    """A constant beside a column."""
    if kind == "moment" and isinstance(value.value, str):
        if as_moment(value.value, own_type) is None:
            raise Unfit(value.place, f"a {own_type} such as '2026-01-31'")
        return
    given = "span" if value.is_span else {Fraction: "number", str: "text", bool: "truth"}[type(value.value)]
    if given != kind:
        raise Unfit(value.place, f"a {kind}, not a {given}")
    if fits and isinstance(value.value, Fraction) and not quantities.fits(value.value, own_type):
        raise Unfit(value.place, f"a number that the type {own_type} can hold")


def _check_constants(node: syntax.Node) -> None:
    """Refuse constants that no 64-bit number comes near."""
    if isinstance(node, Constant):
        if isinstance(node.value, Fraction) and abs(node.value) >= quantities.FITS:
            raise Unfit(node.place, "a number below 2^62")
    elif isinstance(node, syntax.Sum):
        for part in node.parts:
            _check_constants(part)
    elif isinstance(node, syntax.Product):
        _check_constants(node.left)
        _check_constants(node.right)
    elif not isinstance(node, Column):
        if isinstance(node, syntax.Scaled) and abs(node.factor) >= quantities.FITS:
            raise Unfit(node.place, "a factor below 2^62")
        _check_constants(node.of)
