"""The settings of a search as axes: where a value lies, for figures and for importance."""

import json
import math
from typing import NamedTuple

from raygen import search_words as words
from raygen.latent_words import number
from raygen.search_trials import Search


class Axis(NamedTuple):
    """One searched setting: a scale of numbers, or levels side by side."""

    key: str
    levels: tuple[str, ...]  # as JSON; empty for a scale
    texts: tuple[str, ...]  # of the levels, as a reader wants them
    log: bool
    low: float  # ends of the scale as `place` gives them; of the levels -0.5 and their number - 0.5
    high: float

    def place(self, value) -> float | None:
        """Where a value lies: its number, log10 of it on a logarithmic scale, or the index of its level; None if it has no place."""
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
    """An axis for each searched setting that has a value in some trial; what lies outside the given space widens it."""
    found = []
    for key in search.settings:
        values = [t.params[key] for t in search.trials if t.params.get(key) is not None]
        if values:
            found.append(_axis(key, search.space.get(key) or {}, values))
    return found


def _axis(key: str, rule: dict, values: list) -> Axis:
    kind, given = next(iter(rule.items()), ("", []))
    if kind == "choice" or any(number(v) is None for v in values):
        return _levels(key, [*(given if kind == "choice" else []), *values])
    log = kind.startswith("log") and min(values) > 0
    axis = Axis(key, (), (), log, 0.0, 0.0)
    ends = [place for v in [*given, *values] if (place := axis.place(v)) is not None]
    return axis._replace(low=min(ends), high=max(ends))


def _levels(key: str, values: list) -> Axis:
    unique = {json.dumps(v): v for v in values}
    order = sorted(unique, key=lambda text: float(unique[text])) if all(number(v) is not None for v in unique.values()) else list(unique)
    return Axis(key, tuple(order), tuple(words.value_text(unique[text]) for text in order), False, -0.5, len(order) - 0.5)


def rule_text(rule: dict | None) -> str:
    """`8, 16 or 32`, `0.001 to 0.01, logarithmic`: where a setting was searched."""
    kind, given = next(iter((rule or {}).items()), ("", []))
    texts = [words.value_text(value) for value in given]
    if kind == "choice":
        return texts[0] if len(texts) == 1 else ", ".join(texts[:-1]) + " or " + texts[-1] if texts else ""
    whole = "whole numbers " if kind.endswith("integer") else ""
    return f"{whole}{' to '.join(texts)}{', logarithmic' if kind.startswith('log') else ''}" if texts else ""
