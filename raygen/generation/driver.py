"""Generation: a plan of shards, Ray Data actors, or this process, that write them, and a manifest last."""

import contextlib
import os
import time
from dataclasses import dataclass
from typing import Any

from raygen import storage, uris
from raygen.cluster import connection, devices, resources
from raygen.config import Config, with_settings
from raygen.config_sections import GenerateSettings
from raygen.errors import GenerationError
from raygen.generation import completeness, manifest, one_file, request, running, same_rows
from raygen.generation.actor import WriteShards
from raygen.generation.request import Job
from raygen.generation.shards import Plan
from raygen.report import redrawn
from raygen.report.redrawn import Say
from raygen.sampler_catalogue import NAIVE
from raygen.sampling.rows import Rows

ROWS_HERE = 1_000_000  # at most, where this process makes them; more are worth the start of Ray


@dataclass(frozen=True)
class Generation:
    """What `generate` made: rows, shards and bytes in `folder`, how many shards were there before, and the
    seconds it took."""

    folder: str
    rows: int
    shards: int
    bytes: int
    kept: int
    seconds: float


@with_settings(GenerateSettings)
def generate(
    config: Config | str | os.PathLike[str],
    rows: int | None = None,
    out: str | None = None,
    say: Say = print,
    **settings: Any,
) -> Generation:
    """Write synthetic rows as shards.

    A row is a function of its number and of model, sampler, seed, temperature, conditions and oversample.
    Running it again makes only the shards that are missing; with more rows, those that come after.

    Args:
        config: A config whose run folder holds a model, or a model: its path, a `Model` or a `Training`.
        rows, settings: In place of the settings of these names in `[generate]`; None leaves the config's.
        out: In place of the `synthetic` folder beside the model; a name such as rows.csv makes one file.
        say: Called with each line of progress.

    Raises:
        ConfigError: If a setting is wrong, or the model gives the conditions hardly any probability.
        ModelError: If the model is missing or damaged.
        OutputError: If the folder holds another generation, or more rows, or cannot be written.
        ClusterError: If the cluster is too small, or a node does not see the folder.
        GenerationError: If it stopped before the last row.
    """
    folder, file = one_file.place(uris.absolute(out)) if out else ("", "")
    if file:
        settings |= one_file.settings(file, settings)
    model, section = request.located(config, rows, settings)
    folder = folder or storage.join(storage.parent(uris.absolute(model)), "synthetic")
    return written(Job.of(model, section, folder, file), say)


def check_cluster(asked: Job, available: resources.Resources, setting: str) -> int:
    """How many actors are to make a generation; `setting` is what named its folder.

    Raises:
        ClusterError: If the cluster is too small, or a node does not see the folder.
    """
    actors = num_actors(asked.settings, asked.plan, available)
    resources.check_shared(asked.folder, available, setting)
    return actors


def written(asked: Job, say: Say, missing: int | None = None) -> Generation:
    """Make what is missing of a generation (see `generate`): so many shards, where that is known."""
    folder, settings, say = asked.folder, asked.settings, redrawn.teller(say)
    if asked.found.sampler == NAIVE:
        say(
            "Warning: the sampler 'naive' averages z_mean and z_log_var and drops the variance of "
            "z_mean: its rows are all near one another."
        )
    for note in asked.notes:
        say(note)
    manifest.check(
        folder, {k: v for k, v in asked.identity.items() if k != "rows_per_shard" or not settings.shard_mib}
    )
    began = time.perf_counter()
    here = runs_here(settings, asked.plan.rows)
    with contextlib.ExitStack() as stack:
        available = None
        if here:
            stack.enter_context(devices.in_this_process(use_gpu=False))
        else:
            available = stack.enter_context(connection.connected())
            check_cluster(asked, available, "--out")
            tell_of_waiting(settings, _actors_for(asked, available, missing), available, say)
        pinned, made_with = same_rows.made_with(asked, settings, available, say)
        asked, laws = request.prepared(asked, say, here, pinned)
        plan, identity, told = asked.plan, asked.identity, asked.told | {"made_with": made_with}
        actors = _actors_for(asked, available, missing) if available else 0
        by = f"with {actors} actor(s) of {settings.cpus_per_actor} CPU(s)" if actors else "in this process"
        manifest.check_links(folder, plan)
        if grown := manifest.claim(folder, identity, told):
            say(f"The folder was begun for {grown:,} rows of this generation; now for {plan.rows:,}.")
        say(f"Generating {plan.rows:,} rows in {plan.num_shards:,} shard(s) {by}.")
        if actors:
            fingerprint, own = asked.found.fingerprint, asked.settings.model_dump()
            arguments = own, folder, laws, fingerprint, plan.file, pinned
            workers = running.Actors(WriteShards, asked.found.uri, arguments, actors, settings)
            totals, made = running.by_actors(asked, workers, say)
        else:
            rows = Rows.of(asked.found, asked.settings, asked.wanted, laws)
            totals, made = running.here(asked, rows, say)
    if (totals.rows, totals.shards) != (plan.rows, plan.num_shards):
        raise GenerationError(
            f"'{folder}' has {totals.rows:,} of {plan.rows:,} rows.",
            "run the same command again to make the rest.",
        )
    manifest.claim(folder, identity, told)  # no other generation has taken the folder meanwhile
    completeness.check_whole(folder, plan)
    manifest.finish(folder, plan, identity, told, totals)
    redrawn.finish(say)
    return Generation(
        storage.inside(folder, f"../{plan.file}") if plan.file else folder,
        plan.rows,
        plan.num_shards,
        totals.bytes,
        plan.num_shards - made,
        time.perf_counter() - began,
    )


def runs_here(settings: GenerateSettings, rows: int) -> bool:
    """Whether a generation is made in this process: it has few rows, and neither actors nor a cluster are
    asked for."""
    actors = settings.num_actors or settings.gpus_per_actor or settings.cpus_per_actor > 1
    return rows <= ROWS_HERE and not actors and not connection.is_named()


def _actors_for(asked: Job, available: resources.Resources, missing: int | None) -> int:
    """How many actors are to make what is missing."""
    if missing is None:
        missing = completeness.num_missing(asked.folder, asked.plan, available.cpus)
    return num_actors(asked.settings, asked.plan, available, missing)


def num_actors(
    settings: GenerateSettings, plan: Plan, available: resources.Resources, missing: int | None = None
) -> int:
    """Decode actors: what was asked for, or as many as the cluster holds, but no more than there are shards,
    or than so many of them that are missing."""
    shards = plan.num_shards if missing is None else max(1, missing)
    cpus, gpus = settings.cpus_per_actor, settings.gpus_per_actor
    if settings.num_actors:
        resources.require("generate.num_actors", settings.num_actors, cpus, gpus, available)
        return min(settings.num_actors, shards)
    resources.require("generate.num_actors", 1, cpus, gpus, available)
    fits = sum(min(c // cpus, g // gpus if gpus else c) for c, g in available.nodes)
    if fits < 1:
        raise resources.none_yet("generate.num_actors", "as many as the cluster holds", 40)
    return int(min(fits, shards))


def tell_of_waiting(
    settings: GenerateSettings, actors: int, available: resources.Resources, say: Say
) -> None:
    """Say that actors wait, where others use the CPUs that they need."""
    needed = actors * settings.cpus_per_actor
    if (free := resources.free_for(needed)) < needed:
        say(
            f"Waiting for CPUs: {free:g} of the cluster's {available.cpus} are free, and {actors} actor(s) "
            f"of {settings.cpus_per_actor} CPU(s) need {needed}. Each begins when there is room for it."
        )
