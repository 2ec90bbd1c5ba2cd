"""Text that spells numbers, with a currency, a unit, or a sign of its own."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

CURRENCY = "[$€£¥₹]|USD|EUR|GBP|CHF|JPY|CAD|AUD|SEK|NOK|DKK|PLN|INR|CNY"
SPACE = "[ \u00a0\u202f]"  # the others do not break a line
UNIT = rf"{SPACE}?(?:{CURRENCY}|%|‰|°?[A-Za-z]{{1,4}})"
AMOUNT = re.compile(
    rf"(?P<start>[-+\u2212(]?)(?P<before>(?:{CURRENCY}){SPACE}?)?(?P<inner>[-+(]?)"
    rf"\d[\d,.'\u2019 \u00a0\u202f]*?(\.\d+|,\d+)?(?P<after>{UNIT})?(?P<end>[-)]?)"
)
SEPARATORS = [(",", "."), (".", ","), ("'", "."), ("\u2019", ".")]
SEPARATORS += [(space, point) for space in " \u00a0\u202f" for point in ",."]
SEPARATORS += [("", "."), ("", ",")]
EXACT = re.compile(r"-?(?P<whole>0|[1-9]\d*)(?:\.(?P<part>\d+))?")
AFTER_POINT = re.compile(r"\d+[.,]\d{3}")
WIDTH, MOST_WIDTH = 18, 38  # digits that any int64 and any decimal128 has room for
MOST_PARTS = 16  # digits after the point of float64 that are told from chance
USUAL = "-$1"
SIGNS = (USUAL, "$-1", "($1)", "$(1)", "$1-", "\u2212$1", "+$1")


@dataclass(frozen=True)
class Numbers:
    """Numbers such as $1,234.50 or 12,5 %.

    Attributes:
        before, after: Text around each.
        thousands, point: Between the digits.
        digits: After the point; -1: as few as the number takes.
        sign: How a number below zero is marked, with $ for what is before the digits and 1 for what follows;
            "+$1": those that are not are marked too.
    """

    before: str = ""
    after: str = ""
    thousands: str = ""
    point: str = "."
    digits: int = -1
    sign: str = USUAL

    @property
    def type(self) -> pa.DataType:
        return pa.float64() if self.digits else pa.int64()

    @property
    def is_plain(self) -> bool:
        """Whether any reader takes it for a number."""
        others = self.before or self.after or self.thousands or self.sign != USUAL
        return not others and self.point == "."

    @property
    def _below(self) -> str:
        """How a number below zero is marked."""
        return self.sign.replace("+", "-")

    def read(self, text: pa.Array) -> pa.Array:
        """Numbers; null where the text is none."""
        given = (self.before, self.after, self.point, self.thousands)
        before, after, point, thousands = map(re.escape, given)
        body = rf"[0-9]{{1,3}}(?:{thousands}[0-9]{{3}})*" if thousands else "[0-9]+"
        marks = re.split(r"[$1]", self._below)
        start, inner, end = (f"(?:{re.escape(mark)})?" for mark in marks)
        if self.sign[0] == "+":
            start = "[-+]"
        shape = f"(?P<start>{start}){before}(?P<inner>{inner})(?P<body>{body}(?:{point}[0-9]+)?){after}"
        found = pc.extract_regex(text, f"^{shape}(?P<end>{end})$")
        signs = pc.binary_join_element_wise(*map(found.field, ("start", "inner", "end")), "")
        below = pc.equal(signs, "".join(marks))
        there = pc.and_(found.is_valid(), pc.or_(below, pc.is_in(signs, pa.array(["", "+"]))))
        digits = found.field("body")
        if self.thousands:
            digits = pc.replace_substring(digits, self.thousands, "")
        digits = pc.replace_substring(digits, self.point, ".")
        if not self.digits:
            there = pc.and_(there, pc.less_equal(pc.utf8_length(digits), WIDTH))
        plain = pc.binary_join_element_wise(pc.if_else(below, "-", ""), digits, "")
        return pc.if_else(there, plain, pa.scalar(None, plain.type)).cast(self.type, safe=False)

    def write(self, values: pa.Array) -> pa.Array:
        form = ",.15g" if self.digits < 0 else f",.{self.digits}f"
        encoded = values.dictionary_encode()
        marks = str.maketrans({",": self.thousands, ".": self.point})
        above = "+$1" if self.sign[0] == "+" else "$1"
        shapes = [one.replace("$", self.before) for one in (above, self._below)]
        whole = []
        for value in encoded.dictionary.to_pylist():
            shape = shapes[math.copysign(1, value) < 0]
            whole.append(shape.replace("1", format(abs(value), form).translate(marks) + self.after, 1))
        return pa.array(whole, pa.string()).take(encoded.indices)


def numbers_of(values: list[str], usual_point: str = ".") -> Iterator[Numbers]:
    """Ways in which some texts may spell numbers; where all have three digits after the usual point, it is
    that."""
    shapes = [AMOUNT.fullmatch(value) for value in values]
    known = [shape for shape in shapes if shape]
    if len(known) < len(values):
        return
    before, after = (known[0][name] or "" for name in ("before", "after"))
    signs = {f"{one['start']}{'$' * bool(before)}{one['inner']}1{one['end']}" for one in known}
    signs = {sign if before else sign.replace("1", "$1") for sign in signs} - {"$1"}
    sign = "+$1" if signs == {"+$1", USUAL} else next(iter(signs), USUAL)
    if sign not in SIGNS or (sign == "+$1") != (len(signs) > 1):  # telephone numbers have no other sign
        return
    bodies = [re.sub(r"^\D+|\D+$", "", value) for value in values]
    for thousands, point in SEPARATORS:
        if thousands and not any(re.search(rf"\d{re.escape(thousands)}\d{{3}}", value) for value in values):
            continue
        if thousands == usual_point and all(AFTER_POINT.fullmatch(body) for body in bodies):
            continue
        ends = {len(body.rpartition(point)[2]) if point in body else 0 for body in bodies}
        digits = ends.pop() if len(ends) == 1 else -1
        yield Numbers(before, after, thousands, point, digits, sign)


def exact_type(values: list[str]) -> pa.DataType | None:
    """The type that keeps the digits of plain numbers of which int64 or float64 loses some; None where they
    lose none, or are not all written alike."""
    shapes = [EXACT.fullmatch(value) for value in values]
    known = [shape for shape in shapes if shape]
    digits = {len(shape["part"] or "") for shape in known}
    if not known or len(known) < len(values) or len(digits) > 1:
        return None
    most, room = digits.pop(), max(len(shape["whole"]) for shape in known)
    if most:
        fits = most <= MOST_PARTS and all(format(float(value), f".{most}f") == value for value in values)
    else:
        whole = [int(value) for value in values] if room > WIDTH else [0]
        fits = min(whole) >= -(2**63) and max(whole) < 2**63
        if not fits and min(whole) >= 0 and max(whole) < 2**64:
            return pa.uint64()
    return None if fits or room + most > MOST_WIDTH else pa.decimal128(MOST_WIDTH, most)
