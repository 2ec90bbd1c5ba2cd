"""How text spells numbers, dates, times and truth: what is read is written back letter by letter."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raygen.table import arrow

KEY = b"spelling"  # in the metadata of an Arrow field
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October"]
MONTHS += ["November", "December"]
CURRENCY = "[$€£¥₹]|USD|EUR|GBP|CHF|JPY|CAD|AUD|SEK|NOK|DKK|PLN|INR|CNY"
UNIT = rf" ?(?:{CURRENCY}|%|‰|°?[A-Za-z]{{1,4}})"
AMOUNT = re.compile(rf"-?(?P<before>(?:{CURRENCY}) ?)?\d[\d,.' ]*?(?P<digits>\.\d+|,\d+)?(?P<after>{UNIT})?")
SEPARATORS = [(",", "."), (".", ","), (" ", ","), (" ", "."), ("'", "."), ("", "."), ("", ",")]
SHAPE = re.compile(
    r"(?:(?P<one>\d{1,4}|[A-Za-z]{3,9})(?P<sep>[-/. ])(?P<two>\d{1,2}|[A-Za-z]{3,9})(?P<sep2>, |[-/. ])"
    r"(?P<three>\d{4}|\d{1,2}))?(?P<gap>[T ])?(?:(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)"
    r"(?:\.(?P<part>\d{1,9}))?)?(?P<half> ?[AaPp][Mm])?)?(?P<zone>Z| ?UTC|[+-]\d\d:?\d\d)?"
)
TOKEN = re.compile(r"%-?\d?[A-Za-z]")
WIDTHS = {"Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "I": 2, "M": 2, "S": 2}
PLAIN = re.compile(r"%Y-%m-%d|(%Y-%m-%d )?%H:%M:%S(\.%[369]f)?")  # as Arrow writes moments
PIVOT = 69  # 69 is 1969, 68 is 2068


@dataclass(frozen=True)
class Numbers:
    """Numbers such as $1,234.50 or 12,5 %.

    Attributes:
        before, after: Text around each.
        thousands, point: Between the digits.
        digits: After the point; -1: as few as the number takes.
    """

    before: str = ""
    after: str = ""
    thousands: str = ""
    point: str = "."
    digits: int = -1

    @property
    def type(self) -> pa.DataType:
        return pa.float64() if self.digits else pa.int64()

    @property
    def is_plain(self) -> bool:
        """Whether any reader takes it for a number."""
        return not (self.before or self.after or self.thousands) and self.point == "."

    def read(self, text: pa.Array) -> pa.Array:
        """Numbers; null where the text is none."""
        before, after, point, thousands = map(
            re.escape, (self.before, self.after, self.point, self.thousands)
        )
        body = rf"[0-9]{{1,3}}(?:{thousands}[0-9]{{3}})*" if thousands else "[0-9]+"
        found = pc.extract_regex(text, f"^(?P<sign>-?){before}(?P<body>{body}(?:{point}[0-9]+)?){after}$")
        digits = found.field("body")
        if self.thousands:
            digits = pc.replace_substring(digits, self.thousands, "")
        digits = pc.replace_substring(digits, self.point, ".")
        plain = pc.binary_join_element_wise(found.field("sign"), digits, "")
        return pc.if_else(found.is_valid(), plain, pa.scalar(None, plain.type)).cast(self.type, safe=False)

    def write(self, values: pa.Array) -> pa.Array:
        form = ",.15g" if self.digits < 0 else f",.{self.digits}f"
        encoded = values.dictionary_encode()
        marks = str.maketrans({",": self.thousands, ".": self.point})
        spelled = [format(abs(value), form).translate(marks) for value in encoded.dictionary.to_pylist()]
        signs = ["-" * (value < 0) for value in encoded.dictionary.to_pylist()]
        whole = [f"{sign}{self.before}{one}{self.after}" for sign, one in zip(signs, spelled, strict=True)]
        return pa.array(whole, pa.string()).take(encoded.indices)


@dataclass(frozen=True)
class Moments:
    """Dates, times of day and moments.

    Attributes:
        pattern: As strftime has it, with %-d for a day without a zero before it, %3f for three digits of a
            second, %b and %B in the case of `case`.
        zone: Text at the end: Z, UTC or an offset.
        case: Of words: "title", "upper" or "lower".
    """

    pattern: str
    zone: str = ""
    case: str = "title"

    @property
    def type(self) -> pa.DataType:
        digits = max((int(token[1]) for token in TOKEN.findall(self.pattern) if token[-1] == "f"), default=0)
        unit = ["s", "ms", "us", "ns"][-(-digits // 3)]
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
    def _tz(self) -> str | None:
        zone = self.zone.strip()
        if not zone:
            return None
        digits = zone.replace(":", "")
        return "UTC" if zone in ("Z", "UTC") or digits[1:] == "0000" else f"{digits[:3]}:{digits[3:]}"

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
            width = WIDTHS.get(letter, int(token[0][1]) if letter == "f" else 0)
            digits = f"[0-9]{{{1 if token[0][1] == '-' else width},{width}}}"
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
        digits = next((int(t[1]) for t in TOKEN.findall(self.pattern) if t[-1] == "f"), 0)
        return seconds * ticks + parts.get("f", zero) * (ticks // 10**digits), right

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
        return parts | {"S": second % 60, "f": fraction, "p": hour // 12}

    def _text(self, token: str, parts: dict[str, np.ndarray]) -> pa.Array:
        letter = token[-1]
        if letter in "bBp":
            words = self._words if letter != "p" else [getattr(word, self.case)() for word in ("am", "pm")]
            return pa.array(words).take(pa.array(parts[letter]))
        number, width = parts[letter], WIDTHS.get(letter, 0)
        if letter == "f":
            width = int(token[1])
            number = number // (arrow.TICKS_PER_SECOND[self.type.unit] // 10**width)
        text = pa.array(number).cast(pa.string())
        return text if token[1] == "-" else pc.utf8_lpad(text, width, "0")


@dataclass(frozen=True)
class Words:
    """Truth in words other than true and false."""

    true: str
    false: str
    type = pa.bool_()
    is_plain = False

    def read(self, text: pa.Array) -> pa.Array:
        return pc.index_in(text, pa.array([self.false, self.true])).cast(pa.bool_())

    def write(self, values: pa.Array) -> pa.Array:
        return pc.if_else(values, pa.scalar(self.true), pa.scalar(self.false))


Spelling = Numbers | Moments | Words
CLASSES: dict[str, type] = {kind.__name__: kind for kind in (Numbers, Moments, Words)}


def marked(field: pa.Field, spelling: Spelling) -> pa.Field:
    """The field with a note of how its values are spelled."""
    told = json.dumps({"as": type(spelling).__name__, **asdict(spelling)})
    return field.with_metadata({**(field.metadata or {}), KEY: told.encode()})


def of_field(field: pa.Field) -> Spelling | None:
    """How the values of a field are spelled, if that is noted and of its type."""
    told = (field.metadata or {}).get(KEY)
    if not told:
        return None
    state = json.loads(told)
    found: Spelling = CLASSES[state.pop("as")](**state)
    return found if found.type == field.type else None


def keeps(spelling: Spelling, text: pa.Array) -> bool:
    """Whether all of some texts are read and written back as they are."""
    read = spelling.read(text)
    return read.null_count == text.null_count and spelling.write(read).equals(text.cast(pa.string()))


def spelling(values: list[str], in_quotes: bool = False) -> tuple[Spelling | None, str]:
    """How all of some distinct texts spell numbers, moments or truth; None where they do not, or are written
    so by Arrow itself, which takes nothing `in_quotes` for anything but text. And a few words on what is in
    doubt."""
    if not values:
        return None, ""
    text = pa.array(values, pa.string())
    for true, false in (("True", "False"), ("TRUE", "FALSE")):
        if set(values) <= {true, false}:
            return Words(true, false), ""
    for candidate in _numbers(values):
        if keeps(candidate, text):
            usual = candidate.is_plain and (candidate.digits <= 0 or in_quotes)
            return (None if usual else candidate), ""
    found = [candidate for candidate in _moments(values[0]) if keeps(candidate, text)]
    orders = {"".join(re.findall("%-?([dm])", one.pattern)) for one in found}
    if len(orders) > 1:
        return None, "dates of which the day and the month cannot be told apart; kept as text"
    usual = not found or (found[0].is_plain and "f" not in found[0].pattern and not in_quotes)
    return None if usual else found[0], ""


def _numbers(values: list[str]) -> Iterator[Numbers]:
    shape = AMOUNT.fullmatch(values[0])
    if not shape:
        return
    for thousands, point in SEPARATORS:
        if thousands and not any(re.search(rf"\d{re.escape(thousands)}\d{{3}}", value) for value in values):
            continue
        ends = {
            len(v.rpartition(point)[2].rstrip(f" {shape['after'] or ''}")) if point in v else 0
            for v in values
        }
        digits = ends.pop() if len(ends) == 1 else -1
        yield Numbers(shape["before"] or "", shape["after"] or "", thousands, point, digits)


def _moments(value: str) -> Iterator[Moments]:
    """Spellings of a date, a time of day or a moment."""
    shape = SHAPE.fullmatch(value)
    if (
        not shape
        or not (shape["one"] or shape["hour"])
        or (shape["one"] and shape["hour"] and not shape["gap"])
    ):
        return
    word = next(
        (one for one in (shape["one"], shape["two"], shape["half"]) if one and one.strip().isalpha()), ""
    )
    word = word.strip()
    case = "upper" if word.isupper() else "lower" if word.islower() else "title"
    zone = shape["zone"] or ""
    for dates in _dates(shape):
        for clock in _clocks(shape):
            yield Moments(dates + (shape["gap"] or "") + clock, zone, case)


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


def _clocks(shape: re.Match) -> Iterator[str]:
    if not shape["hour"]:
        yield ""
        return
    rest = ":%M" + ":%S" * bool(shape["second"])
    rest += f".%{len(shape['part'])}f" if shape["part"] else ""
    if shape["half"]:
        rest += shape["half"].replace(shape["half"].strip(), "%p")
    for hour in ("%I", "%-I") if shape["half"] else ("%H", "%-H"):
        yield hour + rest
