"""One trial of a search, in a Ray Tune actor: `train` under overrides, whose rounds Tune hears of and may
stop."""

import math
import os
from typing import Any

from raygen import storage
from raygen.cluster import connection
from raygen.config import Config
from raygen.errors import RaygenError
from raygen.model import folder as model_folder
from raygen.training import checkpoints, objective, ray_train, worker
from raygen.training import driver as training

FIGURES = ("objective", "value_nats", "held_out_nats", "held_out_error", "seconds", "step", "round")


def run(point: dict, job: dict) -> None:
    """Train the model of one point, unless it is there already, and report every round and the finished
    model.

    A trial is resumed from its last checkpoint, and what it reported before is reported again, so that the
    same search, begun anew, comes to the same state. A model that was trained for another objective is judged
    anew, from its last checkpoint. What goes wrong is reported as the trial's `reason`, and does not end the
    search.

    Args:
        point: The point that Tune chose, as labels (see `Space.labels`).
        job: What all trials share: `config` (dict), `space`, `encoded` (folders by searched schema settings),
            `cpus`, `folder`.
    """
    from ray import tune

    try:
        model = _trained(Config.from_dict(job["config"]), job["space"].values(point), job)
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


def _trained(base: Config, params: dict[str, Any], job: dict) -> str:
    """The model folder of a point, trained if it is not there."""
    asked = base.override(params)
    encoded = job["encoded"][encoding(params)]
    config = training.sized(asked, encoded["rows"])
    model = storage.join(job["folder"], training.run_name(asked), "model")
    metrics = model_folder.read_index(model)["metrics"] if model_folder.is_model(model) else {}
    if metrics.get("objective_kind") == config.search.objective:
        _replay(metrics["history"], config)
        return model
    settings = {
        "asked": asked.to_dict(),
        "config": config.to_dict(),
        "encoded": encoded["folder"],
        "cpus": job["cpus"],
    }
    settings |= {
        "model": model,
        "objective": config.search.objective,
        "checkpoints": training.checkpoint_folder(config, encoded["content"]),
    }
    (_in_workers if config.train.most_workers > 1 else _here)(config, settings)
    return model


def encoding(params: dict[str, Any]) -> str:
    """Name of the way in which a point wants the table encoded."""
    return repr(sorted((k, v) for k, v in params.items() if k.startswith("schema.")))


def _here(config: Config, settings: dict) -> None:
    """Train in this process, which the next trial uses again."""
    import gc

    reporting = _Reporting(settings["checkpoints"], config)
    state = reporting.load()
    if state:
        _replay(checkpoints.rounds_of(state), config)
    connection.prepare_environment(
        connection.ENVIRONMENT
        | {"TF_NUM_INTRAOP_THREADS": str(settings["cpus"]), "TF_NUM_INTEROP_THREADS": "2"}
    )
    if not config.train.use_gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    import keras

    keras.backend.clear_session()  # what the last trial traced
    gc.collect()
    worker.work(settings, worker.Rounds(config, lambda line: None, reporting))


def _in_workers(config: Config, settings: dict) -> None:
    """Train in Ray Train workers of their own; Tune hears of their rounds through Ray Train's callback."""
    from ray.tune.integration.ray_train import TuneReportCallback

    connection.prepare_environment(connection.ENVIRONMENT | connection.DRIVER_ENVIRONMENT)
    ray_train.fit(config, settings, settings["cpus"], lambda line: None, [TuneReportCallback()])


class _Reporting(checkpoints.Checkpoints):
    """The checkpoints of a run, and a report to Tune after each round."""

    def __init__(self, folder: str, config: Config):
        super().__init__(folder, print)  # to the log of Tune's process
        self.config = config

    def save(self, state: dict, figures: dict) -> None:
        super().save(state, figures)
        _replay(checkpoints.rounds_of(state)[-1:], self.config)


def _replay(history: list[dict], config: Config) -> None:
    """Report rounds to Tune; a trial that it stops does not come back from this."""
    from ray import tune

    for figures in history:
        if "value_nats" in figures:  # else they are of a run that was no trial
            told = objective.heard(figures, config.search.objective)
            tune.report({k: told[k] for k in FIGURES})


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
