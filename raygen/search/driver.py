"""Tuning: a search of settings by Ray Tune, whose trials are `train` under overrides."""

import importlib.util
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pydantic import Field

from raygen import config_toml, records, storage
from raygen.cluster import connection, resources
from raygen.config import Config
from raygen.errors import ClusterError, ConfigError, OutputError, TrainingError
from raygen.model import folder as model_folder
from raygen.report import redrawn
from raygen.report.redrawn import Say
from raygen.report.search import page
from raygen.report.search.record import SearchRecord
from raygen.search.job import SearchJob, encoding_name
from raygen.search.log import SearchLog, frame
from raygen.search.space import Space
from raygen.training import driver as training
from raygen.training import encoding, run_claim
from raygen.training.job import EncodedTable, run_name, sized

if TYPE_CHECKING:
    from ray.tune import ResultGrid

FOLDER = "search"
RECORD, TABLE, PAGE, BEST = "search.json", "trials.parquet", "index.html", "best.toml"
SIZES = (
    "train.batch_size",
    "train.steps",
    "train.epochs",
    "train.patience",
)  # what a table may be too small for
PACKAGES = {"mlflow": "mlflow", "wandb": "wandb", "tensorboard": "tensorboardX"}


class Begun(records.Record):
    """What a search that goes on reads of its record."""

    points: list[dict[str, Any]] = Field(max_length=10**5)
    space: dict[str, Any]
    objective: str
    algorithm: str
    base: str


@dataclass(frozen=True)
class Tuning:
    """What `tune` made; `raygen.load` and whatever takes a model's path take it.

    Attributes:
        model, fingerprint: The model folder of the best trial, and its hash.
        folder: The search's.
        search: Its record.
        results: Ray Tune's: the last metrics of each trial; its files are deleted.
    """

    model: str
    fingerprint: str
    folder: str
    search: SearchRecord = field(repr=False)
    results: "ResultGrid | None" = field(default=None, repr=False, compare=False)

    def __fspath__(self) -> str:
        return self.model


def tune(config: Config, command: str = "", say: Say = print) -> Tuning:
    """Search settings, and leave the best trial's model in the run folder as `train` would have.

    Running it again goes on with an unfinished search: its trials start from their checkpoints, and finished
    ones are not trained again.

    Args:
        config: The settings, of which `search.space` says what to vary.
        command: Shown on the page.
        say: Called with each line of progress.

    Raises:
        ConfigError: If the space or a combination in it is impossible, before anything starts.
        ClusterError: If the cluster holds not one trial.
        TrainingError: If no trial has finished.
    """
    began, say = time.time(), redrawn.teller(say)
    config = config.settled()
    space = Space.of(config)
    check(config, space)
    folder = storage.join(config.run.folder, FOLDER)
    _check_model(config, folder)
    storage.make_folder(folder, "run.folder")
    nested = config.train.most_workers > 1
    own = space.own(config)
    if not space.holds(own):
        say(f"Note: the config's own settings ({own}) lie outside of search.space: no trial has them.")
    points = _points_before(config, space, folder)
    with run_claim.held(config.run.folder), connection.connected(dashboard=nested) as available:
        resources.check_shared(config.run.folder, available)
        cpus, most = room(config, available)
        tables = _encode(config, space, say)
        gpus, trials = gpus_of_worker(config), storage.join(folder, "trials")
        job = SearchJob(config, space, tables, cpus, gpus, most, folder, trials)
        search = SearchLog(config, space, next(iter(tables.values())).num_rows, most, command, began, points)
        each = f"{config.train.num_workers} workers of {cpus} CPU(s)" if nested else f"{cpus} CPU(s)"
        say(
            f"Searching {', '.join(space.domains)}: {config.search.trials} trials of {each}, {most} "
            "at a time."
        )
        free = resources.free_cpus()
        if free < cpus * config.train.most_workers:
            say(f"Note: {free:g} CPUs of the cluster are free now: trials start as others end.")
        from raygen.search import ray_tune

        results = ray_tune.run(job, search, storage.join(folder, RECORD), say)
    redrawn.finish(say)
    return replace(_keep(config, search, folder), results=results)


def check(config: Config, space: Space) -> None:
    """Refuse what no trial, or some trial, could not be.

    Raises:
        ConfigError: Naming the setting.
    """
    s = config.search
    if config.train.elastic:
        raise ConfigError(
            f"train.num_workers = {config.train.num_workers}: trials of a search have a fixed number "
            "of workers.",
            "name one number.",
        )
    for point in space.corners():
        try:
            training.check_sampler(config.override(point))
        except ConfigError as error:
            raise ConfigError(
                f"search.space has an impossible model ({point}): {error.message}", error.hint
            ) from None
    if s.cost != "none" and (s.algorithm != "tpe" or s.scheduler != "none"):
        message = (
            f"search.cost = '{s.cost}' needs search.algorithm = 'tpe' and search.scheduler = "
            f"'none'; they are '{s.algorithm}' and '{s.scheduler}'."
        )
        raise ConfigError(
            message, "set these, or search.cost = 'none': the cost of each trial is shown in any case."
        )
    batch = space.domains.get("train.batch_size", ("choice", []))[0]
    if batch != "choice" and config.train.most_workers > 1:
        message = (
            f"search.space.'train.batch_size' = {{{batch} = ...}}: {config.train.num_workers} "
            "workers cannot split every batch of a range."
        )
        raise ConfigError(message, "list a few sizes, as {choice = [256, 512]}.")
    package = PACKAGES.get(s.log_to)
    if package and importlib.util.find_spec(package) is None:
        raise ConfigError(
            f"search.log_to = '{s.log_to}': the package '{package}' is not installed.",
            f"pip install {package}",
        )


def room(config: Config, available: resources.Resources) -> tuple[int, int]:
    """CPUs of each worker of a trial, and how many trials run at a time.

    Raises:
        ClusterError: If the cluster holds not one trial, or not as many as asked for.
    """
    t, s = config.train, config.search
    cpus, workers = t.cpus_per_worker or 1, t.most_workers
    gpus = gpus_of_worker(config)
    resources.require("train.num_workers", workers, cpus, gpus, available)
    fits = sum(int(min(c // cpus, g / gpus if gpus else c)) for c, g in available.nodes) // workers
    if not fits and not s.concurrent_trials:
        raise resources.none_yet("search.concurrent_trials", "as many as the cluster holds", 8)
    if s.concurrent_trials > fits and not resources.grows(
        {"CPU": cpus, "GPU": gpus}, s.concurrent_trials * workers
    ):
        needs = f"{workers} worker(s) of {cpus} CPU(s) and {gpus:g} GPU(s)"
        message = (
            f"search.concurrent_trials = {s.concurrent_trials}: the cluster holds {fits} "
            f"trial(s) of {needs} at a time."
        )
        raise ClusterError(message, f"set search.concurrent_trials = {fits}, or 0 for as many as fit.")
    return cpus, min(s.concurrent_trials or fits, s.trials)


def gpus_of_worker(config: Config) -> float:
    """GPUs of each worker of a trial."""
    if not config.train.use_gpu:
        return 0.0
    return (config.search.gpus_per_trial or 1.0) if config.train.most_workers <= 1 else 1.0


def _check_model(config: Config, folder: str) -> None:
    """Refuse to replace a model that this search has not made.

    Raises:
        OutputError: Saying what to do.
    """
    model = storage.join(config.run.folder, "model")
    if not model_folder.is_model(model):
        return
    index = model_folder.read_index(model)
    ours = storage.join(folder, "trials", run_name(Config.from_dict(index["config"])), "model")
    if (
        not model_folder.is_model(ours)
        or model_folder.read_index(ours)["fingerprint"] != index["fingerprint"]
    ):
        hint = "choose another run.folder for the search, or move the folder's model/ away."
        raise OutputError(f"'{model}' was not made by this search, which would replace it.", hint)


def _encode(config: Config, space: Space, say: Say) -> dict[str, EncodedTable]:
    """The table encoded in every way that the space asks for, by `search.job.encoding_name`."""
    tables = {}
    for params in space.encodings():
        changed = config.override(params)
        if params:
            say(f"Encoding with {params} ...")
        encoded = encoding.encode(changed, say)
        training.check_memory(changed, encoded)
        for sizes in {tuple((key, p[key]) for key in SIZES if key in p) for p in space.corners()}:
            sized(config.override(dict(sizes)), encoded.num_rows)
        tables[encoding_name(params)] = encoded.table
    return tables


def _points_before(config: Config, space: Space, folder: str) -> list[dict[str, Any]]:
    """The points that the same search has begun before, in their order."""
    record = storage.join(folder, RECORD)
    now: dict[str, Any] = {
        "space": space.to_dict(),
        "objective": config.search.objective,
        "algorithm": config.search.algorithm,
        "base": run_name(config),
    }
    try:
        if not storage.exists(record):
            return []
        before = records.checked(Begun, records.read(record))
        same = all(getattr(before, key) == value for key, value in now.items())
        if same and any(point.keys() != now["space"].keys() for point in before.points):
            raise ValueError("points: one is not of its space")
        return before.points if same else []
    except ValueError as error:
        hint = "delete that file: trials keep what they have, by their settings."
        raise OutputError(f"'{record}' is no record of a search: {error}.", hint) from None


def _nothing_found(config: Config, record: SearchRecord, folder: str) -> TrainingError:
    """The error of a search without a best trial."""
    finished = [t for t in record.trials if t.state == "finished"]
    if finished:
        fastest = max(finished, key=lambda t: t.rows_per_second or 0.0)
        speed = f"the fastest, trial {fastest.number}, makes {fastest.rows_per_second:,.0f}"
        message = (
            f"search.min_rows_per_second = {config.search.min_rows_per_second:g}: no finished "
            f"trial is as fast; {speed}."
        )
        return TrainingError(
            message, "set it lower and run the same command again: no trial is trained anew."
        )
    reasons = sorted({t.reason for t in record.trials if t.reason})
    message = f"no trial of {len(record.trials)} finished: {'; '.join(reasons)[:500] or 'all were stopped'}."
    return TrainingError(
        message,
        "mend the space, then run the same command again; the trials are listed in "
        f"'{storage.join(folder, PAGE)}'.",
    )


def _keep(config: Config, search: SearchLog, folder: str) -> Tuning:
    """Write table, page and best settings, and copy the best trial's model to the run folder.

    Raises:
        TrainingError: If there is no best trial.
    """
    record = search.record()
    best = next((t for t in record.trials if t.number == record.best), None)
    model = storage.join(config.run.folder, "model")
    if best:
        record = record.changed(model=model)
    storage.write_json(storage.join(folder, RECORD), record.model_dump())
    with storage.whole(storage.join(folder, TABLE)) as stream:
        frame(record).to_parquet(stream)
    storage.write(storage.join(folder, PAGE), page.render(record).encode())
    if not best or not best.model or not best.fingerprint:
        raise _nothing_found(config, record, folder)
    settings = config.override(best.params)
    name = f"{storage.name(config.run.folder)}-best"
    longer = settings.override({"run.folder": storage.join(storage.parent(config.run.folder), name)})
    kinds = {str(k): str(v) for k, v in settings.schema_.columns.items()}
    storage.write(storage.join(folder, BEST), config_toml.render(longer, kinds, {}, {}).encode())
    model_folder.copy(best.model, model)
    return Tuning(model, best.fingerprint, folder, record)
