"""What each worker does: rounds of training, each with a score and a checkpoint; at the end, samplers and the
model folder."""

import json
import math
import re
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from raygen import storage, uris
from raygen.cluster import devices
from raygen.config import Config
from raygen.errors import ClusterError, TrainingError
from raygen.model import folder as model_folder
from raygen.report.latent import page
from raygen.training import encoding, objective
from raygen.training.checkpoints import Checkpoints, rounds_of
from raygen.training.ray_metrics import Gauges
from raygen.training.samplers import fit_samplers

ROUNDS = 20  # evaluations in a run
TOLERANCE = 0.18  # nats by which a round may be worse than the best one and still be kept
DIVERGED = 2.0  # times the best held-out nats, plus as many nats: beyond it a run goes back
MOST_DIVERGED = 4  # times that a run goes back
HISTORY = "history.jsonl"  # beside the model: one line of figures for each
STRETCH = 50  # steps of one call of the loop
ASK_SECONDS = 1.0  # about, between questions whether a node is to be taken away
NOTICE_SECONDS = 10.0  # between the checkpoints that follow such a notice
CHECKPOINT_SECONDS = 60.0  # between checkpoints, about, within a round that takes longer


@dataclass
class Rounds:
    """What a worker needs of its surroundings: where it is among the workers, where lines and checkpoints go.

    Args:
        noticed: Whether a node of these workers is about to be taken away; all workers ask at the same step,
            and hear the same.
        agree: Worker 0's number, from all workers' own; all call it at the same step.
    """

    config: Config
    say: Callable[[str], Any]
    checkpoints: Checkpoints
    rank: int = 0
    world_size: int = 1
    strategy: Any = None
    noticed: Callable[[], bool] = lambda: False
    agree: Callable[[int], int] = lambda number: number
    heeded: float = -math.inf  # when a notice last led to a checkpoint
    kept: float = field(default_factory=time.perf_counter)  # when there last was a checkpoint


@dataclass
class Part:
    """Sums over the steps of a round that have been taken."""

    steps: int = 0
    reconstruction: float = 0.0
    kl: float = 0.0
    seconds: float = 0.0
    waited: float = 0.0

    def add(self, count: int, told: dict[str, float], seconds: float) -> None:
        """Add `count` steps, what `Loop.run` told of them and how long they took."""
        self.steps += count
        self.reconstruction += told["reconstruction"] * count
        self.kl += told["kl"] * count
        self.seconds += seconds
        self.waited += told["wait_share"] * seconds

    def figures(self, batch_size: int) -> dict[str, float]:
        """What `Loop.run` would tell of all of them."""
        means = {"reconstruction": self.reconstruction / self.steps, "kl": self.kl / self.steps}
        return means | {
            "rows_per_second": self.steps * batch_size / self.seconds,
            "wait_share": self.waited / self.seconds,
        }


def work(settings: dict, rounds: Rounds) -> None:
    """Train on this worker's rows; on rank 0, fit the samplers and write the model folder.

    Args:
        settings: `asked` and `config` (dicts), folders `encoded` and `model`, and for a trial of a search its
            `objective`.
        rounds: This worker's surroundings.

    Raises:
        ClusterError: If `train.use_gpu` is set and TensorFlow finds no GPU, a step does not fit the memory,
            or this node does not share the folder.
        TrainingError: If the loss is no longer finite.
    """
    import tensorflow as tf

    from raygen.training.trainer import Loop, build

    config = rounds.config
    if config.train.use_gpu:
        devices.check_gpu("train.use_gpu = true")
    encoded = _read(settings["encoded"])
    feed = encoded.feed(config, rounds.rank, rounds.world_size)
    model = build(encoded.codec, config)
    model.set_tables(encoded.codec.tables(), encoded.codec.frequencies())
    loop = Loop(model, config, feed, rounds.world_size, rounds.strategy)
    judge = objective.Judge(settings["objective"], loop, encoded.codec) if settings.get("objective") else None
    folder = storage.parent(settings["model"])
    shown = Gauges(
        uris.name(folder), rounds.rank, rounds.world_size, feed.batches.rows / config.train.batch_size
    )
    try:
        history = _run(
            loop, rounds, judge if rounds.rank == 0 else None, shown, storage.join(folder, HISTORY)
        )
    except tf.errors.ResourceExhaustedError as error:
        rows = min(config.train.micro_batch_size or feed.batches.rows, feed.batches.rows)
        (tensor,) = re.findall(r"tensor with (shape\[.*?\])", error.message)[:1] or ["what they need"]
        message = (
            f"{rows:,} rows at a time do not fit the memory of node {socket.gethostname()}: "
            f"TensorFlow could not allocate {tensor}."
        )
        raise ClusterError(
            message,
            f"set train.micro_batch_size = {max(1, rows // 2)} or less: the same steps, in less memory.",
        ) from error
    if rounds.rank == 0:
        _finish(loop, rounds, encoded, history, settings, judge)


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


def _run(loop, rounds: Rounds, judge: objective.Judge | None, shown: Gauges, written: str) -> list[dict]:
    """Rounds of steps, each with a score and a checkpoint, until the steps or the patience are spent.

    The weights that are kept are the last average that is as good on held-out rows as the best one, but for
    TOLERANCE: rows get better for a while after the bound has reached its best; what is learned after that is
    which rows the table holds.
    """
    config = rounds.config
    state = rounds.checkpoints.load()
    history, part = list[dict](), Part()
    if state:
        with rounds.checkpoints.resuming():
            history, part = rounds_of(state), Part(**json.loads(str(state["part"])))
            loop.load_state(state)
        loop.keep_good()
        rounds.say(f"Resuming at step {loop.step:,} of {config.train.steps:,}.")
    while loop.step < config.train.steps and not _patience_spent(history, config):
        _steps(loop, rounds, history, part, shown)
        began = time.perf_counter()
        figures = part.figures(config.train.batch_size) | loop.score()
        if _diverged(figures, history):
            _go_back(loop, rounds, figures)
            part = Part()
            continue
        seconds = (history[-1]["seconds"] if history else 0.0) + part.seconds + time.perf_counter() - began
        figures |= {
            "round": len(history) + 1,
            "step": loop.step,
            "epoch": loop.step / loop.feed.batches.steps_per_epoch,
            "seconds": seconds,
        }
        if judge:
            figures |= judge.of_round(figures)
        history.append(figures)
        if _kept(history) is figures:
            loop.keep_best()
        part = Part()
        loop.keep_good()
        shown.round(figures)
        rounds.say(_line(figures, config, seconds / loop.step * (config.train.steps - loop.step)))
        if rounds.rank == 0:  # whole: a resumed run repeats none
            rounds.checkpoints.write(
                written, "".join(json.dumps(one) + "\n" for one in storage.plain(history)).encode()
            )
        rounds.checkpoints.save(_state(loop, history, part), figures)
        rounds.kept = time.perf_counter()
    rounds.say(_ending(history, config))
    loop.restore_best()
    return history


def _best(history: list[dict]) -> dict:
    return min(history, key=lambda figures: figures["held_out_nats"])


def _kept(history: list[dict]) -> dict:
    """The round whose weights are kept: the last one that is within TOLERANCE of the best."""
    best = _best(history)["held_out_nats"]
    return [figures for figures in history if figures["held_out_nats"] <= best + TOLERANCE][-1]


def _diverged(figures: dict, history: list[dict]) -> bool:
    """Whether a round is so much worse than the best one that the run cannot have learned anything in it."""
    nats = figures["held_out_nats"]
    if not math.isfinite(nats) or not math.isfinite(figures["reconstruction"] + figures["kl"]):
        return True
    return bool(history) and nats > DIVERGED * abs(_best(history)["held_out_nats"]) + DIVERGED


def _go_back(loop, rounds: Rounds, figures: dict) -> None:
    """Continue from the last good round with half the learning rate.

    Raises:
        TrainingError: If the rate was halved MOST_DIVERGED times.
    """
    step, nats = loop.step, figures["held_out_nats"]
    loop.go_back()
    factor = float(loop.rate.factor.numpy())
    if factor < 0.5**MOST_DIVERGED:
        raise TrainingError(
            f"training diverged at step {step:,} ({nats:.4g} held-out nats per row), also with 1/"
            f"{2**MOST_DIVERGED} of train.learning_rate.",
            "lower train.learning_rate.",
        )
    rounds.say(
        f"Training diverged at step {step:,} ({nats:.4g} held-out nats per row): it goes back to step "
        f"{loop.step:,}, with {factor:g} of train.learning_rate."
    )


def _ending(history: list[dict], config: Config) -> str:
    """When training stopped and why, and which weights are kept."""
    kept, last, best = _kept(history), history[-1], _best(history)["held_out_nats"]
    weights = f"the weights of step {kept['step']:,} are kept ({kept['held_out_nats']:.3f} nats per row)"
    if last["step"] >= config.train.steps:
        return f"Training took all its {last['step']:,} steps; {weights}."
    return (
        f"Training stopped at step {last['step']:,}: held-out rows were less likely than at their best "
        f"({best:.3f} nats per row) in {config.train.patience} rounds; {weights}."
    )


def _steps(loop, rounds: Rounds, history: list[dict], part: Part, shown: Gauges) -> None:
    """Take the steps of a round that are left, and keep a checkpoint every minute; when a node is to be taken
    away, at once and every few seconds.

    The stretches that a round is summed over end at the same steps however it was interrupted, so that its
    figures are the same.
    """
    t = rounds.config.train
    each = max(1, t.steps // ROUNDS)
    end, ask = min((loop.step // each + 1) * each, t.steps), loop.step + STRETCH
    while loop.step < end:
        began, count = time.perf_counter(), min(STRETCH, end - loop.step)
        told = loop.run(count, shown.rows)
        seconds = time.perf_counter() - began
        part.add(count, told, seconds)
        if loop.step < ask or loop.step == end:
            continue
        ask = loop.step + rounds.agree(max(1, int(ASK_SECONDS / seconds)) * STRETCH)
        noticed, now = rounds.noticed(), time.perf_counter()
        heed = noticed and now - rounds.heeded > NOTICE_SECONDS
        if rounds.rank == 0 and (heed or now - rounds.kept > CHECKPOINT_SECONDS):
            rounds.checkpoints.keep(_state(loop, history, part))
            rounds.kept = time.perf_counter()
            if heed:
                rounds.heeded = rounds.kept
                rounds.say(f"A node is about to be taken away: checkpoint at step {loop.step:,}.")


def _state(loop, history: list[dict], part: Part) -> dict:
    kept = {"history": history, "part": asdict(part)}
    return loop.state() | {name: np.array(json.dumps(value)) for name, value in kept.items()}


def _patience_spent(history: list[dict], config: Config) -> bool:
    """Whether no round of the last `train.patience` was kept."""
    if not history or not config.train.patience:
        return False
    return history[-1]["round"] - _kept(history)["round"] >= config.train.patience


def _line(figures: dict, config: Config, left: float) -> str:
    nats, reconstruction, kl = (figures[f"held_out_{k}"] for k in ("nats", "reconstruction", "kl"))
    return (
        f"step {figures['step']:>6,}/{config.train.steps:,}  epoch {figures['epoch']:6.1f}  held-out "
        f"{nats:7.3f} nats/row "
        f"(reconstruction {reconstruction:.3f}, KL {kl:.3f})  {figures['rows_per_second']:9,.0f} "
        f"rows/s  {left:4.0f} s left"
    )


def _finish(
    loop,
    rounds: Rounds,
    encoded: encoding.Encoded,
    history: list[dict],
    settings: dict,
    judge: objective.Judge | None,
) -> None:
    """Fit and choose the sampler, and write the model folder."""
    from raygen.sampling.oversampling import fit_ratio

    config = rounds.config
    began = time.perf_counter()
    samplers, report, tables = fit_samplers(loop, encoded.codec, config, rounds.say)
    ratio, fitted = None, {}
    if config.latent.density_ratio:
        sampler, codes = samplers[report["chosen"]], loop.feed.some(config.latent.max_rows)[0]
        ratio, figures = fit_ratio(
            loop.model, encoded.codec, sampler, codes, loop.feed.all_held()[0], config.run.seed, rounds.say
        )
        fitted = {"density_ratio": figures}
    kept = _kept(history)
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
            name: {k: v for k, v in s.items() if k != "picture"} for name, s in report["samplers"].items()
        },
        "history": history,
    } | fitted
    if judge:
        metrics |= judge.of_model(kept, samplers, report, tables)
    asked = Config.from_dict(settings["asked"])
    report = storage.plain(report)
    pages = {model_folder.PAGE: page.render(report)}
    learned = encoded.codec, loop.model, samplers, storage.plain(metrics), report, ratio
    model_folder.save(settings["model"], asked, *learned, pages)
