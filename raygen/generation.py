"""Generation: a plan of shards, Ray Data actors that write them, and a manifest last."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from raygen import cluster, job, manifest, storage
from raygen.config import Config, Generate
from raygen.errors import GenerationError, OutputError, RaygenError
from raygen.job import Job
from raygen.latent import NAIVE
from raygen.manifest import Totals
from raygen.progress import Progress
from raygen.sampling import Rows
from raygen.shards import Plan

TELL_SECONDS = 0.5


@dataclass(frozen=True)
class Generation:
    """What `generate` made: rows, shards and bytes in `folder`, how many shards were there before, and the seconds it took."""

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
) -> Generation:
    """Write synthetic rows as shards.

    A row is a function of its number and of model, sampler, seed, temperature, conditions and oversample. Running it again makes only the shards
    that are missing; with more rows, those that come after.

    Args:
        config: A config whose run folder holds a model, or the path of a model folder.
        rows, seed, sampler, temperature, where, per, oversample, first_row, format, shard_mib, partition_by: In place of the settings of these
            names in `[generate]`.
        out: In place of the `synthetic` folder beside the model.
        say: Called with each line of progress.

    Raises:
        ConfigError: If a setting is wrong, or the model gives the conditions hardly any probability.
        ModelError: If the model is missing or damaged.
        OutputError: If the folder holds another generation, or more rows, or cannot be written.
        ClusterError: If the cluster is too small, or a node does not see the folder.
        GenerationError: If it stopped before the last row.
    """
    drawn = {"rows": rows, "seed": seed, "sampler": sampler, "temperature": temperature, "where": where, "per": per, "oversample": oversample}
    cut = {"first_row": first_row, "format": format, "shard_mib": shard_mib, "partition_by": partition_by}
    model, settings = job.located(config, drawn | cut)
    folder = storage.absolute(out) if out else storage.join(storage.parent(storage.absolute(model)), "synthetic")
    return written(Job.of(model, settings, folder), say)


def check_cluster(asked: Job, available: cluster.Resources, setting: str) -> int:
    """How many actors are to make a generation; `setting` is what named its folder.

    Raises:
        ClusterError: If the cluster is too small, or a node does not see the folder.
    """
    actors = num_actors(asked.settings, asked.plan, available)
    cluster.check_shared(asked.folder, available, setting)
    return actors


def written(asked: Job, say) -> Generation:
    """Make what is missing of a generation (see `generate`)."""
    folder, settings = asked.folder, asked.settings
    if asked.found.sampler == NAIVE:
        say("Warning: the sampler 'naive' averages z_mean and z_log_var and drops the variance of z_mean: its rows are all near one another.")
    for note in asked.notes:
        say(note)
    manifest.check(folder, {k: v for k, v in asked.identity.items() if k != "rows_per_shard" or not settings.shard_mib})
    began = time.perf_counter()
    with cluster.connected() as available:
        check_cluster(asked, available, "--out")
        asked, laws = job.prepared(asked, say)
        plan, identity = asked.plan, asked.identity
        actors = num_actors(settings, plan, available)
        if grown := manifest.claim(folder, identity, asked.told):
            say(f"The folder was begun for {grown:,} rows of this generation; now for {plan.rows:,}.")
        say(f"Generating {plan.rows:,} rows in {plan.num_shards:,} shard(s) with {actors} actor(s) of {settings.cpus_per_actor} CPU(s).")
        totals, made = _run(asked, laws, actors, say)
    if (totals.rows, totals.shards) != (plan.rows, plan.num_shards):
        raise GenerationError(f"'{folder}' has {totals.rows:,} of {plan.rows:,} rows.", "run the same command again to make the rest.")
    manifest.claim(folder, identity, asked.told)  # no other generation has taken the folder meanwhile
    manifest.check_whole(folder, plan)
    manifest.finish(folder, plan, identity, asked.told, totals)
    return Generation(folder, plan.rows, plan.num_shards, totals.bytes, plan.num_shards - made, time.perf_counter() - began)


def num_actors(settings, plan: Plan, available: cluster.Resources) -> int:
    """Decode actors: what was asked for, or as many as the cluster holds and the shards need."""
    cpus, gpus = settings.cpus_per_actor, settings.gpus_per_actor
    if settings.num_actors:
        cluster.require("generate.num_actors", settings.num_actors, cpus, gpus, available)
        return min(settings.num_actors, plan.num_shards)
    cluster.require("generate.num_actors", 1, cpus, gpus, available)
    fits = sum(min(c // cpus, g // gpus if gpus else c) for c, g in available.nodes)
    if fits < 1:
        raise cluster.none_yet("generate.num_actors", "as many as the cluster holds", 40)
    return int(min(fits, plan.num_shards))


def _run(asked: Job, laws: list, actors: int, say) -> tuple[Totals, int]:
    """Make or keep every shard; the totals, and how many shards were made. Nothing here grows with the number of shards."""
    import ray

    board = cluster.new_board()
    items = [{"first": first, "last": last} for first, last in asked.plan.items(actors)]
    dataset = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        _WriteShards,
        fn_constructor_args=(asked.found.uri, asked.settings.model_dump(), asked.folder, laws, asked.found.fingerprint, board),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=asked.settings.cpus_per_actor,
        num_gpus=asked.settings.gpus_per_actor,
    )
    progress, totals, made = Progress(asked.plan.rows, say), Totals(), 0
    try:
        with cluster.following(board, progress.follow):
            for done in dataset.iter_rows():
                totals, made = totals + Totals.from_dict(done), made + int(done["made"])
                progress.finish(int(done["item"]), int(done["rows"]), int(done["made_rows"]), done["node"])
    except Exception as error:
        hint = f"finished shards stay in '{asked.folder}': run the same command to resume."
        stopped = GenerationError(f"generation stopped: {str(error).strip().splitlines()[-1]}", hint)
        raise ray.get(board.failure.remote()) or stopped from error
    finally:
        for actor in ray.get(board.close.remote()):
            ray.kill(actor)  # else an error's traceback and Ray Data's executor keep the actors, and their CPUs, for as long as they like
    for line in progress.by_node():
        say(line)
    return totals, made


class _WriteShards:
    """A decode actor: loads the model once, then makes what is missing of item after item."""

    def __init__(self, model: str, settings: dict, folder: str, laws: list, fingerprint: str, board):
        import ray
        from ray.util.metrics import Counter

        me = ray.get_runtime_context().current_actor
        if not ray.get(board.enroll.remote(me)):
            ray.kill(me)
        self.folder, self.board = folder, board
        self.node = f"{ray.util.get_node_ip_address()} ({ray.get_runtime_context().get_node_id()[:8]})"
        self.row_counter = Counter("raygen_generated_rows", "synthetic rows made")
        self.byte_counter = Counter("raygen_generated_bytes", "bytes of synthetic shards written")
        self.told = 0.0
        self.item, self.done, self.untold = 0, 0, 0  # of the item at work
        self.made: list[int] = []
        try:
            wanted = Generate(**settings)
            job.keep_to(wanted)
            self.job = asked = Job.of(model, wanted, folder)
            self.plan, self.format = asked.plan, asked.format
            if asked.found.fingerprint != fingerprint:
                raise GenerationError(f"model '{model}' changed while rows were generated from it.", "run the command again.")
            self.rows = Rows.of(asked.found, asked.settings, asked.wanted, laws)
        except RaygenError as error:
            self._fail(error)

    def __call__(self, batch: dict) -> dict:
        try:
            ((first, last),) = zip(batch["first"], batch["last"], strict=True)
            return {key: [value] for key, value in self._item(int(first), int(last)).items()}
        except RaygenError as error:
            self._fail(error)
            raise

    def _fail(self, error: RaygenError):
        import ray

        ray.get(self.board.fail.remote(error))
        raise error

    def _item(self, first: int, last: int) -> dict:
        """Make or keep the shards of some parts, and write those parts of the manifest that are not there."""
        self.item, self.done, self.untold, self.made = first, 0, 0, []
        totals, listed = Totals(), dict[str, dict[str, int]]()
        for number in range(first, last):
            named, shards = manifest.read_part(self.folder, self.plan, number), self.plan.part(number)
            sizes = manifest.sizes(self.folder, self.plan, shards, listed)
            lines = [line for shard in shards for line in self._shard(shard, sizes, manifest.of_shard(named, shard))]
            if lines != named:
                if number == self.plan.num_parts - 1:
                    manifest.check_rows(self.folder, self.plan)
                manifest.write_part(self.folder, self.plan, number, lines)
            totals += Totals.of(lines)
        self._tell(0, 0)
        made_rows = sum(b - a for a, b in map(self.plan.span, self.made))
        return {"item": first, "node": self.node, "made": len(self.made), "made_rows": made_rows, **totals.to_dict()}

    def _shard(self, shard: int, sizes: dict[str, int], vouched: list[dict]) -> list[dict]:
        """Write a shard, unless it is there already; its lines of the manifest."""
        first, last = self.plan.span(shard)
        if kept := self._kept(shard, sizes, vouched):
            self._tell(last - first, 0)
            return kept
        try:
            lines = self._write(shard)
        except OutputError as error:
            if isinstance(error.__cause__, FileNotFoundError):  # another driver has finished this generation, and swept our temporary file away
                named = manifest.read_part(self.folder, self.plan, self.plan.part_of(shard))
                there = manifest.sizes(self.folder, self.plan, range(shard, shard + 1), {})
                if theirs := self._kept(shard, there, manifest.of_shard(named, shard)):
                    return theirs
            raise
        self.byte_counter.inc(sum(line["bytes"] for line in lines))
        self.made.append(shard)
        return lines

    def _kept(self, shard: int, sizes: dict[str, int], vouched: list[dict]) -> list[dict] | None:
        """Lines of a shard that is there; None if it is to be made.

        Files of the length that the manifest tells are taken as they are; what no part vouches for yet is read from end to end if it is Parquet,
        which tells of itself, and made again if it is text.
        """
        files, (first, last) = self.plan.files(shard), self.plan.span(shard)
        if not sizes.keys() >= set(files):
            return None
        if vouched:
            return vouched if all(line["bytes"] == sizes[line["file"]] for line in vouched) else None
        rows = {file: self.format.marked_rows(storage.inside(self.folder, file), self.job.mark(shard)) for file in files}
        if None in rows.values() or sum(filter(None, rows.values())) != last - first:
            return None
        return [manifest.line(shard, file, rows[file] or 0, sizes[file], storage.sha256(storage.inside(self.folder, file))) for file in files]

    def _write(self, shard: int) -> list[dict]:
        """Make all files of a shard, one after the other; a shard of partitions is held in memory."""
        schema, made = self.rows.schema, self._tables(*self.plan.span(shard))
        parts: list = [made]
        if self.job.partitions.columns:
            parts = [[part] for part in self.job.partitions.split(pa.concat_tables(made))]
            schema = parts[0][0].schema
        lines = []
        for file, tables in zip(self.plan.files(shard), parts, strict=True):
            with storage.whole(storage.inside(self.folder, file)) as stream:
                rows, size, digest = self.format.write(stream, schema.with_metadata({b"raygen": self.job.mark(shard)}), tables)
                if shard == self.plan.num_shards - 1:
                    manifest.check_rows(self.folder, self.plan)  # raised here, the file stays as it is
            lines.append(manifest.line(shard, file, rows, size, digest))
        return lines

    def _tables(self, first: int, last: int) -> Iterator[pa.Table]:
        """Rows [first, last), some at a time."""
        for start in range(first, last, self.format.group_rows):
            stop = min(start + self.format.group_rows, last)
            yield self.rows.table(start, stop)
            self.row_counter.inc(stop - start)
            self._tell(stop - start, stop - start)
            pa.default_memory_pool().release_unused()  # else what Arrow keeps grows slowly

    def _tell(self, done: int, made: int) -> None:
        """Tell the board, twice a second at most."""
        self.done, self.untold = self.done + done, self.untold + made
        now = time.perf_counter()
        if now - self.told >= TELL_SECONDS or not done:
            self.board.add.remote((self.item, self.done, self.untold))
            self.told, self.untold = now, 0
