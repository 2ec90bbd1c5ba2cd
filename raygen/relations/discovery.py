"""Relations that a sample of a table shows, beyond chance and without circles."""

import dataclasses
from fractions import Fraction

import numpy as np
import pyarrow as pa

from raygen.errors import ConfigError
from raygen.relations.expressions import evaluate
from raygen.relations.finding import bands, bounds, lookups, missing, orders, rounded_sums
from raygen.relations.finding import functions as of_one
from raygen.relations.finding import sums as of_several
from raygen.relations.language import parse
from raygen.relations.quantities import added, times
from raygen.relations.relation import BREAKS, HOLDS, UNKNOWN
from raygen.relations.sampled import Candidate, Sample, entropy_of, saved
from raygen.relations.ties import Finding, Ties

FEWEST_ROWS = 50
COMPARED = 6e9  # pairs of columns times rows
LEAST_PARTIAL = 0.1  # nats per row
LEAST_HOLDS = 30  # rows
MOST_PARTIAL = 2  # for each column
OFF = (-3, -2, -1, 1, 2, 3)  # units of the column
OUTSTANDING = 2.0


def discover(table: pa.Table, seed: int) -> list[Finding]:
    """What ties columns of a sample exactly; each column has at most one function or lookup that always
    holds.

    Args:
        table: A sample of rows, such as 20,000; of a wide one fewer are used.
        seed: Of the order of its rows.
    """
    columns = max(table.num_columns, 1)
    sample = Sample.of(table, seed)
    sample = sample.look(min(sample.rows, max(2000, int(COMPARED / columns**2))))
    if sample.rows < FEWEST_ROWS:
        return []
    with np.errstate(over="ignore", invalid="ignore"):  # of squares of numbers near the largest
        return _found(sample)


def _found(sample: Sample) -> list[Finding]:
    ties = Ties()
    functions = _verified(of_one.candidates(sample), sample)
    _choose(ties, functions, sample)
    sums = _verified(of_several.candidates(sample, ties), sample)
    _choose(ties, sums, sample)
    _choose(ties, _verified(rounded_sums.candidates(sample, ties), sample), sample)
    bands.choose(sample, ties)
    lookups.choose(sample, ties)
    _choose_partial(ties, functions + sums, sample)
    for maker in (missing, bounds, orders):
        for one in maker.findings(sample, ties):
            ties.add(one)
    return ties.chosen


Ranked = list[tuple[Finding, int]]


def _verified(candidates: list[Candidate], sample: Sample) -> Ranked:
    """Candidates counted over all rows of the sample, with their ranks."""
    found = []
    for candidate in dict.fromkeys(candidates):
        try:
            relation = parse(candidate.column, candidate.text, "always", sample.schema)
        except ConfigError:  # a constant that the column's type cannot hold, for one
            continue
        names = list(dict.fromkeys((candidate.column, *relation.inputs)))
        kept = relation.keeps(sample.table.select(names))
        holds, breaks = int((kept == HOLDS).sum()), int((kept == BREAKS).sum())
        inputs = [sample.names.index(name) for name in relation.inputs]
        own = sample.missing[sample.names.index(candidate.column)]
        gaps = int((sample.missing[inputs].any(axis=0) != own).sum())
        missing = int((kept == UNKNOWN).sum())
        one = Finding(relation, sample.rows, holds, breaks, missing, 0.0, gaps)
        found.append((dataclasses.replace(one, gain=_gain(kept == HOLDS, one, sample)), candidate.rank))
    return found


def _choose(ties: Ties, found: Ranked, sample: Sample) -> None:
    """Those that always hold, greedily by gain; of like gain, by rank and the order of columns."""

    def key(pair: tuple[Finding, int]) -> tuple:
        one, rank = pair
        places = [sample.names.index(name) for name in one.relation.inputs]
        return -round(one.gain, 1), rank, places, sample.names.index(one.relation.column), one.relation.text

    total = [pair for pair in found if not pair[0].breaks and pair[0].holds >= LEAST_HOLDS]
    for one, _ in sorted(total, key=key):
        ties.add(one.as_it_holds())


def _choose_partial(ties: Ties, found: Ranked, sample: Sample) -> None:
    """Those that hold in a part of the rows, of columns that nothing gives wholly; a second one of a column
    for the rows that the first leaves."""
    explained: dict[str, list[np.ndarray]] = {}
    found = [pair for pair in found if pair[0].breaks and pair[0].holds >= LEAST_HOLDS]
    for one, _ in sorted(found, key=lambda pair: (-round(pair[0].gain, 2), pair[1], pair[0].relation.text)):
        column, before = one.relation.column, explained.get(one.relation.column, [])
        if one.gain < LEAST_PARTIAL or column in ties.derived or len(before) == MOST_PARTIAL:
            continue
        kept = one.relation.keeps(sample.table) == HOLDS
        new = kept & ~np.any(before, axis=0) if before else kept
        if new.sum() < LEAST_HOLDS or _gain(new, one, sample) < LEAST_PARTIAL or not _stands_out(one, sample):
            continue
        if ties.add(one.as_it_holds()):
            explained[column] = [*before, kept]


def _gain(kept: np.ndarray, one: Finding, sample: Sample) -> float:
    """Nats per row of a class "as the relation says" for some rows, beside the column's own values."""
    told = max(one.holds + one.breaks, 1)
    surprise = sample.surprise[sample.names.index(one.relation.column)]
    gain, _ = saved(kept[None], surprise[None], np.array([told]))
    return float(gain[0]) - float(entropy_of(one.gaps / one.rows))


def _stands_out(one: Finding, sample: Sample) -> bool:
    """Whether many more rows keep it than would if its numbers were off by a few units."""
    quantity = sample.quantities.get(one.relation.column)
    if quantity is None or not quantity.per or one.relation.rule.of is None:
        return True
    given = evaluate(one.relation.rule.of, sample.table)
    off = added([quantity, times(Fraction(-1), given)])
    if not off.per:
        return True
    units = np.broadcast_to(off.whole, sample.rows)[off.valid] / (off.per / quantity.per)
    counts = [int((units == k).sum()) for k in OFF]
    return one.holds > OUTSTANDING * max(counts) + LEAST_HOLDS
