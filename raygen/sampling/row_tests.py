"""Conditions on columns that relations give: tested on whole rows, since no codes of their own satisfy
them."""

from dataclasses import dataclass

import numpy as np

from raygen.codec import parts
from raygen.codec.codec import Codec
from raygen.sampling import condition_values
from raygen.sampling.conditions import Condition, Value
from raygen.table.schema import Schema

COMPARE = {
    "=": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


@dataclass(frozen=True)
class RowTests:
    """Conditions on whole rows of a codec, with the values that each compares with, as the codec reads
    them."""

    codec: Codec
    conditions: tuple[tuple[Condition, tuple], ...]

    def hold(self, codes: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Whether rows satisfy all conditions, bool of shape (rows,).

        Args:
            codes: Integers of shape (rows, blocks).
            positions: Floats of the same shape, as `Codec.decode` takes them.
        """
        table, schema = self.codec.decode(codes, positions), self.codec.schema
        names = list(dict.fromkeys(condition.column for condition, _ in self.conditions))
        values = parts.values(
            Schema(schema.arrow, {name: schema.kinds[name] for name in names}),
            table,
            dict.fromkeys(names, False),
        )
        satisfied = np.ones(len(codes), bool)
        for condition, compared in self.conditions:
            satisfied &= _satisfied(values[condition.column], condition.sign, compared)
        return satisfied


def of(codec: Codec, conditions: list[Condition]) -> RowTests | None:
    """The conditions on columns that relations give."""
    given = [one for one in conditions if one.column in codec.reduction.touched]
    compared: list[tuple[Condition, tuple]] = []
    for one in given:
        kind = codec.schema.kinds[one.column]
        if (
            kind == "datetime"
            and one.values
            and condition_values.has_no_day(codec.schema.arrow.field(one.column).type)
        ):
            raise condition_values.no_day(codec, one.column)
        if kind not in ("datetime", "numeric") and one.sign in ("<", "<=", ">", ">=", "between"):
            raise condition_values.by_size(one)
        if kind in ("datetime", "numeric"):
            read = condition_values.day if kind == "datetime" else condition_values.number
            compared.append((one, tuple(read(one, value) for value in one.values)))
        else:
            compared.append((one, tuple(value.written for value in one.values)))
    return RowTests(codec, tuple(compared)) if given else None


def with_category(codec: Codec, tests: RowTests | None, column: str, name: str) -> RowTests:
    """The tests, and that a column has this category."""
    own = (Condition(column, "=", (Value(name, "text"),)), (name,))
    return RowTests(codec, (*(tests.conditions if tests else ()), own))


def _satisfied(values, sign: str, compared: tuple) -> np.ndarray:
    """As in SQL: a missing value satisfies IS NULL alone."""
    numbers = isinstance(values, np.ndarray)
    missing = np.isnan(values) if numbers else np.asarray(values.is_null())
    if sign == "is null":
        return missing
    plain = values if numbers else np.asarray(values.to_pylist(), object)
    if sign == "is not null":
        true = ~missing
    elif sign in ("in", "not in"):
        among = np.isin(plain, list(compared)) if numbers else np.array([v in compared for v in plain])
        true = among if sign == "in" else ~among
    elif sign == "between":
        true = (plain >= compared[0]) & (plain <= compared[1])
    else:
        true = COMPARE[sign](plain, compared[0])
    return np.asarray(true, bool) & ~missing
