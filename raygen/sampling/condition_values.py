"""Values of conditions as numbers and days, and what is said of those that are none."""

import datetime
import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import pyarrow as pa

from raygen.codec.codec import Codec
from raygen.errors import ConfigError, did_you_mean
from raygen.sampling.conditions import Condition, Value
from raygen.table import arrow

EPOCH = datetime.date(1970, 1, 1).toordinal()


def written(value: float, read: Callable) -> str:
    return str(datetime.date.fromordinal(int(value) + EPOCH)) if read is day else f"{value:.15g}"


def number(condition: Condition, value: Value) -> float:
    return as_float(exact(condition, value))


def as_float(value: Fraction) -> float:
    """The nearest float; infinite if it is beyond all of them."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def exact(condition: Condition, value: Value) -> Fraction:
    """The number that a condition compares with, as it was written."""
    if value.kind != "number":
        message = (
            f"generate.where: '{condition}' compares the numbers of column '{condition.column}' with {value}."
        )
        raise ConfigError(message, "write a number without quotes.")
    return Fraction(value.written)


def day(condition: Condition, value: Value) -> float:
    try:
        return float(
            datetime.date.fromisoformat(value.written if value.kind == "text" else "").toordinal() - EPOCH
        )
    except ValueError:
        message = (
            f"generate.where: '{condition}' compares the days of column '{condition.column}' with {value}."
        )
        raise ConfigError(
            message, "write a day as '2024-01-31'; datetimes are compared by their day, in their own zone."
        ) from None


def allowed(members: Sequence[str], conditions: list[Condition]) -> np.ndarray:
    """Which categories satisfy all conditions, bool of shape (members,); `IS NULL` must not be among them."""
    satisfied, names = np.ones(len(members), bool), np.array(members, object)
    for one in (c for c in conditions if c.sign != "is not null"):
        if one.sign not in ("=", "!=", "in", "not in"):
            raise by_size(one)
        for value in one.values:
            if value.written not in members:
                message = f"generate.where: column '{one.column}' has no category {value}"
                raise ConfigError(
                    f"{message} ({len(members)} are known).", did_you_mean(value.written, members)
                )
        hit = np.isin(names, [v.written for v in one.values])
        satisfied &= hit if one.sign in ("=", "in") else ~hit
    return satisfied


def has_no_day(kind: pa.DataType) -> bool:
    plain = arrow.value_type(kind)
    return pa.types.is_time(plain) or pa.types.is_duration(plain)


def by_size(one: Condition) -> ConfigError:
    return ConfigError(
        f"generate.where: '{one}' compares the categories of column '{one.column}' by size.",
        "use =, != or IN.",
    )


def no_day(codec: Codec, column: str) -> ConfigError:
    message = (
        f"generate.where: column '{column}' of type {codec.schema.arrow.field(column).type} "
        "has no day, and datetimes are compared by day."
    )
    return ConfigError(message, "condition other columns.")


def nothing(conditions: list[Condition], why: str) -> ConfigError:
    return ConfigError(
        f'generate.where: nothing satisfies "{" AND ".join(map(str, conditions))}": {why}.',
        "change the condition.",
    )
