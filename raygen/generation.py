"""Generation: a plan of shards, Ray Data actors that write one Parquet file each, and a manifest last."""

import json
import time
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from raygen import artifact, cluster, conditions, manifest, selection, storage
from raygen.config import Config, Generate
from raygen.errors import ConfigError, GenerationError, OutputError, RaygenError
from raygen.latent import NAIVE
from raygen.manifest import Totals
from raygen.progress import Progress
from raygen.sampling import Rows, drawing_from
from raygen.shards import Plan
from raygen.training import settled

GROUP_BLOCKS = 64  # blocks of rows in a Parquet row group
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
) -> Generation:
    """Write synthetic rows as Parquet shards.

    A row is a function of model, sampler, seed, temperature, conditions and its number. Running it again makes only the shards that are missing.

    Args:
        config: A config whose run folder holds a model, or the path of a model folder.
        rows, seed, sampler: In place of `generate.rows`, `generate.seed` and `generate.sampler`.
        out: In place of the `synthetic` folder beside the model.
        say: Called with each line of progress.
        temperature, where, per: In place of `generate.temperature`, `generate.where` and `generate.per`.

    Raises:
        ConfigError: If a setting is wrong, or the model gives the conditions hardly any probability.
        ModelError: If the model is missing or damaged.
        OutputError: If the folder holds another generation, or cannot be written.
        ClusterError: If the cluster is too small, or a node does not see the folder.
        GenerationError: If it stopped before the last row.
    """
    model, settings = located(config, rows, seed, sampler, temperature, where, per)
    folder = storage.absolute(out) if out else storage.join(storage.parent(storage.absolute(model)), "synthetic")
    return written(Job.of(model, settings, folder), say)


@dataclass(frozen=True)
class Job:
    """Everything that a generation is made from, checked: the model to draw from, its settings, and whose folder it is."""

    found: artifact.Artifact
    settings: Generate
    wanted: selection.Selection | None
    plan: Plan
    folder: str

    @classmethod
    def of(cls, model: str, settings: Generate, folder: str) -> "Job":
        found = artifact.load(model)
        wanted = selection.select(found.codec, settings.where, settings.per)
        plan = Plan(wanted.num_rows if wanted and wanted.strata else settings.rows, settings.rows_per_shard)
        found.codec.schema.check_ids(plan.rows)
        return cls(drawing_from(found, settings.sampler), settings, wanted, plan, folder)

    @property
    def identity(self) -> dict:
        """What the bytes of the shards are a function of."""
        s = self.settings
        drawn = {"fingerprint": self.found.fingerprint, "sampler": self.found.sampler, "seed": s.seed, "temperature": s.temperature}
        chosen = {"where": conditions.spelled(s.where), "per": conditions.spelled_per(s.per)}
        return {**drawn, **chosen, **asdict(self.plan), "compression": s.compression}

    @property
    def told(self) -> dict:
        """What is written beside the identity, to make the same again."""
        columns = {field.name: str(field.type) for field in self.found.codec.schema.output}
        return {"model": self.found.uri, "schema": columns}


def begun(folder: str) -> Job:
    """The generation that a folder was begun by, to go on with it.

    Raises:
        OutputError: If the folder holds none.
        ModelError: If its model is not where it was.
    """
    run = manifest.read_run(folder)
    config = Config.from_dict(artifact.read_index(run["model"])["config"])
    given = {"num_actors": 0} | {key: run[key] for key in Generate.model_fields if key in run}
    job = Job.of(run["model"], config.override({f"generate.{key}": value for key, value in given.items()}).generate, folder)
    manifest.check(folder, job.identity)
    return job


def check_cluster(job: Job, available: cluster.Resources, setting: str) -> int:
    """How many actors are to make a generation; `setting` is what named its folder.

    Raises:
        ClusterError: If the cluster is too small, or a node does not see the folder.
    """
    actors = num_actors(job.settings, job.plan, available)
    cluster.check_shared(job.folder, available, setting)
    return actors


def written(job: Job, say) -> Generation:
    """Make what is missing of a generation (see `generate`)."""
    plan, folder = job.plan, job.folder
    if job.found.sampler == NAIVE:
        say("Warning: the sampler 'naive' averages z_mean and z_log_var and drops the variance of z_mean: its rows are all near one another.")
    manifest.check(folder, job.identity)
    began = time.perf_counter()
    with cluster.connected() as available:
        actors = check_cluster(job, available, "--out")
        laws = explored(job.found, job.settings, job.wanted, say)
        manifest.claim(folder, job.identity, job.told)
        cpus = job.settings.cpus_per_actor
        say(f"Generating {plan.rows:,} rows in {plan.num_shards:,} shard(s) with {actors} actor(s) of {cpus} CPU(s).")
        totals, made = _run(job, laws, actors, say)
    if (totals.rows, totals.shards) != (plan.rows, plan.num_shards):
        raise GenerationError(f"'{folder}' has {totals.rows:,} of {plan.rows:,} rows.", "run the same command again to make the rest.")
    manifest.claim(folder, job.identity, job.told)  # no other generation has taken the folder meanwhile
    manifest.finish(folder, plan, job.identity, job.told, totals)
    return Generation(folder, plan.rows, plan.num_shards, totals.bytes, plan.num_shards - made, time.perf_counter() - began)


def located(config: Config | str, rows=None, seed=None, sampler=None, temperature=None, where=None, per=None):
    """The model folder, and the `generate` section to follow."""
    if isinstance(config, str):
        model, config = storage.absolute(config), Config.from_dict(artifact.read_index(config)["config"])
    else:
        config = settled(config)
        model = storage.join(config.run.folder, "model")
    given = {"rows": rows, "seed": seed, "sampler": sampler, "temperature": temperature, "where": where, "per": per}
    settings = config.override({f"generate.{k}": v for k, v in given.items() if v is not None}).generate
    if rows is not None and settings.per:
        raise ConfigError(f"rows = {rows:,} and generate.per = '{settings.per}' both say how many rows to make.", "leave one of them out.")
    return model, settings


def explored(found: artifact.Artifact, settings, wanted: selection.Selection | None, say) -> list:
    """How the rows that are wanted are to be drawn (see `conditional.explore`), found in a process like an actor's.

    Raises:
        ConfigError: If the model gives them hardly any probability.
    """
    if wanted is None:
        return []
    import ray

    place = {"num_cpus": settings.cpus_per_actor, "num_gpus": settings.gpus_per_actor}
    laws = ray.get(ray.remote(max_calls=1, **place)(_explored).remote(found, settings, wanted))
    if isinstance(laws, RaygenError):
        raise laws
    for line in selection.lines(wanted, laws):
        say(line)
    return laws


def _explored(found: artifact.Artifact, settings, wanted: selection.Selection):
    from raygen import conditional

    prepare_process(settings.cpus_per_actor, settings.gpus_per_actor)
    try:
        return conditional.explore(found.network(), found.samplers[found.sampler], settings.temperature, wanted)
    except RaygenError as error:  # returned, as Ray would wrap it in another
        return error


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


def _run(job: Job, laws: list, actors: int, say) -> tuple[Totals, int]:
    """Make or keep every shard; the totals, and how many shards were made. Nothing here grows with the number of shards."""
    import ray

    board = cluster.new_board()
    items = [{"first": first, "last": last} for first, last in job.plan.items(actors)]
    dataset = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        _WriteShards,
        fn_constructor_args=(job.found.uri, job.settings.model_dump(), laws, asdict(job.plan), job.folder, job.identity, board),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=job.settings.cpus_per_actor,
        num_gpus=job.settings.gpus_per_actor,
    )
    progress, totals, made = Progress(job.plan.rows, say), Totals(), 0
    try:
        with cluster.following(board, progress.follow):
            for done in dataset.iter_rows():
                totals, made = totals + Totals.from_dict(done), made + int(done["made"])
                progress.finish(int(done["item"]), int(done["rows"]), int(done["made_rows"]), done["node"])
    except Exception as error:
        failure = ray.get(board.failure.remote())
        if failure:
            raise failure from error
        reason = str(error).strip().splitlines()[-1]
        hint = f"finished shards stay in '{job.folder}': run the same command to resume."
        raise GenerationError(f"generation stopped: {reason}", hint) from error
    for line in progress.by_node():
        say(line)
    return totals, made


def prepare_process(cpus: int, gpus: float) -> None:
    """Keep TensorFlow and Arrow, in a process that has not used them, to what a decode actor was given."""
    cluster.prepare_environment()
    import tensorflow as tf

    if not gpus:
        tf.config.set_visible_devices([], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(cpus)
    pa.set_cpu_count(cpus)


class _WriteShards:
    """A decode actor: loads the model once, then makes what is missing of item after item."""

    def __init__(self, model: str, settings: dict, laws: list, plan: dict, folder: str, identity: dict, board):
        import ray
        from ray.util.metrics import Counter

        prepare_process(settings["cpus_per_actor"], settings["gpus_per_actor"])
        self.plan, self.folder, self.identity, self.board = Plan(**plan), folder, identity, board
        self.compression = settings["compression"]
        self.node = f"{ray.util.get_node_ip_address()} ({ray.get_runtime_context().get_node_id()[:8]})"
        self.row_counter = Counter("raygen_generated_rows", "synthetic rows made")
        self.byte_counter = Counter("raygen_generated_bytes", "bytes of synthetic shards written")
        self.told = 0.0
        self.item, self.done, self.untold = 0, 0, 0  # of the item at work
        self.made: list[int] = []
        try:
            found = artifact.load(model)
            if found.fingerprint != identity["fingerprint"]:
                raise GenerationError(f"model '{model}' changed while rows were generated from it.", "run the command again.")
            wanted = selection.select(found.codec, settings["where"], settings["per"])
            self.rows = Rows(drawing_from(found, settings["sampler"]), settings["seed"], settings["temperature"], wanted, laws)
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
            vouched = {line["shard"]: line for line in named or []}
            lines = [self._shard(shard, sizes, vouched.get(shard)) for shard in shards]
            if lines != named:
                manifest.write_part(self.folder, self.plan, number, lines)
            totals += Totals.of(lines)
        self._tell(0, 0)
        made_rows = sum(b - a for a, b in map(self.plan.span, self.made))
        return {"item": first, "node": self.node, "made": len(self.made), "made_rows": made_rows, **totals.to_dict()}

    def _shard(self, shard: int, sizes: dict[str, int], vouched: dict | None) -> dict:
        """Write a shard, unless it is there already; its line of the manifest.

        A file of the length that the manifest tells is taken as it is; one that no part vouches for yet is read from end to end.
        """
        first, last = self.plan.span(shard)
        name = self.plan.name(shard)
        uri = storage.join(self.folder, name)
        mark = json.dumps({**self.identity, "shard": shard}).encode()
        if name in sizes and vouched and vouched["bytes"] == sizes[name]:
            self._tell(last - first, 0)
            return vouched
        if name in sizes and not vouched and manifest.whole(uri, mark, last - first):
            self._tell(last - first, 0)
            return manifest.line(self.plan, shard, sizes[name], storage.sha256(uri))
        try:
            size, digest = self._write(uri, first, last, mark)
        except OutputError as error:
            if isinstance(error.__cause__, FileNotFoundError) and manifest.whole(uri, mark, last - first):
                return self._shard(shard, manifest.sizes(self.folder, self.plan, range(shard, shard + 1), {}), None)
            raise  # else another driver has finished this generation, and swept our temporary file away
        self.byte_counter.inc(size)
        self.made.append(shard)
        return manifest.line(self.plan, shard, size, digest)

    def _write(self, uri: str, first: int, last: int, mark: bytes) -> tuple[int, str]:
        schema = self.rows.schema.with_metadata({b"raygen": mark})
        with storage.whole(uri) as stream:
            sink = storage.Hashing(stream)
            options = {"compression": self.compression, "write_page_checksum": True}
            with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, **options) as writer:
                group = GROUP_BLOCKS * self.rows.block_rows
                for start in range(first, last, group):
                    stop = min(start + group, last)
                    writer.write_table(self.rows.table(start, stop).replace_schema_metadata(schema.metadata), row_group_size=group)
                    self.row_counter.inc(stop - start)
                    self._tell(stop - start, stop - start)
            size = stream.tell()
        return size, sink.hexdigest()

    def _tell(self, done: int, made: int) -> None:
        """Tell the board, twice a second at most."""
        self.done, self.untold = self.done + done, self.untold + made
        now = time.perf_counter()
        if now - self.told >= TELL_SECONDS or not done:
            self.board.add.remote((self.item, self.done, self.untold))
            self.told, self.untold = now, 0
