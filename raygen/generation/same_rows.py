"""Whether rows that are made now are those that a folder holds: with other libraries or on another processor
a row may come out otherwise, so a few are made again before others are written beside them."""

import io
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from raygen import filesystems, storage
from raygen.cluster import surroundings
from raygen.cluster.resources import Resources
from raygen.cluster.surroundings import Surroundings
from raygen.config_sections import GenerateSettings
from raygen.errors import OutputError
from raygen.generation import manifest, request
from raygen.generation.formats import Format
from raygen.generation.shard_writer import Work
from raygen.generation.shards import Plan
from raygen.report.redrawn import Say
from raygen.sampling.row_blocks import BLOCK_ROWS


def made_with(
    asked: Work, settings: GenerateSettings, available: Resources | None, say: Say
) -> tuple[Surroundings, Surroundings]:
    """What all processes that make rows of a generation are kept to, and what its folder is to say.

    Args:
        asked: What is to be made.
        settings: What an actor is given.
        available: The cluster whose actors make them; None if this process does.

    Raises:
        ClusterError: If the nodes of the cluster would make different rows.
        OutputError: If the folder was begun with others, and its rows come out otherwise now.
    """
    gpus = settings.gpus_per_actor > 0
    now = surroundings.of_cluster(gpus) if available else surroundings.here()
    run = manifest.run_of(asked.folder)
    if not run or not (before := run.get("made_with")):
        return now, now
    if available:  # actors are kept to what the rows that are there were made with, if they can be
        now = surroundings.least_of(now, before)
    if not (differ := surroundings.differences(before, now)):
        return now, now
    plan = manifest.plan_of(run)
    if (shard := _whole(asked, plan)) is None:
        return now, now
    if available:
        same = request.like_an_actor(settings, _same, asked, plan, shard, pinned=now)
    else:
        same = _same(asked, plan, shard)
    then, today = (surroundings.told(one, differ) for one in (before, now))
    if not same:
        message = f"'{asked.folder}' was begun with {then}; with {today} its rows come out otherwise."
        hint = "go on where it was begun, or choose an empty folder with --out."
        raise OutputError(message, hint)
    say(f"The folder was begun with {then}; now {today}: its first rows come out the same.")
    return now, before


def _whole(asked: Work, plan: Plan) -> int | None:
    """A shard of the folder that is as its manifest, or its own mark, says; None if there is none."""
    listed: dict[str, dict[str, int]] = {}
    for number in range(plan.num_parts):
        shards = plan.part(number)
        sizes = manifest.sizes(asked.folder, plan, shards, listed)
        named = manifest.read_part(asked.folder, plan, number)
        for shard in shards:
            lines = manifest.of_shard(named, shard)
            if not sizes.keys() >= set(plan.files(shard)):
                continue
            if _vouched(asked.folder, lines, sizes) if lines else _marked(asked, plan, shard):
                return shard
    return None


def _vouched(folder: str, lines: list[dict], sizes: dict[str, int]) -> bool:
    """Whether the files of a shard have the bytes that the manifest tells."""
    if any(line["bytes"] != sizes[line["file"]] for line in lines):
        return False
    return all(storage.sha256(storage.inside(folder, line["file"])) == line["sha256"] for line in lines)


def _marked(asked: Work, plan: Plan, shard: int) -> bool:
    """Whether the files of a shard tell of themselves that they are its own, page by page."""
    mark = asked.mark(shard)
    files = (storage.inside(asked.folder, file) for file in plan.files(shard))
    return all(asked.format.marked_rows(file, mark) is not None for file in files)


def _same(asked: Work, plan: Plan, shard: int) -> bool:
    """Whether the first rows of a shard come out as they are in its files."""
    first, last = plan.span(shard)
    rows = asked.rows().table(first, min(first + BLOCK_ROWS, last))
    parts = asked.partitions.split(rows) if asked.partitions.columns else [rows]
    return all(
        _begins_with(asked.format, storage.inside(asked.folder, file), part)
        for file, part in zip(plan.files(shard), parts, strict=True)
    )


def _begins_with(form: Format, uri: str, rows: pa.Table) -> bool:
    """Whether a file begins with these rows."""
    made, schema = io.BytesIO(), rows.schema.remove_metadata()
    plain = replace(form, compression="none") if form.is_text else form
    plain.write(made, schema, [rows])
    filesystem, path = filesystems.resolve(uri)
    with storage.reading(uri):
        if form.is_text:
            with filesystem.open_input_stream(path, compression="detect") as stream:
                return stream.read(made.tell()) == made.getvalue()
        with filesystem.open_input_file(path) as file:
            return _head(file, rows.num_rows).equals(_head(made, rows.num_rows))


def _head(file: Any, rows: int) -> pa.Table:
    """The first rows of a Parquet file."""
    parquet, batches, left = pq.ParquetFile(file), [], rows
    for batch in parquet.iter_batches(batch_size=max(1, rows)):
        batches.append(batch.slice(0, left))
        if (left := left - batches[-1].num_rows) <= 0:
            break
    return pa.Table.from_batches(batches, parquet.schema_arrow).replace_schema_metadata(None).combine_chunks()
