"""A training as its workers get it: what the driver has settled, in one object."""

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from raygen import storage
from raygen.config import RESOURCES, Config
from raygen.errors import ConfigError
from raygen.model.folder import FORMAT
from raygen.report.redrawn import Say
from raygen.table import split
from raygen.training.checkpoints import Checkpoints

BATCH_ROWS = 512
SMALL_BATCH_ROWS = 64
AFTERWARDS = ("search", "generate", "evaluate")  # sections that the model does not depend on


@dataclass(frozen=True)
class EncodedTable:
    """An encoded table by its folder, its number of rows and the name of its content."""

    folder: str
    num_rows: int
    content: str


@dataclass(frozen=True)
class TrainingJob:
    """What to train, on which rows, and where everything lies.

    Attributes:
        asked: The settings as the user gave them; the model folder keeps them.
        config: The same with batch size and steps settled for this table (see `sized`).
        encoded: Folder of the encoded table.
        model: Folder that the model is written to.
        checkpoints: Folder of the checkpoints.
        cpus: Of each worker.
        objective: Of the search that this is a trial of; "" for a training by itself.
    """

    asked: Config
    config: Config
    encoded: str
    model: str
    checkpoints: str
    cpus: int
    objective: str = ""

    @classmethod
    def of(
        cls, asked: Config, table: EncodedTable, model: str, cpus: int, objective: str = ""
    ) -> "TrainingJob":
        """The job of a config on an encoded table.

        Raises:
            ConfigError: As `sized` does.
        """
        config = sized(asked, table.num_rows)
        name = f"{run_name(config)}-{table.content[:8]}"
        checkpoints = storage.join(config.run.folder, "checkpoints", name)
        return cls(asked, config, table.folder, model, checkpoints, cpus, objective)


@dataclass
class WorkerContext:
    """Where a worker stands among the workers, and where its lines and checkpoints go.

    Attributes:
        strategy: `tf.distribute` strategy that joins the workers; None for one worker.
        is_node_leaving: Whether a node of these workers is about to be taken away; all workers ask at the
            same step, and hear the same.
        agree: Worker 0's number, from all workers' own; all call it at the same step.
    """

    say: Say
    checkpoints: Checkpoints
    rank: int = 0
    world_size: int = 1
    strategy: Any = None
    is_node_leaving: Callable[[], bool] = lambda: False
    agree: Callable[[int], int] = lambda number: number


# makes a worker's context on the worker; None if the run has failed for good
Joining = Callable[[], AbstractContextManager[WorkerContext | None]]


def run_name(config: Config) -> str:
    """A name made of all settings that the trained model depends on, and of what its weights mean: the same
    ones resume the same run."""
    settings = {k: v for k, v in config.to_dict().items() if k not in AFTERWARDS}
    settings["run"] = {"seed": config.run.seed, "format": FORMAT, "turns": TURNS}
    settings["train"] = {k: v for k, v in settings["train"].items() if k not in RESOURCES}
    return "run-" + hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


TURNS = 3  # to be raised with each change of what parts columns have, or in what order they are drawn
STEPS = (4500, 9000)  # at most, of small tables and of large ones, where the config does not say
EPOCHS = 16  # steps of so many epochs, between the two: on 303,305 rows 9,000 score better than 4,500


def sized(config: Config, num_rows: int) -> Config:
    """The config with its batch size and steps settled for a table of so many rows.

    Raises:
        ConfigError: If the table cannot fill the batch, or the holdout leaves nothing.
    """
    t, workers = config.train, config.train.most_workers
    training, held = split.Split.of(config, num_rows).counts()
    if held < 2 * workers or training < workers:
        test = f" and data.test = {config.data.test} leave" if config.data.test else " leaves"
        kinds = f"{training} of {num_rows} rows to train on and {held} to score."
        message = f"train.holdout = {t.holdout}{test} {kinds}"
        raise ConfigError(message, "change it.")
    most = training // split.LANES * split.LANES if training >= split.LANES else training // workers * workers
    size = t.batch_size or _batch_size(most, workers)
    lanes = split.num_lanes(size, workers)
    if size % lanes:
        raise ConfigError(
            f"train.batch_size = {size} cannot be split over {workers} workers.",
            f"set it to a multiple of {workers}.",
        )
    if training // lanes < size // lanes:
        message = f"train.batch_size = {size}: the table has {training} training rows ({held} are held out)."
        raise ConfigError(message, f"set train.batch_size = {most} or less, or 0.")
    epoch = training // lanes // (size // lanes)
    steps = t.steps or min(max(STEPS[0], EPOCHS * epoch), STEPS[1])
    return config.override({"train.batch_size": size, "train.steps": min(steps, t.epochs * epoch)})


def _batch_size(most: int, workers: int) -> int:
    """Rows of a step of a table that can fill `most`: a quarter of it, between SMALL_BATCH_ROWS and
    BATCH_ROWS; split into lanes, so that any number of workers makes the same model, if it can be."""
    quarter = most // 4 // split.LANES * split.LANES
    rows = min(most, BATCH_ROWS, max(SMALL_BATCH_ROWS, quarter))
    if rows % split.LANES == 0 and workers <= split.LANES:
        return rows
    return max(1, rows // workers) * workers
