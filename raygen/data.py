"""Ray Data's part: one distributed pass for statistics, one that encodes the table, and reading the codes back."""

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from raygen import batches, codec, storage
from raygen.codec import Codec
from raygen.config import Config
from raygen.schema import Schema, check_table, infer
from raygen.source import CSV_PARSE, Source

MARKER = "_encoded.json"


@dataclass(frozen=True)
class Encoded:
    """The encoded table in `folder`: parts of integer codes, the codec, and how many rows there are."""

    folder: str
    codec: Codec
    parts: list[str]
    num_rows: int
    notes: dict[str, str]

    def worker_bytes(self, num_workers: int) -> int:
        """Bytes of codes that each worker holds in memory."""
        row = 2 * self.codec.num_columns + np.dtype(self.codec.offset_type).itemsize * self.codec.num_offsets
        return self.num_rows * row // max(1, num_workers)


def describe(config: Config) -> tuple[Source, Schema, dict[str, str]]:
    """Open the source and join it with the config's kinds, inferred where it names none; and notes on what was inferred."""
    source = Source.open(config.data.source)
    notes: dict[str, str] = {}
    kinds = {str(name): str(kind) for name, kind in config.schema_.columns.items()}
    if not kinds:
        kinds, notes = infer(source.head())
    return source, Schema.of(source.schema, kinds, config.data.source), notes


def encode(config: Config, say=print) -> Encoded:
    """Encode the config's source under its run folder, or find it there from an earlier run.

    Raises:
        SchemaError: If the source cannot be read or learned.
        OutputError: If the run folder cannot be written.
    """
    source, schema, notes = describe(config)
    ways = config.schema_.bars, config.schema_.max_categories, config.schema_.numeric
    state = [schema.to_dict(), source.identity, *ways]
    name = hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:12]
    folder = storage.join(config.run.folder, "encoded", name)
    if not storage.exists(storage.join(folder, MARKER)):
        storage.delete_folder(folder)
        storage.make_folder(folder)
        say(f"Reading {config.data.source}: statistics ...")
        stats = statistics(source, schema)
        check_table(schema, stats, config.data.source)
        built = Codec.fit(schema, stats, *ways)
        say("Encoding it ...")
        parts = _write_codes(source, schema, built, folder)
        rows = sum(p["rows"] for p in parts)
        marker = {"schema": schema.to_dict(), "codec": built.to_dict(), "parts": [p["part"] for p in parts], "num_rows": rows}
        storage.write_json(storage.join(folder, MARKER), marker)
    return read_encoded(folder, notes)


def read_encoded(folder: str, notes: dict[str, str] | None = None) -> Encoded:
    """What `encode` wrote to `folder`."""
    marker = storage.read_json(storage.join(folder, MARKER))
    built = Codec.from_dict(Schema.from_dict(marker["schema"]), marker["codec"])
    return Encoded(folder, built, marker["parts"], marker["num_rows"], notes or {})


def read_dataset(source: Source):
    """The source as a Ray Dataset of Arrow blocks."""
    import ray

    if source.format == "csv":
        options: dict = {"partitioning": None, "file_extensions": None, "parse_options": CSV_PARSE, "convert_options": source.csv_options()}
        return ray.data.read_csv(source.paths, filesystem=source.filesystem, **options)
    return ray.data.read_parquet(source.paths, filesystem=source.filesystem, partitioning=None, file_extensions=None).select_columns(
        source.schema.names
    )


def statistics(source: Source, schema: Schema) -> dict:
    """Statistics of every part of the table, observed block by block where the data is read and merged here."""
    import pickle

    def observe(block: pa.Table) -> pa.Table:
        seen = codec.observe(schema, block.cast(schema.arrow))
        return pa.table({"stats": pa.array([pickle.dumps(seen)], pa.large_binary())})  # between Ray's own processes only

    total = codec.observe(schema, schema.arrow.empty_table())
    for row in read_dataset(source).map_batches(observe, batch_format="pyarrow", batch_size=None).iter_rows():
        total = codec.merge(total, pickle.loads(row["stats"]))
    return total


def load_rows(encoded: Encoded, config: Config, rank: int = 0, world_size: int = 1):
    """The codes that one worker trains on and is scored on; others' rows are read but not kept.

    Rows are put in the order of a hash of their content, so that neither the held-out rows nor the order of training depend on how
    the source was cut into blocks.

    Returns:
        Training codes and offsets in the order that `Batches` wants, this worker's piece of the held-out codes and offsets, the number of
        its first held-out row, and the Batches.
    """
    hashes = row_hashes(encoded)
    order = np.argsort(hashes, kind="stable")
    held = batches.held_out(np.arange(len(order)), config.train.holdout, config.run.seed)
    train, out = order[~held], order[held]
    dealt = batches.Batches(len(train), config.train.batch_size, rank, world_size, config.run.seed)
    numbers = np.flatnonzero(dealt.holds(np.arange(len(train))))
    mine = train[numbers[dealt.arrange(numbers)]]
    first, last = rank * len(out) // world_size, (rank + 1) * len(out) // world_size
    wanted = np.concatenate([mine, out[first:last]])
    place = np.full(len(order), -1, np.int64)
    place[wanted] = np.arange(len(wanted))
    codes = np.empty((len(wanted), encoded.codec.num_columns), np.uint16)
    offsets: np.ndarray = np.empty((len(wanted), encoded.codec.num_offsets), encoded.codec.offset_type)
    at = 0
    for some_codes, some_offsets in _read_codes(encoded):
        to = place[at : at + len(some_codes)]
        codes[to[to >= 0]], offsets[to[to >= 0]] = some_codes[to >= 0], some_offsets[to >= 0]
        at += len(some_codes)
    n = len(mine)
    return (codes[:n], offsets[:n]), (codes[n:], offsets[n:]), first, dealt


def row_hashes(encoded: Encoded) -> np.ndarray:
    """`content_hash` of every row, part after part."""
    return np.concatenate([content_hash(codes, offsets) for codes, offsets in _read_codes(encoded)])


def content_hash(codes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """uint64 of shape (rows,) from all codes and offsets of a row."""
    total = np.zeros(len(codes), np.uint64)
    bits = offsets.view(np.uint32) if offsets.dtype == np.float32 else offsets
    for column in (*codes.T, *bits.T):
        total = pd.util.hash_array(total * np.uint64(0x9E3779B97F4A7C15) + column.astype(np.uint64))
    return total


def content(hashes: np.ndarray) -> str:
    """One name for all rows of a table, in whatever order."""
    return f"{int(hashes.sum(dtype=np.uint64)):016x}"


def _write_codes(source: Source, schema: Schema, built: Codec, folder: str) -> list[dict]:
    sizes = [block.cardinality for block in built.blocks.values()]
    fields = [pa.field(f"code_{i}", pa.uint8() if n <= 256 else pa.uint16()) for i, n in enumerate(sizes)]
    fields += [pa.field(f"offset_{i}", pa.from_numpy_dtype(built.offset_type)) for i in range(built.num_offsets)]
    layout = pa.schema(fields)

    def write(block: pa.Table) -> dict:
        codes, offsets = built.encode(block.cast(schema.arrow))
        name = f"part-{hashlib.sha256(codes.tobytes() + offsets.tobytes()).hexdigest()[:20]}.parquet"
        columns = [column.astype(field.type.to_pandas_dtype()) for column, field in zip((*codes.T, *offsets.T), layout, strict=True)]
        with storage.whole(storage.join(folder, name)) as stream:
            pq.write_table(pa.Table.from_arrays([pa.array(c) for c in columns], schema=layout), stream, compression="zstd")
        return {"part": [name], "rows": [len(codes)]}

    done = read_dataset(source).map_batches(write, batch_format="pyarrow", batch_size=None).take_all()
    return sorted((row for row in done if row["rows"]), key=lambda row: row["part"])


def _read_codes(encoded: Encoded):
    """Codes and offsets of one part after the other."""
    width = encoded.codec.num_columns
    for part in encoded.parts:
        table = pq.read_table(pa.BufferReader(storage.read(storage.join(encoded.folder, part))))
        columns = [column.to_numpy() for column in table.columns]
        offsets = np.stack(columns[width:], axis=1) if len(columns) > width else np.empty((table.num_rows, 0), encoded.codec.offset_type)
        yield np.stack(columns[:width], axis=1).astype(np.uint16), offsets
