"""Generation: a plan of shards, Ray Data actors that write them, and a manifest last."""

import time
from dataclasses import dataclass

from raygen import storage, uris
from raygen.cluster import connection, mailbox, resources
from raygen.config import Config
from raygen.errors import GenerationError
from raygen.generation import completeness, manifest, request
from raygen.generation.actor import WriteShards
from raygen.generation.manifest import Totals
from raygen.generation.progress import Progress
from raygen.generation.request import Job
from raygen.generation.shards import Plan
from raygen.sampler_catalogue import NAIVE


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


def generate(
    config: Config | str,
    rows: int | None = None,
    seed: int | None = None,
    out: str | None = None,
    sampler: str | None = None,
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
) -> Generation:
    """Write synthetic rows as shards.

    A row is a function of its number and of model, sampler, seed, temperature, conditions and oversample.
    Running it again makes only the shards that are missing; with more rows, those that come after.

    Args:
        config: A config whose run folder holds a model, or the path of a model folder.
        rows, seed, sampler, temperature, where, per, oversample, first_row, format, shard_mib, partition_by,
            csv_safe: In place of the settings of these names in `[generate]`.
        out: In place of the `synthetic` folder beside the model.
        say: Called with each line of progress.

    Raises:
        ConfigError: If a setting is wrong, or the model gives the conditions hardly any probability.
        ModelError: If the model is missing or damaged.
        OutputError: If the folder holds another generation, or more rows, or cannot be written.
        ClusterError: If the cluster is too small, or a node does not see the folder.
        GenerationError: If it stopped before the last row.
    """
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
    folder = uris.absolute(out) if out else storage.join(storage.parent(uris.absolute(model)), "synthetic")
    return written(Job.of(model, settings, folder), say)


def check_cluster(asked: Job, available: resources.Resources, setting: str) -> int:
    """How many actors are to make a generation; `setting` is what named its folder.

    Raises:
        ClusterError: If the cluster is too small, or a node does not see the folder.
    """
    actors = num_actors(asked.settings, asked.plan, available)
    resources.check_shared(asked.folder, available, setting)
    return actors


def written(asked: Job, say) -> Generation:
    """Make what is missing of a generation (see `generate`)."""
    folder, settings = asked.folder, asked.settings
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
    with connection.connected() as available:
        check_cluster(asked, available, "--out")
        asked, laws = request.prepared(asked, say)
        plan, identity = asked.plan, asked.identity
        actors = num_actors(settings, plan, available)
        manifest.check_links(folder, plan)
        if grown := manifest.claim(folder, identity, asked.told):
            say(f"The folder was begun for {grown:,} rows of this generation; now for {plan.rows:,}.")
        say(
            f"Generating {plan.rows:,} rows in {plan.num_shards:,} shard(s) with {actors} actor(s) of "
            f"{settings.cpus_per_actor} CPU(s)."
        )
        totals, made = _run(asked, laws, actors, say)
    if (totals.rows, totals.shards) != (plan.rows, plan.num_shards):
        raise GenerationError(
            f"'{folder}' has {totals.rows:,} of {plan.rows:,} rows.",
            "run the same command again to make the rest.",
        )
    manifest.claim(folder, identity, asked.told)  # no other generation has taken the folder meanwhile
    completeness.check_whole(folder, plan)
    manifest.finish(folder, plan, identity, asked.told, totals)
    return Generation(
        folder, plan.rows, plan.num_shards, totals.bytes, plan.num_shards - made, time.perf_counter() - began
    )


def num_actors(settings, plan: Plan, available: resources.Resources) -> int:
    """Decode actors: what was asked for, or as many as the cluster holds and the shards need."""
    cpus, gpus = settings.cpus_per_actor, settings.gpus_per_actor
    if settings.num_actors:
        resources.require("generate.num_actors", settings.num_actors, cpus, gpus, available)
        return min(settings.num_actors, plan.num_shards)
    resources.require("generate.num_actors", 1, cpus, gpus, available)
    fits = sum(min(c // cpus, g // gpus if gpus else c) for c, g in available.nodes)
    if fits < 1:
        raise resources.none_yet("generate.num_actors", "as many as the cluster holds", 40)
    return int(min(fits, plan.num_shards))


def _run(asked: Job, laws: list, actors: int, say) -> tuple[Totals, int]:
    """Make or keep every shard; the totals, and how many shards were made. Nothing here grows with the number
    of shards."""
    import ray

    board = mailbox.new_board()
    items = [{"first": first, "last": last} for first, last in asked.plan.items(actors)]
    dataset = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        WriteShards,
        fn_constructor_args=(
            asked.found.uri,
            asked.settings.model_dump(),
            asked.folder,
            laws,
            asked.found.fingerprint,
            board,
        ),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=asked.settings.cpus_per_actor,
        num_gpus=asked.settings.gpus_per_actor,
    )
    progress, totals, made = Progress(asked.plan.rows, say), Totals(), 0
    try:
        with mailbox.following(board, progress.follow):
            for done in dataset.iter_rows():
                totals, made = totals + Totals.from_dict(done), made + int(done["made"])
                progress.finish(int(done["item"]), int(done["rows"]), int(done["made_rows"]), done["node"])
    except Exception as error:
        hint = f"finished shards stay in '{asked.folder}': run the same command to resume."
        stopped = GenerationError(f"generation stopped: {str(error).strip().splitlines()[-1]}", hint)
        raise ray.get(board.failure.remote()) or stopped from error
    finally:
        for actor in ray.get(board.close.remote()):
            ray.kill(
                actor
                # else an error's traceback and Ray Data's executor keep the actors, and their CPUs, for as
                # long as they like
            )
    for line in progress.by_node():
        say(line)
    return totals, made
