"""Where a table comes from: Parquet or CSV files, their columns and their first rows."""

import csv
import io
import re
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.dataset as pads
from pyarrow import fs as pafs

from raygen import filesystems, storage, uris
from raygen.errors import RaygenError, SchemaError, listed
from raygen.table import arrow
from raygen.table.csv_dialect import HEAD_BYTES, Dialect

HEAD_ROWS = 100_000
ENDINGS = {
    "parquet": (".parquet", ".pq"),
    "csv": (".csv", ".csv.gz", ".csv.bz2", ".csv.zst", ".tsv", ".tsv.gz"),
}
CSV_BLOCK_BYTES = 1 << 24
TO_UTF8 = "convert it, as in: iconv -f latin1 -t utf-8 OLD > NEW."


@dataclass(frozen=True)
class Source:
    """The files of a table, all of one format.

    Attributes:
        uri: As the user wrote it.
        paths: Of the files, inside `filesystem`.
        identity: Size and time of each file, to know whether they have changed.
        format: "parquet" or "csv".
        schema: Arrow schema of every file.
        dialect: Of CSV, as the first file is written.
    """

    uri: str
    filesystem: pafs.FileSystem
    paths: list[str]
    identity: list[tuple]
    format: str
    schema: pa.Schema
    dialect: Dialect = field(default_factory=Dialect)

    @classmethod
    def open(cls, uri: str, schema: pa.Schema | None = None) -> "Source":
        """Find the files and read their columns.

        Args:
            uri: A file or a folder; names that start with `.` or `_` are left out.
            schema: Of the files, if known; a CSV source is then not read to find its types.

        Raises:
            SchemaError: If there is no such source, or it cannot be read as a table.
        """
        if not uri:
            raise SchemaError(
                "data.source is not set.", "set it to a Parquet or CSV file, or a folder of them."
            )
        uris.without_credentials(uri)
        try:
            filesystem, infos = _files(uri)
        except RaygenError as error:
            raise SchemaError(f"source '{uri}' cannot be read: {error.message}", error.hint) from None
        except OSError as error:
            raise SchemaError(
                f"source '{uri}' cannot be read: {filesystems.reason(error)}.",
                filesystems.hint(error, "check data.source."),
            ) from None
        if not infos:
            raise SchemaError(f"source '{uri}' does not exist, or holds no file.", "check data.source.")
        found = {i.path: f for i in infos for f, ends in ENDINGS.items() if i.path.lower().endswith(ends)}
        formats = set(found.values())
        if len(formats) != 1:
            kinds = "no Parquet or CSV file" if not formats else "both Parquet and CSV files"
            raise SchemaError(
                f"source '{uri}' holds {kinds}.",
                "name a .parquet or .csv file (also .csv.gz), or a folder of one of them.",
            )
        chosen = [i for i in infos if i.path in found]
        kind = formats.pop()
        paths = [i.path for i in chosen]
        identity = [(i.path, i.size, str(i.mtime)) for i in chosen]
        with _readable(uri):
            dialect = _dialect(filesystem, paths[0]) if kind == "csv" else Dialect()
            if schema is None:
                schema = (
                    _parquet_schema(filesystem, paths)
                    if kind == "parquet"
                    else _csv_schema(filesystem, paths, dialect)
                )
        if not schema.names:
            raise SchemaError(f"source '{uri}' has no columns.", "check data.source.")
        return cls(uri, filesystem, paths, identity, kind, _with_pandas(schema), dialect)

    def batches(self):
        """Record batches of all files, in order, in flat memory."""
        with _readable(self.uri):
            csv_format = pads.CsvFileFormat(
                parse_options=self.dialect.parsing, convert_options=self.csv_options()
            )
            layout = csv_format if self.format == "csv" else "parquet"
            yield from pads.dataset(self.paths, self.schema, layout, filesystem=self.filesystem).to_batches()

    def count_rows(self) -> list[int]:
        """Rows of each file: from the footers of Parquet, by reading CSV."""
        if self.format == "csv":
            return [sum(batch.num_rows for batch in self.batches())]
        with _readable(self.uri):
            return [
                f.count_rows()
                for f in pads.dataset(
                    self.paths, self.schema, "parquet", filesystem=self.filesystem
                ).get_fragments()
            ]

    def csv_options(self) -> pacsv.ConvertOptions:
        return self.dialect.conversion({f.name: f.type for f in self.schema})

    def levels(self) -> dict[str, list[str]]:
        """The dictionary of each dictionary column, as text, in its order in the first file."""
        names = [column.name for column in self.schema if pa.types.is_dictionary(column.type)]
        if self.format != "parquet" or not names:
            return {}
        with _readable(self.uri):
            first_file = pads.dataset(self.paths[:1], self.schema, "parquet", filesystem=self.filesystem)
            for batch in first_file.to_batches(columns=names, batch_size=1024):
                return {name: arrow.strings(batch[name].dictionary).to_pylist() for name in names}
        return {}

    def head(self, rows: int = HEAD_ROWS) -> pa.Table:
        """The first rows."""
        taken, count = [], 0
        for batch in self.batches():
            taken.append(batch)
            count += batch.num_rows
            if count >= rows:
                break
        return pa.Table.from_batches(taken, self.schema).slice(0, rows)


class _readable:
    """Turn what Arrow says of a file that is not what its name claims into a SchemaError."""

    def __init__(self, uri):
        self.uri = uri

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, (pa.ArrowException, OSError, UnicodeDecodeError)) and not isinstance(
            error, RaygenError
        ):
            reason = next(iter(str(error).splitlines()), type(error).__name__)[:600].rstrip(".")
            hint = (
                TO_UTF8
                if isinstance(error, UnicodeDecodeError)
                else filesystems.hint(error, "check that the files are whole and of one table.")
            )
            raise SchemaError(f"source '{self.uri}' cannot be read: {reason}.", hint) from None


def _files(uri: str) -> tuple[pafs.FileSystem, list[pafs.FileInfo]]:
    filesystem, path = filesystems.resolve(uri)
    info = filesystem.get_file_info(path)
    if info.type == pafs.FileType.File:
        return filesystem, [info]
    hidden = re.compile(r"(^|/)[._]")
    return filesystem, [i for i in storage.listing(uri) if not hidden.search(i.path.removeprefix(path))]


def _with_pandas(schema: pa.Schema) -> pa.Schema:
    """Without metadata but that of pandas: which of its types and of its indexes the columns are."""
    noted = (schema.metadata or {}).get(b"pandas")
    return schema.with_metadata({b"pandas": noted} if noted else None)


def _parquet_schema(filesystem, paths) -> pa.Schema:
    _check_names(paths[0], pads.ParquetFileFormat().inspect(paths[0], filesystem).names)
    factory = pads.FileSystemDatasetFactory(filesystem, paths, pads.ParquetFileFormat())
    return factory.inspect(promote_options="permissive", fragments=None)


def _dialect(filesystem, path) -> Dialect:
    with _open(filesystem, path) as stream:
        return Dialect.of(stream.read(HEAD_BYTES))


def _csv_schema(filesystem, paths, dialect: Dialect) -> pa.Schema:
    """Types that fit every row: each column starts as what its first rows look like, and is widened where a
    later row says otherwise."""
    types: dict[str, pa.DataType] = dict.fromkeys(dialect.text, pa.string())
    names = None
    for path in paths:
        header = _csv_header(filesystem, path, dialect)
        if names is not None and names != header:
            raise SchemaError(
                f"file '{path}' has the columns {listed(header)}; the files before it have {listed(names)}.",
                "give all files one header.",
            )
        names = _check_names(path, header)
        while True:
            try:
                found = _csv_types(filesystem, path, types, dialect)
                break
            except pa.ArrowInvalid as error:
                refused = re.search(
                    r"column #(\d+):.* conversion error to ([^:]+): (invalid UTF8|invalid value '(.*)')",
                    str(error),
                    re.DOTALL,
                )
                if not refused:
                    raise
                name = names[int(refused[1])]
                if refused[3] == "invalid UTF8":
                    raise _not_utf8(path, name) from None
                types[name] = _wider(refused[2], refused[4], dialect)
        for column in found:
            if pa.types.is_binary(column.type):
                raise _not_utf8(path, column.name)
            if pa.types.is_null(types.get(column.name, pa.null())):
                types[column.name] = column.type
    return pa.schema([(name, types[name]) for name in names or []])


def _csv_types(filesystem, path, types, dialect: Dialect) -> pa.Schema:
    """Types of one file after reading all of it; a column of nulls so far is left open."""
    options = dialect.conversion({n: t for n, t in types.items() if not pa.types.is_null(t)})
    with pacsv.open_csv(
        _open(filesystem, path), pacsv.ReadOptions(block_size=CSV_BLOCK_BYTES), dialect.parsing, options
    ) as reader:
        for _ in reader:
            pass
        return reader.schema


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
    steps = {
        "int64": pa.float64(),
        "date32[day]": pa.timestamp("s"),
        "timestamp[s]": pa.timestamp("us"),
        "timestamp[us]": pa.timestamp("ns"),
    }
    return steps.get(kind, pa.string())


def _csv_header(filesystem, path, dialect: Dialect) -> list[str]:
    with (
        _open(filesystem, path) as stream,
        io.TextIOWrapper(stream, "utf-8-sig", "replace", newline="") as text,
    ):
        return next(filter(None, csv.reader(text, delimiter=dialect.delimiter)), [])


def _check_names(path, names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SchemaError(f"file '{path}' has more than one column '{twice}'.", "rename one of them.")
    return names


def _not_utf8(path, name) -> SchemaError:
    return SchemaError(f"file '{path}' holds text in column '{name}' that is not UTF-8.", TO_UTF8)


def _open(filesystem, path):
    return filesystem.open_input_stream(path, compression="detect")
