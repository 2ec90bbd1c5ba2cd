"""Where a table comes from: its files, their columns and their first rows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
from pyarrow import fs as pafs

from raygen import filesystems, uris
from raygen.errors import RaygenError, SchemaError
from raygen.table import arrow, csv_types, json_lines, spelling
from raygen.table.csv_dialect import Dialect
from raygen.table.files import ANY, TO_UTF8, Files, check_names, check_text

HEAD_ROWS = 100_000
SPREAD_GROUPS = 16  # row groups of Parquet that rows from all over are taken of
PIECE_BYTES = 64 * 2**20  # of a file of Parquet, read by one task
LAYOUTS: dict[str, pads.FileFormat] = {
    # moments in 96 bits may lie beyond what nanoseconds in 64 can say
    "parquet": pads.ParquetFileFormat(read_options=pads.ParquetReadOptions(coerce_int96_timestamp_unit="us")),
    "feather": pads.IpcFileFormat(),
}


@dataclass(frozen=True)
class Source:
    """The files of a table, all of one format.

    Attributes:
        uri: As the user wrote it.
        files: Of the table.
        schema: Arrow schema of the table; a column whose text is spelled in a way of its own is marked with
            it (see `table.spelling`).
        stored: Of every file: before its text is read as spelled, and without what Hive folders tell.
        is_plain: Whether the files are Parquet that holds the table as it is.
        dialect: Of CSV, as its files are written.
    """

    uri: str
    files: Files
    schema: pa.Schema
    stored: pa.Schema
    is_plain: bool
    dialect: Dialect = field(default_factory=Dialect)

    @classmethod
    def open(cls, uri: str, like: pa.Schema | None = None) -> "Source":
        """Find the files and read their columns.

        Args:
            uri: A file or a folder; names that start with `.` or `_` are left out.
            like: Schema of a table that this one is like: text, which has no types, is read as its types
                where every value can be.

        Raises:
            SchemaError: If there is no such source, or it cannot be read as a table.
        """
        if not uri:
            raise SchemaError("data.source is not set.", f"set it to {ANY}, or a folder of them.")
        uris.without_credentials(uri)
        try:
            files = Files.of(uri)
        except SchemaError:
            raise
        except RaygenError as error:
            raise SchemaError(f"source '{uri}' cannot be read: {error.message}", error.hint) from None
        except OSError as error:
            raise SchemaError(
                f"source '{uri}' cannot be read: {filesystems.reason(error)}.",
                filesystems.hint(error, "check data.source."),
            ) from None
        paths, dialect, narrow = files.paths, Dialect(), False
        with _readable(uri):
            if files.format == "csv":
                dialect, schema = csv_types.read(files.filesystem, paths, like)
            elif files.format == "jsonl":
                schema = json_lines.schema_of(files.filesystem, paths, like)
            else:
                schema, narrow = _footers(files)
        if not schema.names:
            raise SchemaError(f"source '{uri}' has no columns.", "check data.source.")
        stored = pa.schema([_as_stored(one, files.format) for one in schema]) if files.is_text else schema
        told = files.partitions(schema)
        plain = files.format == "parquet" and not told.names and not narrow
        whole = pa.schema([*schema, *told], schema.metadata)
        return cls(uri, files, _with_pandas(whole), stored.with_metadata(None), plain, dialect)

    @property
    def format(self) -> str:
        return self.files.format

    @property
    def filesystem(self) -> pafs.FileSystem:
        return self.files.filesystem

    @property
    def paths(self) -> list[str]:
        """Of the files, inside `filesystem`."""
        return self.files.paths

    @property
    def identity(self) -> list[tuple]:
        """Size and time of each file, to know whether they have changed."""
        return self.files.identity

    @property
    def doubts(self) -> dict[str, str]:
        """What a user should know of a column's values as they are written in the files."""
        return self.dialect.doubts

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Record batches of all files, in order, in flat memory."""
        for number in range(len(self.paths)):
            yield from self.of_file(number)

    def batches_from(self, row: int, counts: Sequence[int]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Record batches in order, each with the number of its first row; files before the one that holds
        `row` are not read, and of Parquet neither are the row groups before it.

        Args:
            counts: Rows of each file, as `count_rows` gives them.
        """
        at = 0
        if not self.is_plain:
            for number, rows in enumerate(counts):
                begin, at = at, at + rows
                for batch in self.of_file(number) if at > row else ():
                    yield begin, batch
                    begin += batch.num_rows
            return
        with _readable(self.uri):
            for file in self._dataset(self.paths).get_fragments():
                for group in file.split_by_row_group():
                    rows = group.count_rows()
                    if at + rows > row:
                        table = group.to_table(schema=self.schema)
                        check_text(table, self.uri)
                        for batch in table.to_batches():
                            yield at, batch
                            at += batch.num_rows
                    else:
                        at += rows

    def pieces(self) -> list[tuple[int, int, int]]:
        """Parts of the table that can be read apart: the number of a file, the first of its row groups and
        the one after the last; of a file that is read as a whole, 0 and 0."""
        out = []
        with _readable(self.uri):
            for number, (path, size, _) in enumerate(self.identity):
                if self.format != "parquet" or size <= PIECE_BYTES:
                    out.append((number, 0, 0))
                    continue
                groups = pq.read_metadata(path, filesystem=self.filesystem).num_row_groups
                ends = _evenly(groups + 1, -(-size // PIECE_BYTES) + 1).tolist()
                out += [(number, first, last) for first, last in pairwise(ends)]
        return out

    def of_file(self, number: int, first: int = 0, last: int = 0) -> Iterator[pa.RecordBatch]:
        """Record batches of one file, or of one of its `pieces`."""
        path, folders = self.paths[number], self.files.folders[number]
        with _readable(self.uri):
            if self.format == "jsonl":
                batches = json_lines.batches(self.filesystem, path, self.stored)
            elif last:
                whole = next(iter(self._dataset([path]).get_fragments()))
                batches = whole.subset(row_group_ids=range(first, last)).to_batches(self.stored)
            else:
                batches = self._dataset([path]).to_batches()
            worded = tuple(n for n in self.dialect.worded if pa.types.is_string(self.stored.field(n).type))
            if self.format == "csv" and worded:
                batches = _with_columns(batches, self._dataset([path], worded).to_batches())
            for batch in batches:
                yield self._as_table(batch, path, folders)

    def _dataset(self, paths: list[str], worded: tuple[str, ...] = ()) -> pads.Dataset:
        """All columns, or those in which words for missing values are values."""
        stored = pa.schema([self.stored.field(name) for name in worded]) if worded else self.stored
        layout = LAYOUTS.get(self.format) or pads.CsvFileFormat(
            parse_options=self.dialect.parsing,
            convert_options=self.dialect.conversion({f.name: f.type for f in stored}, not worded),
        )
        return pads.dataset(paths, stored, layout, filesystem=self.filesystem)

    def _as_table(self, batch: pa.RecordBatch, path: str, folders: dict[str, str | None]) -> pa.RecordBatch:
        """Rows of a file as rows of the table."""
        if not self.files.is_text:
            check_text(batch, path)
        columns: list[pa.Array] = []
        for one in self.schema:
            if one.name not in self.stored.names:
                told = pa.scalar(folders[one.name], pa.string()).cast(one.type)
                columns.append(pa.repeat(told, batch.num_rows))
                continue
            column, way = batch[one.name], spelling.of_field(one)
            columns.append(way.read(column) if way and column.type != one.type else column)
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def count_rows(self) -> list[int]:
        """Rows of each file, from footers; of text by reading it."""
        if self.files.is_text:
            return [sum(one.num_rows for one in self.of_file(n)) for n in range(len(self.paths))]
        with _readable(self.uri):
            return [fragment.count_rows() for fragment in self._dataset(self.paths).get_fragments()]

    def levels(self) -> dict[str, list[str]]:
        """The dictionary of each dictionary column, as text, in its order in the first file."""
        names = [column.name for column in self.stored if pa.types.is_dictionary(column.type)]
        if self.files.is_text or not names:
            return {}
        with _readable(self.uri):
            for batch in self._dataset(self.paths[:1]).to_batches(columns=names, batch_size=1024):
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

    def spread(self, rows: int = HEAD_ROWS) -> pa.Table:
        """Rows from all over a table of Parquet, at most so many; of another format the first ones."""
        if not self.is_plain:
            return self.head(rows)
        with _readable(self.uri):
            files = self._dataset(self.paths).get_fragments()
            groups = [group for file in files for group in file.split_by_row_group()]
            chosen = [groups[number] for number in _evenly(len(groups), SPREAD_GROUPS)] if groups else []
            taken = [self.schema.empty_table()]
            for group in chosen:
                table = group.to_table(schema=self.schema)
                check_text(table, self.uri)
                taken.append(arrow.taken(table, _evenly(table.num_rows, rows // len(chosen))))
            return pa.concat_tables(taken)


def _with_columns(
    batches: Iterable[pa.RecordBatch], others: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Batches with columns of others, which are cut alike, in place of their own."""
    for batch, other in zip(batches, others, strict=True):
        for name in other.schema.names:
            batch = batch.set_column(
                batch.schema.get_field_index(name), other.schema.field(name), other[name]
            )
        yield batch


def _evenly(count: int, most: int) -> np.ndarray:
    """Numbers of at most `most` of `count` things, at equal distances."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def _as_stored(one: pa.Field, format: str) -> pa.Field:
    """A column of text as Arrow reads it, before it is read as spelled."""
    way = spelling.of_field(one)
    by_arrow = way is None or (way.is_plain and format == "csv")
    return pa.field(one.name, one.type if by_arrow else pa.string())


class _readable:
    """Turn what Arrow says of a file that is not what its name claims into a SchemaError."""

    def __init__(self, uri: str):
        self.uri = uri

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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


def _with_pandas(schema: pa.Schema) -> pa.Schema:
    """Without metadata but that of pandas: which of its types and of its indexes the columns are."""
    noted = (schema.metadata or {}).get(b"pandas")
    return schema.with_metadata({b"pandas": noted} if noted else None)


def _footers(files: Files) -> tuple[pa.Schema, bool]:
    """Schema of files that tell it themselves, and whether some of their moments are in 96 bits."""
    layout, paths = LAYOUTS[files.format], files.paths
    check_names(paths[0], layout.inspect(paths[0], files.filesystem).names)
    factory = pads.FileSystemDatasetFactory(files.filesystem, paths, layout)
    schema = factory.inspect(promote_options="permissive", fragments=None)
    if files.format != "parquet":
        return schema, False
    columns = pq.read_metadata(paths[0], filesystem=files.filesystem).schema
    return schema, any(columns.column(i).physical_type == "INT96" for i in range(len(columns)))
