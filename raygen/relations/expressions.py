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
from raygen.relations.syntax import Call, Column, Constant, Node, Product, Scaled, Sum, columns_of
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
    if isinstance(node, Product):
        for side in (node.left, node.right):
            if (kind := kind_of(side, kinds)) != "number":
                raise Unfit(side.place, f"numbers on both sides of '*', not a {kind}")
        return "number"
    if isinstance(node, Scaled):
        kind = kind_of(node.of, kinds)
        if kind == "moment" and node.factor == -1 and not node.power:
            raise Unfit(node.place, "the moment that this one is taken from")
        fits = {0: ("number", "span"), 1: ("number",), -1: ("span",)}[node.power]
        if kind not in fits:
            raise Unfit(node.place, f"a {' or a '.join(fits)} here, not a {kind}")
        return kind if not node.power else {"number": "span", "span": "number"}[kind]
    kind = kind_of(node.of, kinds)
    fits = _FITS.get(node.name, ("moment",))
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


_FITS = {
    **dict.fromkeys(("round", "floor", "minutes"), ("number",)),
    **dict.fromkeys(("hour", "minute", "time"), ("moment", "span")),
    **dict.fromkeys(("hhmm", "hhmm24"), ("moment", "span", "number")),
    "abs": ("number", "span"),
}


def has_instants(node: Node, own: pa.DataType, schema: pa.Schema) -> bool:
    """Whether the moments of a rule, its column's of type `own` among them, all know their zone. Then their
    order and differences are those of instants and not of clocks, which are put back and forward."""
    types = [own, *(schema.field(name).type for name in _outside_parts(node))]
    moments = [kind for kind in map(arrow.value_type, types) if kind_of_type(kind) == "moment"]
    return bool(moments) and all(pa.types.is_timestamp(kind) and kind.tz for kind in moments)


def _outside_parts(node: Node) -> list[str]:
    """Columns of an expression but those that a part of a moment is taken of."""
    if isinstance(node, Sum | Product):
        parts = node.parts if isinstance(node, Sum) else (node.left, node.right)
        return [name for part in parts for name in _outside_parts(part)]
    if isinstance(node, Scaled | Call):
        return [] if _takes_part(node) else _outside_parts(node.of)
    return columns_of(node)


def _takes_part(node: Node) -> bool:
    return isinstance(node, Call) and node.name not in ("abs", "round", "floor")


def evaluate(node: Node, table: pa.Table, instants: bool = False) -> Quantity:
    """Numbers, moments or spans of an expression, of shape (rows,) or (1,); its moments with `instants` as in
    `quantities.of_array`, but their parts are those of their own clock."""
    if isinstance(node, Column):
        return quantities.of_array(table.column(node.name), instants)
    if isinstance(node, Constant):
        return quantities.constant(Fraction(node.value))
    if isinstance(node, Sum):
        return quantities.added([evaluate(part, table, instants) for part in node.parts])
    if isinstance(node, Product):
        return quantities.multiplied(*(evaluate(side, table, instants) for side in (node.left, node.right)))
    of = evaluate(node.of, table, instants and not _takes_part(node))
    if isinstance(node, Scaled):
        return quantities.times(node.factor, of)
    if node.name == "abs":
        return quantities.absolute(of)
    if node.name in ("round", "floor"):
        return quantities.rounded(of, node.digits) if node.name == "round" else quantities.floored(of)
    if node.name == "minutes":
        whole = quantities.floored(of)
        return Quantity(whole.whole // 100 * 60 + whole.whole % 100, 1, whole.valid)
    if node.name in ("hhmm", "hhmm24"):
        kinds = {name: kind_of_type(table.schema.field(name).type) for name in columns_of(node.of)}
        if kind_of(node.of, kinds) == "number":
            of = quantities.times(Fraction(1, 1440), quantities.floored(of))
    return part_of(node.name, of)


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


def _hhmm(_day: np.ndarray, rest: np.ndarray, per: int) -> np.ndarray:
    minutes = _minutes(rest, per)
    return minutes // 60 * 100 + minutes % 60


def _hhmm24(day: np.ndarray, rest: np.ndarray, per: int) -> np.ndarray:
    clock = _hhmm(day, rest, per)
    return np.where(clock == 0, 2400, clock)


_PARTS: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "year": _year,
    "month": _month,
    "day": _day,
    "weekday": lambda day, rest, per: (day + 3) % 7,  # the first of 1970 was a Thursday
    "hour": lambda day, rest, per: _minutes(rest, per) // 60,
    "minute": lambda day, rest, per: _minutes(rest, per) % 60,
    "hhmm": _hhmm,
    "hhmm24": _hhmm24,
    "yyyymmdd": lambda day, rest, per: (
        _year(day, rest, per) * 10_000 + _month(day, rest, per) * 100 + _day(day, rest, per)
    ),
}


def as_moment(text: str, kind: pa.DataType) -> Fraction | None:
    """The days of a moment or a span that a text names, as an Arrow type reads it; None if it cannot."""
    plain = arrow.value_type(kind)
    try:
        array = pa.array([text]).cast(plain if not pa.types.is_date64(plain) else pa.date32())
    except pa.ArrowException:
        return None
    found = quantities.of_array(array)
    return Fraction(int(found.whole[0]), found.per)
