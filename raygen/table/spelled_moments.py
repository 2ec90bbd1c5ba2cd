"""Text that spells dates, times of day and moments."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raygen.table import arrow

MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October"]
MONTHS += ["November", "December"]
SHAPE = re.compile(
    r"(?:(?P<one>\d{1,4}|[A-Za-z]{3,9})(?P<sep>[-/. ])(?P<two>\d{1,2}|[A-Za-z]{3,9})(?P<sep2>, |[-/. ])"
    r"(?P<three>\d{4}|\d{1,2}))?(?P<gap>[T :])?(?:(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)"
    r"(?:[.,](?P<part>\d{1,9}))?)?(?P<half> ?[AaPp][Mm])?)?(?P<zone>Z| ?UTC| ?GMT| ?[+-]\d\d(?::?\d\d)?)?"
)
COMPACT = re.compile(r"\d{8}(?P<gap>[T_ -])(?P<clock>\d{4}(?P<second>\d\d)?)(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?")
FRACTION = re.compile(r":\d\d([.,])(\d{1,9})")
TOKEN = re.compile(r"%-?\d?[A-Za-z]")
WIDTHS = {"Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "I": 2, "M": 2, "S": 2}
PLAIN = re.compile(r"%Y-%m-%d|(%Y-%m-%d )?%H:%M:%S(\.%[369]f)?")  # as Arrow writes moments
PIVOT = 69  # 69 is 1969, 68 is 2068


@dataclass(frozen=True)
class Moments:
    """Dates, times of day and moments.

    Attributes:
        pattern: As strftime has it, with %-d for a day without a zero before it, %3f for three digits of a
            second, %b and %B in the case of `case`; %-6f is the point and as few of six digits as it takes,
            %-6F the point and all six, nothing where they are zero.
        zone: Text at the end: Z, UTC or an offset.
        case: Of words: "title", "upper" or "lower".
    """

    pattern: str
    zone: str = ""
    case: str = "title"

    @property
    def type(self) -> pa.DataType:
        unit = ["s", "ms", "us", "ns"][-(-self._digits // 3)]
        if not re.search("%-?[HI]", self.pattern):
            return pa.date32()
        if "%" in self.pattern and not re.search("%[Yy]", self.pattern):
            return pa.time32(unit) if unit in ("s", "ms") else pa.time64(unit)
        return pa.timestamp(unit, self._tz)

    @property
    def is_plain(self) -> bool:
        """Whether Arrow writes it so by itself."""
        return self.zone in ("", "Z") and PLAIN.fullmatch(self.pattern) is not None

    @property
    def _digits(self) -> int:
        """Of a second, after the point."""
        return next((int(token[-2]) for token in TOKEN.findall(self.pattern) if token[-1] in "fF"), 0)

    @property
    def _tz(self) -> str | None:
        zone = self.zone.strip()
        if not zone:
            return None
        digits = zone.replace(":", "").ljust(5, "0")
        return "UTC" if zone in ("Z", "UTC", "GMT") or digits[1:] == "0000" else f"{digits[:3]}:{digits[3:]}"

    @property
    def _words(self) -> list[str]:
        months = [month[:3] if "%b" in self.pattern else month for month in MONTHS]
        return [getattr(month, self.case)() for month in months]

    def read(self, text: pa.Array) -> pa.Array:
        """Values of `type`; null where the text is none."""
        parts = {"p": "[AP]M|[ap]m", "b": "[A-Za-z]+", "B": "[A-Za-z]+"}
        regex, last = "^", 0
        for token in TOKEN.finditer(self.pattern):
            letter = token[0][-1]
            width = WIDTHS.get(letter, self._digits)
            digits = f"[0-9]{{{1 if token[0][1] == '-' else width},{width}}}"
            if letter in "fF" and token[0][1] == "-":
                digits = rf"(?:\.[0-9]{{1,{self._digits}}})?"
            regex += (
                re.escape(self.pattern[last : token.start()]) + f"(?P<{letter}>{parts.get(letter, digits)})"
            )
            last = token.end()
        regex += re.escape(self.pattern[last:] + self.zone) + "$"
        found = pc.extract_regex(text, regex)
        there, nothing = found.is_valid(), pa.scalar(None, found.type.field(0).type)
        fields = {
            found.type.field(i).name: pc.if_else(there, found.field(i), nothing)
            for i in range(found.type.num_fields)
        }
        whole, right = self._ticks({k: self._number(k, v) for k, v in fields.items()})
        right &= there.to_numpy(zero_copy_only=False)
        return arrow.from_moments(np.where(right, whole, 0), ~right, self.type)

    def _number(self, letter: str, column: pa.Array) -> np.ndarray:
        if letter in "bB":
            column = pc.add(pc.index_in(column, pa.array(self._words)), 1)
        elif letter == "p":
            column = pc.match_substring(column, "p", ignore_case=True).cast(pa.int64())
        elif letter in "fF":
            column = pc.utf8_rpad(pc.utf8_ltrim(column, "."), self._digits, "0")
        return pc.coalesce(column.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)

    def _ticks(self, parts: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Units of `type` as a clock in its zone shows them, and whether there is such a moment."""
        size = len(next(iter(parts.values())))
        zero = np.zeros(size, np.int64)
        right = np.ones(size, bool)
        day = zero
        if self.type != pa.time32("s") and ("Y" in parts or "y" in parts):
            year = parts["Y"] if "Y" in parts else parts["y"] + np.where(parts["y"] < PIVOT, 2000, 1900)
            month = parts.get("m", parts.get("b", parts.get("B", zero)))
            months = (year - 1970) * 12 + month - 1
            start = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
            after = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
            right &= (year > 0) & (month > 0) & (month < 13)
            right &= (parts["d"] > 0) & (parts["d"] <= after - start)
            day = start + parts["d"] - 1
        if pa.types.is_date(self.type):
            return day, right
        hour = parts["H"] if "H" in parts else parts["I"] % 12 + 12 * parts["p"]
        right &= (parts.get("I", zero + 1) > 0) & (parts.get("I", zero) < 13)
        right &= (hour < 24) & (parts["M"] < 60) & (parts.get("S", zero) < 60)
        seconds = day * 86_400 + hour * 3600 + parts["M"] * 60 + parts.get("S", zero)
        ticks = arrow.TICKS_PER_SECOND[self.type.unit]
        part = parts.get("f", parts.get("F", zero))
        return seconds * ticks + part * (ticks // 10**self._digits), right

    def write(self, values: pa.Array) -> pa.Array:
        whole, missing = arrow.moments(values.cast(self.type))
        parts = self._parts(whole)
        pieces: list = []
        last = 0
        for token in TOKEN.finditer(self.pattern):
            pieces += [pa.scalar(self.pattern[last : token.start()]), self._text(token[0], parts)]
            last = token.end()
        ends = pa.scalar(self.pattern[last:] + self.zone)
        joined = pc.binary_join_element_wise(*pieces, ends, "")
        return pc.if_else(pa.array(missing), pa.scalar(None, joined.type), joined)

    def _parts(self, whole: np.ndarray) -> dict[str, np.ndarray]:
        ticks = arrow.ticks_per_day(self.type)
        day, time = np.divmod(whole, ticks)
        months = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
        start = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        year, month = np.divmod(months, 12)
        second, fraction = np.divmod(time, max(1, ticks // arrow.SECONDS_PER_DAY))
        hour, minute = second // 3600, second // 60 % 60
        parts = {"Y": year + 1970, "y": (year + 1970) % 100, "m": month + 1, "d": day - start + 1}
        parts |= {"b": month, "B": month, "H": hour, "I": (hour + 11) % 12 + 1, "M": minute}
        return parts | {"S": second % 60, "f": fraction, "F": fraction, "p": hour // 12}

    def _text(self, token: str, parts: dict[str, np.ndarray]) -> pa.Array:
        letter = token[-1]
        if letter in "bBp":
            words = self._words if letter != "p" else [getattr(word, self.case)() for word in ("am", "pm")]
            return pa.array(words).take(pa.array(parts[letter]))
        number, width = parts[letter], WIDTHS.get(letter, 0)
        if letter in "fF":
            width = self._digits
            number = number // (arrow.TICKS_PER_SECOND[self.type.unit] // 10**width)
        text = pa.array(number).cast(pa.string())
        if letter in "fF" and token[1] == "-":
            text = pc.binary_join_element_wise(".", pc.utf8_lpad(text, width, "0"), "")
            text = pc.utf8_rtrim(text, "0") if letter == "f" else text
            return pc.if_else(pa.array(number == 0), "", text)
        return text if token[1] == "-" else pc.utf8_lpad(text, width, "0")


def moments_of(values: list[str]) -> Iterator[Moments]:
    """Ways in which some texts may spell dates, times of day or moments."""
    if compact := COMPACT.fullmatch(values[0]):
        clock = "%H%M%S" if compact["second"] else "%H%M"
        yield Moments(f"%Y%m%d{compact['gap']}{clock}", compact["zone"] or "")
    shape = SHAPE.fullmatch(values[0])
    if (
        not shape
        or not (shape["one"] or shape["hour"])
        or (shape["one"] and shape["hour"] and not shape["gap"])
    ):
        return
    words = (one for one in (shape["one"], shape["two"], shape["half"]) if one and one.strip().isalpha())
    word = next(words, "").strip()
    case = "upper" if word.isupper() else "lower" if word.islower() else "title"
    zone = shape["zone"] or ""
    parts = _fractions(values) if shape["second"] else [""]
    for dates in _dates(shape):
        for clock in _clocks(shape, parts):
            yield Moments(dates + (shape["gap"] or "") + clock, zone, case)


def _fractions(values: list[str]) -> list[str]:
    """Ways in which the digits after the point of seconds may be written."""
    found = [FRACTION.search(value) for value in values]
    sizes = {len(one[2]) if one else 0 for one in found}
    most = max(sizes)
    if len(sizes) > 1:
        return [f"%-{most}f", f"%-{most}F"]
    return [f"{found[0][1]}%{most}f" if found[0] else ""]


def _dates(shape: re.Match) -> Iterator[str]:
    one, two, three = shape["one"], shape["two"], shape["three"]
    if not one:
        yield ""
        return
    year = "%Y" if len(three) == 4 else "%y"
    if one.isalpha():
        orders = [("%b", "%d", year), ("%B", "%d", year)]
    elif two.isalpha():
        orders = [("%d", "%b", year), ("%d", "%B", year)]
    elif len(one) == 4:
        orders = [("%Y", "%m", "%d")]
    else:
        orders = [("%d", "%m", year), ("%m", "%d", year)]
    for first, second, third in orders:
        whole = first + shape["sep"] + second + shape["sep2"] + third
        yield whole
        yield whole.replace("%d", "%-d").replace("%m", "%-m")


def _clocks(shape: re.Match, parts: list[str]) -> Iterator[str]:
    if not shape["hour"]:
        yield ""
        return
    half = shape["half"].replace(shape["half"].strip(), "%p") if shape["half"] else ""
    for hour in ("%I", "%-I") if half else ("%H", "%-H"):
        for part in parts:
            yield f"{hour}:%M{':%S' * bool(shape['second'])}{part}{half}"
