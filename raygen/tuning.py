"""Tuning: a search of settings by Ray Tune, whose trials are `train` under overrides."""

import importlib.util
import json
import os
import time
from dataclasses import dataclass
from typing import Any

from raygen import artifact, cluster, data, search_page, starter, storage, training, trial, worker
from raygen.config import Config
from raygen.errors import ClusterError, ConfigError, OutputError, TrainingError
from raygen.objective import HIGHER_IS_BETTER
from raygen.search_record import Record
from raygen.space import Space

FOLDER = "search"
RECORD, TABLE, PAGE, BEST = "search.json", "trials.parquet", "index.html", "best.toml"
PACKAGES = {"mlflow": "mlflow", "wandb": "wandb", "tensorboard": "tensorboardX"}


@dataclass(frozen=True)
class Tuning:
    """What `tune` made: the model folder of the best trial and its fingerprint, the search's folder, and its record (see `search_record.Record`)."""

    model: str
    fingerprint: str
    folder: str
    search: dict


def tune(config: Config, command: str = "", say=print) -> Tuning:
    """Search settings, and leave the best trial's model in the run folder as `train` would have.

    Running it again goes on with an unfinished search: its trials start from their checkpoints, and finished ones are not trained again.

    Args:
        config: The settings, of which `search.space` says what to vary.
        command: Shown on the page.
        say: Called with each line of progress.

    Raises:
        ConfigError: If the space or a combination in it is impossible, before anything starts.
        ClusterError: If the cluster holds not one trial.
        TrainingError: If no trial has finished.
    """
    began = time.time()
    config = training.settled(config)
    space = Space.of(config)
    check(config, space)
    folder = storage.join(config.run.folder, FOLDER)
    _check_model(config, folder)
    storage.make_folder(folder, "run.folder")
    nested = config.train.num_workers > 1
    with cluster.connected(dashboard=nested and config.search.scheduler != "none") as available:
        cluster.check_shared(config.run.folder, available)
        cpus, most = room(config, available)
        encoded = _encode(config, space, say)
        search = Record(config, space, next(iter(encoded.values()))["rows"], most, command, began)
        job = {"config": config.to_dict(), "space": space, "encoded": encoded, "cpus": cpus, "folder": storage.join(folder, "trials")}
        each = f"{config.train.num_workers} workers of {cpus} CPU(s)" if nested else f"{cpus} CPU(s)"
        say(f"Searching {', '.join(space.domains)}: {config.search.trials} trials of {each}, {most} at a time.")
        _run(config, space, job, most, search, folder, say)
    return _keep(config, search, folder)


def check(config: Config, space: Space) -> None:
    """Refuse what no trial, or some trial, could not be.

    Raises:
        ConfigError: Naming the setting.
    """
    s = config.search
    for point in space.corners():
        try:
            training.check_sampler(config.override(point))
        except ConfigError as error:
            raise ConfigError(f"search.space has an impossible model ({point}): {error.message}", error.hint) from None
    if s.cost != "none" and (s.algorithm != "tpe" or s.scheduler != "none"):
        message = (
            f"search.cost = '{s.cost}' needs search.algorithm = 'tpe' and search.scheduler = 'none'; they are '{s.algorithm}' and '{s.scheduler}'."
        )
        raise ConfigError(message, "set these, or search.cost = 'none': the cost of each trial is shown in any case.")
    package = PACKAGES.get(s.log_to)
    if package and importlib.util.find_spec(package) is None:
        raise ConfigError(f"search.log_to = '{s.log_to}': the package '{package}' is not installed.", f"pip install {package}")


def room(config: Config, available: cluster.Resources) -> tuple[int, int]:
    """CPUs of each worker of a trial, and how many trials run at a time.

    Raises:
        ClusterError: If the cluster holds not one trial, or not as many as asked for.
    """
    t, s = config.train, config.search
    cpus, workers = t.cpus_per_worker or 1, max(1, t.num_workers)
    gpus = _gpus(config)
    cluster.require("train.num_workers", workers, cpus, gpus, available)
    fits = sum(int(min(c // cpus, g / gpus if gpus else c)) for c, g in available.nodes) // workers
    if s.concurrent_trials > fits and not available.autoscaling:
        needs = f"{workers} worker(s) of {cpus} CPU(s) and {gpus:g} GPU(s)"
        message = f"search.concurrent_trials = {s.concurrent_trials}: the cluster holds {fits} trial(s) of {needs} at a time."
        raise ClusterError(message, f"set search.concurrent_trials = {fits}, or 0 for as many as fit.")
    return cpus, min(s.concurrent_trials or (s.trials if available.autoscaling else fits), s.trials)


def _gpus(config: Config) -> float:
    """GPUs of each worker of a trial."""
    if not config.train.use_gpu:
        return 0.0
    return (config.search.gpus_per_trial or 1.0) if config.train.num_workers <= 1 else 1.0


def _check_model(config: Config, folder: str) -> None:
    """Refuse to replace a model that this search has not made.

    Raises:
        OutputError: Saying what to do.
    """
    model = storage.join(config.run.folder, "model")
    if not artifact.is_model(model):
        return
    record = storage.join(folder, RECORD)
    ours = storage.read_json(record).get("fingerprint") if storage.exists(record) else None
    if artifact.read_index(model)["fingerprint"] != ours:
        hint = "choose another run.folder for the search, or move the folder's model/ away."
        raise OutputError(f"'{model}' was not made by this search, which would replace it.", hint)


def _encode(config: Config, space: Space, say) -> dict[str, dict]:
    """The table encoded in every way that the space asks for: folder and number of rows by `trial.encoding`."""
    encoded = {}
    for params in space.encodings():
        changed = config.override(params)
        if params:
            say(f"Encoding with {params} ...")
        found = data.encode(changed, say)
        training.check_memory(changed, found)
        for point in space.corners():
            training.sized(config.override(point), found.num_rows)
        encoded[trial.encoding(params)] = {"folder": found.folder, "rows": found.num_rows}
    return encoded


def _run(config: Config, space: Space, job: dict, most: int, search: Record, folder: str, say) -> None:
    """Let Ray Tune run the trials; `search` hears of each."""
    os.environ |= {"TUNE_DISABLE_SIGINT_HANDLER": "1", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_AIR_NEW_OUTPUT": "0"}
    from ray import tune

    place = storage.join(folder, "tune")
    storage.delete_folder(place)  # what a killed search left: raygen does not read it
    filesystem, inside = storage.resolve(folder)
    nested = config.train.num_workers > 1
    resources = {"node:__internal_head__": 0.001} if nested else {"CPU": job["cpus"], "GPU": _gpus(config)}
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(trial.run, job=job), resources),
        param_space=_domains(space, config),
        tune_config=tune.TuneConfig(
            num_samples=1 if config.search.algorithm == "grid" else config.search.trials,
            search_alg=_algorithm(config, space, most, _points_before(config, space, folder)),
            scheduler=_scheduler(config, space.labels(space.own(config))),
            reuse_actors=not nested,
            trial_dirname_creator=lambda found: found.trial_id,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=inside,
            storage_filesystem=filesystem,
            verbose=0,
            callbacks=[_follower(search, folder, say), *_loggers(config)],
            failure_config=tune.FailureConfig(max_failures=config.train.max_failures),
        ),
    )
    with cluster.silent_stderr():
        tuner.fit()
    if config.search.log_to != "tensorboard":
        storage.delete_folder(place)


def _domains(space: Space, config: Config) -> dict[str, Any]:
    """The space in Ray Tune's words."""
    from ray import tune

    makers: dict[str, Any] = {
        "choice": lambda v: (tune.grid_search if config.search.algorithm == "grid" else tune.choice)([json.dumps(x) for x in v]),
        "uniform": lambda v: tune.uniform(*v),
        "log_uniform": lambda v: tune.loguniform(*v),
        "integer": lambda v: tune.randint(int(v[0]), int(v[1]) + 1),
        "log_integer": lambda v: tune.lograndint(int(v[0]), int(v[1]) + 1),
    }
    return {key: makers[kind](values) for key, (kind, values) in space.domains.items()}


def _points_before(config: Config, space: Space, folder: str) -> list[dict[str, Any]]:
    """The points that the same search has begun before, in their order, as labels."""
    record = storage.join(folder, RECORD)
    before = storage.read_json(record) if storage.exists(record) else {}
    same = before.get("space") == space.to_dict() and before.get("objective") == config.search.objective and before.get("seed") == config.run.seed
    return [space.labels(t["params"]) for t in before["trials"]] if same else []


def _algorithm(config: Config, space: Space, most: int, before: list[dict[str, Any]]):
    """Who chooses the points: the same ones for the same seed, the config's own first.

    What `tpe` chooses depends on which results are there already: after an interruption it is given the points that it chose before.
    """
    from ray.tune.search import BasicVariantGenerator, ConcurrencyLimiter

    s, own = config.search, space.own(config)
    first = [space.labels(own)] if space.holds(own) and s.algorithm != "grid" else []
    if s.algorithm != "tpe":
        return BasicVariantGenerator(points_to_evaluate=first, max_concurrent=most, random_state=config.run.seed)
    import optuna
    from ray.tune.search.optuna import OptunaSearch

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=config.run.seed, n_startup_trials=max(4, min(10, s.trials // 3)))
    metric, mode = _aims(config)
    return ConcurrencyLimiter(OptunaSearch(metric=metric, mode=mode, sampler=sampler, points_to_evaluate=before[: s.trials] or first or None), most)


def _aims(config: Config) -> tuple[Any, Any]:
    """Metric and mode for Ray Tune; two of each where cost counts too."""
    mode = "max" if HIGHER_IS_BETTER[config.search.objective] else "min"
    if config.search.cost == "none":
        return "objective", mode
    return ["objective", config.search.cost], [mode, "max" if config.search.cost == "rows_per_second" else "min"]


def _scheduler(config: Config, own: dict[str, Any]):
    """ASHA, which lets the trial of the config's own settings (as labels) come to its end: what is best is then no worse."""
    from ray.tune.schedulers import ASHAScheduler, FIFOScheduler

    if config.search.scheduler == "none":
        return FIFOScheduler()

    class Asha(ASHAScheduler):
        def on_trial_result(self, controller, trial, result):
            decision = super().on_trial_result(controller, trial, result)
            return self.CONTINUE if trial.config == own else decision

    metric, mode = _aims(config)
    grace = max(1, round(config.search.grace * worker.ROUNDS))
    most = 100 * worker.ROUNDS  # a trial ends by itself
    return Asha("round", metric, mode, max_t=most, grace_period=grace, reduction_factor=config.search.reduction_factor)


def _loggers(config: Config) -> list:
    """Ray's callback for `search.log_to`."""
    where = config.search.log_to
    name = _name(config)
    if where == "tensorboard":
        from ray.tune.logger import TBXLoggerCallback

        return [TBXLoggerCallback()]
    if where == "mlflow":
        from ray.air.integrations.mlflow import MLflowLoggerCallback

        return [MLflowLoggerCallback(experiment_name=name)]
    if where == "wandb":
        from ray.air.integrations.wandb import WandbLoggerCallback

        return [WandbLoggerCallback(project=name)]
    return []


def _name(config: Config) -> str:
    """Last part of the run folder."""
    return storage.split(config.run.folder)[0].rstrip("/").rpartition("/")[2]


def _follower(search: Record, folder: str, say):
    """A Ray Tune callback that keeps the record and says how the search goes."""
    from ray.tune import Callback

    class Follower(Callback):
        def on_trial_start(self, iteration, trials, trial, **info):
            search.started(trials.index(trial), search.space.values(trial.config))

        def on_trial_result(self, iteration, trials, trial, result, **info):
            line = search.heard(trials.index(trial), result)
            if line:
                say(line)

        def on_trial_complete(self, iteration, trials, trial, **info):
            self._ended(trials, trial, "")

        def on_trial_error(self, iteration, trials, trial, **info):
            self._ended(trials, trial, str(trial.get_error() or "its actor was lost").strip().splitlines()[-1])

        def _ended(self, trials, trial, reason):
            say(search.ended(trials.index(trial), reason))
            storage.write_json(storage.join(folder, RECORD), search.record())

    return Follower()


def _nothing_found(config: Config, record: dict, folder: str) -> TrainingError:
    """The error of a search without a best trial."""
    finished = [t for t in record["trials"] if t["state"] == "finished"]
    if finished:
        fastest = max(finished, key=lambda t: t["rows_per_second"])
        speed = f"the fastest, trial {fastest['number']}, makes {fastest['rows_per_second']:,.0f}"
        message = f"search.min_rows_per_second = {config.search.min_rows_per_second:g}: no finished trial is as fast; {speed}."
        return TrainingError(message, "set it lower and run the same command again: no trial is trained anew.")
    reasons = sorted({t["reason"] for t in record["trials"] if t["reason"]})
    message = f"no trial of {len(record['trials'])} finished: {'; '.join(reasons)[:500] or 'all were stopped'}."
    return TrainingError(message, f"mend the space, then run the same command again; the trials are listed in '{storage.join(folder, PAGE)}'.")


def _keep(config: Config, search: Record, folder: str) -> Tuning:
    """Write table, page and best settings, and copy the best trial's model to the run folder.

    Raises:
        TrainingError: If there is no best trial.
    """
    record = search.record()
    best = next((t for t in record["trials"] if t["number"] == record["best"]), None)
    model = storage.join(config.run.folder, "model")
    if best:
        record |= {"fingerprint": best["fingerprint"], "model": model}
    storage.write_json(storage.join(folder, RECORD), record)
    with storage.whole(storage.join(folder, TABLE)) as stream:
        search.frame().to_parquet(stream)
    storage.write(storage.join(folder, PAGE), search_page.render(record).encode())
    if not best:
        raise _nothing_found(config, record, folder)
    chosen = config.override(best["params"])
    name = f"{_name(config)}-best"
    longer = chosen.override({"run.folder": storage.join(storage.parent(config.run.folder), name)})
    kinds = {str(k): str(v) for k, v in chosen.schema_.columns.items()}
    storage.write(storage.join(folder, BEST), starter.render(longer, kinds, {}, {}).encode())
    artifact.copy(best["model"], model)
    return Tuning(model, best["fingerprint"], folder, record)
