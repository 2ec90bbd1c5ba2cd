"""Where a table comes from: Parquet or CSV files, their columns and their first rows."""

import re
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.dataset as pads
from pyarrow import fs as pafs

from raygen import storage
from raygen.errors import RaygenError, SchemaError

HEAD_ROWS = 100_000
ENDINGS = {"parquet": (".parquet", ".pq"), "csv": (".csv", ".csv.gz", ".csv.bz2", ".csv.zst")}
CSV_BLOCK_BYTES = 1 << 24
NULLS = ["", "NULL", "null", "NaN", "nan", "N/A", "NA", "n/a", "#N/A"]


@dataclass(frozen=True)
class Source:
    """The files of a table, all of one format.

    Attributes:
        uri: As the user wrote it.
        paths: Of the files, inside `filesystem`.
        identity: Size and time of each file, to know whether they have changed.
        format: "parquet" or "csv".
        schema: Arrow schema of every file.
    """

    uri: str
    filesystem: pafs.FileSystem
    paths: list[str]
    identity: list[tuple]
    format: str
    schema: pa.Schema

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
            raise SchemaError("data.source is not set.", "set it to a Parquet or CSV file, or a folder of them.")
        try:
            filesystem, infos = _files(uri)
        except (RaygenError, OSError) as error:
            raise SchemaError(f"source '{uri}' cannot be read: {error}.", "check data.source.") from None
        if not infos:
            raise SchemaError(f"source '{uri}' does not exist, or holds no file.", "check data.source.")
        found = {i.path: next((f for f, ends in ENDINGS.items() if i.path.lower().endswith(ends)), None) for i in infos}
        formats = set(found.values()) - {None}
        if len(formats) != 1:
            kinds = "no Parquet or CSV file" if not formats else "both Parquet and CSV files"
            raise SchemaError(f"source '{uri}' holds {kinds}.", "name a .parquet or .csv file (also .csv.gz), or a folder of one of them.")
        chosen = [i for i in infos if found[i.path]]
        kind = formats.pop()
        paths = [i.path for i in chosen]
        identity = [(i.path, i.size, str(i.mtime)) for i in chosen]
        if schema is None:
            with _readable(uri):
                schema = _parquet_schema(filesystem, paths) if kind == "parquet" else _csv_schema(filesystem, paths)
        return cls(uri, filesystem, paths, identity, kind, schema.remove_metadata())

    def batches(self):
        """Record batches of all files, in order, in flat memory."""
        with _readable(self.uri):
            options = pads.CsvFileFormat(convert_options=self.csv_options()) if self.format == "csv" else "parquet"
            yield from pads.dataset(self.paths, self.schema, options, filesystem=self.filesystem).to_batches()

    def count_rows(self) -> list[int]:
        """Rows of each file: from the footers of Parquet, by reading CSV."""
        if self.format == "csv":
            return [sum(batch.num_rows for batch in self.batches())]
        with _readable(self.uri):
            return [f.count_rows() for f in pads.dataset(self.paths, self.schema, "parquet", filesystem=self.filesystem).get_fragments()]

    def csv_options(self) -> pacsv.ConvertOptions:
        return _csv_options({f.name: f.type for f in self.schema})

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
        if isinstance(error, (pa.ArrowException, OSError, UnicodeDecodeError)) and not isinstance(error, RaygenError):
            reason = str(error).splitlines()[0][:300]
            raise SchemaError(f"source '{self.uri}' cannot be read: {reason}", "check that the files are whole and of one table.") from None


def _files(uri: str) -> tuple[pafs.FileSystem, list[pafs.FileInfo]]:
    filesystem, path = storage.resolve(uri)
    info = filesystem.get_file_info(path)
    if info.type == pafs.FileType.File:
        return filesystem, [info]
    hidden = re.compile(r"(^|/)[._]")
    inside = [i for i in storage.listing(uri) if not hidden.search(i.path.removeprefix(path))]
    return filesystem, [i for i in inside if i.size]


def _parquet_schema(filesystem, paths) -> pa.Schema:
    factory = pads.FileSystemDatasetFactory(filesystem, paths, pads.ParquetFileFormat())
    return factory.inspect(promote_options="permissive", fragments=None)


def _csv_options(types: dict) -> pacsv.ConvertOptions:
    return pacsv.ConvertOptions(column_types=types, strings_can_be_null=True, null_values=NULLS, quoted_strings_can_be_null=False)


def _csv_schema(filesystem, paths) -> pa.Schema:
    """Types that fit every row: each column starts as what its first rows look like, and is widened where a later row says otherwise."""
    types, names = {}, None
    for path in paths:
        while True:
            try:
                found = _csv_types(filesystem, path, types)
                break
            except pa.ArrowInvalid as error:
                column = re.search(r"column #(\d+)(?: \('(.*?)'\))?: CSV conversion error to (\w+)", str(error))
                if not column:
                    raise
                header = _csv_header(filesystem, path)
                name = header[int(column[1])]
                types[name] = pa.float64() if column[3].startswith("int") else pa.string()
        if names is not None and names != list(found):
            raise pa.ArrowInvalid(f"'{path}' has columns {list(found)}, the files before it {names}")
        names = list(found)
        for name, kind in found.items():
            types[name] = kind if name not in types or pa.types.is_null(types[name]) else types[name]
    return pa.schema(list(types.items()))


def _csv_types(filesystem, path, types) -> dict:
    """Types of one file after reading all of it; a column of nulls so far is left open."""
    known = {n: t for n, t in types.items() if not pa.types.is_null(t)}
    with pacsv.open_csv(_open(filesystem, path), pacsv.ReadOptions(block_size=CSV_BLOCK_BYTES), convert_options=_csv_options(known)) as reader:
        found = {f.name: f.type for f in reader.schema}
        for _ in reader:
            pass
    return found


def _csv_header(filesystem, path) -> list[str]:
    options = _csv_options({})
    options.column_types = {}
    text = pacsv.ReadOptions(block_size=1 << 20)
    with _open(filesystem, path) as stream:
        first = stream.read(1 << 20)
    lines = first.splitlines(keepends=True)[:1]
    return pacsv.read_csv(pa.BufferReader(b"".join(lines)), text).column_names


def _open(filesystem, path):
    return filesystem.open_input_stream(path, compression="detect")
