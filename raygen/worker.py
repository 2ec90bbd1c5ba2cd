"""What each worker does: rounds of training, each with a score and a checkpoint; at the end, samplers and the model folder."""

import io
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from raygen import artifact, data, latent, objective, storage, uris
from raygen.config import Config
from raygen.errors import TrainingError
from raygen.gauges import Gauges

ROUNDS = 20  # evaluations in a run
HISTORY = "history.jsonl"  # beside the model: one line of figures for each


class Checkpoints(Protocol):
    """Where the state of a run is kept: named arrays, saved after each round."""

    def load(self) -> dict | None: ...

    def save(self, state: dict, metrics: dict) -> None: ...


@dataclass
class Rounds:
    """What a worker needs of its surroundings: where it is among the workers, where lines and checkpoints go."""

    config: Config
    say: Callable[[str], Any]
    checkpoints: Checkpoints
    rank: int = 0
    world_size: int = 1
    strategy: Any = None


def work(settings: dict, rounds: Rounds) -> None:
    """Train on this worker's rows; on rank 0, fit the samplers and write the model folder.

    Args:
        settings: `asked` and `config` (dicts), folders `encoded` and `model`, and for a trial of a search its `objective`.
        rounds: This worker's surroundings.
    """
    from raygen.loop import Loop, build

    config = rounds.config
    encoded = data.read_encoded(settings["encoded"])
    feed = encoded.feed(config, rounds.rank, rounds.world_size)
    model = build(encoded.codec, config)
    model.set_tables(encoded.codec.tables(), encoded.codec.frequencies())
    loop = Loop(model, config, feed, rounds.world_size, rounds.strategy)
    judge = objective.Judge(settings["objective"], loop, encoded.codec) if settings.get("objective") else None
    folder = storage.parent(settings["model"])
    shown = Gauges(uris.name(folder), rounds.rank, rounds.world_size, feed.batches.rows / config.train.batch_size)
    history = _run(loop, rounds, judge if rounds.rank == 0 else None, shown, storage.join(folder, HISTORY))
    if rounds.rank == 0:
        _finish(loop, rounds, encoded, history, settings, judge)


def _run(loop, rounds: Rounds, judge: objective.Judge | None, shown: Gauges, written: str) -> list[dict]:
    """Rounds of steps, each with a score and a checkpoint, until the steps or the patience are spent.

    With a patience the best weights are kept, else the last: the held-out bound judges the encoder too, and rows drawn from the decoder
    get better long after it has turned (measured on 18,000 rows of 9 numbers: XGB-C2ST .42 at the best bound, .74 at the end).
    """
    config = rounds.config
    state = rounds.checkpoints.load()
    history = rounds_of(state) if state else []
    if state:
        loop.load_state(state)
        rounds.say(f"Resuming at step {loop.step:,} of {config.train.steps:,}.")
    each = max(1, config.train.steps // ROUNDS)
    best = min((h["held_out_loss"] for h in history), default=float("inf"))
    seconds = history[-1]["seconds"] if history else 0.0
    while loop.step < config.train.steps and not _patience_spent(history, config):
        began = time.perf_counter()
        figures = loop.run(min(each, config.train.steps - loop.step), shown.rows) | loop.score()
        seconds += time.perf_counter() - began
        figures |= {"round": len(history) + 1, "step": loop.step, "epoch": loop.step / loop.feed.batches.steps_per_epoch, "seconds": seconds}
        if not math.isfinite(figures["held_out_loss"]):
            raise TrainingError(f"training diverged at step {loop.step:,}: the held-out loss is not finite.", "lower train.learning_rate.")
        if judge:
            figures |= judge.of_round(figures)
        history.append(figures)
        shown.round(figures)
        if figures["held_out_loss"] < best:
            best = figures["held_out_loss"]
            loop.keep_best()
        rounds.say(_line(figures, config, seconds / loop.step * (config.train.steps - loop.step)))
        if rounds.rank == 0:
            storage.write(written, "".join(json.dumps(one) + "\n" for one in storage.plain(history)).encode())  # whole: a resumed run repeats none
        rounds.checkpoints.save(loop.state() | {"history": np.array(json.dumps(history))}, figures)
    if config.train.patience:
        loop.restore_best()
    return history


def rounds_of(state: dict) -> list[dict]:
    """The figures of every round of a run, from its last checkpoint."""
    return json.loads(str(state["history"]))


def _patience_spent(history: list[dict], config: Config) -> bool:
    losses = [h["held_out_loss"] for h in history]
    return 0 < config.train.patience < len(losses) and min(losses[-config.train.patience :]) > min(losses)


def _line(figures: dict, config: Config, left: float) -> str:
    nats, reconstruction, kl = (figures[f"held_out_{k}"] for k in ("nats", "reconstruction", "kl"))
    return (
        f"step {figures['step']:>6,}/{config.train.steps:,}  epoch {figures['epoch']:6.1f}  held-out {nats:7.3f} nats/row "
        f"(reconstruction {reconstruction:.3f}, KL {kl:.3f})  {figures['rows_per_second']:9,.0f} rows/s  {left:4.0f} s left"
    )


def _finish(loop, rounds: Rounds, encoded: data.Encoded, history: list[dict], settings: dict, judge: objective.Judge | None) -> None:
    """Fit and choose the sampler, and write the model folder."""
    from raygen.oversampling import fit_ratio

    config = rounds.config
    began = time.perf_counter()
    samplers, report, tables = fit_samplers(loop, encoded.codec, config, rounds.say)
    ratio, fitted = None, {}
    if config.latent.density_ratio:
        sampler, codes = samplers[report["chosen"]], loop.feed.some(config.latent.max_rows)[0]
        ratio, figures = fit_ratio(loop.model, encoded.codec, sampler, codes, loop.feed.all_held()[0], config.run.seed, rounds.say)
        fitted = {"density_ratio": figures}
    kept = min(history, key=lambda h: h["held_out_loss"]) if config.train.patience else history[-1]
    metrics = {
        "rows": encoded.num_rows,
        "content": encoded.content,
        "steps": history[-1]["step"],
        "kept_step": kept["step"],
        "held_out_nats": kept["held_out_nats"],
        "held_out_reconstruction": kept["held_out_reconstruction"],
        "held_out_kl": kept["held_out_kl"],
        "log_rows": float(np.log(encoded.num_rows)),
        "parameters": int(loop.model.count_params()),
        "training_seconds": history[-1]["seconds"],
        "sampler_seconds": time.perf_counter() - began,
        "samplers": {name: {k: v for k, v in s.items() if k != "picture"} for name, s in report["samplers"].items()},
        "history": history,
    } | fitted
    if judge:
        metrics |= judge.of_model(kept, samplers, report, tables)
    asked = Config.from_dict(settings["asked"])
    artifact.save(settings["model"], asked, encoded.codec, loop.model, samplers, storage.plain(metrics), storage.plain(report), ratio)


def fit_samplers(loop, codec, config: Config, say) -> tuple[dict, dict, Any]:
    """Every sampler fitted to training rows and scored on held-out rows, the latent report with the choice, and the tables that it
    compares (see `latent_report`)."""
    from raygen import latent_report

    wanted, seed = config.latent.sampler, config.run.seed
    stored = loop.feed.some(config.latent.max_rows)
    kept = loop.feed.all_held()
    rows, held = latent.Posteriors(*loop.posterior(*stored)), latent.Posteriors(*loop.posterior(*kept))
    check, scored = latent.halves(held)
    names = _fitted_names(config)
    samplers, seconds = latent.fit_all(names, rows, check, config.latent.mixture_components, config.latent.flow_steps, seed, say)
    prior = loop.model.prior
    if prior is not None:
        samplers["learned"] = latent.learned(*(w.numpy() for w in (prior.logits, prior.mean, prior.log_var)))
    scores: dict[str, dict] = latent.score(samplers, scored, seed)
    for name, took in seconds.items():
        scores[name]["fit_seconds"] = took
    tables = latent_report.Comparison(loop.model, codec, stored, kept, held, seed)
    if config.latent.report or config.latent.min_rows_per_second:
        for name, sampler in samplers.items():
            scores[name]["rows_per_second"] = tables.speed(sampler)
    chosen = latent.choose(scores, config.latent.min_rows_per_second) if wanted == "auto" else wanted
    for name in latent.RUNGS:
        if name in scores:
            say(f"  {name:9} {scores[name]['nats']:8.3f} +- {scores[name]['error']:.3f} nats/row" + ("  <- chosen" if name == chosen else ""))
    if chosen == latent.NAIVE:
        say("Warning: latent.sampler = 'naive' drops the variance of z_mean; its rows lie near the decoder's average row.")
    report = latent_report.describe(rows, scored, samplers, scores, chosen, seed, loop.feed.batches.num_rows)
    if config.latent.report:
        for number, (name, sampler) in enumerate(samplers.items(), 1):
            say(f"Comparing rows of sampler {number} of {len(samplers)} with real ones: {name}, {tables.repeats} x {tables.rows:,} rows ...")
            report["samplers"][name] |= tables.of_sampler(sampler)
        report |= {"tables": tables.references(), "rows_compared": tables.rows}
    return samplers, report, tables


def _fitted_names(config: Config) -> list[str]:
    """Samplers to fit, a flow's mixture before it."""
    wanted, d = config.latent.sampler, config.model.latent_dim
    with_flow = wanted in ("auto", "flow") and config.latent.flow_steps > 0 and d <= latent.FLOW_LATENT_DIM
    dear = {"mixture": wanted in ("auto", "mixture") or with_flow, "flow": with_flow}
    return [n for n in latent.RUNGS if n != "learned" and dear.get(n, True)]


class LocalCheckpoints:
    """The last checkpoint of a run in this process, as one file."""

    def __init__(self, folder: str):
        self.uri = storage.join(folder, "checkpoint.npz")

    def load(self) -> dict | None:
        return unpack(storage.read(self.uri)) if storage.exists(self.uri) else None

    def save(self, state: dict, metrics: dict) -> None:
        storage.write(self.uri, pack(state))


def pack(state: dict) -> bytes:
    packed = io.BytesIO()
    np.savez(packed, **state)
    return packed.getvalue()


def unpack(content: bytes) -> dict:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)
