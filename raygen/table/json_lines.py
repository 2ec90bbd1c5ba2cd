"""Types of the columns of JSON Lines files that fit every row."""

import io
import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pajson
from pyarrow import fs as pafs

from raygen.errors import SchemaError
from raygen.table import spelling
from raygen.table.csv_rows import opened
from raygen.table.files import TO_UTF8
from raygen.table.spelling import Spelling

PIECE_BYTES = 1 << 24
NUMBERS = (pa.int64(), pa.float64())


def schema_of(filesystem: pafs.FileSystem, paths: list[str], like: pa.Schema | None = None) -> pa.Schema:
    """Each column of any file: a number, truth, text or a list or an object of such. Text that spells moments
    or amounts all over is marked with how it does; a column that a line lacks is missing there."""
    types: dict[str, pa.DataType] = {}
    ways: dict[str, Spelling | None] = {}
    zoned = {one.name for one in like or () if pa.types.is_timestamp(one.type) and one.type.tz}
    for path in paths:
        for piece in _pieces(filesystem, path):
            table = _read(path, piece)
            moments = [(f.name, pa.string()) for f in table.schema if pa.types.is_timestamp(f.type)]
            texts = _read(path, piece, pa.schema(moments)) if moments else table
            for field in table.schema:
                column = texts[field.name] if pa.types.is_timestamp(field.type) else table[field.name]
                kind = pa.uint64() if _is_unsigned(path, piece, field.name, column) else column.type
                types[field.name] = _both(path, field.name, types.get(field.name, pa.null()), kind)
                if pa.types.is_string(column.type):
                    _spelled(ways, field.name, column.combine_chunks(), like)
                    if like is not None and field.name in zoned and not _is_of(column, like, field.name):
                        zoned.remove(field.name)
    if not types:
        raise SchemaError(f"file '{paths[0]}' holds no line of JSON.", "check that the files are whole.")
    fields = []
    for name, kind in types.items():
        way = ways.get(name) if kind == pa.string() else None
        fields.append(spelling.marked(pa.field(name, way.type), way) if way else pa.field(name, kind))
    return pa.schema([_like(field, like, zoned) for field in fields])


def _pieces(filesystem: pafs.FileSystem, path: str) -> Iterator[bytes]:
    """The lines of a file, some MiB at a time, each with a line feed: Arrow loses values of a last one
    without."""
    rest = b""
    with opened(filesystem, path) as stream:
        while piece := stream.read(PIECE_BYTES):
            whole, line_feed, end = (rest + piece).rpartition(b"\n")
            rest = end
            if (whole + line_feed).strip():
                yield whole + line_feed
    if rest.strip():
        yield rest + b"\n"


def batches(filesystem: pafs.FileSystem, path: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows of a file, as columns of these types."""
    for piece in _pieces(filesystem, path):
        yield from _read(path, piece, schema).select(schema.names).to_batches()


def _read(path: str, piece: bytes, types: pa.Schema | None = None) -> pa.Table:
    """The lines as a table; only columns of `types` if they are given."""
    try:
        piece.decode()
    except UnicodeDecodeError as error:
        line = piece.count(b"\n", 0, error.start) + 1
        raise SchemaError(f"file '{path}' holds text that is not UTF-8 (line {line}).", TO_UTF8) from None
    if piece.lstrip()[:1] == b"[":
        raise SchemaError(
            f"file '{path}' is one JSON array, not a JSON object in each line.",
            "convert it, as in: jq -c '.[]' OLD.json > NEW.jsonl.",
        )
    if piece.lstrip()[:4] == b"null":  # Arrow would end the process
        raise SchemaError(
            f"file '{path}' holds a line that is null.", "delete the lines that are no JSON object."
        )
    options = pajson.ReadOptions(block_size=len(piece) + 1, use_threads=False)
    parsing = pajson.ParseOptions(
        explicit_schema=types, unexpected_field_behavior="infer" if types is None else "ignore"
    )
    try:
        return pajson.read_json(io.BytesIO(piece), options, parsing)
    except pa.ArrowInvalid as error:
        mixed = re.search(r"Column\(/(.*)\) changed from (\w+) to (\w+) in row (\d+)", str(error))
        reason = (
            f"has {mixed[2]}s and {mixed[3]}s in column '{mixed[1]}'"
            if mixed
            else f"cannot be read: {str(error).splitlines()[0].rstrip('.')}"
        )
        hint = "write one JSON object in each line, with values of one type in a column."
        raise SchemaError(f"file '{path}' {reason}.", hint) from None


def _is_unsigned(path: str, piece: bytes, name: str, column: pa.ChunkedArray) -> bool:
    """Whether a column holds whole numbers that need all of 64 bits, of which Arrow makes floats."""
    if column.type != pa.float64() or not (pc.max(column).as_py() or 0) >= 2.0**63:
        return False
    try:
        return _read(path, piece, pa.schema([(name, pa.uint64())])).num_rows == len(column)
    except SchemaError:
        return False


def _both(path: str, name: str, before: pa.DataType, found: pa.DataType) -> pa.DataType:
    if pa.types.is_null(before) or before == found:
        return found
    if pa.types.is_null(found):
        return before
    if pa.uint64() in (before, found) and pa.int64() in (before, found):
        return pa.uint64()
    if before in NUMBERS and found in NUMBERS:
        return pa.float64()
    try:
        return (
            pa.unify_schemas(
                [pa.schema([("x", before)]), pa.schema([("x", found)])], promote_options="permissive"
            )
            .field("x")
            .type
        )
    except pa.ArrowException:
        raise SchemaError(
            f"file '{path}' has a column '{name}' of type {found}; before it was {before}.",
            "give each column values of one type.",
        ) from None


def _spelled(ways: dict[str, Spelling | None], name: str, text: pa.Array, like: pa.Schema | None) -> None:
    """Find how a column is spelled, the first time, or give it up where some texts are not."""
    if name not in ways:
        same = like.field(name) if like is not None and name in like.names else None
        known = spelling.of_field(same) if same else None
        if known is None and not (same and pa.types.is_string(same.type)):
            known = spelling.spelling(text.drop_null().unique().to_pylist(), in_quotes=True)[0]
        ways[name] = known
    way = ways[name]
    if way and not spelling.keeps(way, text):
        ways[name] = None


def _is_of(column: pa.ChunkedArray, like: pa.Schema, name: str) -> bool:
    """Whether text is that of moments in the zone of a table like it, each with its own offset."""
    try:
        return column.cast(like.field(name).type).null_count == column.null_count
    except pa.ArrowInvalid:
        return False


def _like(field: pa.Field, like: pa.Schema | None, zoned: set[str]) -> pa.Field:
    """In the type of a table like it, of numbers and moments in a zone that JSON tells no type of."""
    if like is None or field.name not in like.names or spelling.of_field(field):
        return field
    kind = like.field(field.name).type
    if pa.types.is_string(field.type) and field.name in zoned:
        return pa.field(field.name, kind)
    numbers = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    wider = field.type in NUMBERS and any(test(kind) for test in numbers) and not pa.types.is_integer(kind)
    if wider and pa.types.is_float16(kind):
        return pa.field(field.name, pa.float32())  # Arrow reads none narrower from text
    return pa.field(field.name, kind) if wider or (kind.id == field.type.id) else field
