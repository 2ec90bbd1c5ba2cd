"""Whether synthetic rows look typical, and whether they reach everywhere that real rows are.

The definitions of Alaa et al. (2022), "How faithful is your synthetic data?", section 3, as synthcity
computes them without its one-class network (its "naive" scores, which papers quote): numbers in units of the
real range, levels as one-hot vectors, Euclidean distance, the centre of a table at its mean, 30 radii. Where
distances tie, a curve is compared with the share of rows that a radius truly holds, not the nominal one.
"""

import numpy as np
import pyarrow as pa

from raygen import rng
from raygen.metrics.intervals import NAN, Score, interval
from raygen.metrics.nearest import Rows, embed, nearest

MOST_ROWS = 5000  # whose nearest neighbour is looked up
LEVELS = np.linspace(0, 1, 30)


def alpha_precision(real: pa.Table, synthetic: pa.Table, kinds: dict[str, str], seed: int = 0) -> Score:
    """Whether as many synthetic as real rows lie within each radius around the centre of the real rows,
    summed over the radii.

    Args:
        real: Rows to compare with.
        synthetic: Rows to judge.
        kinds: Kind by column name.
        seed: Picks the bootstrap's rows.

    Returns:
        0..1: 1 is ideal, which holdout rows nearly reach; nan when a table has no rows or no column counts.
    """
    points, rows = embed(kinds, real, synthetic)
    if not _comparable(points, rows):
        return Score(NAN)
    return interval(
        _precision, [_from_centre(points, points), _from_centre(points, rows)], seed, least=0, most=1
    )


def beta_recall(real: pa.Table, synthetic: pa.Table, kinds: dict[str, str], seed: int = 0) -> Score:
    """Share of real rows that have a synthetic row as near as their nearest real one, summed over radii
    around the centre of the synthetic rows.

    Equal numbers of both, at most 5,000. Two samples of one distribution give about .5, not 1: the nearest
    row is then as often real as synthetic.

    Args:
        real, synthetic, kinds: As in `alpha_precision`.
        seed: Picks the rows, also the bootstrap's.

    Returns:
        0..1: higher is better up to what holdout rows reach, and beyond that is copying; nan as in
            `alpha_precision`.
    """
    (points, rows), generator = embed(kinds, real, synthetic), rng.generator(seed, "precision and recall")
    count = min(len(points), len(rows), MOST_ROWS)
    if not _comparable(points, rows):
        return Score(NAN)
    points, rows = points.sample(count, generator), rows.sample(count, generator)
    to_real, _ = nearest(points, points, squared=True, others_only=True)
    to_synthetic, which = nearest(points, rows, squared=True)
    distances = np.column_stack([to_synthetic <= to_real, _from_centre(rows, rows)[which]])
    return interval(_recall, [distances], seed, least=0, most=1)


def _comparable(points: Rows, rows: Rows) -> bool:
    return bool(len(points)) and bool(len(rows)) and bool(points.numbers.shape[1] + points.codes.shape[1])


def _from_centre(of: Rows, rows: Rows) -> np.ndarray:
    """Squared distance of `rows` from the mean of `of`, which for a one-hot column is the share of each
    level."""
    apart = ((rows.numbers - of.numbers.mean(axis=0)) ** 2).sum(axis=1)
    for own, codes in zip(of.codes.T.astype(int), rows.codes.T.astype(int), strict=True):
        shares = np.bincount(own, minlength=1 + max(own.max(), codes.max())) / len(own)
        apart += 1 - 2 * shares[codes] + (shares**2).sum()
    return apart


def _precision(real: np.ndarray, synthetic: np.ndarray) -> float:
    real, synthetic = np.sort(real), np.sort(synthetic)
    radii = np.quantile(real, LEVELS)
    return _agreement(*(np.searchsorted(d, radii, "right") / len(d) for d in (real, synthetic)))


def _recall(distances: np.ndarray) -> float:
    """Of rows with whether they are covered, and their distance from the centre."""
    covered, apart = distances.T
    within = apart[:, None] <= np.quantile(apart, LEVELS)
    return _agreement(within.mean(axis=0), (within * covered[:, None]).mean(axis=0))


def _agreement(expected: np.ndarray, curve: np.ndarray) -> float:
    """1 - area between the curves over the area below the expected one."""
    return float(1 - np.abs(expected - curve).sum() / expected.sum())
