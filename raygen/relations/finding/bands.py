"""Categories that a number decides by the range that it lies in, such as the age group of an age."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import NamedTuple

import numpy as np

from raygen.relations.finding.bounds import FEWEST_OF_EACH, MOST_CATEGORIES, MOST_PAIRS, found_in, is_written
from raygen.relations.finding.missing import written
from raygen.relations.sampled import LOOK, Sample
from raygen.relations.ties import Finding, Ties
from raygen.relations.tokens import spelled

FEWEST = 25  # rows of each category that have a number, two of them at least: no chance divides 50 rows so
MANY = 30  # values of a number, at the least: of fewer a lookup tells more
SHORTER = 10  # steps of a column's numbers; a limit of fewer may be the value of a row
DIGITS = 12
SPELLED = 1e-25, 1e25  # limits but 0 are between these, which the language can write


class Limit(NamedTuple):
    """Where one category ends and the next begins.

    Attributes:
        at: The number.
        is_below: Whether the number itself belongs to the category below.
        unit: The largest power of ten that it is a multiple of.
    """

    at: Decimal
    is_below: bool
    unit: Decimal


def choose(sample: Sample, ties: Ties) -> None:
    """Add `'high' where x >= 100` for each category of a column, all of which lie in ranges of x that do not
    overlap; of the numbers that decide a column, one that nothing gives, whose limits are the roundest."""
    keys = [k for k in range(len(sample.names)) if 1 < sample.distinct[k] <= MOST_CATEGORIES]
    keys = [k for k in keys if sample.names[k] not in ties.derived and is_written(sample, k)]
    numbers = [k for k in sample.of_kind("number") if sample.distinct[k] > MANY]
    learned = [sample.names[k] not in ties.derived for k in range(len(sample.names))]
    first = sample.numbers[numbers, :LOOK]
    for y in keys[: MOST_PAIRS // max(len(numbers), 1)]:
        likely = np.array(numbers, int)[_are_apart(sample.codes[y][:LOOK], first)].tolist()
        others = [x for x in likely if not _tied(sample, ties, x, y)]
        decided = [(x, codes, _limits(sample, x, ends)) for x, codes, ends in _apart(sample, y, others)]
        decided = [one for one in decided if all(_is_spelled(limit) for limit in one[2])]
        if decided:
            best = [(learned[x], min(limit.unit for limit in limits)) for x, _, limits in decided]
            x, codes, limits = decided[best.index(max(best))]
            for one in _findings(sample, x, y, codes, limits):
                if ties.add(one):
                    ties.decided.add(sample.names[y])


def _is_spelled(limit: Limit) -> bool:
    return not limit.at or SPELLED[0] < abs(limit.at) < SPELLED[1]


def _tied(sample: Sample, ties: Ties, x: int, y: int) -> bool:
    one, other = sample.names[x], sample.names[y]
    return x == y or ties.are_tied(one, other) or other in ties.before.get(one, ())


def _are_apart(codes: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Whether the ranges of each row of some numbers do not overlap in categories with these codes."""
    order = np.argsort(codes, kind="stable")
    order = order[codes[order] >= 0]
    if not len(order):
        return np.ones(len(numbers), bool)
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    values = numbers[:, order]
    low, high = (ends.reduceat(values, starts, axis=1) for ends in (np.fmin, np.fmax))
    ranked = np.argsort(low, axis=1)
    low, high = (np.take_along_axis(each, ranked, axis=1) for each in (low, high))
    overlap: np.ndarray = (high[:, :-1] >= low[:, 1:]).sum(axis=1)
    return overlap == 0


def _apart(sample: Sample, y: int, columns: list[int]) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Columns whose ranges in the categories of y do not overlap, with the categories in their order, and
    the least and the greatest number of each, of shape (2, categories)."""
    order = np.argsort(sample.codes[y], kind="stable")
    order = order[sample.codes[y][order] >= 0]
    starts = np.flatnonzero(np.diff(sample.codes[y][order], prepend=-1))
    codes = sample.codes[y][order][starts]
    found = []
    for x in columns:
        values = sample.numbers[x][order]
        rows = np.add.reduceat(~np.isnan(values), starts, dtype=np.int64)
        some = rows > 0
        if some.sum() < 2 or rows[some].min() < FEWEST_OF_EACH or (rows >= FEWEST).sum() < 2:
            continue
        ends = np.array([np.fmin.reduceat(values, starts)[some], np.fmax.reduceat(values, starts)[some]])
        ranked = np.argsort(ends[0])
        if len(ranked) == 2 and (ends[0] == ends[1]).any():  # rather a number that a category decides
            continue
        if (ends[1][ranked][:-1] < ends[0][ranked][1:]).all():
            found.append((x, codes[some][ranked], ends[:, ranked]))
    return found


def _limits(sample: Sample, x: int, ends: np.ndarray) -> list[Limit]:
    step = Decimal(1) / (sample.quantities[sample.names[x]].per or 10**DIGITS)
    often = [[np.sum(sample.numbers[x] == end) >= FEWEST for end in several] for several in ends]
    return [
        _limit(ends[1, i], ends[0, i + 1], step, often[1][i], often[0][i + 1])
        for i in range(len(ends[0]) - 1)
    ]


def _limit(below: float, above: float, step: Decimal, *are_often: bool) -> Limit:
    """The roundest number that parts two, of numbers `step` apart. It is neither of them unless many rows
    have it or it is rounder than they need be: what a single row has is not told."""
    low, high = Decimal(repr(float(below))), Decimal(repr(float(above)))
    unit = Decimal(10) ** (max(abs(low), abs(high), step).adjusted() + 1)
    while unit >= step:
        below_high = (high / unit).to_integral_value(ROUND_FLOOR) * unit
        above_low = (low / unit).to_integral_value(ROUND_CEILING) * unit
        for at, is_below in ((below_high, False), (above_low, True)):
            is_told = unit >= SHORTER * step or low < at < high or are_often[0 if is_below else 1]
            if low <= at <= high and at != (high if is_below else low) and is_told:
                return Limit(at, is_below, unit)
        unit /= 10
    return Limit((low + high) / 2, False, unit)


def _findings(sample: Sample, x: int, y: int, codes: np.ndarray, limits: list[Limit]) -> list[Finding]:
    name, kind = spelled(sample.names[x]), sample.kinds[sample.names[y]]
    found = []
    for place, code in enumerate(codes):
        conditions = []
        if place:
            low = limits[place - 1]
            conditions.append(f"{name} {'>' if low.is_below else '>='} {_plain(low.at)}")
        if place < len(limits):
            high = limits[place]
            conditions.append(f"{name} {'<=' if high.is_below else '<'} {_plain(high.at)}")
        row = int(np.flatnonzero(sample.codes[y] == code)[0])
        value = written(str(sample.table.column(y)[row].as_py()), kind)
        text = f"{value} where {' and '.join(conditions)}"
        found.append(found_in(sample, y, text, float(sample.entropy[y]) / len(codes)))
    return found


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
