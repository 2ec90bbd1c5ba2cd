"""Types of the columns of CSV files that fit every row."""

import io
import re

import pyarrow as pa
import pyarrow.csv as pacsv
from pyarrow import fs as pafs

from raygen.errors import SchemaError, listed
from raygen.table import spelling
from raygen.table.csv_dialect import CSV_BLOCK_BYTES, HEAD_BYTES, Dialect
from raygen.table.csv_rows import check_quotes, line_of, opened, records, settled, width_error
from raygen.table.files import check_names, not_utf8
from raygen.table.spelling import Spelling

WIDTH = re.compile(r"CSV parse error: (Row #\d+: )?Expected")  # Arrow numbers rows where it reads by one CPU
TOO_LONG = "straddling object"  # what Arrow says of a row longer than a block
NARROW = re.compile(r"u?int(8|16|32)|uint64")
STEPS = {
    "int64": pa.float64(),
    "float": pa.float64(),
    "date32[day]": pa.timestamp("s"),
    "timestamp[s]": pa.timestamp("us"),
    "timestamp[ms]": pa.timestamp("us"),
    "timestamp[us]": pa.timestamp("ns"),
}


def read(
    filesystem: pafs.FileSystem, paths: list[str], like: pa.Schema | None = None
) -> tuple[Dialect, pa.Schema]:
    """How files are written, and their columns, by all of their rows."""
    dialect = dialect_of(filesystem, paths[0])
    schema = schema_of(filesystem, paths, dialect, like)
    if dialect.cut or len(paths) > 1:
        later = settled(filesystem, paths, dialect, schema)
        if later != dialect:
            return later, schema_of(filesystem, paths, later, like)
    return dialect, schema


def dialect_of(filesystem: pafs.FileSystem, path: str) -> Dialect:
    with opened(filesystem, path) as stream:
        head = stream.read(HEAD_BYTES)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise SchemaError(
            f"file '{path}' is text in UTF-16.", "convert it, as in: iconv -f utf-16 -t utf-8 OLD > NEW."
        )
    if head.removeprefix(b"\xef\xbb\xbf")[:4].lower() == b"sep=":
        line = head.splitlines()[0].decode("utf-8-sig", "replace")
        raise SchemaError(
            f"file '{path}' begins with a line for Excel alone, '{line}'.",
            "delete that line, as in: tail -n +2 OLD > NEW.",
        )
    return Dialect.of(head)


def schema_of(
    filesystem: pafs.FileSystem, paths: list[str], dialect: Dialect, like: pa.Schema | None = None
) -> pa.Schema:
    """Each column starts as what its first rows look like, or as in `like`, and is widened where a later row
    says otherwise. A column that is spelled in a way of its own is marked with it."""
    names: list[str] = []
    found = _Types(dialect)
    for path in paths:
        header = _header(filesystem, path, dialect)
        if names and names != header:
            raise SchemaError(
                f"file '{path}' has the columns {listed(header)}; the files before it have {listed(names)}.",
                "give all files one header.",
            )
        if not names:
            names = _checked(path, header)
            found.begin_with(like, names)
        while True:
            try:
                seen = found.of_file(filesystem, path)
                break
            except pa.ArrowInvalid as error:
                if WIDTH.search(str(error)):
                    raise width_error(filesystem, path, dialect.delimiter) or error from None
                if TOO_LONG in str(error):
                    check_quotes(filesystem, path, dialect.delimiter)
                found.widen(error, names, filesystem, path)
        if found.is_open:
            check_quotes(filesystem, path, dialect.delimiter)
        for column in seen:
            if pa.types.is_binary(column.type):
                raise found.not_utf8(filesystem, path, names.index(column.name), column.name)
            if pa.types.is_null(found.types.get(column.name, pa.null())):
                found.types[column.name] = column.type
    return pa.schema([found.field(name) for name in names])


class _Types:
    """What is known of the columns so far.

    Attributes:
        types: What Arrow is to read a column as.
        spellings: Of columns, as long as all of their values are spelled so.
        is_open: Whether the last value of the file that was read last has several lines, as one has whose
            quote is never closed.
    """

    def __init__(self, dialect: Dialect):
        self.dialect = dialect
        self.types: dict[str, pa.DataType] = {**dict.fromkeys(dialect.text, pa.string()), **dialect.exact}
        self.spellings: dict[str, Spelling] = {}
        self.is_open = False
        for name, way in dialect.spellings.items():
            self._spell(name, way)

    def _spell(self, name: str, way: Spelling) -> None:
        self.spellings[name] = way
        if not way.is_plain:
            self.types[name] = pa.string()
        elif way.type != pa.float64():
            self.types[name] = way.type

    def begin_with(self, like: pa.Schema | None, names: list[str]) -> None:
        for field in like or ():
            way = spelling.of_field(field)
            if field.name in names and way and field.name not in self.spellings:
                self._spell(field.name, way)
            elif field.name in names and not way and (kind := _as_read(field.type)):
                own = self.spellings.get(field.name)
                if own and not own.is_plain and not pa.types.is_string(kind):
                    continue  # it is a number or a moment, in a way of its own
                self.types[field.name] = kind
                self.spellings.pop(field.name, None)

    def of_file(self, filesystem: pafs.FileSystem, path: str) -> pa.Schema:
        """Types of one file after reading all of it; a column of nulls so far is left open."""
        options = self.dialect.conversion({n: t for n, t in self.types.items() if not pa.types.is_null(t)})
        reading = pacsv.ReadOptions(block_size=CSV_BLOCK_BYTES)
        with pacsv.open_csv(opened(filesystem, path), reading, self.dialect.parsing, options) as reader:
            last = None
            for batch in reader:
                last = batch.columns[-1][-1].as_py() if batch.num_rows else last
                lost = [n for n, way in self.spellings.items() if not _is_spelled(way, batch[n])]
                for name in lost:
                    del self.spellings[name], self.types[name]
                if lost:
                    return self.of_file(filesystem, path)
            self.is_open = isinstance(last, str) and "\n" in last
            return reader.schema

    def widen(self, error: pa.ArrowInvalid, names: list[str], filesystem: pafs.FileSystem, path: str) -> None:
        """Take another type for the column whose value Arrow could not read."""
        refused = re.search(
            r"column #(\d+):.* conversion error to ([^:]+): (invalid UTF8|invalid value '(.*)')",
            str(error),
            re.DOTALL,
        )
        if not refused:
            self._widen_decimal(error, names)
            return
        name = names[int(refused[1])]
        if refused[3] == "invalid UTF8":
            raise self.not_utf8(filesystem, path, names.index(name), name) from None
        self.types[name] = _wider(refused[2], refused[4], self.dialect)
        self.spellings.pop(name, None)

    def _widen_decimal(self, error: pa.ArrowInvalid, names: list[str]) -> None:
        """As `widen`, of decimals, of which Arrow tells the column alone."""
        column = re.search(r"column #(\d+):", str(error))
        name = names[int(column[1])] if column else ""
        if not pa.types.is_decimal(self.types.get(name, pa.null())):
            raise error
        self.types[name] = pa.string()

    def not_utf8(self, filesystem: pafs.FileSystem, path: str, column: int, name: str) -> SchemaError:
        def odd(row: list[str]) -> bool:
            return any("\udc80" <= sign <= "\udcff" for sign in "".join(row[column : column + 1]))

        return not_utf8(path, name, line=line_of(filesystem, path, self.dialect.delimiter, odd))

    def field(self, name: str) -> pa.Field:
        way, kind = self.spellings.get(name), self.types[name]
        return spelling.marked(pa.field(name, way.type), way) if way else pa.field(name, kind)


def _is_spelled(way: Spelling, column: pa.Array) -> bool:
    return way.is_plain or spelling.keeps(way, column)


def _as_read(kind: pa.DataType) -> pa.DataType | None:
    """The type as which Arrow reads text that is to become `kind`; None where the text is to tell it."""
    if pa.types.is_dictionary(kind):
        return pa.string() if pa.types.is_string(kind.value_type) else None
    if pa.types.is_float16(kind):
        return pa.float32()  # Arrow reads none narrower from text
    never = (pa.types.is_nested, pa.types.is_null, pa.types.is_duration, pa.types.is_string_view)
    return None if any(test(kind) for test in never) else kind


def _wider(kind: str, value: str, dialect: Dialect) -> pa.DataType:
    """The type to try when a column of type `kind` came to `value`."""
    if kind == "null":
        quoted = value.replace('"', '""')
        return (
            pacsv.read_csv(
                io.BytesIO(f'x\n"{quoted}"'.encode()),
                parse_options=dialect.parsing,
                convert_options=dialect.conversion({}),
            )
            .schema.field(0)
            .type
        )
    return pa.int64() if NARROW.fullmatch(kind) else STEPS.get(kind, pa.string())


def _header(filesystem: pafs.FileSystem, path: str, dialect: Dialect) -> list[str]:
    return next((row for _, row in records(filesystem, path, dialect.delimiter, "replace")), [])


def _checked(path: str, names: list[str]) -> list[str]:
    if len(names) == 1 and (sign := next((one for one in ";\t|" if one in names[0]), "")):
        raise SchemaError(
            f"file '{path}' has one column, named {names[0]!r}, but not all of its rows have as many fields "
            f"between {sign!r}.",
            "give each row as many fields as the header, or write the file with commas.",
        )
    return check_names(path, names)
