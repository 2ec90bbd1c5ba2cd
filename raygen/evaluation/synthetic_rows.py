"""The synthetic rows of an evaluation, raygen's or anybody's: their files, what is wrong with them, and rows
at random."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs as pafs

from raygen import filesystems, records, rng, storage, uris
from raygen.errors import OutputError, SchemaError
from raygen.generation import manifest, one_file
from raygen.metrics import scorecard
from raygen.table.schema import fits
from raygen.table.source import Source

GROUPS_PER_PIECE = 8
BLOCK_ROWS = 65_536
GROUPS_PER_SAMPLE = 8  # row groups are picked at random until they hold so many times the rows wanted


def opened(path: str, like: pa.Schema | None = None) -> Source:
    """The files of some synthetic rows, text as the types of the real ones, `like`.

    Raises:
        SchemaError: If they cannot be read as a table.
    """
    try:
        return Source.open(uris.absolute(path), like)
    except SchemaError as error:
        hint = "generate them first, or name them with --synthetic."
        raise SchemaError(error.message.replace("source", "synthetic rows", 1), hint) from None


def generation(path: str) -> dict[str, Any]:
    """What the rows of a folder that raygen generated are a function of; empty for anybody else's.

    Raises:
        OutputError: If it is raygen's, and damaged.
    """
    mark = storage.join(one_file.beside(path), manifest.RUN)
    try:
        found = records.read(mark) if storage.exists(mark) else {}
    except ValueError:
        return {}
    ours = isinstance(found, dict) and {"fingerprint", "rows_per_shard"} <= found.keys()
    return manifest.read_run(path) if ours else {}


def choice(path: str) -> str:
    """How the rows of a folder were chosen among those of the model, if they were: by conditions, by strata,
    at a temperature, out of several."""
    settings = generation(path)
    usual = {"where": "", "per": "", "temperature": 1.0, "oversample": 1, "completes": ""}
    ways = [f"{key} = {settings[key]!r}" for key, value in usual.items() if settings.get(key, value) != value]
    return ", ".join(ways)


def short_names(paths: list[str]) -> list[str]:
    """The last parts of the paths, as many as tell them apart."""
    parts = [storage.split(path)[0].rstrip("/").split("/") for path in paths]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(p[-depth:]) for p in parts]
        if len(set(names)) == len(names):
            break
    return names


def manifest_problems(source: Source) -> list[str]:
    """How the files of a raygen folder differ from its manifest, in sentences; none for files without one."""
    folder, parquet = source.uri, source.format == "parquet"
    rows = dict(zip(source.paths, source.count_rows(), strict=True)) if parquet else {}
    out = [f"Shard '{path.rpartition('/')[2]}' has no rows." for path, count in rows.items() if not count]
    try:
        header = manifest.read_header(folder)
        if not header:
            begun = storage.exists(storage.join(folder, manifest.RUN))
            return out + ([f"'{folder}' has no manifest: its generation has not finished."] if begun else [])
        lines, rows_wanted = manifest.read(folder), header["rows"]
    except OutputError as error:
        return [*out, error.message[0].upper() + error.message[1:]]
    unit = "rows" if parquet else "bytes"  # of text, whose rows are not known without reading it
    expected = {line["file"]: line[unit] for line in lines}
    _, base = filesystems.resolve(folder)
    there = {
        path.removeprefix(base).lstrip("/"): rows[path] if parquet else size
        for path, size, _ in source.identity
    }
    out += [
        f"The manifest names shard '{name}', which is not there."
        for name in sorted(expected.keys() - there.keys())
    ]
    out += [f"Shard '{name}' is not in the manifest." for name in sorted(there.keys() - expected.keys())]
    for name in sorted(expected.keys() & there.keys()):
        if expected[name] != there[name]:
            out.append(f"Shard '{name}' has {there[name]:,} {unit}; its manifest says {expected[name]:,}.")
    if parquet and sum(there.values()) < rows_wanted:
        out.append(f"There are {sum(there.values()):,} rows of the {rows_wanted:,} that were asked for.")
    return out


def readable(source: Source, name: str, kind: str) -> bool:
    """Whether a synthetic column is there and can be compared as its kind."""
    return (
        name in source.schema.names
        and fits(source.schema.field(name).type)["categorical" if kind == "boolean" else kind]
    )


def check_files(source: Source, names: list[str]) -> None:
    """Refuse Parquet files of which some lack a column.

    Raises:
        SchemaError: Naming the first such file.
    """
    if not source.is_plain:
        return
    for path in source.paths:
        lacking = [n for n in names if n not in pq.read_schema(path, filesystem=source.filesystem).names]
        if lacking:
            raise SchemaError(
                f"synthetic file '{path}' has no column '{lacking[0]}', which the files beside it have.",
                "compare files of one table.",
            )


def sample(source: Source, names: list[str], rows: int, seed: int) -> pa.Table:
    """Rows at random: of Parquet, from row groups picked at random, so that few bytes are read of many."""
    if not source.is_plain:
        return scorecard.sample(
            pa.Table.from_batches(source.batches(), source.schema).select(names), rows, seed
        )
    groups = [
        (path, g)
        for path in source.paths
        for g in range(pq.read_metadata(path, filesystem=source.filesystem).num_row_groups)
    ]
    tables: list[pa.Table] = []
    for i in rng.generator(seed, "order of row groups").permutation(len(groups)):
        if sum(t.num_rows for t in tables) >= GROUPS_PER_SAMPLE * rows:
            break
        path, group = groups[i]
        with source.filesystem.open_input_file(path) as stream:
            tables.append(pq.ParquetFile(stream).read_row_group(group, columns=names).select(names))
    return scorecard.sample(pa.concat_tables(tables, promote_options="permissive"), rows, seed)


def pieces(source: Source) -> list[dict[str, Any]]:
    """Row groups [first, last) of each Parquet file, up to GROUPS_PER_PIECE of them in a piece."""
    out = []
    for path in source.paths:
        groups = pq.read_metadata(path, filesystem=source.filesystem).num_row_groups
        out += [
            {"path": path, "first": g, "last": min(g + GROUPS_PER_PIECE, groups)}
            for g in range(0, groups, GROUPS_PER_PIECE)
        ]
    return out


def blocks(filesystem: pafs.FileSystem, path: str, groups: range, columns: list[str]) -> Iterator[pa.Table]:
    """The rows of some row groups, BLOCK_ROWS at a time."""
    with filesystem.open_input_file(path) as stream:
        for batch in pq.ParquetFile(stream).iter_batches(
            BLOCK_ROWS, row_groups=list(groups), columns=columns
        ):
            yield pa.Table.from_batches([batch]).select(columns)
