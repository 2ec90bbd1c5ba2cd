"""What the rows of CSV files tell that come behind the first ones, and on which line of a file one stands."""

import csv
import datetime
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from pyarrow import fs as pafs

from raygen.errors import SchemaError
from raygen.table import csv_dialect, spelling
from raygen.table.csv_dialect import CSV_BLOCK_BYTES, MISSING, NUMBER, TYPED, Dialect
from raygen.table.spelling import Numbers, Spelling

WORDS = pa.array(MISSING)
PADDED = "^0[0-9]+$"
DAY = re.compile(r"\d{4}-\d\d-\d\d")


def opened(filesystem: pafs.FileSystem, path: str) -> pa.NativeFile:
    return filesystem.open_input_stream(path, compression="detect")


def settled(filesystem: pafs.FileSystem, paths: list[str], dialect: Dialect, schema: pa.Schema) -> Dialect:
    """The dialect that fits all rows and not the first ones alone: a column of digits of which some would
    lose a zero is text, a spelling is that of all values, and words of text are no missing values. What makes
    a column another than its first rows do is told with its line."""
    found = _Found(filesystem, dialect, schema)
    for path in paths:
        found.add(path)
    text = tuple(dict.fromkeys([*dialect.text, *found.padded]))
    ways = {name: way for name, way in dialect.spellings.items() if name not in found.respelled}
    others = {name for name in schema.names if name not in found.text and name not in found.padded}
    words_of_others = set().union(*(found.words[name] for name in others))
    words_of_text = {name: found.words[name] for name in schema.names if name not in others}
    return replace(dialect, text=text, spellings=ways, doubts=dialect.doubts | found.doubts).with_words(
        words_of_text, words_of_others
    )


@dataclass
class _Found:
    """In the rows so far.

    Attributes:
        words: Of each column, those that may stand for a missing value.
        padded: Columns of numbers that are text for their zeros.
        respelled: Columns of which a value is not spelled as the first ones are.
        doubts: What makes a column another than its first rows do.
    """

    filesystem: pafs.FileSystem
    dialect: Dialect
    schema: pa.Schema
    words: dict[str, set[str]] = field(default_factory=dict)
    padded: set[str] = field(default_factory=set)
    respelled: set[str] = field(default_factory=set)
    doubts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.words = {name: set() for name in self.schema.names}
        plain = [one for one in self.schema if spelling.of_field(one) is None]
        self.text = {one.name for one in plain if pa.types.is_string(one.type)}
        self.plain = {name for name, way in self.dialect.spellings.items() if way.is_plain}
        numbers = [one for one in plain if pa.types.is_integer(one.type) or pa.types.is_floating(one.type)]
        self.numbers = {one.name for one in numbers}

    def add(self, path: str) -> None:
        """All rows of a file, as text."""
        options = pacsv.ConvertOptions(column_types=dict.fromkeys(self.schema.names, pa.string()))
        reading, rows = pacsv.ReadOptions(block_size=CSV_BLOCK_BYTES), 0
        with pacsv.open_csv(opened(self.filesystem, path), reading, self.dialect.parsing, options) as reader:
            for batch in reader:
                for name in self.schema.names:
                    self._add(path, rows, name, batch[name])
                rows += batch.num_rows

    def _add(self, path: str, row: int, name: str, column: pa.Array) -> None:
        """Values of a column, of which the first is in this row of a file."""
        is_word = pc.is_in(column, WORDS)
        self.words[name].update(column.filter(is_word).unique().to_pylist())
        if name in self.doubts:
            return
        is_text, way = name in self.text, self._as_written(name)
        if not (name in self.numbers | self.plain or (is_text and (way or name in self.dialect.typed))):
            return
        values = column.filter(pc.invert(is_word)).unique()
        if name in self.numbers and pc.any(pc.match_substring_regex(values, PADDED)).as_py():
            self.padded.add(name)
            odd = pc.match_substring_regex(column, PADDED)
            words = "text, since line {}, as a number, would lose the zero of '{}'"
        elif way and not spelling.keeps(way, values):
            self.respelled.add(name)
            odd = pc.is_in(column, values.filter(_others(way, values)))
            words = f"{'text, since' if is_text else 'not all are written alike:'} line {{}} has '{{}}'"
        elif not way and is_text:
            point = self.dialect.decimal_point
            others = [one for one in values.to_pylist() if not _is_typed(one, point)]
            odd = pc.is_in(column, pa.array(others, pa.string()))
            words = "text, since line {} has '{}'"
        else:
            return
        if odd.true_count:
            at = pc.index(odd, True).as_py()
            line = _line_of_row(self.filesystem, path, self.dialect.delimiter, row + at)
            self.doubts[name] = words.format(f"{line:,} of '{path}'", column[at].as_py())

    def _as_written(self, name: str) -> Spelling | None:
        """How the first rows spell a column, with the decimal point of the file."""
        way = self.dialect.spellings.get(name)
        if isinstance(way, Numbers) and way.is_plain:
            return replace(way, point=self.dialect.decimal_point)
        return way


def _is_typed(value: str, point: str) -> bool:
    """Whether Arrow reads a text as a number, a moment or truth."""
    if not TYPED.fullmatch(value) or (",.".replace(point, "") in value and NUMBER.fullmatch(value)):
        return False
    try:
        return not DAY.match(value) or datetime.date.fromisoformat(value[:10]) is not None
    except ValueError:
        return False


def _others(way: Spelling, values: pa.Array) -> pa.BooleanArray:
    """Which values are not written back as they are."""
    return pc.invert(pc.fill_null(pc.equal(way.write(way.read(values)), values), False))


def width_error(filesystem: pafs.FileSystem, path: str, delimiter: str) -> SchemaError | None:
    """The error of the first row that has not as many fields as the header; None if there is none."""
    wide = 0
    for line, row in records(filesystem, path, delimiter):
        if wide and len(row) != wide:
            fields = f"{len(row)} field{'s' * (len(row) != 1)}"
            return SchemaError(
                f"file '{path}' has {fields} in line {line:,}; its header has {wide}.",
                f"mend that line; a field that holds {delimiter!r} or a quote belongs in quotes.",
            )
        wide = wide or len(row)
    return None


def check_quotes(filesystem: pafs.FileSystem, path: str, delimiter: str) -> None:
    """Refuse a file with a quote that is never closed.

    Raises:
        SchemaError: Saying in which line it is.
    """
    for _ in records(filesystem, path, delimiter):
        pass


def line_of(filesystem: pafs.FileSystem, path: str, delimiter: str, test: Callable[[list[str]], bool]) -> int:
    """The first line with fields that pass a test; 0 if there is none. Bytes that are no text are in the
    fields as `surrogateescape` has them."""
    return next((line for line, row in records(filesystem, path, delimiter) if test(row)), 0)


def _line_of_row(filesystem: pafs.FileSystem, path: str, delimiter: str, row: int) -> int:
    numbered = enumerate(records(filesystem, path, delimiter), -1)  # the header comes before row 0
    return next((line for number, (line, _) in numbered if number == row), 0)


def records(
    filesystem: pafs.FileSystem, path: str, delimiter: str, errors: str = "surrogateescape"
) -> Iterator[tuple[int, list[str]]]:
    """The last line and the fields of each row, the header first.

    Raises:
        SchemaError: If a field has no end, or is longer than Arrow reads.
    """
    ended = False

    def lines(text: io.TextIOWrapper) -> Iterator[str]:
        nonlocal ended
        yield from text
        ended = True

    with (
        opened(filesystem, path) as stream,
        io.TextIOWrapper(stream, "utf-8-sig", errors, newline="") as text,
    ):
        rows, last = csv_dialect.reader(lines(text), delimiter), 0
        try:
            for row in rows:
                if ended:  # it asked for one more line
                    line = last + 1 + sum(field.count("\n") for field in row[:-1])
                    raise SchemaError(
                        f"file '{path}' has a quote in line {line:,} that is never closed, so that all rows "
                        "behind it are part of that field.",
                        "close it; a quote that belongs to the text is doubled, in a field in quotes.",
                    )
                if row:
                    yield rows.line_num, row
                last = rows.line_num
        except csv.Error:
            raise SchemaError(
                f"file '{path}' has a field in line {last + 1:,} that has no end within "
                f"{csv.field_size_limit():,} characters.",
                "close the quote before it, and double each quote that belongs to the text.",
            ) from None
