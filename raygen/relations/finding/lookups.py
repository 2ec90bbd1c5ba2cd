"""Columns that one or two others determine, with rows enough for each key."""

from itertools import combinations

import numpy as np

from raygen.relations.language import parse
from raygen.relations.pairs import Pairs, counted
from raygen.relations.sampled import Sample, entropy_of
from raygen.relations.ties import Finding, Ties
from raygen.relations.tokens import spelled

LOOK = 200  # pairs of rows with one key, by which candidates are found
COVERED = 0.6  # of the rows have a key that others have too
EXPECTED = 20.0  # differences within keys by chance, of which there is none
LEAST_GAIN = 0.05
SHARE = 0.99  # of the rows that a lookup must explain to be one
LEFT = 0.25  # of the differences expected by chance may be seen
MANY = 20  # numbers that are keys
MOST_KEYS = 40  # columns that are tried in pairs


def choose(sample: Sample, ties: Ties) -> None:
    """Add lookups greedily by gain: those that always hold, by one column and then by two, and then those
    that nearly always do."""
    comparable = sample.of_kind("number", "moment", "span", "text", "truth")
    columns = [k for k in comparable if sample.names[k] not in ties.derived | ties.decided]
    keys = [k for k in comparable if not _tells_as_much(sample, k, ties)]
    alone = np.ones(len(sample.names))  # the fewest differences that one key leaves of a column
    found = [one for x in keys for one in _by_key(sample, (x,), columns, alone)]
    _choose([one for one in found if not one.breaks], ties)
    columns = [k for k in columns if sample.names[k] not in ties.derived]
    pairs = combinations(_best_keys(sample, keys), 2)
    two = [one for pair in pairs for one in _by_key(sample, pair, columns, alone)]
    _choose([one for one in two if not one.breaks], ties)
    _choose([one for one in found + two if one.breaks], ties)


def _choose(found: list[Finding], ties: Ties) -> None:
    """Greedily by gain; of each column one."""
    seen: set[str] = set()
    for one in sorted(found, key=lambda one: -round(one.gain, 1)):  # stable: of like gain the first
        if one.relation.column not in seen and ties.add(one):
            seen.add(one.relation.column)


def _tells_as_much(sample: Sample, key: int, ties: Ties) -> bool:
    """Whether a column has as many values as the one that it is a function of, such as a copy, and not fewer
    as the month of a day."""
    name = sample.names[key]
    given = [one.relation for one in ties.chosen if one.relation.column == name and name in ties.derived]
    of = [one.inputs[0] for one in given if one.kind == "function" and len(one.inputs) == 1]
    return any(sample.distinct[sample.names.index(x)] <= sample.distinct[key] for x in of)


def _best_keys(sample: Sample, keys: list[int]) -> list[int]:
    """Keys for lookups by two: texts first, then those with the most values that still come often."""
    often = [k for k in keys if sample.distinct[k] <= sample.rows / 4]
    often.sort(key=lambda k: (sample.kinds[sample.names[k]] != "text", -sample.distinct[k], k))
    return sorted(often[:MOST_KEYS])


def _by_key(sample: Sample, keys: tuple[int, ...], columns: list[int], alone: np.ndarray) -> list[Finding]:
    """Columns that the keys determine, of those whose first pairs of rows with one key differ too seldom."""
    code, here = np.zeros(sample.rows, np.int64), np.ones(sample.rows, bool)
    for k in keys:
        code = code * int(sample.codes[k].max() + 1) + sample.codes[k]
        here &= sample.codes[k] >= 0
    rows = np.flatnonzero(here)
    if not len(rows):
        return []
    rows = rows[np.argsort(code[rows], kind="stable")]
    neighbours = np.flatnonzero(code[rows[1:]] == code[rows[:-1]])
    if len(neighbours) < COVERED * len(rows) or len(neighbours) == len(rows) - 1:
        return []
    step = max(1, len(neighbours) // LOOK)
    left, right = rows[neighbours[::step]], rows[neighbours[::step] + 1]
    first, second = sample.rows_of_codes[left], sample.rows_of_codes[right]
    there = (first >= 0) & (second >= 0)
    seen = there.sum(axis=0)
    differ = ((first != second) & there).sum(axis=0) / np.maximum(seen, 1)
    chance = sample.differing if len(keys) == 1 else np.minimum(sample.differing, alone)
    good = (seen > 0) & (differ <= LEFT * chance) & (chance * len(neighbours) >= EXPECTED)
    good[list(keys)] = False
    if len(keys) == 1:
        differ[list(keys)] = 1.0
        alone[:] = np.where(seen > 0, np.minimum(alone, np.maximum(differ, 1e-9)), alone)
    made = (_counted(sample, keys, y, code) for y in columns if good[y])
    return [one for one in made if one]


def _counted(sample: Sample, keys: tuple[int, ...], y: int, code: np.ndarray) -> Finding | None:
    """The lookup with its pairs, if it explains enough rows and saves more than its pairs cost."""
    names = tuple(sample.names[k] for k in keys)
    there = np.all([sample.codes[k] >= 0 for k in (*keys, y)], axis=0)
    told = int(there.sum())
    both = code[there] * int(sample.distinct[y] + 1) + sample.codes[y][there]
    distinct, counts = np.unique(both, return_counts=True)
    group = distinct // int(sample.distinct[y] + 1)
    starts = np.flatnonzero(np.append(True, group[1:] != group[:-1]))
    holds = int(np.maximum.reduceat(counts, starts).sum())
    alone = int((np.add.reduceat(counts, starts) == 1).sum())
    share = holds / told
    cost = len(starts) * np.log(max(sample.distinct[y], 2)) / told
    own = np.bincount(sample.codes[y][there])
    entropy = float(-(own[own > 0] / told) @ np.log(own[own > 0] / told))
    gain = share * entropy - float(entropy_of(share)) * (holds < told) - float(cost)
    if any(sample.kinds[sample.names[k]] == "number" and _is_of_one_key(sample, k, y) for k in keys):
        return None
    if share < SHARE or alone > (1 - COVERED) * told or gain < LEAST_GAIN:
        return None
    pairs = Pairs.of_counts(counted(sample.table, (*names, sample.names[y])))
    text = f"lookup({', '.join(map(spelled, names))})"
    relation = parse(sample.names[y], text, "always", sample.schema).with_pairs(pairs)
    one = Finding(relation, sample.rows, holds, told - holds, sample.rows - told, gain)
    return one.as_it_holds()


def _is_of_one_key(sample: Sample, key: int, y: int) -> bool:
    """Whether of many numbers all but the most frequent one have hardly more than one value: that a tip is 0
    where one pays cash does not make the payment a lookup of the tip."""
    there = (sample.codes[key] >= 0) & (sample.codes[y] >= 0)
    code, value = sample.codes[key][there], sample.codes[y][there]
    if np.unique(code).size < MANY:
        return False
    left = np.bincount(value[code != np.bincount(code).argmax()])
    return bool(left.max() >= SHARE * left.sum())
