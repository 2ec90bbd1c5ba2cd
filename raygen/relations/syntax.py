"""The language of relations: the text of a column's rule to a tree.

    rule        sum | lookup(COLUMN) | lookup(COLUMN, COLUMN) | SIGN sum      SIGN  >= > <= < !=
                sum within AMOUNT                           at most so far from it
                sum where conditions | SIGN sum where conditions
                missing where conditions                    missing there and nowhere else
                missing at least where conditions           missing there, and elsewhere it may be
    sum         product + product - ...
    product     value * value / constant
    value       COLUMN, 12.5, 'text', true, 3 days, (sum), -value, or a function of a sum:
                abs, floor, round(sum), round(sum, DIGITS), year, month, day, weekday (Monday is 0), hour,
                minute, date, time, hhmm, yyyymmdd; minutes(x) of an HHMM number, and hhmm(minutes) back
                within the day; hhmm24, in which midnight is 2400
    conditions  condition and condition and ...
    condition   COLUMN = VALUE | != | < | <= | > | >= | [not] in (VALUE, ...) | is [not] missing

A column whose name is no plain word stands in double quotes or backticks.
"""

from dataclasses import dataclass
from fractions import Fraction

from raygen.relations.tokens import Reader, unquoted

COMPARISONS = ("=", "==", "!=", "<>", "<", "<=", ">", ">=")
PARTS = ("year", "month", "day", "weekday", "hour", "minute", "date", "time", "hhmm", "yyyymmdd")
FUNCTIONS = ("abs", "round", "floor", "minutes", "hhmm24", *PARTS)
SECONDS = {"day": 86_400, "hour": 3600, "minute": 60, "second": 1}
SPANS = {unit: Fraction(seconds, 86_400) for unit, seconds in SECONDS.items()}
SPANS |= {
    "millisecond": SPANS["second"] / 10**3,
    "microsecond": SPANS["second"] / 10**6,
    "nanosecond": SPANS["second"] / 10**9,
}


@dataclass(frozen=True)
class Column:
    name: str
    place: int


@dataclass(frozen=True)
class Constant:
    """A number, a text, a truth, or, if `is_span`, a span of so many days."""

    value: Fraction | str | bool
    place: int
    is_span: bool = False


@dataclass(frozen=True)
class Scaled:
    """`factor * of`; a span in days has `power` 1 where it multiplies and -1 where it divides."""

    factor: Fraction
    of: "Node"
    power: int
    place: int


@dataclass(frozen=True)
class Sum:
    parts: tuple["Node", ...]
    place: int


@dataclass(frozen=True)
class Product:
    left: "Node"
    right: "Node"
    place: int


@dataclass(frozen=True)
class Call:
    name: str
    of: "Node"
    digits: int
    place: int


Node = Column | Constant | Scaled | Sum | Product | Call


@dataclass(frozen=True)
class Condition:
    """What a column must satisfy: `sign` is = != < <= > >= in, not in, is missing or is not missing."""

    column: str
    sign: str
    values: tuple[Constant, ...]
    place: int


@dataclass(frozen=True)
class Rule:
    """What a text says of its column.

    Attributes:
        sign: = != < <= > >= or "within" with `of` on its right, "lookup" or "missing".
        keys: Columns of a lookup.
        where: Conditions, all of which hold where the rule does.
        is_exact: Of "missing": whether values are there everywhere else.
        within: How far from `of` a value may be, in days if it is a span.
    """

    sign: str
    of: Node | None = None
    keys: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()
    is_exact: bool = False
    within: Constant | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the rule names, each once, in order."""
        names = [*self.keys, *(columns_of(self.of) if self.of else ()), *(one.column for one in self.where)]
        return tuple(dict.fromkeys(names))


def columns_of(node: Node) -> list[str]:
    if isinstance(node, Column):
        return [node.name]
    if isinstance(node, Sum | Product):
        parts = node.parts if isinstance(node, Sum) else (node.left, node.right)
        return [name for part in parts for name in columns_of(part)]
    return [] if isinstance(node, Constant) else columns_of(node.of)


def read(column: str, text: str) -> Rule:
    """The rule of a text.

    Raises:
        ConfigError: If the text is not of this language; the place is told.
    """
    reader = Reader(column, text)
    if reader.sees("missing") and reader.after.written.lower() in ("where", "at"):
        reader.take()
        is_exact = not reader.takes("at")
        if not is_exact:
            reader.need("least")
        rule = Rule("missing", where=_where(reader, needed=True), is_exact=is_exact)
    elif reader.sees("lookup") and reader.after.written == "(":
        rule = Rule("lookup", keys=_keys(reader))
    else:
        sign = "="
        if reader.sees(*COMPARISONS):
            written = reader.take().written
            sign = {"==": "=", "<>": "!="}.get(written, written)
        of = _sum(reader)
        if sign == "=" and reader.takes("within"):
            rule = Rule("within", of, within=_within(reader))
        else:
            rule = Rule(sign, of, where=_where(reader))
    if reader.next.kind != "end":
        after_sum = "the end" if rule.within else "the end, 'where' or one of + - * /"
        reader.fail("'and' or the end" if rule.where else after_sum)
    return rule


def _within(reader: Reader) -> Constant:
    place = reader.next
    amount = _constant(reader)
    if not isinstance(amount.value, Fraction) or amount.value <= 0:
        reader.position = reader.tokens.index(place)
        reader.fail("a number or a span above 0")
    return amount


def _keys(reader: Reader) -> tuple[str, ...]:
    reader.take()
    reader.need("(")
    names = [reader.name()]
    while reader.takes(","):
        if len(names) == 2:
            reader.fail("at most two columns in lookup()")
        names.append(reader.name())
    reader.need(")")
    return tuple(names)


def _where(reader: Reader, needed: bool = False) -> tuple[Condition, ...]:
    if not needed and not reader.sees("where"):
        return ()
    reader.need("where")
    conditions = [_condition(reader)]
    while reader.takes("and"):
        conditions.append(_condition(reader))
    return tuple(conditions)


def _condition(reader: Reader) -> Condition:
    place = reader.next.place
    column = reader.name()
    if reader.takes("is"):
        sign = "is not missing" if reader.takes("not") else "is missing"
        if not reader.takes("missing", "null"):
            reader.fail("'missing'")
        return Condition(column, sign, (), place)
    if reader.sees("in", "not"):
        sign = "not in" if reader.takes("not") else "in"
        reader.need("in")
        reader.need("(")
        values = [_constant(reader)]
        while reader.takes(","):
            values.append(_constant(reader))
        reader.need(")")
        return Condition(column, sign, tuple(values), place)
    if not reader.sees(*COMPARISONS):
        reader.fail("a comparison, 'in' or 'is missing'")
    written = reader.take().written
    return Condition(column, {"==": "=", "<>": "!="}.get(written, written), (_constant(reader),), place)


def _constant(reader: Reader) -> Constant:
    place = reader.next.place
    negative = reader.takes("-")
    node = _value(reader) if reader.next.kind in ("number", "text") or reader.sees("true", "false") else None
    if not isinstance(node, Constant) or (negative and not isinstance(node.value, Fraction)):
        reader.fail("a number, a 'text', true or false")
    if not negative or not isinstance(node.value, Fraction):
        return node
    return Constant(-node.value, place, node.is_span)


def _sum(reader: Reader) -> Node:
    place = reader.next.place
    parts = [_product(reader)]
    while reader.sees("+", "-"):
        token = reader.take()
        part = _product(reader)
        parts.append(part if token.written == "+" else scaled(Fraction(-1), part, token.place))
    return parts[0] if len(parts) == 1 else Sum(tuple(parts), place)


def _product(reader: Reader) -> Node:
    left = _value(reader)
    while reader.sees("*", "/"):
        token = reader.take()
        right = _value(reader)
        if token.written == "*" and isinstance(left, Constant):
            left, right = right, left
        if token.written == "*" and not isinstance(right, Constant):
            left = Product(left, right, token.place)
            continue
        if not isinstance(right, Constant) or not isinstance(right.value, Fraction):
            reader.position = next(i for i, one in enumerate(reader.tokens) if one.place == token.place)
            reader.fail("numbers on both sides of '*'" if token.written == "*" else "a number behind '/'")
        if token.written == "/" and right.value == 0:
            reader.position -= 1
            reader.fail("a number other than 0")
        factor = right.value if token.written == "*" else 1 / right.value
        power = int(right.is_span) * (1 if token.written == "*" else -1)
        left = scaled(factor, left, token.place, power)
    return left


def scaled(factor: Fraction, of: Node, place: int, power: int = 0) -> Node:
    """`factor * of`, of constants and of what is scaled already in one step."""
    if isinstance(of, Constant) and isinstance(of.value, Fraction) and not power:
        return Constant(factor * of.value, of.place, of.is_span)
    if isinstance(of, Scaled) and not power:
        return Scaled(factor * of.factor, of.of, of.power, of.place)
    return Scaled(factor, of, power, place)


def _value(reader: Reader) -> Node:
    token = reader.next
    if reader.takes("-"):
        return scaled(Fraction(-1), _value(reader), token.place)
    if reader.takes("+"):
        return _value(reader)
    if reader.takes("("):
        inside = _sum(reader)
        reader.need(")")
        return inside
    if token.kind == "number":
        if not 1e-30 < abs(float(token.written)) < 1e30 and float(token.written) != 0:
            reader.fail("a number between 1e-30 and 1e30")
        reader.take()
        return _number(reader, Fraction(token.written), token.place)
    if token.kind == "text":
        return Constant(unquoted(reader.take()), token.place)
    if token.kind == "name" and reader.after.written == "(":
        return _call(reader)
    if reader.sees("true", "false"):
        return Constant(reader.take().written.lower() == "true", token.place)
    if token.kind not in ("name", "quoted") or reader.sees("where", "and"):
        reader.fail("a column, a number or a function")
    return Column(reader.name(), token.place)


def _number(reader: Reader, number: Fraction, place: int) -> Constant:
    unit = reader.next.written.lower().removesuffix("s") if reader.next.kind == "name" else ""
    if unit in SPANS and reader.after.written != "(":
        reader.take()
        return Constant(number * SPANS[unit], place, is_span=True)
    return Constant(number, place)


def _call(reader: Reader) -> Call:
    token = reader.next
    name = token.written.lower()
    if name not in FUNCTIONS:
        reader.fail("a function: " + ", ".join((*FUNCTIONS, "lookup")))
    reader.take()
    reader.need("(")
    of, digits = _sum(reader), 0
    if name == "round" and reader.takes(","):
        place = reader.next
        given = _constant(reader)
        if not isinstance(given.value, Fraction) or given.value.denominator != 1 or abs(given.value) > 18:
            reader.position = reader.tokens.index(place)
            reader.fail("a whole number of digits")
        digits = int(given.value)
    reader.need(")")
    return Call(name, of, digits, token.place)
