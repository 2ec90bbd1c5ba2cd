"""Training: what is settled before workers start, and what they leave."""

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from raygen import storage
from raygen.cluster import connection, devices, resources
from raygen.config import RESOURCES, Config
from raygen.errors import ClusterError, ConfigError, OutputError
from raygen.latent import samplers as latent_samplers
from raygen.model import folder as model_folder
from raygen.table import split
from raygen.training import encoding, worker
from raygen.training import ray_train as workers
from raygen.training.checkpoints import Checkpoints

BATCH_ROWS = 512
SMALL_BATCH_ROWS = 64
AFTERWARDS = ("search", "generate", "evaluate")  # sections that the model does not depend on


@dataclass(frozen=True)
class Training:
    """What `train` made: the model folder, its fingerprint and figures, the sampler that it draws z from, and
    whether it was there already."""

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
    config = config.settled()
    model = storage.join(config.run.folder, "model")
    done = _finished(config, model)
    if done and done.metrics.get("encoded") == storage.name(encoding.folder_of(config)):
        return done
    check_sampler(config)
    storage.make_folder(config.run.folder, "run.folder")
    with connection.connected() as available:
        cpus = check_workers(config, available)
        if config.train.num_workers:
            resources.check_shared(config.run.folder, available)
        encoded = encoding.encode(config, say)
        if done:
            _check_content(config, done, encoded)
            return done
        check_memory(config, encoded)
        asked, config = config, sized(config, encoded.num_rows)
        for name, note in encoded.notes.items():
            say(f"Note: column '{name}' {note}.")
        by = (
            f"{in_words(config)} worker(s), {cpus} CPU(s) each"
            if config.train.num_workers
            else "this process"
        )
        table = f"{encoded.num_rows:,} rows x {encoded.codec.num_columns} parts"
        say(f"Training on {table}: {config.train.steps:,} steps of {config.train.batch_size} rows by {by}.")
        settings: dict = {
            "asked": asked.to_dict(),
            "config": config.to_dict(),
            "encoded": encoded.folder,
            "model": model,
            "cpus": cpus,
        }
        settings |= {"checkpoints": checkpoint_folder(config, encoded.content)}
        if config.train.num_workers == 0:
            with devices.in_this_process(config.train.use_gpu):
                worker.work(settings, worker.Rounds(config, say, Checkpoints(settings["checkpoints"], say)))
        else:
            need, free = cpus * config.train.fewest_workers, resources.free_cpus()
            if free < need:
                say(
                    f"Note: {free:g} CPUs of the cluster are free now: training starts when there are {need}."
                )
            workers.fit(config, settings, cpus, say)
    index = model_folder.read_index(model)
    return Training(model, index["fingerprint"], index["metrics"], index["sampler"])


def in_words(config: Config) -> str:
    """How many workers train."""
    t = config.train
    return f"{t.fewest_workers} to {t.most_workers}" if t.elastic else str(t.most_workers)


def run_name(config: Config) -> str:
    """A name made of all settings that the trained model depends on: the same ones resume the same run."""
    kept = {k: v for k, v in config.to_dict().items() if k not in AFTERWARDS} | {
        "run": {"seed": config.run.seed}
    }
    kept["train"] = {k: v for k, v in kept["train"].items() if k not in RESOURCES}
    return "run-" + hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:12]


def checkpoint_folder(config: Config, content: str) -> str:
    """Where the checkpoints of a run are: of these settings, on a table of this content."""
    return storage.join(config.run.folder, "checkpoints", f"{run_name(config)}-{content[:8]}")


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
    wanted, d = config.latent.sampler, config.model.latent_dim
    if wanted == "learned" and config.model.prior != "mixture":
        raise ConfigError(
            "latent.sampler = 'learned' needs model.prior = 'mixture'.", "set latent.sampler = 'auto'."
        )
    if wanted == "flow" and d > latent_samplers.FLOW_LATENT_DIM:
        message = (
            "latent.sampler = 'flow' is fitted up to model.latent_dim = "
            f"{latent_samplers.FLOW_LATENT_DIM}; this one is {d}."
        )
        raise ConfigError(message, "set latent.sampler = 'mixture' or 'auto'.")
    if wanted == "flow" and not config.latent.flow_steps:
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


def sized(config: Config, num_rows: int) -> Config:
    """The config with its batch size and steps settled for a table of so many rows.

    Raises:
        ConfigError: If the table cannot fill the batch, or the holdout leaves nothing.
    """
    t, workers = config.train, config.train.most_workers
    held = split.num_held(num_rows, t.holdout, config.run.seed)
    training = num_rows - held
    if held < 2 * workers or training < workers:
        raise ConfigError(
            f"train.holdout = {t.holdout} leaves {training} of {num_rows} rows to train on and {held} "
            "to score.",
            "change it.",
        )
    most = training // split.LANES * split.LANES if training >= split.LANES else training // workers * workers
    fitting = min(most, BATCH_ROWS, max(SMALL_BATCH_ROWS, most // 4 // split.LANES * split.LANES))
    even = (
        fitting % split.LANES == 0 and workers <= split.LANES
    )  # dealt to any number of workers: they make the same model
    size = t.batch_size or (fitting if even else max(1, fitting // workers) * workers)
    lanes = split.num_lanes(size, workers)
    if size % lanes:
        raise ConfigError(
            f"train.batch_size = {size} cannot be split over {workers} workers.",
            f"set it to a multiple of {workers}.",
        )
    if training // lanes < size // lanes:
        message = f"train.batch_size = {size}: the table has {training} training rows ({held} are held out)."
        raise ConfigError(message, f"set train.batch_size = {most} or less, or 0.")
    most_steps = t.epochs * (training // lanes // (size // lanes))
    return config.override({"train.batch_size": size, "train.steps": min(t.steps, most_steps)})


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


def _check_content(config: Config, done: Training, encoded: encoding.Encoded) -> None:
    """Refuse to call a model finished whose table has other rows by now."""
    if done.metrics.get("content", encoded.content) != encoded.content:
        message = f"'{done.model}' was trained on other rows than '{config.data.source}' has now."
        raise OutputError(message, "choose another run.folder, or delete the folder's model/ to train anew.")
