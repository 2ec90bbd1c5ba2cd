"""Relations that fit each other: one value for each column, and an order in which they can be computed."""

import pyarrow as pa

from raygen.errors import ConfigError, did_you_mean
from raygen.relations.language import parse
from raygen.relations.relation import Relation


def check(relations: list[Relation], arrow_schema: pa.Schema) -> None:
    """Refuse relations that no row can follow.

    Raises:
        ConfigError: If one names an absent column or does not fit its kind, two give all values of one
            column, one is there twice, or they go round in a circle.
    """
    total: dict[str, Relation] = {}
    seen: dict[tuple[str, str], str] = {}
    for relation in relations:
        if relation.column not in arrow_schema.names:
            raise ConfigError(
                f"schema.relations: the table has no column '{relation.column}'.",
                did_you_mean(relation.column, arrow_schema.names),
            )
        parse(relation.column, relation.text, relation.holds, arrow_schema)
        key = relation.column, relation.text
        if key in seen:
            raise ConfigError(
                f"schema.relations: column '{relation.column}': is = {relation.text!r} stands there twice.",
                "delete one of the two.",
            )
        seen[key] = relation.holds
        if derives(relation) and relation.is_total:
            first = total.setdefault(relation.column, relation)
            if first is not relation:
                raise ConfigError(
                    f"schema.relations: column '{relation.column}': two relations give all its values: "
                    f"is = {first.text!r} and is = {relation.text!r}.",
                    'delete one of them, or set its holds = "often".',
                )
    order(relations)


def derives(relation: Relation) -> bool:
    """Whether the column's values come from those of the inputs, which must then be known before."""
    return relation.kind in ("function", "lookup") or relation.rule.within is not None


def order(relations: list[Relation]) -> list[Relation]:
    """The relations so that each stands behind those that give its inputs; otherwise in the order given.

    Relations that compare, bound or tell what is missing stand behind those that give the columns they name.

    Raises:
        ConfigError: If functions and lookups go round in a circle.
    """
    waiting, done = list(relations), list[Relation]()
    while waiting:
        open_columns = {relation.column for relation in waiting if derives(relation)}
        ready = [one for one in waiting if not open_columns & _before(one)]
        if not ready:
            raise _circle([one for one in waiting if derives(one)])
        done += ready
        waiting = [one for one in waiting if not any(one is other for other in ready)]
    return done


def _before(relation: Relation) -> set[str]:
    """Columns that have to be complete before the relation is used."""
    return set(relation.inputs) if derives(relation) else {relation.column, *relation.inputs}


def _circle(relations: list[Relation]) -> ConfigError:
    """The error that names a way round."""
    inputs: dict[str, list[str]] = {}
    for relation in relations:
        inputs.setdefault(relation.column, []).extend(relation.inputs)
    way = [relations[0].column]
    while way.count(way[-1]) < 2:
        way.append(next(name for name in inputs[way[-1]] if name in inputs))
    way = way[way.index(way[-1]) :]
    shown = " <- ".join(f"'{name}'" for name in way)
    return ConfigError(
        f"schema.relations: the relations go round in a circle: {shown}.",
        f'delete a relation of {way[0]!r}, or turn it into a comparison such as ">= x".',
    )
