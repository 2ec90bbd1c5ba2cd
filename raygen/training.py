"""Training: the driver, and what each Ray Train worker does."""

import hashlib
import io
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from raygen import artifact, batches, cluster, data, latent, storage
from raygen.config import Config
from raygen.errors import ClusterError, ConfigError, OutputError, RaygenError, TrainingError

ROUNDS = 20  # evaluations in a run


@dataclass(frozen=True)
class Training:
    """What `train` made: the model folder, its fingerprint and figures, and whether it was there already."""

    model: str
    fingerprint: str
    metrics: dict
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
    storage.make_folder(config.run.folder)
    with cluster.connected() as available:
        cpus = check_workers(config, available)
        encoded = data.encode(config, say)
        check_rows(config, encoded)
        for name, note in encoded.notes.items():
            say(f"Note: column '{name}' {note}.")
        say(
            f"Training on {encoded.num_rows:,} rows x {encoded.codec.num_columns} parts, {max(1, config.train.num_workers)} worker(s) of {cpus} CPU(s)."
        )
        settings = {"config": config.to_dict(), "encoded": encoded.folder, "model": model, "cpus": cpus}
        if config.train.num_workers == 0:
            local = Rounds(config, say, _LocalCheckpoints(storage.join(config.run.folder, "checkpoints", run_name(config))))
            work(settings, local)
        else:
            _fit(config, settings, cpus, say)
    index = artifact.read_index(model)
    return Training(model, index["fingerprint"], index["metrics"])


def settled(config: Config) -> Config:
    """The config with absolute paths.

    Raises:
        ConfigError: If there is no run folder.
    """
    if not config.run.folder:
        raise ConfigError("run.folder is not set.", 'set it to an empty folder, such as run.folder = "runs/census".')
    return config.override({"run.folder": storage.absolute(config.run.folder), "data.source": storage.absolute(config.data.source)})


def run_name(config: Config) -> str:
    """A name made of all that the trained model depends on: the same settings resume the same run."""
    kept = {k: v for k, v in config.to_dict().items() if k != "generate"}
    where = ("num_workers", "use_gpu", "cpus_per_worker", "memory_gib", "max_failures")
    kept["train"] = {k: v for k, v in kept["train"].items() if k not in where}
    return "run-" + hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:12]


def check_workers(config: Config, available: cluster.Resources) -> int:
    """Refuse workers that the cluster cannot hold; CPUs of each worker otherwise."""
    t = config.train
    workers = max(1, t.num_workers)
    share = available.cpus // workers if len(available.nodes) < 2 else min(available.cpus // workers, available.largest_node_cpus)
    cpus = t.cpus_per_worker or max(1, share)
    if t.num_workers:
        cluster.require("train.num_workers", t.num_workers, cpus, 1 if t.use_gpu else 0, available)
    if t.batch_size % batches.num_lanes(t.batch_size, workers):
        raise ConfigError(f"train.batch_size = {t.batch_size} cannot be split over {workers} workers.", f"set it to a multiple of {workers}.")
    return cpus


def check_rows(config: Config, encoded: data.Encoded) -> None:
    """Refuse a batch that the table cannot fill, and a table that does not fit the workers."""
    t = config.train
    held = int(batches.held_out(np.arange(encoded.num_rows), t.holdout, config.run.seed).sum())
    training = encoded.num_rows - held
    lanes = batches.num_lanes(t.batch_size, max(1, t.num_workers))
    if held == 0 or training == 0:
        raise ConfigError(f"train.holdout = {t.holdout} leaves {training} of {encoded.num_rows} rows to train on and {held} to score.", "change it.")
    if training // lanes < t.batch_size // lanes:
        message = f"train.batch_size = {t.batch_size}: the table has {training} training rows ({held} are held out)."
        raise ConfigError(message, f"set train.batch_size = {max(lanes, training // lanes * lanes)} or less.")
    need = encoded.worker_bytes(t.num_workers) / 2**30
    if need > t.memory_gib:
        more = int(np.ceil(need * max(1, t.num_workers) / t.memory_gib))
        message = f"train.memory_gib = {t.memory_gib:g}: each of {max(1, t.num_workers)} workers must hold {need:.1f} GiB of encoded rows."
        raise ClusterError(message, f"set train.memory_gib = {int(np.ceil(need))}, or train.num_workers = {more}.")


def _finished(config: Config, model: str) -> Training | None:
    if not artifact.is_model(model):
        return None
    index = artifact.read_index(model)
    before = Config.from_dict(index["config"])
    if run_name(before) == run_name(config):
        return Training(model, index["fingerprint"], index["metrics"], finished_before=True)
    old, new = before.to_dict(), config.to_dict()
    changed = [f"{s}.{k} {old[s][k]!r} -> {new[s][k]!r}" for s in new for k in new[s] if s != "generate" and old[s].get(k) != new[s][k]]
    message = f"'{config.run.folder}' holds a model trained with other settings ({'; '.join(changed)[:300]})."
    raise OutputError(message, "choose another run.folder, or delete the folder's model/ to train anew.")


def _fit(config: Config, settings: dict, cpus: int, say) -> None:
    """Run `work` in Ray Train workers, and pass on what they say."""
    import ray
    from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig

    with cluster.silent_stderr():
        from ray.train.tensorflow import TensorflowTrainer
    from ray.train.v2.api.exceptions import TrainingFailedError

    t = config.train
    board = cluster.new_board()
    need = {"CPU": cpus, **({"GPU": 1} if t.use_gpu else {})}
    environment = {**cluster.ENVIRONMENT, "TF_NUM_INTRAOP_THREADS": str(cpus), "TF_NUM_INTEROP_THREADS": "2"}
    if not t.use_gpu:
        environment["CUDA_VISIBLE_DEVICES"] = "-1"
    trainer = TensorflowTrainer(
        _work_on_ray,
        train_loop_config={**settings, "board": board},
        scaling_config=ScalingConfig(num_workers=t.num_workers, use_gpu=t.use_gpu, resources_per_worker=need),
        run_config=RunConfig(
            name=run_name(config),
            storage_path=storage.join(config.run.folder, "checkpoints"),
            failure_config=FailureConfig(max_failures=t.max_failures, controller_failure_limit=5),
            checkpoint_config=CheckpointConfig(num_to_keep=2),
            worker_runtime_env={"env_vars": environment},
        ),
    )
    try:
        with cluster.following(board, lambda lines: [say(line) for line in lines]):
            trainer.fit()
    except TrainingFailedError as error:
        failure = ray.get(board.failure.remote())
        raise failure or _lost(error, config) from error
    if failure := ray.get(board.failure.remote()):
        raise failure


def _lost(error: Exception, config: Config) -> TrainingError:
    """The error of a run whose workers were lost more often than `train.max_failures` allows."""
    causes = getattr(error, "worker_failures", None) or {0: error}
    reason = str(next(iter(causes.values()))).strip().splitlines()[-1]
    hint = f"its checkpoints are kept in {config.run.folder}/checkpoints: run the same command to resume."
    return TrainingError(f"training lost its workers: {reason}", hint)


class _LocalCheckpoints:
    """The last checkpoint of a run in this process, as one file."""

    def __init__(self, folder: str):
        self.uri = storage.join(folder, "checkpoint.npz")

    def load(self) -> dict | None:
        return _unpack(storage.read(self.uri)) if storage.exists(self.uri) else None

    def save(self, state: dict, metrics: dict) -> None:
        storage.write(self.uri, _pack(state))


class _RayCheckpoints:
    """Ray Train's checkpoints: every rank reports, rank 0 with a checkpoint."""

    def __init__(self, rank: int):
        self.rank = rank

    def load(self) -> dict | None:
        from ray import train

        found = train.get_checkpoint()
        if not found:
            return None
        with found.as_directory() as folder:
            return _unpack((Path(folder) / "checkpoint.npz").read_bytes())

    def save(self, state: dict, metrics: dict) -> None:
        import tempfile

        from ray import train

        with tempfile.TemporaryDirectory() as folder:
            found = None
            if self.rank == 0:
                (Path(folder) / "checkpoint.npz").write_bytes(_pack(state))
                found = train.Checkpoint.from_directory(folder)
            train.report(metrics, checkpoint=found)


def _pack(state: dict) -> bytes:
    packed = io.BytesIO()
    np.savez(packed, **state)
    return packed.getvalue()


def _unpack(content: bytes) -> dict:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)


@dataclass
class Rounds:
    """What a worker needs of its surroundings: where it is among the workers, where lines and checkpoints go."""

    config: Config
    say: object
    checkpoints: object
    rank: int = 0
    world_size: int = 1
    strategy: object = None


def _work_on_ray(settings: dict) -> None:
    import ray
    import tensorflow as tf
    from ray import train
    from ray.train.collective import barrier

    context = train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    board = settings["board"]
    if ray.get(board.failure.remote()):
        return  # the workers were started again after an error that would only come again
    say = (lambda line: ray.get(board.add.remote(line))) if rank == 0 else (lambda line: None)
    strategy = tf.distribute.MultiWorkerMirroredStrategy() if world > 1 else None
    lost = (OSError, tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.InternalError)
    try:
        work(settings, Rounds(Config.from_dict(settings["config"]), say, _RayCheckpoints(rank), rank, world, strategy))
        barrier()  # the others wait for rank 0's model: a peer that leaves would end its collectives
    except Exception as error:
        if isinstance(error, RaygenError) or not isinstance(error, lost):
            known = error if isinstance(error, RaygenError) else TrainingError(f"training failed: {type(error).__name__}: {error}")
            ray.get(board.fail.remote(known))
        raise


def work(settings: dict, rounds: Rounds) -> None:
    """Train on this worker's rows; on rank 0, fit the samplers and write the model folder."""
    from raygen.loop import Loop, build

    config = rounds.config
    encoded = data.read_encoded(settings["encoded"])
    rows, held, first_held, dealt = data.load_rows(encoded, config, rounds.rank, rounds.world_size)
    model = build(encoded.codec, config)
    model.set_tables(encoded.codec.tables(), encoded.codec.frequencies())
    loop = Loop(model, config, *rows, held, first_held, dealt, rounds.rank, rounds.world_size, rounds.strategy)
    history = _run(loop, rounds)
    if rounds.rank == 0:
        _finish(loop, rounds, encoded, history, settings["model"])


def _run(loop, rounds: Rounds) -> list[dict]:
    """Rounds of steps, each with a score and a checkpoint, until the steps or the patience are spent; then the best weights."""
    config = rounds.config
    state = rounds.checkpoints.load()
    history = json.loads(str(state["history"])) if state else []
    if state:
        loop.load_state(state)
        rounds.say(f"Resuming at step {loop.step:,} of {config.train.steps:,}.")
    each = max(1, config.train.steps // ROUNDS)
    best = min((h["held_out_loss"] for h in history), default=float("inf"))
    seconds = history[-1]["seconds"] if history else 0.0
    while loop.step < config.train.steps and not _patience_spent(history, config):
        began = time.perf_counter()
        figures = loop.run(min(each, config.train.steps - loop.step)) | loop.score()
        seconds += time.perf_counter() - began
        figures |= {"step": loop.step, "epoch": loop.step / loop.batches.steps_per_epoch, "seconds": seconds}
        history.append(figures)
        if figures["held_out_loss"] < best:
            best = figures["held_out_loss"]
            loop.keep_best()
        rounds.say(_line(figures, config, seconds / loop.step * (config.train.steps - loop.step)))
        rounds.checkpoints.save(loop.state() | {"history": np.array(json.dumps(history))}, figures)
    loop.restore_best()
    return history


def _patience_spent(history: list[dict], config: Config) -> bool:
    losses = [h["held_out_loss"] for h in history]
    return len(losses) > config.train.patience and min(losses[-config.train.patience :]) > min(losses)


def _line(figures: dict, config: Config, left: float) -> str:
    return (
        f"step {figures['step']:>6,}/{config.train.steps:,}  epoch {figures['epoch']:6.1f}  "
        f"held-out {figures['held_out_nats']:7.3f} nats/row (reconstruction {figures['held_out_reconstruction']:.3f}, KL {figures['held_out_kl']:.3f})  "
        f"{figures['rows_per_second']:9,.0f} rows/s  {left:4.0f} s left"
    )


def _finish(loop, rounds: Rounds, encoded: data.Encoded, history: list[dict], folder: str) -> None:
    """Fit and choose the sampler, and write the model folder."""
    config = rounds.config
    began = time.perf_counter()
    rounds.say("Fitting latent samplers ...")
    samplers, scores, chosen = fit_samplers(loop, config)
    best = min(history, key=lambda h: h["held_out_loss"])
    metrics = {
        "rows": encoded.num_rows,
        "steps": history[-1]["step"],
        "best_step": best["step"],
        "held_out_nats": best["held_out_nats"],
        "held_out_reconstruction": best["held_out_reconstruction"],
        "held_out_kl": best["held_out_kl"],
        "log_rows": float(np.log(encoded.num_rows)),
        "training_seconds": history[-1]["seconds"],
        "sampler_seconds": time.perf_counter() - began,
        "samplers": scores,
        "history": history,
    }
    rounds.say("  " + "  ".join(f"{n} {s['nats']:.2f} +- {s['error']:.2f}" for n, s in scores.items()) + f"  nats over N(0, I): {chosen}")
    artifact.save(folder, config, encoded.codec, loop.model, samplers, chosen, metrics)


def fit_samplers(loop, config: Config):
    """Every sampler fitted to training rows and scored on held-out rows, and the name of the chosen one."""
    z_mean, z_log_var = loop.posterior(loop.codes[: config.latent.max_rows], loop.offsets[: config.latent.max_rows])
    wanted = config.latent.sampler
    prior = loop.model.prior
    if wanted == "learned" and prior is None:
        raise ConfigError("latent.sampler = 'learned' needs model.prior = 'mixture'.", "set latent.sampler = 'auto'.")
    names = [n for n in latent.LADDER if n != "learned" and (n != "mixture" or wanted in ("auto", "mixture"))]
    samplers = {n: latent.fit(n, z_mean, z_log_var, config.latent.mixture_components, config.run.seed) for n in names}
    if prior is not None:
        samplers["learned"] = latent.learned(*(w.numpy() for w in (prior.logits, prior.mean, prior.log_var)))
    scores = latent.score(list(samplers.values()), *loop.posterior(*loop.held), config.run.seed)
    return samplers, scores, latent.choose(scores) if wanted == "auto" else wanted
