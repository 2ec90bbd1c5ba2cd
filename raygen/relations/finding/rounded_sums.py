"""Sums that hold up to a rounding of each of their columns: shares of 0.1 whose sum is 1, 0.9 or 1.1."""

from fractions import Fraction

import numpy as np

from raygen.relations.finding.functions import amount, correlations
from raygen.relations.finding.sums import Sum, key_of, solved
from raygen.relations.sampled import Candidate, Sample
from raygen.relations.ties import Ties

ROWS = 4000  # by which factors are found
FEWEST = 50  # rows
NEAR = 20  # columns that one of a sum is sought among
CLEAR = 0.3  # that a factor may be off 0, 1 or -1
LEAST_VALUES = 6  # of the column that the others say: a truth is no sum
LEAST_GAIN = 0.3  # nats per row that what is left has less than that of independent columns


def candidates(sample: Sample, ties: Ties) -> list[Candidate]:
    """`y = a + b within 0.01`, of columns that nothing gives, for each column of the sum."""
    columns = [k for k in sample.of_kind("number") if sample.names[k] not in ties.derived]
    columns = [k for k in columns if sample.quantities[sample.names[k]].per]
    wide = {sample.names[k] for k in columns if sample.distinct[k] >= LEAST_VALUES}
    part = sample.look(ROWS)
    alike = np.abs(correlations(part.numbers[columns])) if len(columns) > 2 else np.empty((0, 0))
    found: dict[tuple, tuple[Sum, Fraction]] = {}
    for i, row in enumerate(alike):
        if sample.names[columns[i]] not in wide:
            continue
        row[i] = -1
        near = [columns[k] for k in np.argsort(-row, kind="stable")[:NEAR].tolist() if row[k] > 0]
        one = _summed(part, columns[i], near)
        if one and key_of(one) not in found and (off := _rounding(one, sample)):
            found[key_of(one)] = one, off
    return [
        Candidate(each.column, f"{each.text} within {amount(off)}", each.gain, each.rank)
        for one, off in found.values()
        for each in solved(one, sample)
        if each.column in wide
    ]


def _unit(sample: Sample, k: int) -> float:
    return 1 / sample.quantities[sample.names[k]].per


def _summed(part: Sample, y: int, near: list[int]) -> Sum | None:
    """The sum of some columns, each as often as it is or not at all, that is nearest to y, by least squares
    in which the variance that comes of rounding is left out."""
    near = [k for k in near if np.nanstd(part.numbers[k]) > _unit(part, y) / 4]
    values = part.numbers[[*near, y]]
    values = values[:, ~np.isnan(values).any(axis=0)]
    if len(near) < 2 or values.shape[1] < FEWEST + 3 * len(near):
        return None
    scales = values.std(axis=1)  # without which numbers of accounts would hide shares from least squares
    if not scales.all():
        return None
    covariance = np.cov(values / scales[:, None])
    own = covariance[:-1, :-1] - np.diag([(_unit(part, k) / scales[i]) ** 2 / 12 for i, k in enumerate(near)])
    factors = np.linalg.lstsq(own, covariance[:-1, -1], rcond=None)[0] * scales[-1] / scales[:-1]
    whole = np.rint(factors)
    if np.abs(factors - whole).max() > CLEAR or np.abs(whole).max() > 1 or np.abs(whole).sum() < 2:
        return None
    per = max(part.quantities[part.names[k]].per for k in [y, *near])
    middle = Fraction(round(float(np.median(values[-1] - whole @ values[:-1])) * per), per)
    return {
        **{k: Fraction(int(f)) for k, f in zip(near, whole, strict=True) if f},
        y: Fraction(-1),
        -1: middle,
    }


def _rounding(one: Sum, sample: Sample) -> Fraction | None:
    """How far from a sum its column may be; None if it is farther in some row than roundings bring it, or
    not nearer than independent columns would be."""
    columns = [k for k in one if k >= 0]
    per = max(sample.quantities[sample.names[k]].per for k in columns)
    terms = np.array([float(one[k]) * per * sample.numbers[k] for k in columns])
    rest = terms.sum(axis=0) + float(one[-1]) * per
    rest = rest[~np.isnan(rest)]
    most, bound = int(np.abs(np.rint(rest)).max(initial=0)), len(columns) // 2
    if len(rest) < FEWEST or np.abs(rest - np.rint(rest)).max() > 1e-3 or not 0 < most <= bound:
        return None
    others = sum(np.roll(term, step) for step, term in enumerate(terms))
    if _nats(others[~np.isnan(others)]) - _nats(rest) < LEAST_GAIN:
        return None
    return Fraction(min(most + 1, bound), per)


def _nats(units: np.ndarray) -> float:
    """Entropy of whole numbers."""
    shares = np.unique(np.rint(units), return_counts=True)[1] / max(len(units), 1)
    return -float(shares @ np.log(shares))
