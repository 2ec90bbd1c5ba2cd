"""Training: what is settled before workers start, and what they leave."""

from contextlib import nullcontext
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np

from raygen import filesystems, storage
from raygen.cluster import connection, devices, resources
from raygen.config import RESOURCES, Config
from raygen.errors import ClusterError, ConfigError, OutputError
from raygen.latent import samplers as latent_samplers
from raygen.model import folder as model_folder
from raygen.report import redrawn
from raygen.report.redrawn import Say
from raygen.training import encoding, run_claim, worker
from raygen.training.checkpoints import Checkpoints
from raygen.training.job import AFTERWARDS, TrainingJob, WorkerContext, run_name

if TYPE_CHECKING:
    from ray.train import Checkpoint, Result


@dataclass(frozen=True)
class Training:
    """What `train` made; `raygen.load` and whatever takes a model's path take it.

    Attributes:
        model, fingerprint: The model folder, and its hash.
        metrics: Figures of the training, and of each latent sampler.
        sampler: That it draws z from.
        finished_before: Whether it was there already.
        result: Ray Train's, whose checkpoint is the model and whose metrics are of its rounds; None where
            this process trained, or before.
    """

    model: str
    fingerprint: str
    metrics: dict = field(repr=False)
    sampler: str
    finished_before: bool = False
    result: "Result | None" = field(default=None, repr=False, compare=False)

    def __fspath__(self) -> str:
        return self.model

    @property
    def checkpoint(self) -> "Checkpoint":
        """The model as a Checkpoint of Ray."""
        from ray.train import Checkpoint

        filesystem, path = filesystems.resolve(self.model)
        return Checkpoint(path, filesystem)

    def to_dict(self) -> dict:
        """All but Ray's part, for JSON."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "result"}


def train(config: Config, say: Say = print) -> Training:
    """Learn the config's table and write the model folder.

    Running it again with the same config resumes an unfinished run, and returns at once for a finished one.

    Args:
        config: The settings; `run.folder` and `data.source` must be set.
        say: Called with each line of progress.

    Raises:
        RaygenError: With a hint, for whatever the user can mend.
    """
    config, say = config.settled(), redrawn.teller(say)
    model = storage.join(config.run.folder, "model")
    earlier = _finished(config, model)
    if earlier and earlier.metrics.get("encoded") == storage.name(encoding.folder_of(config)):
        return earlier
    check_sampler(config)
    storage.make_folder(config.run.folder, "run.folder")
    with run_claim.held(config.run.folder), connection.connected() as available:
        cpus = check_workers(config, available)
        if config.train.num_workers:
            resources.check_shared(config.run.folder, available)
        encoded = encoding.encode(config, say)
        if earlier:
            _check_content(config, earlier, encoded)
            return earlier
        check_memory(config, encoded)
        result = None
        job = TrainingJob.of(config, encoded.table, model, cpus)
        for name, note in encoded.notes.items():
            say(f"Note: column '{name}' {note}.")
        table = f"{encoded.num_rows:,} rows x {encoded.codec.num_columns} parts"
        say(f"Training on {table}: {_in_words(job)}.")
        if config.train.num_workers == 0:
            context = WorkerContext(say, Checkpoints(job.checkpoints, say))
            with devices.in_this_process(config.train.use_gpu):
                worker.work(job, lambda: nullcontext(context))
        else:
            from raygen.training import ray_train

            need, free = cpus * config.train.fewest_workers, resources.free_cpus()
            if free < need:
                say(
                    f"Note: {free:g} CPUs of the cluster are free now: training starts when there are {need}."
                )
            result = ray_train.fit(job, say)
    redrawn.finish(say)
    say(f"Note: '{encoded.folder}' is the table in another form: guard it like the table, or delete it.")
    index = model_folder.read_index(model)
    done = Training(model, index["fingerprint"], index["metrics"], index["sampler"], result=result)
    return _with_model(done) if result else done


def _with_model(done: Training) -> Training:
    """Ray Train's result with the model for its checkpoint, and the rounds for its metrics: Ray Train itself
    keeps none without a checkpoint of its own."""
    import pandas as pd

    if result := done.result:
        result.checkpoint = done.checkpoint
        result.metrics, result.metrics_dataframe = (
            done.metrics["history"][-1],
            pd.DataFrame(done.metrics["history"]),
        )
    return done


def _in_words(job: TrainingJob) -> str:
    """How much is trained, and by whom."""
    t = job.config.train
    by = f"{in_words(job.config)} worker(s), {job.cpus} CPU(s) each" if t.num_workers else "this process"
    return f"{t.steps:,} steps of {t.batch_size} rows by {by}"


def in_words(config: Config) -> str:
    """How many workers train."""
    t = config.train
    return f"{t.fewest_workers} to {t.most_workers}" if t.elastic else str(t.most_workers)


def check_workers(config: Config, available: resources.Resources) -> int:
    """Refuse workers that the cluster cannot hold; CPUs of each worker otherwise."""
    t = config.train
    if t.num_workers and not t.cpus_per_worker and not available.cpus:
        raise resources.none_yet("train.cpus_per_worker", "an equal share of the cluster's CPUs", 8)
    cpus = t.cpus_per_worker or available.share(t.most_workers, 1 if t.use_gpu else 0)
    if t.num_workers:
        resources.require("train.num_workers", t.fewest_workers, cpus, 1 if t.use_gpu else 0, available)
    return cpus


def check_sampler(config: Config) -> None:
    """Refuse a latent sampler that the model could not have.

    Raises:
        ConfigError: Saying what it lacks.
    """
    sampler, d = config.latent.sampler, config.model.latent_dim
    if sampler == "learned" and config.model.prior != "mixture":
        raise ConfigError(
            "latent.sampler = 'learned' needs model.prior = 'mixture'.", "set latent.sampler = 'auto'."
        )
    if sampler == "flow" and d > latent_samplers.FLOW_LATENT_DIM:
        message = (
            "latent.sampler = 'flow' is fitted up to model.latent_dim = "
            f"{latent_samplers.FLOW_LATENT_DIM}; this one is {d}."
        )
        raise ConfigError(message, "set latent.sampler = 'mixture' or 'auto'.")
    if sampler == "flow" and not config.latent.flow_steps:
        raise ConfigError(
            "latent.sampler = 'flow' with latent.flow_steps = 0.", "set latent.flow_steps = 4000."
        )


def check_memory(config: Config, encoded: encoding.Encoded) -> None:
    """Refuse an encoded table that does not fit the workers' memory."""
    t, workers = config.train, config.train.fewest_workers
    need = encoded.worker_bytes(config, workers) / 2**30
    if need > t.memory_gib:
        message = (
            f"train.memory_gib = {t.memory_gib:g}: each of {workers} workers must hold "
            f"{need:.1f} GiB of encoded rows."
        )
        fewer = int(min(encoded.num_rows / 2, t.shuffle_rows) * t.memory_gib / need)
        raise ClusterError(
            message,
            f"set train.memory_gib = {int(np.ceil(need))}, train.shuffle_rows = {fewer} or less, or "
            "more train.num_workers.",
        )


def _finished(config: Config, model: str) -> Training | None:
    if not model_folder.is_model(model):
        return None
    index = model_folder.read_index(model)
    before = Config.from_dict(index["config"])
    if run_name(before) == run_name(config):
        return Training(model, index["fingerprint"], index["metrics"], index["sampler"], finished_before=True)
    old, new = before.to_dict(), config.to_dict()
    apart = {"run.folder", *(f"train.{name}" for name in RESOURCES)}
    named = [(f"{s}.{k}", old[s].get(k), new[s][k]) for s in new if s not in AFTERWARDS for k in new[s]]
    changed = [f"{name} {a!r} -> {b!r}" for name, a, b in named if a != b and name not in apart]
    message = f"'{config.run.folder}' holds a model trained with other settings ({'; '.join(changed)[:300]})."
    raise OutputError(message, "choose another run.folder, or delete the folder's model/ to train anew.")


def _check_content(config: Config, earlier: Training, encoded: encoding.Encoded) -> None:
    """Refuse to call a model finished whose table has other rows by now."""
    if earlier.metrics.get("content", encoded.content) != encoded.content:
        message = f"'{earlier.model}' was trained on other rows than '{config.data.source}' has now."
        raise OutputError(message, "choose another run.folder, or delete the folder's model/ to train anew.")
