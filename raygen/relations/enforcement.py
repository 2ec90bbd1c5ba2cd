"""Values that break a bound, replaced by some that keep it."""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from raygen.relations.relation import BREAKS, Relation
from raygen.relations.syntax import columns_of

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
    for bound in bounds:
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
