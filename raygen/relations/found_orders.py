"""Columns that are never below another one, though by chance they often would be."""

import numpy as np

from raygen.relations.language import parse
from raygen.relations.sampled import LOOK, Sample
from raygen.relations.ties import Finding, Ties
from raygen.relations.tokens import spelled

CHANCE = 0.05  # of the rows would break it if the columns were independent
EXPECTED = 50  # rows that would
TIES = 20  # rows in which independent columns would be equal, so that none says "strictly"


def findings(sample: Sample, ties: Ties) -> list[Finding]:
    """y >= x, or y > x, of columns of one kind; what follows from two others is left out."""
    out: list[Finding] = []
    for kind in ("number", "moment", "span"):
        columns = sample.of_kind(kind)
        found = {pair: one for x in columns for pair, one in _above(sample, x, columns, ties)}
        for (x, y), one in found.items():
            between = [z for z in columns if (x, z) in found and (z, y) in found]
            if not between:
                out.append(one)
    return sorted(out, key=lambda one: -one.gain)


def _above(sample: Sample, x: int, columns: list[int], ties: Ties) -> list[tuple[tuple[int, int], Finding]]:
    """Columns that are never below x."""
    values = sample.numbers[x]
    first = sample.numbers[columns, :LOOK]
    never = ~(first < values[:LOOK]).any(axis=1)
    found = []
    for y in np.array(columns)[never].tolist():
        other = sample.numbers[y]
        there = ~np.isnan(other) & ~np.isnan(values)
        if y == x or there.sum() < EXPECTED or (other[there] < values[there]).any():
            continue
        names = sample.names[x], sample.names[y]
        below = _share_below(other[there], values[there])
        if below < CHANCE or below * there.sum() < EXPECTED or ties.are_tied(*names):
            continue
        strict = not (other[there] == values[there]).any() and _equal(other[there], values[there]) >= TIES
        relation = parse(
            names[1], f"{'>' if strict else '>='} {spelled(names[0])}", "always", sample.table.schema
        )
        told = int(there.sum())
        gain = _gain(other[there], values[there])
        found.append(((x, y), Finding(relation, sample.rows, told, 0, sample.rows - told, gain)))
    return found


def _share_below(y: np.ndarray, x: np.ndarray) -> float:
    """The share of all pairs of a y and an x with y < x."""
    return float(np.searchsorted(np.sort(y), x, side="left").mean() / len(y))


def _equal(y: np.ndarray, x: np.ndarray) -> float:
    """How many rows would have y = x by chance."""
    ordered = np.sort(y)
    width = np.searchsorted(ordered, x, side="right") - np.searchsorted(ordered, x, side="left")
    return float(width.mean())


def _gain(y: np.ndarray, x: np.ndarray) -> float:
    """Nats per row that the values below x, left out, save."""
    left_out = np.searchsorted(np.sort(y), x, side="left") / len(y)
    return float(-np.log1p(-np.minimum(left_out, 1 - 0.5 / len(y))).mean())
