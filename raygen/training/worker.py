"""What each worker does: it builds the model and trains it; at the end, worker 0 fits the samplers and writes
the model folder."""

import contextlib
import re
import socket
import time
from collections.abc import Iterator

import numpy as np

from raygen import storage, uris
from raygen.cluster import devices
from raygen.config import Config
from raygen.errors import ClusterError
from raygen.model import folder as model_folder
from raygen.report.latent import page
from raygen.training import encoding, objective
from raygen.training.job import Joining, TrainingJob
from raygen.training.ray_metrics import Gauges
from raygen.training.rounds import Rounds, kept_round
from raygen.training.samplers import fit_proposal, fit_samplers

HISTORY = "history.jsonl"  # beside the model: one line of figures for each round


def work(job: TrainingJob, join: Joining) -> None:
    """Train on this worker's rows; on rank 0, fit the samplers and write the model folder.

    Args:
        job: What to train.
        join: Takes this worker's place among the workers, for as long as it works.

    Raises:
        ClusterError: If `train.use_gpu` is set and TensorFlow finds no GPU, a step does not fit the memory,
            or this node does not share the folder.
        TrainingError: If the loss is no longer finite.
    """
    with join() as context:
        if context is None:
            return
        from raygen.model.vae import VAE
        from raygen.training.trainer import Loop, vae_settings

        config = job.config
        if config.train.use_gpu:
            devices.check_gpu("train.use_gpu = true")
        encoded = _read(job.encoded)
        feed = encoded.feed(config, context.rank, context.world_size)
        model = VAE(**vae_settings(encoded.codec, config))
        model.set_tables(encoded.codec.tables(), encoded.codec.frequencies(), encoded.num_rows)
        loop = Loop(model, config, feed, context.world_size, context.strategy)
        judge = objective.Judge(job.objective, loop, encoded.codec) if job.objective else None
        folder = storage.parent(job.model)
        share = feed.batches.rows / config.train.batch_size
        gauges = Gauges(uris.name(folder), context.rank, context.world_size, share)
        first = context.rank == 0
        rounds = Rounds(loop, context, judge if first else None, gauges, storage.join(folder, HISTORY))
        with _memory_told(config, feed.batches.rows):
            history = rounds.run()
        if first:
            _finish(job, rounds, encoded, history)


def _read(folder: str) -> encoding.Encoded:
    """The encoded table, which the driver has written.

    Raises:
        ClusterError: If it is not there for this worker: its node may have come after the driver looked
            whether all share the folder.
    """
    try:
        return encoding.read_encoded(folder)
    except FileNotFoundError as error:
        message = f"node {socket.gethostname()} does not see '{folder}', which this run has written."
        raise ClusterError(
            message, "set run.folder to a mount that all nodes share, or to a URI such as s3://bucket/run."
        ) from error


@contextlib.contextmanager
def _memory_told(config: Config, batch_rows: int) -> Iterator[None]:
    """Turns TensorFlow's error of a step of `batch_rows` that does not fit the memory into one with a
    hint.

    Raises:
        ClusterError: In place of it.
    """
    import tensorflow as tf

    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        rows = min(config.train.micro_batch_size or batch_rows, batch_rows)
        (tensor,) = re.findall(r"tensor with (shape\[.*?\])", error.message)[:1] or ["what they need"]
        message = (
            f"{rows:,} rows at a time do not fit the memory of node {socket.gethostname()}: "
            f"TensorFlow could not allocate {tensor}."
        )
        hint = f"set train.micro_batch_size = {max(1, rows // 2)} or less: the same steps, in less memory."
        raise ClusterError(message, hint) from error


def _finish(job: TrainingJob, rounds: Rounds, encoded: encoding.Encoded, history: list[dict]) -> None:
    """Fit and choose the sampler, and write the model folder."""
    from raygen.sampling.calibration import calibrate
    from raygen.sampling.oversampling import fit_ratio

    loop, config, say = rounds.loop, job.config, rounds.context.say
    began = time.perf_counter()
    fitted = fit_samplers(loop, encoded.codec, config, say)
    report = fitted.report
    calibrate(loop.model, encoded.codec, fitted.samplers[report.chosen], config.run.seed)
    ratio, ratio_figures = None, {}
    if config.latent.density_ratio:
        sampler, codes = fitted.samplers[report.chosen], loop.feed.some(config.latent.max_rows)[0]
        ratio, figures = fit_ratio(
            loop.model, encoded.codec, sampler, codes, loop.feed.all_held()[0], config.run.seed, say
        )
        ratio_figures = {"density_ratio": figures}
    proposal = fit_proposal(loop, config, say)
    kept = kept_round(history)
    metrics = {
        "rows": encoded.num_rows,
        "content": encoded.content,
        "encoded": storage.name(encoded.folder),
        "steps": history[-1]["step"],
        "kept_step": kept["step"],
        "held_out_nats": kept["held_out_nats"],
        "held_out_reconstruction": kept["held_out_reconstruction"],
        "held_out_kl": kept["held_out_kl"],
        "log_rows": float(np.log(encoded.num_rows)),
        "parameters": int(loop.model.count_params()),
        "training_seconds": history[-1]["seconds"],
        "sampler_seconds": time.perf_counter() - began,
        "samplers": {
            name: sampler.model_dump(exclude={"picture"}, exclude_unset=True)
            for name, sampler in report.samplers.items()
        },
        "history": history,
    } | ratio_figures
    if rounds.judge:
        metrics |= rounds.judge.of_model(kept, fitted)
    pages = {model_folder.PAGE: page.render(report)} if config.latent.report else {}
    learned = encoded.codec, loop.model, fitted.samplers, storage.plain(metrics), report, ratio
    model_folder.save(job.model, job.asked, *learned, pages, proposal)
