"""Completion: rows given in part come back whole, as they came or as files."""

import contextlib
import json
import os
import time
from dataclasses import asdict, dataclass, fields
from typing import Any

import pyarrow as pa

from raygen import storage, uris
from raygen.cluster import connection, devices, resources
from raygen.cluster.surroundings import Surroundings
from raygen.completion import completed
from raygen.completion.actor import CompleteShards
from raygen.completion.completed import Completed, Told
from raygen.completion.job import CompletionJob
from raygen.completion.loaded import Loaded
from raygen.completion.partial import Reader
from raygen.completion.settings import Settings
from raygen.errors import ConfigError, GenerationError, did_you_mean
from raygen.generation import completeness, manifest, one_file, request, running, same_rows
from raygen.generation import driver as generation
from raygen.model import folder as model_folder
from raygen.report import redrawn
from raygen.report.redrawn import Say
from raygen.table import frames

HOW = tuple(field.name for field in fields(Settings))
WRITTEN_BY = (
    "format",
    "compression",
    "csv_safe",
    "rows_per_shard",
    "row_group_rows",
    "num_actors",
    "cpus_per_actor",
    "gpus_per_actor",
)


@dataclass(frozen=True)
class Completion:
    """What `complete` made of a table's files: rows, shards and bytes in `folder`, how many shards were there
    before, the seconds it took, and what is known of the rows (see `completed.Told`)."""

    folder: str
    rows: int
    shards: int
    bytes: int
    kept: int
    seconds: float
    told: dict


def complete(
    model: str | os.PathLike[str], partial: Any, out: str | None = None, say: Say = print, **settings: Any
) -> Any:
    """Fill what is missing in rows that are given in part; given cells stay as they are.

    Args:
        model: A model: its path, a `Model` or a `Training`.
        partial: A pandas DataFrame or an Arrow table with any of the model's columns, in any order; or path
            or URI of a table, whose completed rows are written.
        out: Of a table's files: folder of the completed rows, or a name such as rows.csv; `completed/` beside
            the model if it is left out.
        say: Called with each line of progress, and with what a user should know.
        settings: Those of `settings.Settings`; for files also the settings of `[generate]` that say how they
            are written and by how many actors.

    Returns:
        The completed rows in order, as an Arrow table, or as a DataFrame with the index of the one that came;
        of files a `Completion`.

    Raises:
        ModelError: If the model is missing or damaged.
        SchemaError: If the rows cannot be read, or do not fit the model's table.
        ConfigError: If a setting is wrong.
        OutputError: If the folder holds something else, or cannot be written.
    """
    say, told = redrawn.teller(say), {k: v for k, v in settings.items() if v is not None}
    for name in told:
        if name not in (*HOW, *WRITTEN_BY):
            raise ConfigError(f"complete() has no setting '{name}'.", did_you_mean(name, (*HOW, *WRITTEN_BY)))
    how = Settings(**{name: told[name] for name in HOW if name in told})
    section = {name: told[name] for name in WRITTEN_BY if name in told}
    if frames.is_path(partial):
        return _files(Loaded.of(model), uris.absolute(partial), out, how, section, say)
    for name in (*section, *(["out"] if out else [])):
        message = f"{name} says how files are written, and the rows to complete are in memory."
        raise ConfigError(message, "leave that setting out, or name a table's files.")
    loaded = Loaded.of(model)
    rows = frames.to_table(partial, frames.ROWS, loaded.found.codec.schema.kinds)
    made = _table(loaded, rows, how, say)
    if not frames.is_frame(partial):
        return made
    return frames.to_frame(made, loaded.found.codec.schema.arrow, partial, how.draws)


def _table(loaded: Loaded, rows: pa.Table, how: Settings, say: Say) -> pa.Table:
    """Rows in memory, completed in this process."""
    found = loaded.found
    reader = Reader(found.codec, rows.schema, how.fill)
    _tell_of_model(found, reader.notes, say)
    with devices.in_this_process(use_gpu=False):
        filled = Completed(loaded, reader, lambda first, last: rows.slice(first, last - first), how)
        made = filled.table(0, rows.num_rows * how.draws)
    for line in filled.told.lines(how.particles):
        say(line)
    return made


def _files(
    loaded: Loaded, partial: str, out: str | None, how: Settings, given: dict[str, Any], say: Say
) -> Completion:
    """Rows of files, completed and written as shards."""
    folder, file = one_file.place(uris.absolute(out)) if out else ("", "")
    if file:
        given |= one_file.settings(file, given)
    model, began = loaded.found.uri, time.perf_counter()
    section = request.located(model, None, given)[1]
    folder = folder or storage.join(storage.parent(model), "completed")
    job = CompletionJob.of(loaded, partial, how, section, folder, file)
    _tell_of_model(job.found, job.notes, say)
    manifest.check(folder, job.identity)
    totals, made, told, made_with = _written(job, say)
    if (totals.rows, totals.shards) != (job.plan.rows, job.plan.num_shards):
        message = f"'{folder}' has {totals.rows:,} of {job.plan.rows:,} rows."
        raise GenerationError(message, "run the same command again to make the rest.")
    completeness.check_whole(folder, job.plan)
    manifest.finish(folder, job.plan, job.identity, job.told | {"made_with": made_with}, totals)
    redrawn.finish(say)
    for line in told.lines(how.particles) if told.rows else ():
        say(line)
    place, kept = storage.inside(folder, f"../{file}") if file else folder, job.plan.num_shards - made
    seconds = time.perf_counter() - began
    return Completion(place, totals.rows, totals.shards, totals.bytes, kept, seconds, told.to_dict())


def _written(job: CompletionJob, say: Say) -> tuple[manifest.Totals, int, Told, Surroundings]:
    """Make what is missing: the totals, how many shards were made, what is known of their rows, and what they
    were made with."""
    settings, plan, told = job.settings, job.plan, Told()
    with contextlib.ExitStack() as stack:
        actors, available = 0, None
        if generation.runs_here(settings, plan.rows):
            stack.enter_context(devices.in_this_process(use_gpu=False))
        else:
            available = stack.enter_context(connection.connected())
            resources.check_shared(job.folder, available, "--out")
            missing = completeness.num_missing(job.folder, plan, available.cpus)
            actors = generation.num_actors(settings, plan, available, missing)
            generation.tell_of_waiting(settings, actors, available, say)
        manifest.check_links(job.folder, plan)
        pinned, made_with = same_rows.made_with(job, settings, available, say)
        manifest.claim(job.folder, job.identity, job.told | {"made_with": made_with})
        by = f"with {actors} actor(s) of {settings.cpus_per_actor} CPU(s)" if actors else "in this process"
        say(f"Completing {plan.rows:,} rows in {plan.num_shards:,} shard(s) {by}.")
        if not actors:
            rows = job.rows()
            totals, made = running.here(job, rows, say)
            return totals, made, rows.told, made_with
        arguments = (
            job.source,
            asdict(job.how),
            settings.model_dump(),
            job.folder,
            plan.file,
            job.identity,
            pinned,
        )
        workers = running.Actors(CompleteShards, job.found.uri, arguments, actors, settings)

        def hears(done: dict) -> None:
            told.add(json.loads(done["told"]))

        totals, made = running.by_actors(job, workers, say, hears)
    return totals, made, told, made_with


def _tell_of_model(found: model_folder.Artifact, notes: list[str], say: Say) -> None:
    for note in [*notes, *([] if model_folder.PROPOSAL in found.content else [completed.NO_PROPOSAL])]:
        say(note)
