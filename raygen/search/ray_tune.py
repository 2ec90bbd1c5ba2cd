"""Ray Tune's part of a search: its domains, its searchers, its scheduler, and a callback that follows the
trials."""

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from ray import tune
from ray.tune.error import TuneError
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler
from ray.tune.search import BasicVariantGenerator, ConcurrencyLimiter
from ray.tune.search.optuna import OptunaSearch
from ray.tune.search.variant_generator import generate_variants

from raygen import filesystems, rng, storage
from raygen.cluster import ray_internals
from raygen.config import Config
from raygen.errors import ConfigError, RaygenError, TrainingError
from raygen.report.redrawn import Say
from raygen.search import trial
from raygen.search.job import SearchJob
from raygen.search.log import SearchLog
from raygen.search.space import Space
from raygen.training.objective import HIGHER_IS_BETTER
from raygen.training.rounds import ROUNDS

if TYPE_CHECKING:
    from ray.tune.execution.tune_controller import TuneController

FILES = "tune"  # folder of Ray Tune's own files, in that of the search

# rows/s are known of finished trials alone
ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
}


class Follower(tune.Callback):
    """Keeps the record of a search, and says how it goes.

    Args:
        search: The record.
        uri: The file that it is written to.
        say: Called with each line of progress.
    """

    def __init__(self, search: SearchLog, uri: str, say: Say):
        self.search, self.uri, self.say = search, uri, say
        self.numbers: dict[str, int] = {}
        self.error: RaygenError | None = None  # the first; Ray Tune would take it for a trial's

    def __reduce__(self) -> tuple[type, tuple]:
        """Ray Tune keeps a copy of its callbacks on storage, which `say` may not allow."""
        return (tune.Callback, ())

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self.search.started(self._number(trials, trial), self.search.space.values(trial.config))
        self._write()

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        line = self.search.heard(self._number(trials, trial), result)
        if line:
            self.say(line)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._ended(trials, trial, "")

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        error = str(trial.get_error() or "its actor was lost")
        self._ended(trials, trial, error.strip().splitlines()[-1])

    def _ended(self, trials: list[Trial], trial: Trial, reason: str) -> None:
        number = self._number(trials, trial)
        if number not in self.search.trials:  # its actor never began
            self.search.started(number, self.search.space.values(trial.config))
        self.say(self.search.ended(number, reason))
        self._write()

    def _number(self, trials: list[Trial], trial: Trial) -> int:
        for each in trials:  # a trial that is started again goes to the end of the list
            self.numbers.setdefault(each.trial_id, len(self.numbers))
        return self.numbers[trial.trial_id]

    def _write(self) -> None:
        try:
            self.search.write(self.uri)
        except RaygenError as error:
            self.error = self.error or error


class Asha(ASHAScheduler):
    """ASHA by held-out nats, which lets the trial of the config's own settings come to its end: what is best
    is then no worse.

    Args:
        own: These settings, as labels; None if the space does not hold them.
    """

    def __init__(self, own: dict[str, Any] | None, **settings: float):
        super().__init__("round", "value_nats", "min", **settings)
        self.own = own

    def on_trial_result(self, controller: "TuneController", trial: Trial, result: dict[str, Any]) -> str:
        decision = super().on_trial_result(controller, trial, result)
        return self.CONTINUE if trial.config == self.own else decision


class Optuna(OptunaSearch):
    """Optuna, which takes a trial without a result for a pruned one."""

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        known = result and not np.isnan(result["objective"])
        super().on_trial_complete(trial_id, result if known else None, error)


def run(job: SearchJob, search: SearchLog, record_uri: str, say: Say) -> tune.ResultGrid:
    """Let Ray Tune run the trials; `search` hears of each."""
    storage.new_folder(job.folder, FILES)  # what a killed search left, raygen does not read
    os.environ |= ENVIRONMENT
    ray_internals.send_no_credentials()
    follower = Follower(search, record_uri, say)
    tuner = _tuner(job, search, follower)
    hint = f"finished trials are kept in '{job.folder}': run the same command again to go on."
    try:
        results = tuner.fit()
    except (TuneError, ValueError) as error:
        raise TrainingError(f"Ray Tune has given up: {str(error).strip().splitlines()[-1]}", hint) from error
    if follower.error:
        raise follower.error
    say(search.line())
    if search.unfinished:
        raise KeyboardInterrupt  # which Ray Tune has taken to stop its trials
    if job.config.search.log_to != "tensorboard":
        storage.delete_folder(job.folder, FILES)
    return results


def _tuner(job: SearchJob, search: SearchLog, follower: Follower) -> tune.Tuner:
    config, space = job.config, job.space
    nested = config.train.most_workers > 1
    resources = {"node:__internal_head__": 0.001} if nested else {"CPU": job.cpus, "GPU": job.gpus}
    filesystem, inside = filesystems.resolve(job.folder)
    return tune.Tuner(
        tune.with_resources(tune.with_parameters(trial.run, job=job), resources),
        param_space=_domains(space, config),
        tune_config=tune.TuneConfig(
            num_samples=1 if config.search.algorithm == "grid" else config.search.trials,
            search_alg=_algorithm(config, space, job.at_a_time, search.points),
            scheduler=_scheduler(config, _own(config, space)),
            reuse_actors=not nested,
            trial_dirname_creator=lambda tune_trial: tune_trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name=FILES,
            storage_path=inside,
            storage_filesystem=filesystem,
            verbose=0,
            callbacks=[follower, *_loggers(config)],
            failure_config=tune.FailureConfig(max_failures=config.train.max_failures),
        ),
    )


def _domains(space: Space, config: Config) -> dict[str, Any]:
    """The space in Ray Tune's words."""
    makers: dict[str, Any] = {
        "choice": lambda v: (tune.grid_search if config.search.algorithm == "grid" else tune.choice)(
            [json.dumps(x) for x in v]
        ),
        "uniform": lambda v: tune.uniform(*v),
        "log_uniform": lambda v: tune.loguniform(*v),
        "integer": lambda v: tune.randint(int(v[0]), int(v[1]) + 1),
        "log_integer": lambda v: tune.lograndint(int(v[0]), int(v[1]) + 1),
    }
    return {key: makers[kind](values) for key, (kind, values) in space.domains.items()}


def _algorithm(
    config: Config, space: Space, most: int, before: list[dict[str, Any]]
) -> BasicVariantGenerator | ConcurrencyLimiter:
    """Who chooses the points: the same ones for the same seed, the config's own first.

    What `tpe` chooses depends on which results are there already: after an interruption it is given the
    points that it chose before.
    """
    s, own = config.search, _own(config, space)
    first = [own] if own else []
    if s.algorithm == "grid":
        return BasicVariantGenerator(max_concurrent=most)
    if s.algorithm == "random":
        return BasicVariantGenerator(points_to_evaluate=_drawn(config, space, first), max_concurrent=most)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(
        seed=config.run.seed, n_startup_trials=max(4, min(10, s.trials // 3))
    )
    metric, mode = _aims(config)
    return ConcurrencyLimiter(
        Optuna(
            metric=metric,
            mode=mode,
            sampler=sampler,
            points_to_evaluate=[space.labels(p) for p in before][: s.trials] or first or None,
        ),
        most,
    )


def _drawn(config: Config, space: Space, first: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`search.trials` points, no two alike, as labels: two trials of one point would write one model folder
    at once.

    Raises:
        ConfigError: If the space has not so many.
    """
    generator, points = rng.generator(config.run.seed, "search points"), list(first)
    for _ in range(1000 * config.search.trials):
        if len(points) >= config.search.trials:
            return points[: config.search.trials]
        _, spec = next(generate_variants({"config": _domains(space, config)}, random_state=generator))
        point = spec["config"]
        if point not in points:
            points.append(point)
    message = (
        f"search.trials = {config.search.trials}: search.space has only {len(points)} points or few more."
    )
    raise ConfigError(message, f"set search.trials = {len(points)}, or widen the space.")


def _aims(config: Config) -> tuple[Any, Any]:
    """Metric and mode for Ray Tune; two of each where cost counts too."""
    mode = "max" if HIGHER_IS_BETTER[config.search.objective] else "min"
    if config.search.cost == "none":
        return "objective", mode
    return ["objective", config.search.cost], [
        mode,
        "max" if config.search.cost == "rows_per_second" else "min",
    ]


def _own(config: Config, space: Space) -> dict[str, Any] | None:
    """The config's own point, as labels, if the space holds it."""
    own = space.own(config)
    return space.labels(own) if space.holds(own) else None


def _scheduler(config: Config, own: dict[str, Any] | None) -> FIFOScheduler:
    """Who stops trials; `own` are the config's own settings, as labels."""
    if config.search.scheduler == "none":
        return FIFOScheduler()
    return Asha(
        own,
        max_t=100 * ROUNDS,  # a trial ends by itself
        grace_period=max(1, round(config.search.grace * ROUNDS)),
        reduction_factor=config.search.reduction_factor,
    )


def _loggers(config: Config) -> list:
    """Ray's callback for `search.log_to`."""
    where = config.search.log_to
    name = storage.name(config.run.folder)
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
