"""A search as it is read: its trials, the best of them, and figures that can be compared."""

import json
import math
from functools import cached_property
from typing import NamedTuple

import numpy as np

from raygen.report.search.record import SearchRecord, Trial
from raygen.report.text import number, value_text

STATES = ("finished", "stopped", "unfinished", "failed")  # in the order of tables
NATS = "nats per row"


class Search:
    """A search with its trials by their numbers.

    Args:
        record: As `raygen tune` writes it.
    """

    def __init__(self, record: SearchRecord):
        self.record = record
        self.trials = sorted(record.trials, key=lambda t: t.number)
        self.by_classifier = record.objective == "c2st"
        self.sign = -1.0 if self.by_classifier else 1.0  # times the objective: lower is better
        self.unit = "C2ST" if self.by_classifier else NATS
        self.limit = record.min_rows_per_second or 0.0
        self.space, self.defaults = record.space, record.defaults
        self.best = next((t for t in self.trials if t.number == record.best), None)
        self.own = next(
            (t for t in self.trials if t.params and self._is_own(t)), None
        )  # had the config's own settings

    def _is_own(self, t: Trial) -> bool:
        return all(key in self.defaults and self.defaults[key] == value for key, value in t.params.items())

    @cached_property
    def ranked(self) -> list[Trial]:
        """The best first, then what finished by its objective, then what was stopped, the last first, by
        nats, then the rest."""

        def place(t: Trial) -> tuple:
            value = self.sign * t.score if t.state == "finished" else t.nats
            value = math.inf if value is None or math.isnan(value) else value
            steps = t.steps or 0.0
            return (
                t is not self.best,
                STATES.index(t.state),
                -steps if t.state == "stopped" else 0.0,
                value,
                t.number,
            )

        return sorted(self.trials, key=place)

    @cached_property
    def placed(self) -> dict[int, float]:
        """Objectives that can be compared, by trial; a C2ST is known of finished ones alone."""
        return ({} if self.by_classifier else self.projected) | {
            t.number: t.score for t in self.trials if t.finished
        }

    @cached_property
    def front(self) -> list[Trial]:
        """The trials that no other beats in both objective and speed, the best objective first."""
        trials = [t for t in self.trials if t.number in self.record.front and t.finished]
        known = [t for t in trials if t.rows_per_second is not None]
        return sorted(known, key=lambda t: self.sign * t.score)

    @cached_property
    def records(self) -> list[tuple[int, float]]:
        """Numbers of the finished trials that are fast enough, and the best objective up to each; the last
        goes on to the last trial."""
        fast = [
            t
            for t in self.trials
            if t.finished and (not self.limit or (t.rows_per_second or 0.0) >= self.limit)
        ]
        if not fast:
            return []
        so_far = self.sign * np.minimum.accumulate([self.sign * t.score for t in fast])
        return [
            *((t.number, float(value)) for t, value in zip(fast, so_far, strict=True)),
            (self.trials[-1].number, float(so_far[-1])),
        ]

    @cached_property
    def settings(self) -> dict[str, str]:
        """Dotted keys of what was searched, and a name of each: its last part, or the whole where two share
        it."""
        keys = list(
            dict.fromkeys([*self.space, *self.defaults, *(key for t in self.trials for key in t.params)])
        )
        last = [key.rpartition(".")[2] for key in keys]
        return {key: name if last.count(name) == 1 else key for key, name in zip(keys, last, strict=True)}

    @cached_property
    def differing(self) -> list[str]:
        """The settings that are not the same in all trials."""
        return [key for key in self.settings if len({repr(t.params.get(key)) for t in self.trials}) > 1]

    @cached_property
    def projected(self) -> dict[int, float]:
        """Nats that can be compared, by trial: of what finished its own; of the rest, where it would have
        ended had it kept its distance.

        A trial that was stopped early has the nats of an early step, which say more of the step than of its
        settings. Its distance to a trial that went to the end, at the step where it was stopped, is carried
        to the end of that one. (In simulated searches of 16 and 32 trials where one setting decides, fANOVA
        then named it in 83 to 100 % of them; with finished trials alone in 11 to 33 %, with the last nats as
        they are in 61 to 100 %.)
        """
        out = {t.number: t.nats for t in self.trials if t.finished and t.nats is not None}
        ends = [t for t in self.trials if t.state != "failed" and t.curve]
        if not ends:
            return out
        reference = min(
            ends,
            key=lambda t: (
                t is not self.best,
                not t.finished,
                0.0 if t.finished else -t.curve[-1][0],
                t.nats,
            ),
        )
        end = reference.curve[-1][1] if reference.nats is None else reference.nats
        for t in ends:
            if not t.finished:
                step, value = t.curve[-1]
                out[t.number] = end + value - reference.at(step)
        return out


class Axis(NamedTuple):
    """One searched setting: a scale of numbers, or levels side by side."""

    key: str
    levels: tuple[str, ...]  # as JSON; empty for a scale
    texts: tuple[str, ...]  # of the levels, as a reader wants them
    log: bool
    low: float  # ends of the scale as `place` gives them; of the levels -0.5 and their number - 0.5
    high: float

    def place(self, value: object) -> float | None:
        """Where a value lies: its number, log10 of it on a logarithmic scale, or the index of its level; None
        if it has no place."""
        if self.levels:
            text = json.dumps(value)
            return float(self.levels.index(text)) if text in self.levels else None
        x = number(value)
        if x is None or (self.log and x <= 0):
            return None
        return math.log10(x) if self.log else x

    def share(self, place: float) -> float:
        """How far along the axis a place is, 0 to 1."""
        return (place - self.low) / (self.high - self.low) if self.high > self.low else 0.5

    def text(self, place: float) -> str:
        """The value at a place of a scale."""
        return f"{10**place if self.log else place:.3g}"


def axes(search: Search) -> list[Axis]:
    """An axis for each searched setting that has a value in some trial; what lies outside the given space
    widens it."""
    space = []
    for key in search.settings:
        values = [t.params[key] for t in search.trials if t.params.get(key) is not None]
        if values:
            space.append(_axis(key, search.space.get(key) or {}, values))
    return space


def _axis(key: str, rule: dict, values: list) -> Axis:
    kind, domain = next(iter(rule.items()), ("", []))
    if kind == "choice" or any(number(v) is None for v in values):
        return _levels(key, [*(domain if kind == "choice" else []), *values])
    log = kind.startswith("log") and min(values) > 0
    axis = Axis(key, (), (), log, 0.0, 0.0)
    ends = [place for v in [*domain, *values] if (place := axis.place(v)) is not None]
    return axis._replace(low=min(ends), high=max(ends))


def _levels(key: str, values: list) -> Axis:
    unique = {json.dumps(v): v for v in values}
    order = (
        sorted(unique, key=lambda text: float(unique[text]))
        if all(number(v) is not None for v in unique.values())
        else list(unique)
    )
    return Axis(
        key, tuple(order), tuple(value_text(unique[text]) for text in order), False, -0.5, len(order) - 0.5
    )


def rule_text(rule: dict | None) -> str:
    """`8, 16 or 32`, `0.001 to 0.01, logarithmic`: where a setting was searched."""
    kind, values = next(iter((rule or {}).items()), ("", []))
    texts = [value_text(value) for value in values]
    if kind == "choice":
        return texts[0] if len(texts) == 1 else ", ".join(texts[:-1]) + " or " + texts[-1] if texts else ""
    whole = "whole numbers " if kind.endswith("integer") else ""
    return f"{whole}{' to '.join(texts)}{', logarithmic' if kind.startswith('log') else ''}" if texts else ""
