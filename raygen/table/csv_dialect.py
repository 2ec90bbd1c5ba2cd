"""How a CSV file writes its table: read from its first rows."""

import csv
import io
import re
from dataclasses import dataclass

import pyarrow.csv as pacsv

HEAD_BYTES = 1 << 20
DELIMITERS = ",;\t|"
ROWS_FOR_DELIMITER = 200
MISSING = ["", "NULL", "null", "NaN", "nan", "N/A", "NA", "n/a", "#N/A", "None", "\\N", ".", "<NA>", "NaT"]
NUMBER = re.compile(r"[-+]?(\d[\d,]*\.?\d*|\.\d+)([eE][-+]?\d+)?")
PADDED = re.compile(r"[-+]?0\d.*")  # a number whose first zero would be lost
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
        nulls: Words that stand for a missing value; none that is a value of a text column.
        quoted_nulls: A missing value stands in quotes too, since every field does.
        text: Columns of digits that a number would not give back, such as 02116.
    """

    delimiter: str = ","
    decimal_point: str = "."
    nulls: tuple[str, ...] = tuple(MISSING)
    quoted_nulls: bool = False
    text: tuple[str, ...] = ()

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
        every = [field for column in columns.values() for field in column]
        commas, points = (sum(bool(p.fullmatch(field)) for field in every) for p in (COMMA, POINT))
        padded: list[str] = []
        words_of_text: set[str] = set()
        words_of_others: set[str] = set()
        for name, fields in columns.items():
            values = {field for field in fields if field not in MISSING}
            digits = bool(values) and all(NUMBER.fullmatch(value) for value in values)
            if digits and any(PADDED.fullmatch(v) and v.isdigit() for v in values):
                padded.append(name)
            typed = all(map(TYPED.fullmatch, values)) and name not in padded
            (words_of_others if typed else words_of_text).update(set(fields) & set(MISSING))
        kept = words_of_text - words_of_others
        return cls(
            delimiter,
            "," if delimiter != "," and commas > points else ".",
            tuple(word for word in MISSING if not word or word not in kept),
            _all_quoted(text, delimiter),
            tuple(padded),
        )

    @property
    def parsing(self) -> pacsv.ParseOptions:
        return pacsv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True)

    def conversion(self, types: dict) -> pacsv.ConvertOptions:
        """With these types of columns; others are found."""
        return pacsv.ConvertOptions(
            column_types=types,
            strings_can_be_null=True,
            null_values=list(self.nulls),
            quoted_strings_can_be_null=self.quoted_nulls,
            decimal_point=self.decimal_point,
        )


def _records(text: str, delimiter: str, most: int | None = None) -> list[list[str]]:
    found = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if row:
                found.append(row)
            if most and len(found) >= most:
                break
    except csv.Error:  # a field without an end: the reader of the whole file says so better
        pass
    return found


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
