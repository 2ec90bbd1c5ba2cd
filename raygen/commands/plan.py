"""`raygen plan`: what training and generation would take, from the source, the model and a measured second of
decoding."""

import time

from raygen.cluster import connection
from raygen.config import Config
from raygen.generation import driver as generation
from raygen.generation import request
from raygen.generation.formats import Format
from raygen.generation.progress import duration
from raygen.generation.request import Job
from raygen.generation.shards import Plan
from raygen.model import folder as model_folder
from raygen.sampling import conditions
from raygen.sampling import rows as sampling
from raygen.training import driver as training
from raygen.training import encoding
from raygen.training.job import sized


def plan(
    config: Config | str,
    rows: int | None = None,
    seed: int | None = None,
    out: str | None = None,
    sampler: str | None = None,
    within: float = 3600.0,
    say=print,
    temperature: float | None = None,
    where: str | None = None,
    per: str | None = None,
    oversample: int | None = None,
    first_row: int | None = None,
    format: str | None = None,
    shard_mib: float | None = None,
    partition_by: list[str] | None = None,
    csv_safe: bool | None = None,
) -> dict:
    """Print rows, shards, bytes, workers and time of a run, and ask the cluster whether it fits; the same as
    a dict.

    Args:
        config: A config, or the path of a model folder.
        rows, seed, out, sampler, temperature, where, per, first_row, format, shard_mib, partition_by,
            csv_safe: As for `generate`.
        within: Seconds that generating may take; what the cluster would need for that is told.
        say: Called with each line.

    Raises:
        RaygenError: For a setting, table or model that train or generate would refuse, and a cluster that is
            too small.
    """
    answer: dict = {}
    drawn = {
        "rows": rows,
        "seed": seed,
        "sampler": sampler,
        "temperature": temperature,
        "where": where,
        "per": per,
        "oversample": oversample,
    }
    cut = {"first_row": first_row, "format": format, "shard_mib": shard_mib, "partition_by": partition_by}
    cut |= {"csv_safe": csv_safe}
    model, settings = request.located(config, drawn | cut)
    asked = Job.of(model, settings, "") if model_folder.is_model(model) else None
    if not asked:
        Format.of(settings)
        conditions.parse(settings.where)
        conditions.spelled_per(settings.per)
    measured, shards = None, Plan(settings.rows, settings.rows_per_shard)
    with connection.connected() as available:
        say(f"Cluster: {len(available.nodes)} node(s), {available.cpus} CPUs, {available.gpus:g} GPUs.")
        if isinstance(config, Config):
            answer["train"] = _training(config, available, say)
        generation.num_actors(settings, shards, available)  # refuses a cluster that is too small
        if asked:
            for note in asked.notes:
                say(note)
            asked, laws = request.prepared(asked, say)
            shards, measured = (
                asked.plan,
                request.like_an_actor(asked.settings, _decode_for_a_second, asked, laws),
            )
        actors = generation.num_actors(settings, shards, available)
    if settings.per.strip() and not asked:
        column, rows_each = conditions.parse_per(settings.per)
        say(
            f"Generate: {rows_each:,} rows for each category of {column}; how many that is in all, "
            "and how long it takes, is known with a model."
        )
        return answer
    if settings.shard_mib and not asked:
        say(
            f"Generate: {shards.rows:,} rows in shards of {settings.shard_mib:g} MiB; how many, and "
            "how long it takes, is known with a model."
        )
        return answer
    answer["generate"] = {
        "rows": shards.rows,
        "shards": shards.num_shards,
        "rows_per_shard": shards.rows_per_shard,
        "actors": actors,
    }
    first = f" from number {shards.first_row:,} on" if shards.first_row else ""
    files = f" of {len(shards.partitions):,} files each" if len(shards.partitions) > 1 else ""
    line = (
        f"Generate: {shards.rows:,} rows{first}, seed {settings.seed}, in {shards.num_shards:,} "
        f"shard(s){files} by {actors} actor(s)"
    )
    if not measured:
        say(line + "; how long that takes is known once there is a model.")
        return answer
    speed, size = measured
    seconds, total = shards.seconds(actors, speed), size * shards.rows
    answer["generate"] |= {"rows_per_second_of_an_actor": speed, "bytes": total, "seconds": seconds}
    say(
        f"{line}; about {total / 1e9:,.2f} GB in {duration(seconds)} ({speed:,.0f} rows/s for each "
        "actor, as measured now)."
    )
    needed = shards.actors_within(within, speed)
    answer["generate"] |= {"within": within, "actors_needed": needed}
    if needed:
        gpus = f", {needed * settings.gpus_per_actor:,.10g} GPU(s)" if settings.gpus_per_actor else ""
        say(
            f"To finish in {duration(within)}: {needed:,} actor(s), "
            f"{needed * settings.cpus_per_actor:,} CPU(s){gpus}."
        )
    else:
        most, one = f"{int(within * speed):,} or less", duration(shards.rows_per_shard / speed)
        say(f"To finish in {duration(within)}, set generate.rows_per_shard to {most}: one shard takes {one}.")
    return answer


def _training(config: Config, available, say) -> dict:
    config = config.settled()
    cpus = training.check_workers(config, available)
    source, schema, notes = encoding.describe(config)
    rows = sum(source.count_rows())
    t = config.train
    t = sized(config, rows).train
    epochs = t.steps * t.batch_size / (rows * (1 - t.holdout))
    say(
        f"Source: {config.data.source}: {rows:,} rows x {len(schema.kinds)} columns "
        f"({len(schema.learned)} learned) in {len(source.paths)} file(s)."
    )
    for name, note in notes.items():
        say(f"  column '{name}' {note}.")
    say(
        f"Train: {training.in_words(config)} worker(s) of {cpus} CPU(s), {t.steps:,} steps of "
        f"{t.batch_size} rows ({epochs:.1f} epochs)."
    )
    return {
        "rows": rows,
        "columns": schema.kinds,
        "workers": t.num_workers,
        "cpus_per_worker": cpus,
        "steps": t.steps,
        "epochs": epochs,
    }


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
