"""Values and signs that follow from another column's category."""

import numpy as np

from raygen.relations.found_missing import among, written
from raygen.relations.language import parse
from raygen.relations.sampled import Sample
from raygen.relations.ties import Finding, Ties

MOST_CATEGORIES = 20
FEWEST = 50  # rows of the categories together
FEWEST_OF_EACH = 20
CHANCE = 25.0  # nats against chance
MOST_KEYS = 60
LEAST_GAIN = 0.01  # nats per row
MOST_OF_A_COLUMN = 3


def findings(sample: Sample, ties: Ties) -> list[Finding]:
    """`0 where x = 'a'` and `>= 0 where x = 'a'`, of columns that no relation gives."""
    keys = [k for k in range(len(sample.names)) if 1 < sample.distinct[k] <= MOST_CATEGORIES]
    keys = [k for k in keys if sample.names[k] not in ties.derived and _spells(sample, k)][:MOST_KEYS]
    columns = [k for k in sample.of_kind("number", "text", "truth") if sample.names[k] not in ties.derived]
    numbers = [k for k in columns if sample.kinds[sample.names[k]] == "number"]
    numbers = [k for k in numbers if np.nanmin(sample.numbers[k]) < 0 < np.nanmax(sample.numbers[k])]
    out: dict[int, list[Finding]] = {}
    for x in keys:
        for y in _constant_somewhere(sample, x, columns):
            if y != x and not ties.are_tied(sample.names[x], sample.names[y]):
                out.setdefault(y, []).extend(_fixed(sample, x, y))
        for y in (k for k in numbers if k != x):
            out.setdefault(y, []).extend(_signed(sample, x, y))
    good = ([one for one in found if one.gain >= LEAST_GAIN] for found in out.values())
    best = [sorted(found, key=lambda one: -one.gain)[:MOST_OF_A_COLUMN] for found in good]
    return sorted((one for found in best for one in found), key=lambda one: -one.gain)


def _constant_somewhere(sample: Sample, x: int, columns: list[int]) -> list[int]:
    """Columns with at most one value in some category of x."""
    order = np.argsort(sample.codes[x], kind="stable")
    starts = np.searchsorted(sample.codes[x][order], np.arange(sample.distinct[x]))
    some = sample.rows_of_codes[order]
    high = np.maximum.reduceat(some, starts, axis=0)
    low = np.minimum.reduceat(np.where(some < 0, np.iinfo(np.int32).max, some), starts, axis=0)
    constant = np.any(low >= high, axis=0).tolist()
    return [k for k in columns if constant[k]]


def _spells(sample: Sample, x: int) -> bool:
    """Whether the language can write the column's values: texts, truths and whole numbers."""
    name = sample.names[x]
    if sample.kinds[name] in ("text", "truth"):
        return True
    return sample.kinds[name] == "number" and sample.quantities[name].per == 1


def _fixed(sample: Sample, x: int, y: int) -> list[Finding]:
    """y has one value wherever x is of some categories, and often others elsewhere."""
    there = (sample.codes[x] >= 0) & (sample.codes[y] >= 0)
    one, other = sample.codes[x][there], sample.codes[y][there]
    if not len(one):
        return []
    low, high = np.full(sample.distinct[x], np.iinfo(np.int32).max), np.full(sample.distinct[x], -1)
    np.minimum.at(low, one, other)
    np.maximum.at(high, one, other)
    rows_of, found = np.bincount(one, minlength=sample.distinct[x]), []
    for value in np.unique(low[low == high]):
        codes = np.flatnonzero((low == value) & (high == value) & (rows_of >= FEWEST_OF_EACH))
        inside = np.isin(one, codes)
        elsewhere = float((other[~inside] == value).mean()) if not inside.all() else 1.0
        rows = int(inside.sum())
        against = -np.log(max(elsewhere, 1 / len(one))) * rows
        if rows < FEWEST or against < CHANCE or elsewhere == 1.0 or (other != value).sum() < FEWEST:
            continue
        text = _text(sample, y, int(value))
        gain = rows / len(one) * -np.log(float((other == value).mean()))
        if text is not None:
            found.append(_finding(sample, y, f"{text} where {among(sample, x, codes)}", float(gain)))
    return found


def _signed(sample: Sample, x: int, y: int) -> list[Finding]:
    """y is never below zero wherever x is of some categories, and often is elsewhere; or never above."""
    there = (sample.codes[x] >= 0) & (sample.codes[y] >= 0)
    values, one = sample.numbers[y][there], sample.codes[x][there]
    found = []
    for sign, wrong in ((">=", values < 0), ("<=", values > 0)):
        rows = np.bincount(one, minlength=sample.distinct[x])
        breaks = np.bincount(one, weights=wrong, minlength=sample.distinct[x])
        codes = np.flatnonzero((breaks == 0) & (rows >= FEWEST))
        inside = np.isin(one, codes)
        if inside.all() or not len(codes) or not (wrong == 0).any():
            continue
        right = 1 - float(wrong[~inside].mean())
        if right > 0.9 or (values[inside] == 0).all() or -np.log(max(right, 1e-9)) * inside.sum() < CHANCE:
            continue
        gain = float(inside.mean() * -np.log(1 - wrong.mean()))
        found.append(_finding(sample, y, f"{sign} 0 where {among(sample, x, codes)}", gain))
    return found


def _text(sample: Sample, y: int, code: int) -> str | None:
    value = sample.table.column(y)[int(np.flatnonzero(sample.codes[y] == code)[0])].as_py()
    return written(str(value), sample.kinds[sample.names[y]])


def _finding(sample: Sample, y: int, text: str, gain: float) -> Finding:
    relation = parse(sample.names[y], text, "always", sample.table.schema)
    kept = relation.keeps(sample.table.select([sample.names[y], *relation.inputs]))
    holds, breaks = int((kept == 1).sum()), int((kept == 0).sum())
    return Finding(relation, sample.rows, holds, breaks, int((kept == -1).sum()), gain).as_it_holds()
