"""A search as records: what `raygen tune` writes to search.json, and the page reads.

search.json is the dump of a `SearchRecord`, and `SearchRecord.model_validate_json` checks one. A figure that
is not known, or is nan or infinite, is None.
"""

import math
from functools import cached_property
from typing import Any, Literal

import numpy as np

from raygen.report.record import Count, Number, Record

State = Literal["finished", "stopped", "unfinished", "failed"]


class Trial(Record):
    """One trial.

    Attributes:
        params: The searched settings, by their dotted names.
        reason: Why it failed.
        objective, error: What the search is for, and its standard error.
        value_nats: Held-out nats per row of the values, by which trials are compared on their way.
        held_out_nats, held_out_error: Per row of the codes.
        rows_per_second: Of its sampler and decoder.
        seconds: In the search; `training_seconds` of them for its steps, `sampler_seconds` for its samplers.
        model, fingerprint: Its model folder.
        history: Step, seconds of training and `value_nats` of each round.
    """

    number: int
    params: dict[str, Any] = {}
    state: State = "unfinished"
    reason: str = ""
    objective: Number = None
    error: Number = None
    value_nats: Number = None
    held_out_nats: Number = None
    held_out_error: Number = None
    c2st: Number = None
    shape_error: Number = None
    trend_error: Number = None
    rows_per_second: Number = None
    sampler: str | None = None
    sampler_seconds: Number = None
    parameters: Count = None
    model: str | None = None
    fingerprint: str | None = None
    seconds: Number = None
    training_seconds: Number = None
    steps: Count = None
    round: Count = None
    history: list[tuple[Count, Number, Number]] = []

    @property
    def finished(self) -> bool:
        return self.state == "finished" and self.objective is not None

    @property
    def score(self) -> float:
        """The objective; nan where it is not known."""
        return math.nan if self.objective is None else self.objective

    @cached_property
    def curve(self) -> list[tuple[float, float]]:
        """Step and held-out nats of the values of each round, as far as they are known."""
        points = ((step, nats) for step, _, nats in self.history)
        return sorted((step, nats) for step, nats in points if step is not None and nats is not None)

    @property
    def nats(self) -> float | None:
        """Of the values, when it was last told."""
        return self.value_nats if self.value_nats is not None else self.curve[-1][1] if self.curve else None

    def at(self, step: float) -> float:
        """The nats when it had trained so far; the first or last before and after its history."""
        steps, values = zip(*self.curve, strict=True)
        return float(np.interp(step, steps, values))


class Spent(Record):
    """Seconds of a search.

    Attributes:
        wall: From its begin to its end.
        at_a_time: Trials that ran side by side.
        trials: Of all trials together.
        start: Until the first trial began.
        training: That trials trained and fitted samplers; None if some of it was spent in an earlier search.
        outside: Share of the places for trials that did neither.
    """

    wall: Number = None
    at_a_time: Count = None
    trials: Number = None
    start: Number = None
    training: Number = None
    outside: Number = None


class SearchRecord(Record):
    """A search and its trials.

    Attributes:
        source, rows: The table.
        objective: "nats" (lower is better) or "c2st" (higher).
        space: For each searched setting a kind and its values, as in `search.space`.
        defaults: The config's own values.
        best: Number of the best trial.
        front: Numbers of the finished trials that no other beats in both objective and rows/s.
        command: What the user ran.
        base: A name of the config's own settings.
        points: The settings of all trials that were ever begun.
        model: The model folder that the search left.
    """

    format: Literal[1] = 1
    source: str = ""
    rows: Count = None
    objective: str = ""
    algorithm: str = ""
    scheduler: str = ""
    seed: int | None = None
    min_rows_per_second: Number = None
    space: dict[str, dict[str, list[Any]]] = {}
    defaults: dict[str, Any] = {}
    best: int | None = None
    front: list[int] = []
    seconds: Spent = Spent()
    command: str = ""
    base: str = ""
    points: list[dict[str, Any]] = []
    trials: list[Trial] = []
    model: str | None = None
