"""How a CSV file writes its table: read from its first rows."""

import csv
import io
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from raygen.table.spelled_numbers import exact_type
from raygen.table.spelling import Numbers, Spelling, spelling

HEAD_BYTES = 1 << 20
CSV_BLOCK_BYTES = 1 << 24  # of a file that Arrow reads at a time, which holds the longest row
DELIMITERS = ",;\t|"
ROWS_FOR_DELIMITER = 200
MISSING = ["", " ", "\\N", ".", "?", "-", "--", "---", "<NA>", "-nan", "N/a", "n.A.", "k.A."]
MISSING += [
    spelled
    for word in ("null", "(null)", "[null]", "<null>", "nan", "nat", "na", "n/a", "n.a.", "none", "missing")
    for spelled in (word, word.upper(), word.capitalize())
]
MISSING += ["NaN", "NaT", "#N/A", "#NULL!"]  # and what spreadsheets show for an error, in some languages:
MISSING += ["#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NV", "#N/V", "#N/D", "#WERT!", "#BEZUG!"]
MISSING += ["#ZAHL!", "#VALEUR!", "#NOM?", "#NOMBRE!", "#VALOR!"]
MISSING = list(dict.fromkeys(MISSING))
TRUTH = {"true", "True", "TRUE", "false", "False", "FALSE"}
NUMBER = re.compile(r"[-+]?(\d[\d,]*\.?\d*|\.\d+)([eE][-+]?\d+)?")
PADDED = re.compile(r"[-+]?0\d.*")  # a number whose first zero would be lost
HEX = re.compile("0[xX][0-9a-fA-F]+")  # Arrow takes it for a number
TYPED = re.compile(
    NUMBER.pattern + r"|\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?|\d\d:\d\d(:\d\d.*)?|[Tt]rue|[Ff]alse|TRUE|FALSE"
)
COMMA, POINT = re.compile(r"[-+]?\d+,\d+"), re.compile(r"[-+]?\d+\.\d+")


@dataclass(frozen=True)
class Dialect:
    """How the fields of a file are to be read.

    Attributes:
        delimiter: Between the fields.
        decimal_point: In numbers.
        nulls: Words that stand for a missing value, but in columns of `worded`.
        worded: Columns of text, but for those in `text`, in which some of these words are values.
        quoted_nulls: A missing value stands in quotes too, since every field does.
        text: Columns of digits that a number would not give back, such as 02116 and 0x1F.
        typed: Columns that hold numbers, moments or truth in the rows that this was read from.
        cut: There are more rows than that.
        exact: Types of columns of numbers with more digits than int64 or float64 keeps.
        spellings: How the values of a column are written, where Arrow would write them otherwise.
        doubts: What a user should know of a column.
    """

    delimiter: str = ","
    decimal_point: str = "."
    nulls: tuple[str, ...] = tuple(MISSING)
    worded: tuple[str, ...] = ()
    quoted_nulls: bool = False
    text: tuple[str, ...] = ()
    typed: tuple[str, ...] = ()
    cut: bool = False
    exact: dict[str, pa.DataType] = field(default_factory=dict)
    spellings: dict[str, Spelling] = field(default_factory=dict)
    doubts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, head: bytes) -> "Dialect":
        """That of a file which begins with `head`, cut anywhere."""
        text = head.decode("utf-8-sig", "replace")
        if len(head) >= HEAD_BYTES:
            text = text[: text.rfind("\n") + 1]
        delimiter = _delimiter(text)
        names, *rows = _records(text, delimiter) or [[]]
        rows = [row for row in rows if len(row) == len(names)]
        columns = {name: [row[i] for row in rows] for i, name in enumerate(names)}
        every = [one for column in columns.values() for one in column]
        commas, points = (sum(bool(p.fullmatch(one)) for one in every) for p in (COMMA, POINT))
        found = cls(delimiter, "," if delimiter != "," and commas > points else ".")
        found = replace(found, quoted_nulls=_all_quoted(text, delimiter), cut=len(head) >= HEAD_BYTES)
        return found._with_columns(columns)

    def _with_columns(self, columns: dict[str, list[str]]) -> "Dialect":
        """With what the fields of each column tell of it."""
        padded: list[str] = []
        exact: dict[str, pa.DataType] = {}
        spellings: dict[str, Spelling] = {}
        doubts: dict[str, str] = {}
        words_of_text: dict[str, set[str]] = {}
        words_of_others: set[str] = set()
        every_typed: list[str] = []
        for name, fields in columns.items():
            values = [one for one in dict.fromkeys(fields) if one not in MISSING]
            digits = bool(values) and all(map(NUMBER.fullmatch, values))
            is_padded = digits and any(PADDED.fullmatch(v) and v.isdigit() for v in values)
            if is_padded or any(map(HEX.fullmatch, values)):
                padded.append(name)
            elif digits and self.decimal_point == "." and (kind := exact_type(values)):
                exact[name] = kind
            else:
                way, doubt = spelling(values, point=self.decimal_point)
                if way:
                    spellings[name] = self._as_arrow_reads(way)
                if doubt := doubt or _changed(values) * (way is None):
                    doubts[name] = doubt
            typed = name in spellings or (all(map(TYPED.fullmatch, values)) and name not in padded)
            words = set(fields) & set(MISSING)
            if typed and (values or len(words - {""}) < 2):  # several words alone tell something apart
                words_of_others |= words
                every_typed += [name] * bool(values)
            else:
                words_of_text[name] = words
        found = replace(self, text=tuple(padded), typed=tuple(every_typed), exact=exact)
        found = replace(found, spellings=spellings, doubts=doubts)
        return found.with_words(words_of_text, words_of_others)

    def with_words(self, words_of_text: dict[str, set[str]], words_of_others: set[str]) -> "Dialect":
        """With those words for a missing value that no column of text has alone."""
        doubts, worded = dict(self.doubts), []
        for name, words in words_of_text.items():
            both = sorted(words & words_of_others - {""})
            if both and name in self.text:
                doubts[name] = f"'{both[0]}' is taken for missing, as in columns of numbers"
            elif both:
                doubts[name] = f"'{both[0]}' is a value here; in columns of numbers it is taken for missing"
                worded.append(name)
        kept = set().union(*words_of_text.values()) - words_of_others
        nulls = tuple(word for word in MISSING if not word or word not in kept)
        return replace(self, nulls=nulls, worded=tuple(worded), doubts=doubts)

    def _as_arrow_reads(self, way: Spelling) -> Spelling:
        """Numbers that differ from usual ones in the decimal point of the whole file alone are usual ones."""
        if isinstance(way, Numbers) and way.point == self.decimal_point:
            usual = replace(way, point=".")
            return usual if usual.is_plain else way
        return way

    @property
    def parsing(self) -> pacsv.ParseOptions:
        return pacsv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True)

    def conversion(self, types: dict[str, pa.DataType], words: bool = True) -> pacsv.ConvertOptions:
        """With these types of columns; others are found. Without `words` only what is empty is missing."""
        return pacsv.ConvertOptions(
            column_types=types,
            strings_can_be_null=True,
            null_values=list(self.nulls) if words else [""],
            quoted_strings_can_be_null=self.quoted_nulls,
            decimal_point=self.decimal_point,
        )


def reader(text: Iterable[str], delimiter: str) -> Any:
    """Python's reader of CSV, which reads fields as long as Arrow does: as it comes, it stops at 128 KiB."""
    csv.field_size_limit(max(csv.field_size_limit(), CSV_BLOCK_BYTES))
    return csv.reader(text, delimiter=delimiter)


def _records(text: str, delimiter: str, most: int | None = None) -> list[list[str]]:
    rows = filter(None, reader(io.StringIO(text, newline=""), delimiter))
    return list(itertools.islice(rows, most))


def _changed(values: list[str]) -> str:
    """A few words on a value that Arrow reads as a number or a moment and writes in another way; "" if there
    is none."""
    if values and TRUTH.issuperset(values):
        odd = next((one for one in values if one != one.lower()), "")
        return f"not all are written alike: '{odd}' would be written as '{odd.lower()}'" if odd else ""
    read = pa.array([one.strip(" \t") for one in values], pa.string())
    for kind in (pa.int64(), pa.float64(), pa.timestamp("ns"), pa.timestamp("ns", "UTC")):
        try:
            written = read.cast(kind).cast(pa.string()).to_pylist()
        except pa.ArrowInvalid:
            continue
        if pa.types.is_timestamp(kind):
            written = [one.replace(".000000000", "") for one in written]
            if not any(":" in one for one in values):
                written = [one.removesuffix(" 00:00:00") for one in written]
        for before, after in zip(values, written, strict=True):
            if before != after:
                return f"not all are written alike: '{before}' would be written as '{after}'"
        return ""
    return ""


def _delimiter(text: str) -> str:
    """The one by which all rows have as many fields as the header, more than one; a comma if it does, or if
    none does."""
    widths = {}
    for delimiter in DELIMITERS:
        rows = _records(text, delimiter, ROWS_FOR_DELIMITER)
        same = len(rows) > 1 and len({len(row) for row in rows}) == 1
        widths[delimiter] = len(rows[0]) if same else 1
    return "," if widths[","] > 1 else max(DELIMITERS, key=lambda d: widths[d])


def _all_quoted(text: str, delimiter: str) -> bool:
    field = r'"(?:[^"]|"")*"'
    line = re.compile(f"{field}(?:{re.escape(delimiter)}{field})*\r?")
    lines = [one for one in text.split("\n")[1:ROWS_FOR_DELIMITER] if one]
    return len(lines) > 0 and all(map(line.fullmatch, lines))
