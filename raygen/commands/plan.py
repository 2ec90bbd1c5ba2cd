"""`raygen plan`: what training, a search, generation, completing and scoring would take, from the source, the
model and what is measured for a second or two."""

import os
import time
from typing import Any

from raygen import uris
from raygen.cluster import connection
from raygen.commands import plan_training
from raygen.completion import speed
from raygen.completion.loaded import Loaded
from raygen.config import Config, with_settings
from raygen.config_sections import GenerateSettings
from raygen.generation import driver as generation
from raygen.generation import one_file, request
from raygen.generation.formats import Format
from raygen.generation.request import Job
from raygen.generation.shards import Plan
from raygen.model import folder as model_folder
from raygen.report.redrawn import Say
from raygen.report.text import duration
from raygen.sampling import conditions
from raygen.sampling import rows as sampling


@with_settings(GenerateSettings)
def plan(
    config: Config | str | os.PathLike[str],
    rows: int | None = None,
    out: str | None = None,
    within: float = 3600.0,
    say: Say = print,
    **settings: Any,
) -> dict:
    """Print rows, shards, bytes, workers and time of a run, and ask the cluster whether it fits; the same as
    a dict.

    Args:
        config: A config, or a model: its path, a `Model` or a `Training`.
        rows, out, settings: As for `generate`.
        within: Seconds that generating may take; what the cluster would need for that is told.
        say: Called with each line.

    Raises:
        RaygenError: For a setting, table or model that train or generate would refuse, and a cluster that is
            too small.
    """
    answer: dict = {}
    file = one_file.place(uris.absolute(out))[1] if out else ""
    if file:
        settings |= one_file.settings(file, settings)
    model, section = request.located(config, rows, settings)
    asked = Job.of(model, section, "", file) if model_folder.is_model(model) else None
    if not asked:
        Format.of(section)
        conditions.parse(section.where)
        conditions.spelled_per(section.per)
        if file:
            one_file.check_rows(section.rows, file)
    measured, completing, shards = None, None, Plan(section.rows, section.rows_per_shard, file=file)
    with connection.connected() as available:
        say(f"Cluster: {len(available.nodes)} node(s), {available.cpus} CPUs, {available.gpus:g} GPUs.")
        if isinstance(config, Config):
            answer |= plan_training.forecast(config, available, say)
        generation.num_actors(section, shards, available)  # refuses a cluster that is too small
        if asked:
            for note in asked.notes:
                say(note)
            asked, laws = request.prepared(asked, say)
            shards = asked.plan
            measured, completing = request.like_an_actor(asked.settings, _measured, asked, laws)
        actors = generation.num_actors(section, shards, available)
    unknown = "" if asked else _unknown(section, shards)
    if unknown:
        say(unknown)
    else:
        answer["generate"] = _generation(section, shards, actors, measured, within, say)
    if completing:
        answer |= _completion(section, shards, actors, completing, say)
    elif asked:
        say("Complete, score: not measured, the model was trained with latent.proposal_steps = 0.")
    return answer


def _unknown(section: GenerateSettings, shards: Plan) -> str:
    """What cannot be told of a generation before there is a model; `` if all can."""
    if section.per.strip():
        column, rows_each = conditions.parse_per(section.per)
        return (
            f"Generate: {rows_each:,} rows for each category of {column}; how many that is in all, "
            "and how long it takes, is known with a model."
        )
    if section.shard_mib:
        return (
            f"Generate: {shards.rows:,} rows in shards of {section.shard_mib:g} MiB; how many, and "
            "how long it takes, is known with a model."
        )
    return ""


def _generation(
    section: GenerateSettings,
    shards: Plan,
    actors: int,
    measured: tuple[float, float] | None,
    within: float,
    say: Say,
) -> dict:
    """Say how long a generation takes, and what it would need to be done in time.

    Args:
        measured: Rows/s of one actor and bytes of a row, if there is a model.
        within: Seconds.
    """
    answer = {
        "rows": shards.rows,
        "shards": shards.num_shards,
        "rows_per_shard": shards.rows_per_shard,
        "actors": actors,
    }
    first = f" from number {shards.first_row:,} on" if shards.first_row else ""
    files = f" of {len(shards.partitions):,} files each" if len(shards.partitions) > 1 else ""
    place = f"one file, {shards.file}," if shards.file else f"{shards.num_shards:,} shard(s){files}"
    line = f"Generate: {shards.rows:,} rows{first}, seed {section.seed}, in {place} by {actors} actor(s)"
    if not measured:
        say(line + "; how long that takes is known once there is a model.")
        return answer
    speed, size = measured
    seconds, total = shards.seconds(actors, speed), size * shards.rows
    say(
        f"{line}; about {total / 1e9:,.2f} GB in {duration(seconds)} ({speed:,.0f} rows/s for each "
        "actor, as measured now)."
    )
    needed = shards.actors_within(within, speed)
    if needed:
        gpus = f", {needed * section.gpus_per_actor:,.10g} GPU(s)" if section.gpus_per_actor else ""
        say(
            f"To finish in {duration(within)}: {needed:,} actor(s), "
            f"{needed * section.cpus_per_actor:,} CPU(s){gpus}."
        )
    elif shards.file:
        say(
            f"To finish in {duration(within)}, name a folder with --out: its shards are written side by side."
        )
    else:
        most, one = f"{int(within * speed):,} or less", duration(shards.rows_per_shard / speed)
        say(f"To finish in {duration(within)}, set generate.rows_per_shard to {most}: one shard takes {one}.")
    figures = {"rows_per_second_of_an_actor": speed, "bytes": total, "seconds": seconds}
    return {**answer, **figures, "within": within, "actors_needed": needed}


def _completion(
    section: GenerateSettings, shards: Plan, actors: int, measured: speed.Speed, say: Say
) -> dict:
    """Say how long as many rows take to be completed, and to be scored."""
    rows, own = shards.rows, f"{measured.particles} particles for each, as measured now on rows of the model"
    completing = shards.seconds(actors, measured.completed)
    say(
        f"Complete: as many rows take {duration(completing)} by {actors} actor(s) ({measured.completed:,.0f} "
        f"rows/s for each actor, {own} with {speed.GIVEN:.0%} of their cells given)."
    )
    scoring = rows / measured.scored
    by_column = duration(scoring * measured.passes)
    say(
        f"Score: as many rows take {duration(scoring)} by one process ({measured.scored:,.0f} rows/s on "
        f"{section.cpus_per_actor} CPU(s), {own}), and with --by-column {by_column}."
    )
    told = {"actors": actors, "rows_per_second_of_an_actor": measured.completed, "seconds": completing}
    scored = {"rows_per_second": measured.scored, "seconds": scoring, "passes_by_column": measured.passes}
    return {"complete": {"rows": rows, **told}, "score": {"rows": rows, **scored}}


def _measured(asked: Job, laws: list) -> tuple[tuple[float, float], speed.Speed | None]:
    """What `_decode_for_a_second` gives, and how fast rows are completed and scored: None by a model that was
    not trained for it."""
    completes = model_folder.PROPOSAL in asked.found.content
    completing = speed.measure(Loaded(asked.found), asked.plan.rows) if completes else None
    return _decode_for_a_second(asked, laws), completing


def _decode_for_a_second(asked: Job, laws: list) -> tuple[float, float]:
    """Rows per second of one actor, and bytes per row, from a second of decoding, over and over if the rows
    are few."""
    settings, wanted, num_rows = asked.settings, asked.wanted, asked.plan.rows
    rows = sampling.Rows.of(asked.found, settings, wanted, laws)
    size = min(
        rows.block_rows, wanted.rows_per_stratum if wanted and wanted.strata else rows.block_rows
    )  # rows that a block gives
    at, done, step, largest, began = 0, 0, 1, (0, 0), time.perf_counter()
    while time.perf_counter() - began < 1:
        last = min(at + step * size, num_rows)
        table = rows.table(at, last)
        largest = max(largest, (table.num_rows, asked.format.size(table)))
        at, done, step = (
            last % num_rows,
            done + table.num_rows,
            min(2 * step, 16),
        )  # a block of few rows may take long: see the clock between
    return done / (time.perf_counter() - began), largest[1] / largest[0]
