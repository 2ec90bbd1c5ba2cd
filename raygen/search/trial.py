"""One trial of a search, in a Ray Tune actor: `train` under overrides, whose rounds Tune hears of and may
stop."""

import contextlib
import gc
import math
import os
from typing import Any

from ray import tune

from raygen import storage
from raygen.cluster import connection
from raygen.errors import RaygenError
from raygen.model import folder as model_folder
from raygen.search.job import SearchJob
from raygen.training import checkpoints, objective, worker
from raygen.training.job import TrainingJob, WorkerContext, run_name

FIGURES = ("objective", "value_nats", "held_out_nats", "held_out_error", "seconds", "step", "round")


def run(point: dict, job: SearchJob) -> None:
    """Train the model of one point, unless it is there already, and report every round and the finished
    model.

    A trial is resumed from its last checkpoint, and what it reported before is reported again, so that the
    same search, begun anew, comes to the same state. A model that was trained for another objective is judged
    anew, from its last checkpoint. What goes wrong is reported as the trial's `reason`, and does not end the
    search.

    Args:
        point: The point that Tune chose, as labels (see `Space.labels`).
        job: What all trials share.
    """
    try:
        model = _trained(job, job.space.values(point))
        tune.report(_finished(model))
    except Exception as error:
        reason = error.message if isinstance(error, RaygenError) else f"{type(error).__name__}: {error}"
        tune.report(
            {
                "objective": math.nan,
                "value_nats": math.nan,
                "round": 0,
                "reason": " ".join(reason.split())[:500],
            }
        )


def _trained(search: SearchJob, params: dict[str, Any]) -> str:
    """The model folder of a point, trained if it is not there."""
    config = search.config.override(params)
    model = storage.join(search.trials, run_name(config), "model")
    kind = config.search.objective
    job = TrainingJob.of(config, search.table(params), model, search.cpus, kind)
    metrics = model_folder.read_index(model)["metrics"] if model_folder.is_model(model) else {}
    if metrics.get("objective_kind") == kind:
        _replay(metrics["history"], kind)
    elif config.train.most_workers > 1:
        _in_workers(job)
    else:
        _here(job)
    return model


def _here(job: TrainingJob) -> None:
    """Train in this process, which the next trial uses again."""
    reporting = _Reporting(job)
    state = reporting.load()
    if state:
        _replay(checkpoints.rounds_of(state), job.objective)
    connection.prepare_environment(
        connection.ENVIRONMENT | {"TF_NUM_INTRAOP_THREADS": str(job.cpus), "TF_NUM_INTEROP_THREADS": "2"}
    )
    if not job.config.train.use_gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    import keras

    keras.backend.clear_session()  # what the last trial traced
    gc.collect()
    context = WorkerContext(lambda line: None, reporting)
    worker.work(job, lambda: contextlib.nullcontext(context))


def _in_workers(job: TrainingJob) -> None:
    """Train in Ray Train workers of their own; Tune hears of their rounds through Ray Train's callback."""
    connection.prepare_environment(connection.ENVIRONMENT | connection.DRIVER_ENVIRONMENT)
    from ray.tune.integration.ray_train import TuneReportCallback

    from raygen.training import ray_train

    ray_train.fit(job, lambda line: None, [TuneReportCallback()])


class _Reporting(checkpoints.Checkpoints):
    """The checkpoints of a run, and a report to Tune after each round."""

    def __init__(self, job: TrainingJob):
        super().__init__(job.checkpoints, print)  # to the log of Tune's process
        self.objective = job.objective

    def save(self, state: dict, figures: dict) -> None:
        super().save(state, figures)
        _replay(checkpoints.rounds_of(state)[-1:], self.objective)


def _replay(history: list[dict], kind: str) -> None:
    """Report rounds to Tune; a trial that it stops does not come back from this."""
    for figures in history:
        if "value_nats" in figures:  # else they are of a run that was no trial
            report = objective.heard(figures, kind)
            tune.report({key: report[key] for key in FIGURES})


def _finished(model: str) -> dict:
    """The last report of a trial: the figures of its model."""
    index = model_folder.read_index(model)
    m = index["metrics"]
    kept = (
        "objective",
        "objective_error",
        "value_nats",
        "rows_per_second",
        "c2st",
        "shape_error",
        "trend_error",
        "held_out_nats",
        "parameters",
    )
    figures = {k: m[k] for k in kept if k in m}
    figures |= {
        "step": m["steps"],
        "seconds": m["training_seconds"],
        "sampler_seconds": m["sampler_seconds"],
        "sampler": index["sampler"],
    }
    return {**figures, "round": len(m["history"]) + 1, "model": model, "fingerprint": index["fingerprint"]}
