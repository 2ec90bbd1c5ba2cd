"""Columns that are never, or seldom, below another one, though by chance they often would be."""

from dataclasses import dataclass

import numpy as np

from raygen.relations.language import parse
from raygen.relations.sampled import LOOK, Sample, entropy_of
from raygen.relations.syntax import Column
from raygen.relations.ties import Finding, Ties
from raygen.relations.tokens import spelled
from raygen.table import readings

CHANCE = 0.05  # of the rows would break it if the columns were independent
FAR = 0.02  # of the rows: columns of which no more have values of both are not compared
EXPECTED = 50  # rows that would
TIES = 20  # rows in which independent columns would be equal, so that none says "strictly"
MOST_BREAKS = 0.05  # of the rows, of an order that nearly always holds
LEAST_GAIN = 0.02  # nats per row, of such an order
STEPS = 8  # rows on, at most
FEWEST_TOLD = 500  # pairs of rows by which a share is told about
LESS = 0.8  # of the rows that would break it by chance may, about
FEWEST_APART = 10  # rows that are not equal: of a copy with a few mistakes these may all be on one side
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
    copies = {one.relation.column for one in ties.chosen if _is_copy(one)}
    for kind in ("number", "moment", "span"):
        columns = np.array([k for k in sample.of_kind(kind) if sample.names[k] not in copies], int)
        ends = np.array([np.nanquantile(sample.numbers[k], (FAR, 1 - FAR)) for k in columns]).reshape(-1, 2)
        found: dict[int, dict[int, _Order]] = {}
        for x, highest in zip(columns.tolist(), ends[:, 1], strict=True):
            overlap = columns[ends[:, 0] < highest]
            some = overlap if kind != "moment" else _with_its_clock(sample, x, overlap)
            found[x] = _above(sample, x, some, ties)
        for x, above in found.items():
            for y, one in above.items():
                if not _follows(x, y, found) and not (one.breaks and x in found[y]):
                    out.append(_finding(sample, x, y, one))
    return sorted(out, key=lambda one: -one.gain)


def _is_copy(one: Finding) -> bool:
    """Whether a column has the values of another one in all rows, so that what is said of that is enough."""
    relation = one.relation
    is_column = relation.kind == "function" and isinstance(relation.rule.of, Column)
    return is_column and relation.is_total and not one.gaps


def _with_its_clock(sample: Sample, x: int, columns: np.ndarray) -> np.ndarray:
    """Moments that are compared with those of x as the numbers of a sample are: moments of a zone and those
    of none are by what their clocks show."""
    zoned, known = (
        np.array([of(k) for k in columns.tolist()], bool) for of in (sample.has_zone, sample.is_instant)
    )
    return columns[known] if sample.has_zone(x) else columns[~zoned | sample.is_instant(x)]


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
    seldom = (sample.numbers[columns, :LOOK] < values[:LOOK]).sum(axis=1) <= most
    columns, learned = columns[seldom], learned[seldom]
    by_chance = _share_of_others(sample.numbers[columns, :LOOK], values[:LOOK])
    likely = by_chance > CHANCE / 2
    candidates = zip(columns[likely].tolist(), learned[likely], by_chance[likely], strict=True)
    for y, is_learned, others in candidates:
        there = ~np.isnan(sample.numbers[y]) & ~np.isnan(values)
        told = int(there.sum())
        if y == x or told < EXPECTED:
            continue
        above, below = sample.numbers[y][there], values[there]
        breaks = int((above < below).sum())
        if np.count_nonzero(above != below) < FEWEST_APART:
            continue
        few = min(MOST_BREAKS, LESS * others) * told
        if breaks and not (is_learned and breaks <= few and _jumps(above, below)):
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


def _jumps(y: np.ndarray, x: np.ndarray) -> bool:
    """Whether there are many more rows just above x than just below it, by differences and, of amounts, by
    ratios: those of columns that are only like each other rise smoothly by one of the two."""
    both = (y > 0) & (x > 0)
    return _rises_at_zero(y - x) and _rises_at_zero(np.log(y[both] / x[both]))


def _rises_at_zero(apart: np.ndarray) -> bool:
    """Whether many more numbers are in a stretch from zero on than in one as long below it, by more than
    chance; none below it say nothing."""
    under = -apart[apart < 0]
    if not len(under):
        return True
    reach = np.sort(under)[len(under) // 2]
    below, above = (under <= reach).sum(), ((apart < reach) & (apart >= 0)).sum()
    return bool(above >= JUMP * (below + np.sqrt(below)))


def _share_of_others(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """About `_share_below` of some rows of each y, by those of x that stand a few rows on."""
    below, told = np.zeros(len(y)), np.zeros(len(y))
    for step in range(1, STEPS + 1):
        other = np.roll(x, step)
        below += (y < other).sum(axis=1)
        told += (~np.isnan(y) & ~np.isnan(other)).sum(axis=1)
    return np.where(told < FEWEST_TOLD, 1.0, below / np.maximum(told, 1))


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
