"""The value of a rule's expression: of which kind it is, and what it is in each row.

Kinds: "number"; "moment" (timestamps and dates) and "span" (durations and times of day), both counted in
days; "text"; "truth".
"""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pyarrow as pa

from raygen.relations import quantities
from raygen.relations.quantities import Quantity
from raygen.relations.syntax import CLOCKS, Column, Constant, Node, Scaled, Sum
from raygen.table import arrow

COUNTED = ("number", "moment", "span")


class Unfit(Exception):
    """What does not fit at a place of the text: what was expected there."""

    def __init__(self, place: int, expected: str):
        super().__init__(place, expected)
        self.place, self.expected = place, expected


def kind_of_type(kind: pa.DataType) -> str:
    """The kind of an Arrow type's values; "other" is of use to rules about missing values alone."""
    kind = arrow.value_type(kind)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "moment"
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        return "span"
    if pa.types.is_boolean(kind):
        return "truth"
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return "text" if texts else "other"


def kind_of(node: Node, kinds: dict[str, str]) -> str:
    """The kind of an expression over columns of these kinds.

    Raises:
        Unfit: If it adds, multiplies or cuts what cannot be.
    """
    if isinstance(node, Column):
        return kinds[node.name]
    if isinstance(node, Constant):
        if isinstance(node.value, Fraction):
            return "span" if node.is_span else "number"
        return "text" if isinstance(node.value, str) else "truth"
    if isinstance(node, Sum):
        return _kind_of_sum(node, kinds)
    if isinstance(node, Scaled):
        kind = kind_of(node.of, kinds)
        if kind == "moment" and node.factor == -1 and not node.power:
            raise Unfit(node.place, "the moment that this one is taken from")
        fits = {0: ("number", "span"), 1: ("number",), -1: ("span",)}[node.power]
        if kind not in fits:
            raise Unfit(node.place, f"a {' or a '.join(fits)} here, not a {kind}")
        return kind if not node.power else {"number": "span", "span": "number"}[kind]
    kind = kind_of(node.of, kinds)
    of_numbers = ("round", "floor", *CLOCKS)
    fits = ("number",) if node.name in of_numbers else ("number", "span")
    if node.name not in ("abs", *of_numbers):
        fits = ("moment", "span") if node.name in ("hour", "minute", "hhmm", "time") else ("moment",)
    if kind not in fits:
        raise Unfit(node.place, f"{node.name}() of a {' or a '.join(fits)}, not of a {kind}")
    return {"date": "moment", "time": "span", "abs": kind}.get(node.name, "number")


def _kind_of_sum(node: Sum, kinds: dict[str, str]) -> str:
    moments, others = [], set()
    for part in node.parts:
        is_taken = isinstance(part, Scaled) and part.factor == -1 and not part.power
        kind = kind_of(part.of if is_taken and isinstance(part, Scaled) else part, kinds)
        if kind not in COUNTED:
            raise Unfit(part.place, f"numbers, moments or spans in a sum, not a {kind}")
        if kind == "moment":
            moments.append(-1 if is_taken else 1)
        else:
            others.add(kind)
    if sum(moments) not in (0, 1):
        raise Unfit(node.place, "as many moments taken away as there are, or one less")
    if moments and "number" in others:
        raise Unfit(node.place, "spans beside moments, such as '3 days' or '60 seconds * x', not numbers")
    if len(others) > 1:
        raise Unfit(node.place, "parts of one kind in a sum; '/ 1 second' makes a number of a span")
    if not moments:
        return others.pop()
    return "moment" if sum(moments) else "span"


def evaluate(node: Node, table: pa.Table) -> Quantity:
    """Numbers, moments or spans of an expression, of shape (rows,) or (1,)."""
    if isinstance(node, Column):
        return quantities.of_array(table.column(node.name))
    if isinstance(node, Constant):
        return quantities.constant(Fraction(node.value))
    if isinstance(node, Sum):
        return quantities.added([evaluate(part, table) for part in node.parts])
    of = evaluate(node.of, table)
    if isinstance(node, Scaled):
        return quantities.times(node.factor, of)
    if node.name == "abs":
        return quantities.absolute(of)
    if node.name in ("round", "floor"):
        return quantities.rounded(of, node.digits) if node.name == "round" else quantities.floored(of)
    return on_clock(node.name, of) if node.name in CLOCKS else part_of(node.name, of)


def on_clock(name: str, of: Quantity) -> Quantity:
    """Minutes since midnight of numbers such as 1435 (14:35), or such numbers of minutes."""
    floored = quantities.floored(of)
    whole = np.where(of.valid, floored.whole, 0).astype(np.int64) // max(floored.per, 1)
    if name == "minutes":
        return Quantity(whole // 100 * 60 + whole % 100, 1, of.valid)
    whole = whole % 1440
    clock = whole // 60 * 100 + whole % 60
    return Quantity(np.where((clock == 0) & (name == "clock24"), 2400, clock), 1, of.valid)


def part_of(name: str, of: Quantity) -> Quantity:
    """The year, the hour, ... of moments; of spans, those of a clock that started with them."""
    whole = np.where(of.valid, of.whole, 0).astype(np.int64)
    day, rest = np.divmod(whole, of.per)
    if name in ("date", "time"):
        return Quantity(day, 1, of.valid) if name == "date" else Quantity(rest, of.per, of.valid)
    return Quantity(_PARTS[name](day, rest, of.per), 1, of.valid)


def _year(day: np.ndarray, _rest: np.ndarray, _per: int) -> np.ndarray:
    return day.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970


def _month(day: np.ndarray, _rest: np.ndarray, _per: int) -> np.ndarray:
    return day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1


def _day(day: np.ndarray, _rest: np.ndarray, _per: int) -> np.ndarray:
    days = day.astype("datetime64[D]")
    return (days - days.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1


def _minutes(rest: np.ndarray, per: int) -> np.ndarray:
    return rest // (per // 1440) if per % 1440 == 0 else rest * 0


_PARTS: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "year": _year,
    "month": _month,
    "day": _day,
    "weekday": lambda day, rest, per: (day + 3) % 7,  # the first of 1970 was a Thursday
    "hour": lambda day, rest, per: _minutes(rest, per) // 60,
    "minute": lambda day, rest, per: _minutes(rest, per) % 60,
    "hhmm": lambda day, rest, per: _minutes(rest, per) // 60 * 100 + _minutes(rest, per) % 60,
    "yyyymmdd": lambda day, rest, per: (
        _year(day, rest, per) * 10_000 + _month(day, rest, per) * 100 + _day(day, rest, per)
    ),
}


def as_moment(text: str, kind: pa.DataType) -> Fraction | None:
    """The days of a moment or a span that a text names, as an Arrow type reads it; None if it cannot."""
    plain = arrow.value_type(kind)
    try:
        array = pa.array([text]).cast(plain if not pa.types.is_date64(plain) else pa.date32())
    except pa.ArrowInvalid:
        return None
    found = quantities.of_array(array)
    return Fraction(int(found.whole[0]), found.per)
