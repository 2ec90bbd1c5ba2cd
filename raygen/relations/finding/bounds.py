"""Values and signs that follow from another column's category."""

import numpy as np

from raygen.relations.finding.functions import correlations
from raygen.relations.finding.missing import among, written
from raygen.relations.language import parse
from raygen.relations.sampled import Sample
from raygen.relations.ties import Finding, Ties

MOST_CATEGORIES = 20
FEWEST = 50  # rows of the categories together
FEWEST_OF_EACH = 20
CHANCE = 25.0  # nats against chance
MOST_PAIRS = 450_000  # of a category's column and another one
NEARLY = 0.995  # of the rows of a category have its value
OUTSTANDING = 10  # times as many rows of other categories have another value
LEAST_GAIN = 0.01  # nats per row
LEAST_OF_SIGNS = 0.05
RISES = 0.3  # correlation
MOST_OF_A_COLUMN = 3


def findings(sample: Sample, ties: Ties) -> list[Finding]:
    """`0 where x = 'a'` and `>= 0 where x = 'a'`, of columns that no relation gives."""
    keys = [k for k in range(len(sample.names)) if 1 < sample.distinct[k] <= MOST_CATEGORIES]
    given = ties.derived | ties.decided
    keys = [k for k in keys if sample.names[k] not in given and is_written(sample, k)]
    columns = [k for k in sample.of_kind("number", "text", "truth") if sample.names[k] not in given]
    numbers = [k for k in columns if sample.kinds[sample.names[k]] == "number"]
    numbers = [k for k in numbers if np.nanmin(sample.numbers[k]) < 0 < np.nanmax(sample.numbers[k])]
    out: dict[int, list[Finding]] = {}
    for x in keys[: MOST_PAIRS // max(len(columns), 1)]:
        for y in _constant_somewhere(sample, x, columns):
            if y != x and not ties.are_tied(sample.names[x], sample.names[y]):
                out.setdefault(y, []).extend(_fixed(sample, x, y))
        for y in (k for k in _signed_somewhere(sample, x, numbers) if not _rises_with(sample, k, x)):
            out.setdefault(y, []).extend(_signed(sample, x, y))
    good = ([one for one in found if one.gain >= LEAST_GAIN] for found in out.values())
    best = [sorted(found, key=lambda one: -one.gain)[:MOST_OF_A_COLUMN] for found in good]
    return sorted((one for found in best for one in found), key=lambda one: -one.gain)


def _rises_with(sample: Sample, y: int, x: int) -> bool:
    """Whether a sign of y by categories of x is no more than that y rises or falls with a number x."""
    if sample.kinds[sample.names[x]] != "number":
        return False
    return abs(float(correlations(sample.numbers[[x, y]])[0, 1])) > RISES


def _constant_somewhere(sample: Sample, x: int, columns: list[int]) -> list[int]:
    """Columns with hardly more than one value in some category of x."""
    order = np.argsort(sample.codes[x], kind="stable")
    starts = np.searchsorted(sample.codes[x][order], np.arange(sample.distinct[x]))
    some = sample.rows_of_codes[order]
    differ = np.zeros(some.shape, np.int32)
    differ[1:] = (some[1:] != some[:-1]) & (some[1:] >= 0) & (some[:-1] >= 0)
    differ[starts[starts < len(order)]] = 0
    changes = np.add.reduceat(differ, starts, axis=0)
    rows = np.diff(np.append(starts, len(order)))
    constant = np.any(changes <= 2.5 * (1 - NEARLY) * rows[:, None], axis=0).tolist()
    return [k for k in columns if constant[k]]


def _signed_somewhere(sample: Sample, x: int, columns: list[int]) -> list[int]:
    """Columns that are never below zero, or never above it, in some category of x with rows enough."""
    if not columns:
        return []
    there = sample.codes[x] >= 0
    of = np.zeros((int(sample.distinct[x]), sample.rows), np.float32)
    of[sample.codes[x][there], np.flatnonzero(there)] = 1
    values = sample.numbers[columns].T
    below, above, known = (of @ one.astype(np.float32) for one in (values < 0, values > 0, ~np.isnan(values)))
    signed = np.any((known >= FEWEST) & ((below == 0) | (above == 0)), axis=0).tolist()
    return [k for k, is_signed in zip(columns, signed, strict=True) if is_signed and k != x]


def is_written(sample: Sample, x: int) -> bool:
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
    width = int(sample.codes[y].max()) + 1
    counts = np.bincount(one * np.int64(width) + other, minlength=int(sample.distinct[x]) * width)
    counts = counts.reshape(-1, width)
    rows_of, modes = counts.sum(axis=1), counts.argmax(axis=1)
    near = (counts.max(axis=1) >= NEARLY * rows_of) & (rows_of >= FEWEST_OF_EACH)
    found = []
    for value in np.unique(modes[near]):
        codes = np.flatnonzero(near & (modes == value))
        rows, right = int(rows_of[codes].sum()), int(counts[codes, value].sum())
        outside = max(len(one) - rows, 1)
        elsewhere = float(counts[:, value].sum() - right) / outside
        against = rows * _divergence(right / rows, min(max(elsewhere, 1 / len(one)), 1 - 1e-9))
        rare = (1 - right / rows) * OUTSTANDING > 1 - elsewhere
        if rows < FEWEST or against < CHANCE or rare or (other != value).sum() < FEWEST:
            continue
        text = _text(sample, y, int(value))
        gain = rows / len(one) * -np.log(float((other == value).mean()))
        if text is not None:
            found.append(found_in(sample, y, f"{text} where {among(sample, x, codes)}", float(gain)))
    return found


def _divergence(share: float, other: float) -> float:
    """Nats of a row of which an event has one share instead of another."""
    rest = (1 - share) * np.log((1 - share) / (1 - other)) if share < 1 else 0.0
    return float(share * np.log(share / other) + rest)


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
        if gain >= LEAST_OF_SIGNS:
            found.append(found_in(sample, y, f"{sign} 0 where {among(sample, x, codes)}", gain))
    return found


def _text(sample: Sample, y: int, code: int) -> str | None:
    value = sample.table.column(y)[int(np.flatnonzero(sample.codes[y] == code)[0])].as_py()
    return written(str(value), sample.kinds[sample.names[y]])


def found_in(sample: Sample, y: int, text: str, gain: float) -> Finding:
    relation = parse(sample.names[y], text, "always", sample.schema)
    kept = relation.keeps(sample.table.select([sample.names[y], *relation.inputs]))
    holds, breaks = int((kept == 1).sum()), int((kept == 0).sum())
    return Finding(relation, sample.rows, holds, breaks, int((kept == -1).sum()), gain).as_it_holds()
