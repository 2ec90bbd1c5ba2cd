"""Columns that are never, or seldom, below another one, though by chance they often would be."""

from dataclasses import dataclass

import numpy as np

from raygen.relations.language import parse
from raygen.relations.sampled import LOOK, Sample, entropy_of
from raygen.relations.ties import Finding, Ties
from raygen.relations.tokens import spelled
from raygen.table import readings

CHANCE = 0.05  # of the rows would break it if the columns were independent
FAR = 0.02  # of the rows: columns of which no more have values of both are not compared
EXPECTED = 50  # rows that would
TIES = 20  # rows in which independent columns would be equal, so that none says "strictly"
MOST_BREAKS = 0.05  # of the rows, of an order that nearly always holds
LEAST_GAIN = 0.02  # nats per row, of such an order
JUMP = 5  # times as many rows just above x as just below it


@dataclass(frozen=True)
class _Order:
    """How many rows have a value in two columns, how many of these are below, and what it saves to know."""

    told: int
    breaks: int
    gain: float
    is_strict: bool


def findings(sample: Sample, ties: Ties) -> list[Finding]:
    """y >= x, or y > x, of columns of one kind; what follows from two others is left out, and so is what
    nearly always holds of two columns that are nearly always equal."""
    out: list[Finding] = []
    for kind in ("number", "moment", "span"):
        columns = np.array(sample.of_kind(kind), int)
        ends = np.array([np.nanquantile(sample.numbers[k], (FAR, 1 - FAR)) for k in columns]).reshape(-1, 2)
        found: dict[int, dict[int, _Order]] = {}
        for x, highest in zip(columns.tolist(), ends[:, 1], strict=True):
            found[x] = _above(sample, x, columns[ends[:, 0] < highest], ties)
        for x, above in found.items():
            for y, one in above.items():
                if not _follows(x, y, found) and not (one.breaks and x in found[y]):
                    out.append(_finding(sample, x, y, one))
    return sorted(out, key=lambda one: -one.gain)


def _follows(x: int, y: int, found: dict[int, dict[int, _Order]]) -> bool:
    """Whether a third column stands between two, always if these are always in order."""
    often = found[x][y].breaks
    return any(
        y in found[z] and (often or not (first.breaks or found[z][y].breaks)) for z, first in found[x].items()
    )


def _above(sample: Sample, x: int, columns: np.ndarray, ties: Ties) -> dict[int, _Order]:
    """Of some columns those that are never below x, and of those that are learned the ones that seldom
    are."""
    values, found = sample.numbers[x], dict[int, _Order]()
    learned = np.array([sample.names[k] not in ties.derived for k in columns], bool)
    most = np.where(learned, 2 * MOST_BREAKS * min(LOOK, sample.rows), 0)
    first = sample.numbers[columns, :LOOK]
    seldom = (first < values[:LOOK]).sum(axis=1) <= most
    for y, is_learned in zip(columns[seldom].tolist(), learned[seldom], strict=True):
        there = ~np.isnan(sample.numbers[y]) & ~np.isnan(values)
        told = int(there.sum())
        if y == x or told < EXPECTED:
            continue
        above, below = sample.numbers[y][there], values[there]
        breaks = int((above < below).sum())
        if breaks and not (is_learned and breaks <= MOST_BREAKS * told and _jumps(above - below)):
            continue
        names = sample.names[x], sample.names[y]
        chance = _share_below(above, below)
        if chance < CHANCE or chance * told < EXPECTED or ties.are_tied(*names):
            continue
        gain = _gain(above, below)
        if breaks and (gain < LEAST_GAIN or ties.are_linked(*names) or _is_read(sample, x, y)):
            continue
        is_strict = not (above == below).any() and _equal(above, below) >= TIES
        found[y] = _Order(told, breaks, gain, is_strict)
    return found


def _finding(sample: Sample, x: int, y: int, one: _Order) -> Finding:
    text = f"{'>' if one.is_strict else '>='} {spelled(sample.names[x])}"
    relation = parse(sample.names[y], text, "always", sample.schema)
    counts = sample.rows, one.told - one.breaks, one.breaks, sample.rows - one.told
    return Finding(relation, *counts, one.gain).as_it_holds()


def _is_read(sample: Sample, *columns: int) -> bool:
    """Whether the numbers of one of two columns are days or times of day such as 20241231, of which there are
    no differences."""
    for of in (sample.quantities[sample.names[k]] for k in columns):
        if of.per == 1 and of.whole.dtype != object and readings.of_values(np.unique(of.whole[of.valid])):
            return True
    return False


def _jumps(apart: np.ndarray) -> bool:
    """Whether there are many more differences just above zero than just below it: those of columns that are
    only like each other rise smoothly."""
    reach = np.median(-apart[apart < 0])
    below, above = ((-apart <= reach) & (apart < 0)).sum(), ((apart <= reach) & (apart >= 0)).sum()
    return bool(above >= JUMP * below)


def _share_below(y: np.ndarray, x: np.ndarray) -> float:
    """The share of all pairs of a y and an x with y < x."""
    return float(np.searchsorted(np.sort(y), x, side="left").mean() / len(y))


def _equal(y: np.ndarray, x: np.ndarray) -> float:
    """How many rows would have y = x by chance."""
    ordered = np.sort(y)
    width = np.searchsorted(ordered, x, side="right") - np.searchsorted(ordered, x, side="left")
    return float(width.mean())


def _gain(y: np.ndarray, x: np.ndarray) -> float:
    """Nats per row that the values below x, left out, save, less what it costs to tell the rows that have
    one of them."""
    left_out = np.searchsorted(np.sort(y), x, side="left") / len(y)
    saved = -np.log1p(-np.minimum(left_out, 1 - 0.5 / len(y)))
    keeps = y >= x
    return float((saved * keeps).mean() - entropy_of(keeps.mean()) * (not keeps.all()))
