"""Ray Data's part: one distributed pass for statistics, one that encodes the table, and reading the codes
back."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import Field, StringConstraints, model_validator

from raygen import records, storage
from raygen.codec.categories import CategoryBlock
from raygen.codec.codec import Codec
from raygen.codec.row_hash import content, content_hash
from raygen.config import Config
from raygen.errors import ModelError, SchemaError, StorageError, did_you_mean
from raygen.fakes import declared, pools
from raygen.report.redrawn import Say
from raygen.table.schema import Schema, check_table
from raygen.table.source import Source
from raygen.table.split import LANES
from raygen.training import made_up
from raygen.training.job import EncodedTable
from raygen.training.loader import Feed
from raygen.training.protection import losses, of_people, protection_of
from raygen.training.statistics import TableRelations, relations_of, statistics

if TYPE_CHECKING:
    from ray.data import Dataset

MARKER = "_encoded.json"
MARKER_BYTES = 2**31
LAYOUT = "records in the order of their hashes, codes on grids, weekdays and months, parts by column and role"
SORTED_HERE = 2**20  # rows of a table that the driver sorts, if they are
SORTED_BYTES = 2**28  # or less
HASH_BYTES = 8
ORDER_BYTES = 12  # of a row, where a window is shuffled


class Marker(records.Record):
    """What `_encoded.json` may hold."""

    schema_: dict = Field(alias="schema")
    codec: dict
    content: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
    parts: list[Annotated[str, StringConstraints(pattern=r"^part-[0-9a-f]{20}\.rows$")]] = Field(min_length=1)
    sizes: list[Annotated[int, Field(ge=1, lt=2**48)]]
    checksum: str = ""
    made_up: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits(self) -> "Marker":
        if len(self.parts) != len(self.sizes):
            raise ValueError("parts and sizes are of different lengths")
        return self


@dataclass(frozen=True)
class Encoded:
    """The encoded table in `folder`: rows of integer codes in the order of a hash of their content, which is
    as good as random.

    Attributes:
        codec: The table's.
        parts: Names of its files, in order: records of `row_type`.
        sizes: Rows of each.
        content: One name for all rows, in whatever order they came.
        notes: On columns whose kind was inferred.
    """

    folder: str
    codec: Codec
    parts: list[str]
    sizes: list[int]
    content: str
    notes: dict[str, str]

    @property
    def num_rows(self) -> int:
        return sum(self.sizes)

    @property
    def table(self) -> EncodedTable:
        """What a `TrainingJob` tells of it."""
        return EncodedTable(self.folder, self.num_rows, self.content)

    def rows(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """uint16 codes of shape (last - first, blocks) and offsets of rows [first, last)."""
        codes = np.empty((last - first, self.codec.num_columns), np.uint16)
        offsets: np.ndarray = np.empty((last - first, self.codec.num_offsets), self.codec.offset_type)
        start = 0
        for part, size in zip(self.parts, self.sizes, strict=True):
            a, b = max(first, start), min(last, start + size)
            if a < b:
                found = self._records(part, a - start, b - start)
                for i in range(self.codec.num_columns):
                    codes[a - first : b - first, i] = found[f"code_{i}"]
                for i in range(self.codec.num_offsets):
                    offsets[a - first : b - first, i] = found[f"offset_{i}"]
            start += size
        return codes, offsets

    def _records(self, part: str, first: int, last: int) -> np.ndarray:
        layout, uri = row_type(self.codec), storage.join(self.folder, part)
        try:
            found = storage.read_range(uri, first * layout.itemsize, (last - first) * layout.itemsize)
        except FileNotFoundError:
            found = b""
        if len(found) < (last - first) * layout.itemsize:
            raise damaged(self.folder, f"'{uri}' is gone, or was cut short")
        return np.frombuffer(found, layout)

    def feed(self, config: Config, rank: int = 0, world_size: int = 1) -> Feed:
        """What a worker trains on, of a settled and sized config."""
        return Feed(self.rows, self.num_rows, config, rank, world_size)

    def worker_bytes(self, config: Config, num_workers: int) -> int:
        """Bytes that the worker with the most lanes holds in memory: all its rows, or two windows of them,
        and the order of each window."""
        row = (
            2 * self.codec.num_columns
            + np.dtype(self.codec.offset_type).itemsize * self.codec.num_offsets
            + ORDER_BYTES
        )
        lanes = max(LANES, num_workers)
        return min(self.num_rows, 2 * config.train.shuffle_rows) * row * -(-lanes // num_workers) // lanes


def row_type(codec: Codec) -> np.dtype:
    """A row of the encoded table in its files: each code in one byte if that holds all of its block's, else
    in two; then the offsets."""
    codes = [(f"code_{i}", "<u1" if size <= 256 else "<u2") for i, size in enumerate(codec.cardinalities)]
    kind = np.dtype(codec.offset_type).newbyteorder("<")
    return np.dtype([*codes, *((f"offset_{i}", kind) for i in range(codec.num_offsets))])


def describe(config: Config) -> tuple[Source, Schema, dict[str, str]]:
    """Open the source and join it with the config's kinds, inferred where it names none; and notes on what
    was inferred.

    Raises:
        SchemaError: If a setting names a column that is not there, or a kind that does not fit.
    """
    source = Source.open(config.data.source)
    kinds, notes = declared.kinds(config, source)
    for name in config.schema_.limits:
        if name not in source.schema.names:
            raise SchemaError(
                f"schema.limits.{name}: source '{config.data.source}' has no such column.",
                did_you_mean(name, source.schema.names),
            )
    return source, Schema.of(source.schema, kinds, config.data.source, source.levels()), notes


def folder_of(config: Config) -> str:
    """Where `encode` puts the table, as its files are now."""
    source, schema, _ = describe(config)
    return _folder(config, source, schema)


def _folder(config: Config, source: Source, schema: Schema) -> str:
    state = [LAYOUT, schema.to_dict(), source.identity, ways(config), _named(config)]
    state.append(config.privacy.model_dump())
    state += declared.identity(config)
    return storage.join(
        config.run.folder,
        "encoded",
        hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:12],
    )


def _named(config: Config) -> list:
    """The relations that the config names, or whether it is for us to find them."""
    named = config.schema_.relations
    return [config.schema_.find_relations] if named is None else [one.model_dump() for one in named]


def ways(config: Config) -> dict[str, Any]:
    s = config.schema_
    return {
        "bars": s.bars,
        "max_categories": s.max_categories,
        "numeric": s.numeric,
        "limits": s.limits,
    }


def encode(config: Config, say: Say = print) -> Encoded:
    """Encode the config's source under its run folder, or find it there from an earlier run.

    Raises:
        SchemaError: If the source cannot be read or learned.
        OutputError: If the run folder cannot be written.
    """
    source, schema, notes = describe(config)
    protection, folder = protection_of(config, schema), _folder(config, source, schema)
    if not storage.exists(storage.join(folder, MARKER)):
        storage.make_folder(folder)  # what a killed run has left there stays: another driver may be at work
        say(f"Reading {config.data.source}: statistics ...")
        dataset, unit = read_dataset(source), config.privacy.unit
        protection = of_people(protection, dataset, unit, say) if unit else protection
        tied = relations_of(config, source, schema, protection)
        fakes = pools.make(schema, config.schema_.fake, config.schema_.locale, config.run.seed)
        rows, numeric = source.batches(), config.schema_.numeric
        stats, reduction = statistics(
            dataset, config.data.source, source.spread(), schema, tied, say, protection, rows, numeric
        )
        check_table(reduction.inner, stats.parts, config.data.source)
        told = ways(config) | {"protection": protection, "reduction": reduction, "fakes": fakes}
        built = Codec.fit(schema, stats.parts, **told, explained=stats.explained, given=stats.levels)
        for note in [*losses(built, stats.parts), *grouped(built)]:
            say(f"Note: {note}")
        say("Encoding it ...")
        parts = _write_rows(source, tied, built, folder, next(iter(stats.parts.values())).num_rows)
        total = content(np.array([int(p["content"], 16) for p in parts], np.uint64))
        marker = {"schema": built.schema.to_dict(), "codec": built.to_dict(), "content": total}
        marker |= {"made_up": made_up.notes(read_dataset(source), fakes)}
        marker |= {"parts": [p["part"] for p in parts], "sizes": [p["rows"] for p in parts]}
        storage.write_json(storage.join(folder, MARKER), marker | {"checksum": _checksum(marker)})
        return read_encoded(folder, notes)
    found = read_encoded(folder, notes)
    check_parts(found)
    return found


def grouped(built: Codec) -> list[str]:
    """A sentence on each column whose rare categories share codes."""
    found = []
    for part, block in built.blocks.items():
        if isinstance(block, CategoryBlock) and block.num_codes < len(block.members):
            name, alone = part.column, int((np.bincount(block.codes) == 1).sum())
            found.append(
                f"column '{name}' has {len(block.members):,} categories; all but the {alone} most frequent "
                f"share {block.num_codes - alone} codes, within which they are drawn by frequency alone. "
                f"Raise schema.max_categories, set schema.limits.{name} for this column alone, or "
                f'schema.columns.{name} = "drop".'
            )
    return found


def read_encoded(folder: str, notes: dict[str, str] | None = None) -> Encoded:
    """What `encode` wrote to `folder`."""
    uri = storage.join(folder, MARKER)
    try:
        state = records.read(uri, MARKER_BYTES)
        marker = records.checked(Marker, state)
        if marker.checksum not in ("", _checksum(state)):
            raise ValueError("it was edited")
        built = Codec.from_dict(Schema.from_dict(state["schema"]), marker.codec)
    except (ValueError, RecursionError) as error:
        reason = error.message.rstrip(".") if isinstance(error, ModelError) else error
        raise damaged(folder, f"'{uri}' is damaged: {reason}") from None
    notes = (notes or {}) | marker.made_up
    return Encoded(folder, built, marker.parts, marker.sizes, marker.content, notes)


def damaged(folder: str, message: str) -> StorageError:
    return StorageError(
        f"{message}.", f"delete '{folder}' and run the same command again: the table is encoded anew."
    )


def check_parts(encoded: Encoded) -> None:
    """Read an encoded table of an earlier run from end to end: its files are named by their hashes.

    Raises:
        StorageError: If one is gone, cut short or changed.
    """
    size = row_type(encoded.codec).itemsize
    for part, rows in zip(encoded.parts, encoded.sizes, strict=True):
        uri = storage.join(encoded.folder, part)
        try:
            found, length = storage.sha256(uri), storage.size(uri)
        except FileNotFoundError:
            raise damaged(encoded.folder, f"'{uri}' is gone") from None
        if length != rows * size or part != _part_name(found):
            raise damaged(encoded.folder, f"'{uri}' was cut short, or changed")


def _part_name(digest: str) -> str:
    return f"part-{digest[:20]}.rows"


def _checksum(marker: dict) -> str:
    """Hash of all of the marker but its checksum."""
    rest = {key: value for key, value in marker.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def read_dataset(source: Source) -> "Dataset":
    """The source as a Ray Dataset of Arrow blocks."""
    import ray

    def tables(batch: dict[str, np.ndarray]) -> Iterator[pa.Table]:
        for piece in batch["piece"].tolist():
            yield from (pa.Table.from_batches([rows]) for rows in source.of_file(*piece))

    pieces = [{"piece": piece} for piece in source.pieces()]
    # not ray.data.read_parquet, which starts three actors to read the footers of the smallest table
    return ray.data.from_items(pieces, override_num_blocks=len(pieces)).map_batches(tables, batch_size=1)


def _write_rows(source: Source, tied: TableRelations, built: Codec, folder: str, num_rows: int) -> list[dict]:
    """Encode the source and sort its rows; name, rows, first hash and content of each part, in order."""
    layout = row_type(built)

    def encode(block: pa.Table) -> pa.Table:
        codes, offsets = built.encode(tied.kept(block.cast(built.schema.arrow)))
        packed = np.empty(len(codes), layout)
        for name, column in zip(layout.names or (), (*codes.T, *offsets.T), strict=True):
            packed[name] = column
        kind = pa.binary(layout.itemsize)
        return pa.table(
            {
                "hash": content_hash(codes, offsets),
                "row": pa.Array.from_buffers(kind, len(codes), [None, pa.py_buffer(packed)]),
            }
        )

    def write(block: pa.Table) -> dict:
        hashes, rows = block["hash"].to_numpy(), block["row"].combine_chunks()
        if not len(hashes):
            return {"part": [], "rows": [], "first": [], "content": []}
        start = rows.offset * layout.itemsize
        packed = rows.buffers()[1][start : start + len(rows) * layout.itemsize]
        name = _part_name(hashlib.sha256(packed).hexdigest())
        with storage.whole(storage.join(folder, name)) as stream:
            stream.write(packed)
        return {
            "part": [name],
            "rows": [len(hashes)],
            "first": [f"{hashes[0]:016x}"],
            "content": [content(hashes)],
        }

    encoded = read_dataset(source).map_batches(encode, batch_format="pyarrow", batch_size=None)
    if (
        num_rows <= SORTED_HERE and num_rows * (layout.itemsize + HASH_BYTES) <= SORTED_BYTES
    ):  # Ray Data's sort takes seconds for the smallest table
        whole = (
            pa.concat_tables(encoded.iter_batches(batch_format="pyarrow", batch_size=None))
            .combine_chunks()
            .sort_by("hash")
        )
        return [{key: value for key, (value,) in write(whole).items()}]
    done = encoded.sort("hash").map_batches(write, batch_format="pyarrow", batch_size=None).take_all()
    return sorted(done, key=lambda part: part["first"])
