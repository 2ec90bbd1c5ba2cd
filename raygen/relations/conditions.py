"""In which rows the conditions of a rule hold."""

from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raygen.relations import quantities
from raygen.relations.expressions import COUNTED, as_moment, kind_of_type
from raygen.relations.syntax import Condition, Constant
from raygen.table import arrow

_HOLDS = {
    "=": (0,),
    "!=": (-1, 1),
    "<": (-1,),
    "<=": (-1, 0),
    ">": (1,),
    ">=": (0, 1),
}


def is_missing(array: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """bool of shape (rows,): no value, or NaN."""
    array = arrow.plain(array)
    return pc.is_null(array, nan_is_null=True).to_numpy(zero_copy_only=False)


def hold(conditions: tuple[Condition, ...], table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Where all conditions hold, and where that is known; both bool of shape (rows,)."""
    true, known = np.ones(table.num_rows, bool), np.ones(table.num_rows, bool)
    for condition in conditions:
        holds, there = _hold(condition, table.column(condition.column))
        known = (known & there) | (known & ~true) | (there & ~holds)
        true &= holds
    return true & known, known


def _hold(condition: Condition, column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    missing = is_missing(column)
    if condition.sign in ("is missing", "is not missing"):
        holds = missing if condition.sign == "is missing" else ~missing
        return holds, np.ones(len(missing), bool)
    if condition.sign in ("in", "not in"):
        holds = np.zeros(len(missing), bool)
        for value in condition.values:
            holds |= _compared(column, "=", value)
        return (holds if condition.sign == "in" else ~holds) & ~missing, ~missing
    return _compared(column, condition.sign, condition.values[0]) & ~missing, ~missing


def _compared(column: pa.ChunkedArray, sign: str, value: Constant) -> np.ndarray:
    kind = kind_of_type(column.type)
    if kind in COUNTED:
        number = amount(value, column.type)
        order = quantities.compared(quantities.of_array(column), quantities.constant(number))
        return np.isin(order, _HOLDS[sign])
    if kind == "truth":
        equal = pc.equal(arrow.plain(column), pa.scalar(bool(value.value)))
    else:
        equal = pc.equal(arrow.strings(column), pa.scalar(str(value.value), pa.large_string()))
    same = equal.fill_null(False).to_numpy(zero_copy_only=False)
    return same if sign == "=" else ~same


def amount(value: Constant, kind: pa.DataType) -> Fraction:
    """A constant as a number, or as the days of a moment."""
    if isinstance(value.value, str):
        found = as_moment(value.value, kind)
        if found is None:
            raise ValueError(f"'{value.value}' is no {kind}")  # `language` has refused it
        return found
    return Fraction(value.value)


def compares(order: np.ndarray, sign: str) -> np.ndarray:
    """Whether orders of -1, 0 and 1 are what a sign says."""
    return np.isin(order, _HOLDS[sign])
