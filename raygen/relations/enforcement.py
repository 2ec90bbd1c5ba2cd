"""Values that break a relation, replaced by some that keep it; and which rows a relation explains."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from raygen.relations.relation import BREAKS, Relation
from raygen.relations.syntax import columns_of
from raygen.table import arrow

ATTEMPTS = 32
STEPS = {">=": (0, 1), ">": (1, 2), "<=": (0, -1), "<": (-1, -2), "!=": (1, -1)}  # of the type's units
Redrawn = Callable[[float], pa.Array]


def within(
    bounds: Sequence[Relation], others: Sequence[Relation], rows: pa.Table, redrawn: Redrawn
) -> pa.Array:
    """Values of a column, all of which keep its bounds as far as there are such.

    A value that breaks a bound by a constant, or must differ from another, is drawn again, from the column's
    values alone. Where the bound is made of other columns, or no draw keeps all bounds, the value next to a
    bound that keeps them is taken.

    Args:
        bounds: Relations that compare the column.
        others: Of this column, which have to hold as well.
        rows: With the column and those that the relations name.
        redrawn: Gives values of the column for all rows, others for each number in [0, 1).
    """
    column, every = bounds[0].column, [*bounds, *others]
    far = [one for one in bounds if one.rule.sign == "!=" or (one.rule.of and not columns_of(one.rule.of))]
    for attempt in range(ATTEMPTS if far else 0):
        broken = np.flatnonzero(_breaks(far, rows))
        if not len(broken):
            break
        drawn = redrawn(attempt / ATTEMPTS).take(pa.array(broken))
        rows = _replaced(column, every, rows, broken, drawn)
    for bound in (side for one in bounds if _breaks([one], rows).any() for side in one.sides):
        for step in STEPS[bound.rule.sign]:
            broken = np.flatnonzero(_breaks([bound], rows))
            if len(broken):
                near = bound.beside(rows.take(pa.array(broken)), step)
                rows = _replaced(column, every, rows, broken, near)
    return rows[column].combine_chunks()


def _breaks(relations: Sequence[Relation], rows: pa.Table) -> np.ndarray:
    """Whether a row breaks one of some relations, bool of shape (rows,)."""
    return np.any([one.keeps(rows) == BREAKS for one in relations], axis=0)


def _replaced(
    column: str, relations: Sequence[Relation], rows: pa.Table, places: np.ndarray, values: pa.Array
) -> pa.Table:
    """The rows with values of the column at some places, where these are there and keep the relations."""
    old, number = rows[column].combine_chunks(), rows.column_names.index(column)
    values = values.cast(old.type)
    tried = rows.take(pa.array(places)).set_column(number, column, values)
    better = np.asarray(values.is_valid()) & ~_breaks(relations, tried)
    chosen = np.arange(len(old))
    chosen[places[better]] = len(old) + np.flatnonzero(better)
    return rows.set_column(number, column, pa.concat_arrays([old, values]).take(pa.array(chosen)))


def to_empty(relations: list[Relation], rows: pa.Table, given: Mapping[str, tuple]) -> dict[str, np.ndarray]:
    """Where a value is there that must be missing, bool of shape (rows,) by column; given ones stay.

    Such a relation closes a circle, so that no column could be set in its turn: whole rows are looked at,
    what is learned of them is emptied, and the rows follow from it once more."""
    found: dict[str, np.ndarray] = {}
    for relation in relations:
        name = relation.column
        where = (relation.keeps(rows) == BREAKS) & np.asarray(rows[name].is_valid())
        if name in given:
            where &= ~given[name][1]
        if where.any():
            found[name] = where | found.get(name, False)
    return found


def emptied(
    inner: pa.Table, ties: dict[str, np.ndarray], empty: dict[str, np.ndarray]
) -> tuple[pa.Table, dict[str, np.ndarray]]:
    """What is learned of rows without some values, and which relations give the others."""
    for name, where in empty.items():
        places = pa.array(np.arange(inner.num_rows), pa.int64(), mask=where)
        column = arrow.taken(inner.select([name]), places)[name]
        inner = inner.set_column(inner.schema.get_field_index(name), inner.schema.field(name), column)
        ties = {**ties, name: np.where(where, -1, ties[name])} if name in ties else ties
    return inner, ties


def keeping(relations: list[Relation], table: pa.Table) -> pa.Table:
    """The rows that break none of some relations."""
    if not relations:
        return table
    return table.filter(pa.array(np.logical_and.reduce([one.keeps(table) != 0 for one in relations])))


def explained_by(relations: list[Relation], table: pa.Table) -> np.ndarray:
    """Number of the first relation that gives the value of its column, int64 of shape (rows,); -1: none. A
    missing value is given by one that gives none."""
    source = np.full(table.num_rows, -1)
    for number, relation in reversed(list(enumerate(relations))):
        source[explains(relation, table)] = number
    return source


def explains(relation: Relation, table: pa.Table) -> np.ndarray:
    """Whether a relation gives the value of its column, bool of shape (rows,)."""
    missing = table[relation.column].is_null().to_numpy()
    gives_none = np.asarray(relation.values(table).is_null())
    return (relation.keeps(table) == 1) | (missing & gives_none)
