"""The files that shards are written as: Parquet, CSV or JSON Lines; how rows become their bytes, and what a
file tells of itself."""

import contextlib
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from raygen import filesystems, storage
from raygen.config_sections import GenerateSettings
from raygen.errors import ConfigError
from raygen.sampling.row_blocks import BLOCK_ROWS
from raygen.table import arrow, spelling

NAMES = {"parquet": "Parquet", "csv": "CSV", "jsonl": "JSON Lines"}
JSON_ROWS = 8 * BLOCK_ROWS  # spelled at once
LONGEST = 38  # digits of a decimal of 128 bits
FORMULA = r"^[\t\r\n ]*[=+\-@]"  # as a spreadsheet takes it
WRITTEN_NUMBER = r"^[+-]?([0-9]+([.,][0-9]*)*|[.,][0-9]+)([eE][+-]?[0-9]+)?\s*%?$"
ENDINGS = {"none": "", "gzip": ".gz", "zstd": ".zst"}  # of text, by its compression


@dataclass(frozen=True)
class Format:
    """How a table is written to a file.

    Attributes:
        name: "parquet", "csv" or "jsonl".
        compression: Inside Parquet, or of a text file as a whole.
        group_rows: Rows of a row group of Parquet, and of what is written at once: whole blocks.
        csv_safe: Whether CSV has an apostrophe before text that a spreadsheet would take for a formula.
    """

    name: str
    compression: str
    group_rows: int = 64 * BLOCK_ROWS
    csv_safe: bool = False

    @classmethod
    def of(cls, settings: GenerateSettings) -> "Format":
        """The format that `[generate]` asks for.

        Raises:
            ConfigError: If its compression is of Parquet only.
        """
        usual = "zstd" if settings.format == "parquet" else "none"
        found = cls(
            settings.format,
            usual if settings.compression == "auto" else settings.compression,
            whole_blocks(settings.row_group_rows),
            settings.csv_safe,
        )
        if found.csv_safe and found.name != "csv":
            message = f"generate.csv_safe = true with generate.format = '{found.name}'."
            raise ConfigError(message, "leave it out: only CSV is read as formulas.")
        if found.is_text and found.compression not in ENDINGS:
            message = (
                f"generate.compression = '{found.compression}' with generate.format = "
                f"'{found.name}': expected {' or '.join(ENDINGS)}."
            )
            raise ConfigError(message, "choose one of these, or write Parquet.")
        return found

    @classmethod
    def of_run(cls, run: dict) -> "Format":
        """The format of a folder's shards, as its `_run.json` tells."""
        return cls(run.get("format", "parquet"), run.get("compression", "zstd"))

    @property
    def is_text(self) -> bool:
        return self.name != "parquet"

    @property
    def suffix(self) -> str:
        """Ending of the files' names."""
        return f".{self.name}{ENDINGS[self.compression] if self.is_text else ''}"

    def stored(self, kind: pa.DataType) -> pa.DataType:
        """The type that a column has in a file: Parquet has no moments in seconds."""
        if self.is_text or not (pa.types.is_timestamp(kind) or pa.types.is_time32(kind)):
            return kind
        if kind.unit != "s":
            return kind
        return pa.timestamp("ms", kind.tz) if pa.types.is_timestamp(kind) else pa.time32("ms")

    def write(
        self, stream: BinaryIO | pa.NativeFile, schema: pa.Schema, tables: Iterable[pa.Table]
    ) -> tuple[int, int, str]:
        """Write tables of a schema, one after the other, to an empty binary stream, which stays open; the
        rows, the bytes and their SHA-256.

        Parquet keeps the schema's metadata. A missing value is an empty field in CSV and null in JSON, and so
        is what text has no word for: a number that is not finite, a moment after the year 32,767.
        """
        sink, rows = storage.Hashing(stream), 0
        if not self.is_text:
            options = {"compression": self.compression, "write_page_checksum": True}
            with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, **options) as parquet:
                for table in tables:
                    rows += table.num_rows
                    parquet.write_table(
                        table.replace_schema_metadata(schema.metadata), row_group_size=self.group_rows
                    )
        else:
            with contextlib.ExitStack() as stack:
                out = stack.enter_context(pa.PythonFile(sink, mode="w"))
                if self.compression != "none":
                    out = stack.enter_context(pa.CompressedOutputStream(out, self.compression))
                if self.name == "jsonl":
                    for table in tables:
                        rows += table.num_rows
                        for first in range(0, table.num_rows, JSON_ROWS):
                            out.write(json_lines(table.slice(first, JSON_ROWS)))
                else:
                    plain = _safe if self.csv_safe else _plain
                    csv = stack.enter_context(pacsv.CSVWriter(out, plain(schema.empty_table()).schema))
                    for table in tables:
                        rows += table.num_rows
                        csv.write_table(plain(table))
        return rows, stream.tell(), sink.hexdigest()

    def size(self, table: pa.Table) -> int:
        """Bytes of a file with these rows."""
        return self.write(io.BytesIO(), table.schema, [table])[1]

    def rows_per_shard(self, mib: float, table: pa.Table) -> int:
        """Rows, in whole blocks, that make a file of about so many MiB when others are as long as those of
        `table`."""
        return max(1, round(mib * 2**20 / self.size(table) * table.num_rows / BLOCK_ROWS)) * BLOCK_ROWS

    def marked_rows(self, uri: str, mark: bytes) -> int | None:
        """Rows of a whole file with this mark, every page as its checksum says; None if it is not one, or of
        text, which has no mark."""
        if self.is_text:
            return None
        filesystem, path = filesystems.resolve(uri)
        try:
            with (
                filesystem.open_input_file(path) as file,
                pq.ParquetFile(file, page_checksum_verification=True) as parquet,
            ):
                if (parquet.metadata.metadata or {}).get(b"raygen") != mark:
                    return None
                rows = sum(batch.num_rows for batch in parquet.iter_batches())
                return rows if rows == parquet.metadata.num_rows else None
        except (pa.ArrowException, OSError):
            return None  # it is made again

    def described(self, uri: str) -> tuple[int, dict[str, str]]:
        """Rows of a file, and its columns with their types, which text leaves open ("").

        Raises:
            pa.ArrowException, ValueError, OSError: If it is not such a file.
            FileNotFoundError: If there is none.
            StorageError: If it cannot be read.
        """
        if self.name == "csv":
            return _described_csv(uri)
        if self.name == "jsonl":
            return _described_json(uri)
        length = int.from_bytes(storage.read_end(uri, 8)[:4], "little")
        with pq.ParquetFile(pa.BufferReader(storage.read_end(uri, length + 8))) as parquet:
            return parquet.metadata.num_rows, {field.name: str(field.type) for field in parquet.schema_arrow}


def of_file(name: str) -> str | None:
    """The format that a file's name tells, for people; None for another one, and for those that readers of
    folders leave out."""
    if name.rpartition("/")[2].startswith(("_", ".")):
        return None
    endings = {f".{key}{ending}": known for key, known in NAMES.items() for ending in ENDINGS.values()}
    return next((known for ending, known in endings.items() if name.lower().endswith(ending)), None)


def of_ending(name: str) -> tuple[str, str] | None:
    """Format and compression that the ending of a file's name stands for; None for another one."""
    text = {
        f".{key}{ending}": (key, packed)
        for key in NAMES
        if key != "parquet"
        for packed, ending in ENDINGS.items()
    }
    known = {".parquet": ("parquet", "auto")} | text
    return next((found for ending, found in known.items() if name.lower().endswith(ending)), None)


def whole_blocks(rows: int) -> int:
    return -(-rows // BLOCK_ROWS) * BLOCK_ROWS


def _safe(table: pa.Table) -> pa.Table:
    """The same, with an apostrophe before each text that begins as a formula does and is no number."""
    written = _plain(table)
    return pa.table([_without_formulas(column) for column in written.columns], written.column_names)


def _without_formulas(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    kind = arrow.value_type(column.type)
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return column
    texts = arrow.plain(column)
    formula = pc.and_not(
        pc.match_substring_regex(texts, FORMULA), pc.match_substring_regex(texts, WRITTEN_NUMBER)
    )
    mark, nothing = pa.scalar("'", texts.type), pa.scalar("", texts.type)
    return pc.if_else(formula, pc.binary_join_element_wise(mark, texts, nothing), texts)


def _plain(table: pa.Table) -> pa.Table:
    """The table as Arrow's CSV writer is to have it."""
    columns = [_csv(field, table[field.name]) for field in table.schema]
    return pa.table(columns, table.column_names)


def _csv(field: pa.Field, column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """A column whose values Arrow writes as they are to be."""
    kind, way = arrow.value_type(column.type), spelling.of_field(field)
    if isinstance(way, spelling.Numbers) and way.is_plain:
        return _with_digits(_told(arrow.plain(column)), way.digits)
    if way and not way.is_plain:
        return way.write(_told(arrow.plain(column)))
    if pa.types.is_string_view(kind):
        return arrow.plain(column).cast(pa.string())  # the writer does not know views
    return _told(arrow.plain(column)) if pa.types.is_floating(kind) or _is_moment(kind) else column


def _with_digits(column: pa.Array, digits: int) -> pa.Array:
    """Numbers with so many digits after the point, as decimals, which Arrow writes without quotes; as they
    are where one is too large for that, or the digits are too many."""
    largest = pc.max(pc.abs(column)).as_py() or 0.0
    if digits > LONGEST - arrow.EXACT_POWER or largest >= 2.0**53 / 10.0**digits:
        return column
    return arrow.from_numbers(
        column.to_numpy(zero_copy_only=False), pa.decimal128(arrow.EXACT_POWER + digits, digits)
    )


def _is_moment(kind: pa.DataType) -> bool:
    return pa.types.is_date(kind) or pa.types.is_timestamp(kind) or pa.types.is_time(kind)


def _told(column: pa.Array) -> pa.Array:
    """The column without the values that text has no word for."""
    kind = column.type
    if pa.types.is_floating(kind):
        lost = pc.invert(pc.is_finite(column.cast(pa.float32()) if pa.types.is_float16(kind) else column))
    elif _is_moment(kind):
        local = (
            column.cast(pa.timestamp(kind.unit)) if pa.types.is_timestamp(kind) else column
        )  # with a zone, Arrow writes another year
        lost = pc.starts_with(local.cast(pa.string()), "<value out of range")
    else:
        return column
    return pc.if_else(lost, pa.scalar(None, kind), column)


def json_lines(table: pa.Table) -> bytes:
    """The rows, at least one, as JSON objects, a line each."""
    pieces: list = []
    for i, name in enumerate(table.column_names):
        pieces += [
            ("{" if not i else ", ") + json.dumps(name, ensure_ascii=False) + ": ",
            _json(table.schema.field(i), arrow.plain(table[name])),
        ]
    lines = pc.binary_join_element_wise(*pieces, "}\n", "")
    return pc.binary_join(pa.ListArray.from_arrays([0, len(lines)], lines), "")[0].as_buffer().to_pybytes()


def _json(field: pa.Field, column: pa.Array) -> pa.Array:
    """JSON text of each value; of what is no number, the distinct values are spelled one by one."""
    column, way = _told(column), spelling.of_field(field)
    if way and not way.is_plain:
        column = way.write(column)
    kind = column.type
    text = (column.cast(pa.float32()) if pa.types.is_float16(kind) else column).cast(pa.string())
    number = (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_duration(kind)
    )
    if not (number or pa.types.is_boolean(kind)):
        encoded = text.dictionary_encode()
        spelled = pa.array(
            [json.dumps(value, ensure_ascii=False) for value in encoded.dictionary.to_pylist()], pa.string()
        )
        text = spelled.take(encoded.indices)
    return text.fill_null("null")


def _described_csv(uri: str) -> tuple[int, dict[str, str]]:
    with _text(uri) as stream:
        names = pacsv.open_csv(stream, parse_options=pacsv.ParseOptions(newlines_in_values=True)).schema.names
    read = pacsv.ReadOptions(block_size=1 << 24)
    parse = pacsv.ParseOptions(newlines_in_values=True, ignore_empty_lines=len(names) > 1)
    types = pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    with _text(uri) as stream, pacsv.open_csv(stream, read, parse, types) as reader:
        return sum(batch.num_rows for batch in reader), dict.fromkeys(names, "")


def _described_json(uri: str) -> tuple[int, dict[str, str]]:
    rows, names = 0, None
    with _text(uri) as stream:
        for line in io.BufferedReader(stream):
            names = dict.fromkeys(json.loads(line), "") if names is None else names
            rows += 1
    return rows, names or {}


@contextlib.contextmanager
def _text(uri: str) -> Iterator[pa.NativeFile]:
    filesystem, path = filesystems.resolve(uri)
    with filesystem.open_input_stream(path, compression="detect") as stream:
        yield stream
