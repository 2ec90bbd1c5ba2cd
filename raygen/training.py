"""Training: the driver, and what each Ray Train worker does."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from raygen import artifact, batches, cluster, data, devices, latent, objective, storage, worker
from raygen.checkpoints import Checkpoints, rounds_of
from raygen.config import RESOURCES, Config
from raygen.errors import ClusterError, ConfigError, OutputError, RaygenError, TrainingError

START_TIMEOUT = "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"
BATCH_ROWS = 512
SMALL_BATCH_ROWS = 64
SMALL_TABLE_ROWS = 5000  # below it, training to the end copies rows (measured on 891 rows: 11 % of what was drawn)
SMALL_PATIENCE = 5
RESIZE_SECONDS = 60.0  # between looks for room for more workers, where their number may change
ELASTIC_START_SECONDS = 60  # until a start of workers, whose number was settled before a node was known to be lost, is given up for a smaller one
AFTERWARDS = ("search", "generate", "evaluate")  # sections that the model does not depend on


@dataclass(frozen=True)
class Training:
    """What `train` made: the model folder, its fingerprint and figures, the sampler that it draws z from, and whether it was there already."""

    model: str
    fingerprint: str
    metrics: dict
    sampler: str
    finished_before: bool = False


def train(config: Config, say=print) -> Training:
    """Learn the config's table and write the model folder.

    Running it again with the same config resumes an unfinished run, and returns at once for a finished one.

    Args:
        config: The settings; `run.folder` and `data.source` must be set.
        say: Called with each line of progress.

    Raises:
        RaygenError: With a hint, for whatever the user can mend.
    """
    config = settled(config)
    model = storage.join(config.run.folder, "model")
    done = _finished(config, model)
    if done:
        return done
    check_sampler(config)
    storage.make_folder(config.run.folder, "run.folder")
    with cluster.connected() as available:
        cpus = check_workers(config, available)
        if config.train.num_workers:
            cluster.check_shared(config.run.folder, available)
        encoded = data.encode(config, say)
        check_memory(config, encoded)
        asked, config = config, sized(config, encoded.num_rows)
        for name, note in encoded.notes.items():
            say(f"Note: column '{name}' {note}.")
        workers = f"{in_words(config)} worker(s)" if config.train.num_workers else "this process"
        table = f"{encoded.num_rows:,} rows x {encoded.codec.num_columns} parts"
        say(f"Training on {table}: {config.train.steps:,} steps of {config.train.batch_size} rows by {workers}, {cpus} CPU(s) each.")
        settings = {"asked": asked.to_dict(), "config": config.to_dict(), "encoded": encoded.folder, "model": model, "cpus": cpus}
        if config.train.num_workers == 0:
            with devices.in_this_process(config.train.use_gpu):
                worker.work(settings, worker.Rounds(config, say, Checkpoints(checkpoint_folder(config), say)))
        else:
            fit(config, settings, cpus, say)
    index = artifact.read_index(model)
    return Training(model, index["fingerprint"], index["metrics"], index["sampler"])


def settled(config: Config) -> Config:
    """The config with absolute paths.

    Raises:
        ConfigError: If there is no run folder.
    """
    if not config.run.folder:
        raise ConfigError("run.folder is not set.", 'set it to an empty folder, such as run.folder = "runs/census".')
    return config.override({"run.folder": storage.absolute(config.run.folder), "data.source": storage.absolute(config.data.source)})


def in_words(config: Config) -> str:
    """How many workers train."""
    t = config.train
    return f"{t.fewest_workers} to {t.most_workers}" if t.elastic else str(t.most_workers)


def run_name(config: Config) -> str:
    """A name made of all that the trained model depends on: the same settings resume the same run."""
    kept = {k: v for k, v in config.to_dict().items() if k not in AFTERWARDS}
    kept["train"] = {k: v for k, v in kept["train"].items() if k not in RESOURCES}
    return "run-" + hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:12]


def checkpoint_folder(config: Config) -> str:
    return storage.join(config.run.folder, "checkpoints", run_name(config))


def check_workers(config: Config, available: cluster.Resources) -> int:
    """Refuse workers that the cluster cannot hold; CPUs of each worker otherwise."""
    t = config.train
    workers = t.most_workers
    if t.num_workers and not t.cpus_per_worker and not available.cpus:
        raise cluster.none_yet("train.cpus_per_worker", "an equal share of the cluster's CPUs", 8)
    share = available.cpus // workers if len(available.nodes) < 2 else min(available.cpus // workers, available.largest_node_cpus)
    cpus = t.cpus_per_worker or max(1, share)
    if t.num_workers:
        cluster.require("train.num_workers", t.fewest_workers, cpus, 1 if t.use_gpu else 0, available)
    return cpus


def check_sampler(config: Config) -> None:
    """Refuse a latent sampler that the model could not have.

    Raises:
        ConfigError: Saying what it lacks.
    """
    wanted, d = config.latent.sampler, config.model.latent_dim
    if wanted == "learned" and config.model.prior != "mixture":
        raise ConfigError("latent.sampler = 'learned' needs model.prior = 'mixture'.", "set latent.sampler = 'auto'.")
    if wanted == "flow" and d > latent.FLOW_LATENT_DIM:
        message = f"latent.sampler = 'flow' is fitted up to model.latent_dim = {latent.FLOW_LATENT_DIM}; this one is {d}."
        raise ConfigError(message, "set latent.sampler = 'mixture' or 'auto'.")
    if wanted == "flow" and not config.latent.flow_steps:
        raise ConfigError("latent.sampler = 'flow' with latent.flow_steps = 0.", "set latent.flow_steps = 4000.")


def check_memory(config: Config, encoded: data.Encoded) -> None:
    """Refuse an encoded table that does not fit the workers' memory."""
    t, workers = config.train, config.train.fewest_workers
    need = encoded.worker_bytes(config, workers) / 2**30
    if need > t.memory_gib:
        message = f"train.memory_gib = {t.memory_gib:g}: each of {workers} workers must hold {need:.1f} GiB of encoded rows."
        fewer = int(min(encoded.num_rows / 2, t.shuffle_rows) * t.memory_gib / need)
        raise ClusterError(message, f"set train.memory_gib = {int(np.ceil(need))}, train.shuffle_rows = {fewer} or less, or more train.num_workers.")


def sized(config: Config, num_rows: int) -> Config:
    """The config with its batch size, steps and patience settled for a table of so many rows.

    Raises:
        ConfigError: If the table cannot fill the batch, or the holdout leaves nothing.
    """
    t, workers = config.train, config.train.most_workers
    held = batches.num_held(num_rows, t.holdout, config.run.seed)
    training = num_rows - held
    if held < 2 * workers or training < workers:
        raise ConfigError(f"train.holdout = {t.holdout} leaves {training} of {num_rows} rows to train on and {held} to score.", "change it.")
    most = training // batches.LANES * batches.LANES if training >= batches.LANES else training // workers * workers
    fitting = min(most, BATCH_ROWS, max(SMALL_BATCH_ROWS, most // 4 // batches.LANES * batches.LANES))
    size = t.batch_size or max(1, fitting // workers) * workers
    lanes = batches.num_lanes(size, workers)
    if size % lanes:
        raise ConfigError(f"train.batch_size = {size} cannot be split over {workers} workers.", f"set it to a multiple of {workers}.")
    if training // lanes < size // lanes:
        message = f"train.batch_size = {size}: the table has {training} training rows ({held} are held out)."
        raise ConfigError(message, f"set train.batch_size = {most} or less, or 0.")
    patience = t.patience if t.patience >= 0 else SMALL_PATIENCE * (training < SMALL_TABLE_ROWS)
    most_steps = t.epochs * (training // lanes // (size // lanes))
    return config.override({"train.batch_size": size, "train.steps": min(t.steps, most_steps), "train.patience": patience})


def _finished(config: Config, model: str) -> Training | None:
    if not artifact.is_model(model):
        return None
    index = artifact.read_index(model)
    before = Config.from_dict(index["config"])
    if run_name(before) == run_name(config):
        return Training(model, index["fingerprint"], index["metrics"], index["sampler"], finished_before=True)
    old, new = before.to_dict(), config.to_dict()
    changed = [f"{s}.{k} {old[s][k]!r} -> {new[s][k]!r}" for s in new for k in new[s] if s not in AFTERWARDS and old[s].get(k) != new[s][k]]
    message = f"'{config.run.folder}' holds a model trained with other settings ({'; '.join(changed)[:300]})."
    raise OutputError(message, "choose another run.folder, or delete the folder's model/ to train anew.")


def fit(config: Config, settings: dict, cpus: int, say, callbacks: Sequence = ()) -> None:
    """Run `worker.work` in Ray Train workers, and pass on what they say.

    Args:
        config: Settled and sized.
        settings: For `worker.work`.
        cpus: Of each worker.
        say: Called with each line of progress.
        callbacks: Of Ray Train.
    """
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig, UserCallback

    with cluster.silent_stderr():
        from ray.train.tensorflow import TensorflowTrainer
    from ray.train.v2.api.exceptions import TrainingFailedError

    t = config.train
    board = cluster.new_board()
    workers: Any = (t.fewest_workers, t.most_workers) if t.elastic else t.num_workers

    class Losses(UserCallback):
        """Tells of lost workers, once for each loss, however often Ray Train looks."""

        told = ""

        def after_exception(self, run_context, worker_exceptions):
            rank, error = min(worker_exceptions.items())
            if str(error) != self.told:
                self.told = str(error)
                line = f"Warning: worker {rank} was lost; all start again from the last checkpoint, as soon as there is room for them."
                board.add_unless_failed.remote(line)

    need = {"CPU": cpus, **({"GPU": 1} if t.use_gpu else {})}
    environment = {**cluster.ENVIRONMENT, "TF_NUM_INTRAOP_THREADS": str(cpus), "TF_NUM_INTEROP_THREADS": "2"}
    if not t.use_gpu:
        environment["CUDA_VISIBLE_DEVICES"] = "-1"
    filesystem, checkpoints = storage.resolve(storage.join(config.run.folder, "checkpoints"))
    trainer = TensorflowTrainer(
        _work_on_ray,
        train_loop_config={**settings, "board": board},
        scaling_config=ScalingConfig(
            num_workers=workers,
            use_gpu=t.use_gpu,
            resources_per_worker=need,
            elastic_resize_monitor_interval_s=RESIZE_SECONDS,  # type: ignore[call-arg]
        ),
        run_config=RunConfig(  # type: ignore[call-arg]
            name=run_name(config),
            storage_path=checkpoints,
            storage_filesystem=filesystem,
            failure_config=FailureConfig(max_failures=t.max_failures, controller_failure_limit=5),  # type: ignore[call-arg]
            callbacks=[Losses(), *callbacks],  # type: ignore[list-item]
            worker_runtime_env={"env_vars": environment},
        ),
    )
    try:
        with cluster.following(board, lambda lines: [say(line) for line in lines]):
            _start(trainer, t.elastic)
    except TrainingFailedError as error:
        failure = ray.get(board.failure.remote())
        raise failure or _lost(error, config) from error
    if failure := ray.get(board.failure.remote()):
        raise failure


def _start(trainer, elastic: bool) -> None:
    """Fit; Ray Train reads how long it waits for workers from the environment of this process."""
    before = os.environ.get(START_TIMEOUT, "")
    if elastic:
        os.environ[START_TIMEOUT] = str(ELASTIC_START_SECONDS)
    try:
        trainer.fit()
    finally:
        os.environ[START_TIMEOUT] = before


def _lost(error: Exception, config: Config) -> TrainingError:
    """The error of a run whose workers were lost more often than `train.max_failures` allows."""
    causes = getattr(error, "worker_failures", None) or {0: error}
    reason = str(next(iter(causes.values()))).strip().splitlines()[-1]
    hint = f"its checkpoints are kept in '{checkpoint_folder(config)}': run the same command to resume."
    return TrainingError(f"training lost its workers: {reason}", hint)


class _RayCheckpoints(Checkpoints):
    """Checkpoints that worker 0 writes and all workers read, and a report to Ray Train after each round."""

    def __init__(self, folder: str, say, rank: int, objective: str | None = None):
        super().__init__(folder, say)
        self.rank, self.objective = rank, objective

    def load(self) -> dict | None:
        from ray import train
        from ray.train.collective import broadcast_from_rank_zero

        name, state = self.newest() if self.rank == 0 else ("", None)
        name = broadcast_from_rank_zero(name)
        if self.rank and name:
            state = self.read(name)
        for figures in rounds_of(state) if state else []:
            if self.objective and "value_nats" in figures:
                train.report(objective.heard(figures, self.objective))  # Ray Tune hears of a trial's rounds again when its search is resumed
        return state

    def save(self, state: dict, figures: dict) -> None:
        from ray import train

        if self.rank == 0:
            self.keep(state)
        train.report(objective.heard(figures, self.objective))


def _work_on_ray(settings: dict) -> None:
    import ray
    import tensorflow as tf
    from ray import train
    from ray.train.collective import barrier, broadcast_from_rank_zero

    context = train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    board = settings["board"]
    if ray.get(board.failure.remote()):
        return  # the workers were started again after an error that would only come again
    say = (lambda line: ray.get(board.add.remote(line))) if rank == 0 else (lambda line: None)
    strategy = tf.distribute.MultiWorkerMirroredStrategy() if world > 1 else None
    config = Config.from_dict(settings["config"])
    if config.train.elastic:
        say(f"{world} of {config.train.most_workers} worker(s) are there.")
    kept = _RayCheckpoints(checkpoint_folder(config), say, rank, settings.get("objective"))
    rounds = worker.Rounds(config, say, kept, rank, world, strategy, lambda: train.get_preemption_info() is not None, broadcast_from_rank_zero)
    e = tf.errors
    lost = (OSError, e.UnavailableError, e.AbortedError, e.CancelledError, e.InternalError, e.DeadlineExceededError)
    try:
        worker.work(settings, rounds)
        barrier()  # the others wait for rank 0's model: a peer that leaves would end its collectives
    except Exception as error:
        if isinstance(error, RaygenError) or not isinstance(error, lost):
            known = error if isinstance(error, RaygenError) else TrainingError(f"training failed: {type(error).__name__}: {error}")
            ray.get(board.fail.remote(known))
        raise
