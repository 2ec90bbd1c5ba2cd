"""Conditions on columns that relations give, or on days that their month or weekday moves: tested on whole
rows, since no codes of their own satisfy them."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa

from raygen.codec import parts
from raygen.codec.codec import Codec
from raygen.sampling import condition_values
from raygen.sampling.conditions import Condition, Value
from raygen.table import arrow
from raygen.table.part import Part
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
        values = parts.values(Schema(schema.arrow, {name: schema.kinds[name] for name in names}), table)
        satisfied = np.ones(len(codes), bool)
        for condition, compared in self.conditions:
            own, kind = values[Part(condition.column)], schema.arrow.field(condition.column).type
            if isinstance(own, np.ndarray):
                compared = tuple(_as_written(value, own, kind) for value in compared)
            satisfied &= _satisfied(own, condition.sign, compared)
        return satisfied


def of(codec: Codec, conditions: list[Condition]) -> RowTests | None:
    """The conditions on columns that relations give, and on days that their month or weekday moves."""
    tested = codec.reduction.touched
    given = [c for c in conditions if c.column in tested or Part(c.column) in codec.movers]
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
            read = condition_values.day if kind == "datetime" else condition_values.exact
            compared.append((one, tuple(Fraction(read(one, value)) for value in one.values)))
        else:
            compared.append((one, tuple(value.written for value in one.values)))
    return RowTests(codec, tuple(compared)) if given else None


def with_category(codec: Codec, tests: RowTests | None, column: str, name: str) -> RowTests:
    """The tests, and that a column has this category."""
    own = (Condition(column, "=", (Value(name, "text"),)), (name,))
    return RowTests(codec, (*(tests.conditions if tests else ()), own))


def _as_written(value: Fraction, own: np.ndarray, kind: pa.DataType) -> Any:
    """A number as those of a column of this type are: a whole number of the last place where `own` are, or a
    float of as many bits."""
    if own.dtype == object:
        return value * 10 ** arrow.scale_of(kind)
    plain, number = arrow.value_type(kind), condition_values.as_float(value)
    short = pa.types.is_float32(plain) or pa.types.is_float16(plain)
    return float(plain.to_pandas_dtype()(number)) if short else number


def _satisfied(values: np.ndarray | pa.Array, sign: str, compared: tuple) -> np.ndarray:
    """As in SQL: a missing value satisfies IS NULL alone."""
    if isinstance(values, np.ndarray):
        missing = ~arrow.present(values)
        plain = np.where(missing, 0, values)
    else:
        missing, plain = np.asarray(values.is_null()), np.array(values.to_pylist(), object)
    if sign == "is null":
        return missing
    if sign == "is not null":
        true = ~missing
    elif sign in ("in", "not in"):
        among = np.array([value in compared for value in plain.tolist()], bool)
        true = among if sign == "in" else ~among
    elif sign == "between":
        true = (plain >= compared[0]) & (plain <= compared[1])
    else:
        true = COMPARE[sign](plain, compared[0])
    return np.asarray(true, bool) & ~missing
