"""Generation: a plan of shards, Ray Data actors that write one Parquet file each, and a manifest last."""

import json
import time
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from raygen import artifact, cluster, conditions, selection, storage
from raygen.config import Config
from raygen.errors import ConfigError, GenerationError, OutputError, RaygenError
from raygen.latent import NAIVE
from raygen.sampling import Rows, drawing_from
from raygen.shards import Plan
from raygen.training import settled

RUN = "_run.json"
MANIFEST = "_manifest.jsonl"
GROUP_BLOCKS = 64  # blocks of rows in a Parquet row group


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

    Rows are a function of the model, the seed and their number alone. Running it again makes only the shards that are missing.

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
        GenerationError: If it stopped before the last row.
    """
    model, settings = located(config, rows, seed, sampler, temperature, where, per)
    folder = storage.absolute(out) if out else storage.join(storage.absolute(model).rstrip("/").rpartition("/")[0], "synthetic")
    folder = folder if "://" in folder else storage.absolute(folder)
    found = artifact.load(model)
    wanted = selection.select(found.codec, settings.where, settings.per)
    plan = Plan(wanted.num_rows if wanted and wanted.strata else settings.rows, settings.rows_per_shard)
    found.codec.schema.check_ids(plan.rows)
    found = drawing_from(found, settings.sampler)
    if found.sampler == NAIVE:
        say("Warning: the sampler 'naive' averages z_mean and z_log_var and drops the variance of z_mean: its rows are all near one another.")
    identity = {"fingerprint": found.fingerprint, "sampler": found.sampler, "seed": settings.seed, **asdict(plan)}
    identity |= {"compression": settings.compression, "temperature": settings.temperature}
    identity |= {"where": conditions.spelled(settings.where), "per": settings.per}
    fresh = _is_fresh(folder, identity)
    began = time.perf_counter()
    with cluster.connected() as available:
        actors = num_actors(settings, plan, available)
        laws = explored(found, settings, wanted, say)
        if fresh:
            storage.write_json(storage.join(folder, RUN), identity)
        say(f"Generating {plan.rows:,} rows in {plan.num_shards:,} shard(s) with {actors} actor(s) of {settings.cpus_per_actor} CPU(s).")
        lines = _run(found, settings, laws, plan, folder, identity, actors, say)
    written = sum(line["rows"] for line in lines)
    if written != plan.rows or len(lines) != plan.num_shards:
        raise GenerationError(f"'{folder}' has {written:,} of {plan.rows:,} rows.", "run the same command again to make the rest.")
    size = sum(line["bytes"] for line in lines)
    header = {**identity, "bytes": size, "shards": plan.num_shards, "model": found.uri}
    text = [json.dumps(line) for line in (header, *lines)]
    _sweep(folder)
    storage.write(storage.join(folder, MANIFEST), "\n".join([*text, ""]).encode())
    made = sum(line["made"] for line in lines)
    return Generation(folder, plan.rows, plan.num_shards, size, plan.num_shards - made, time.perf_counter() - began)


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
    return int(max(1, min(fits, plan.num_shards)))


def _is_fresh(folder: str, identity: dict) -> bool:
    """Whether the folder, which is made if need be, is still to be marked as this generation's.

    Raises:
        OutputError: If it holds the shards of another one, or files of someone else.
    """
    storage.make_folder(folder)
    mark = storage.join(folder, RUN)
    if not storage.exists(mark):
        if any(i.path.endswith(".parquet") for i in storage.listing(folder)):
            raise OutputError(f"'{folder}' holds Parquet files that raygen did not write.", "choose an empty folder with --out.")
        return True
    try:
        before = storage.read_json(mark)
        differs = [f"{k} {before[k]}" for k in identity if before[k] != identity[k]]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise OutputError(f"'{mark}' is damaged: {error!r}.", "choose an empty folder with --out.") from None
    if differs:
        now = ", ".join(f"{k} {identity[k]}" for k in identity if before[k] != identity[k])
        hint = "choose an empty folder with --out, or the same settings to continue it."
        raise OutputError(f"'{folder}' holds shards of another generation ({', '.join(differs)}); this one has {now}.", hint)
    return False


def _sweep(folder: str) -> None:
    """Delete what killed actors left half written."""
    for info in storage.listing(folder):
        if info.path.rpartition("/")[2].startswith("_tmp-"):
            filesystem, _ = storage.resolve(folder)
            filesystem.delete_file(info.path)


def _run(found, settings, laws: list, plan: Plan, folder: str, identity: dict, actors: int, say) -> list[dict]:
    """Make or keep every shard; the manifest's lines, by shard."""
    import ray

    board = cluster.new_board()
    items = [{"first": first, "last": last} for first, last in plan.items(actors)]
    dataset = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        _WriteShards,
        fn_constructor_args=(found.uri, found.fingerprint, settings.model_dump(), laws, asdict(plan), folder, identity, board),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=settings.cpus_per_actor,
        num_gpus=settings.gpus_per_actor,
    )
    progress = _Progress(plan.rows, say)
    try:
        with cluster.following(board, progress.add):
            lines = dataset.take_all()
    except Exception as error:
        failure = ray.get(board.failure.remote())
        if failure:
            raise failure from error
        reason = str(error).strip().splitlines()[-1]
        raise GenerationError(f"generation stopped: {reason}", f"finished shards stay in '{folder}': run the same command to resume.") from error
    return sorted(lines, key=lambda line: line["shard"])


class _Progress:
    """Lines that say how many rows are done, how fast, and what is left."""

    def __init__(self, rows: int, say, every_seconds: float = 2.0):
        self.rows, self.say, self.every = rows, say, every_seconds
        self.done, self.last = 0, 0.0
        self.first: float | None = None

    def add(self, counts: list[int]) -> None:
        now = time.perf_counter()
        if not counts:
            return
        if self.first is None:
            self.first = now
        self.done = min(self.rows, self.done + sum(counts))  # a shard that is begun again counts twice
        if now - self.last < self.every and self.done < self.rows:
            return
        self.last = now
        speed = self.done / max(now - self.first, 1e-9) if now > self.first else 0.0
        rest = f"  {speed:11,.0f} rows/s  {(self.rows - self.done) / speed:5.0f} s left" if speed else ""
        self.say(f"{self.done:>15,}/{self.rows:,} rows{rest}")


def prepare_process(cpus: int, gpus: float) -> None:
    """Keep TensorFlow and Arrow, in a process that has not used them, to what a decode actor was given."""
    cluster.prepare_environment()
    import tensorflow as tf

    if not gpus:
        tf.config.set_visible_devices([], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(cpus)
    pa.set_cpu_count(cpus)


class _WriteShards:
    """A decode actor: loads the model once, then writes shard after shard."""

    def __init__(self, model: str, fingerprint: str, settings: dict, laws: list, plan: dict, folder: str, identity: dict, board):
        prepare_process(settings["cpus_per_actor"], settings["gpus_per_actor"])
        self.plan, self.folder, self.identity, self.board = Plan(**plan), folder, identity, board
        self.compression = settings["compression"]
        try:
            found = artifact.load(model)
            if found.fingerprint != fingerprint:
                raise GenerationError(f"model '{model}' changed while rows were generated from it.", "run the command again.")
            wanted = selection.select(found.codec, settings["where"], settings["per"])
            self.rows = Rows(drawing_from(found, settings["sampler"]), settings["seed"], settings["temperature"], wanted, laws)
        except RaygenError as error:
            self._fail(error)

    def __call__(self, batch: dict) -> dict:
        shard_numbers = [s for a, b in zip(batch["first"], batch["last"], strict=True) for s in range(a, b)]
        try:
            lines = [self._shard(int(s)) for s in shard_numbers]
        except RaygenError as error:
            self._fail(error)
        return {key: [line[key] for line in lines] for key in lines[0]}

    def _fail(self, error: RaygenError):
        import ray

        ray.get(self.board.fail.remote(error))
        raise error

    def _shard(self, shard: int) -> dict:
        """Write a shard, unless it is there already; its line of the manifest."""
        first, last = self.plan.span(shard)
        name = self.plan.name(shard)
        uri = storage.join(self.folder, name)
        mark = json.dumps({**self.identity, "shard": shard}).encode()
        digest = finished_hash(uri, mark, last - first)
        made = digest is None
        if made:
            digest = self._write(uri, first, last, mark)
        else:
            self.board.add.remote(last - first)
        filesystem, path = storage.resolve(uri)
        size = filesystem.get_file_info(path).size
        return {"shard": shard, "file": name, "rows": last - first, "bytes": size, "sha256": digest, "made": made}

    def _write(self, uri: str, first: int, last: int, mark: bytes) -> str:
        schema = self.rows.schema.with_metadata({b"raygen": mark})
        with storage.whole(uri) as stream:
            sink = storage.Hashing(stream)
            with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, compression=self.compression) as writer:
                group = GROUP_BLOCKS * self.rows.block_rows
                for start in range(first, last, group):
                    stop = min(start + group, last)
                    writer.write_table(self.rows.table(start, stop).replace_schema_metadata(schema.metadata), row_group_size=group)
                    self.board.add.remote(stop - start)
        return sink.hexdigest()


def finished_hash(uri: str, mark: bytes, rows: int) -> str | None:
    """SHA-256 of a finished shard with this mark and so many rows; None if it is missing, truncated or of another run."""
    filesystem, path = storage.resolve(uri)
    if not storage.exists(uri):
        return None
    try:
        with filesystem.open_input_file(path) as file:
            footer = pq.read_metadata(file)
    except (pa.ArrowException, OSError):
        return None  # not a whole Parquet file: it is made again
    whole = footer.num_rows == rows and (footer.metadata or {}).get(b"raygen") == mark
    return storage.sha256(uri) if whole else None
