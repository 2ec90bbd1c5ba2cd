"""A score and its 95 % interval: in closed form where there is one, by the bootstrap elsewhere."""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
from scipy import optimize, stats

from raygen import rng
from raygen.metrics import fidelity
from raygen.metrics.row_codes import take

Z = float(stats.norm.ppf(0.975))
NAN = float("nan")


@dataclasses.dataclass(frozen=True)
class Score:
    """A score of some rows, and the 95 % interval within which other rows of the same origin would put it.

    Args:
        value: The score itself; nan where it is undefined.
        low, high: The interval; nan where there is none: `value` is undefined, or a fact about just these
            rows.
    """

    value: float
    low: float = NAN
    high: float = NAN


def about(
    value: float, error: float, least: float = -math.inf, most: float = math.inf, width: float = Z
) -> Score:
    """`value` with `width` standard errors on either side, cut off at the ends of the score's range."""
    return Score(
        float(value), float(max(value - width * error, least)), float(min(value + width * error, most))
    )


def share(hits: np.ndarray, independent: float = math.inf) -> Score:
    """Mean of values in 0..1, such as how many rows are hit, with Wilson's interval (1927): sound at 0 and 1
    too; nan without rows.

    Args:
        hits: The values, one per row.
        independent: As how many rows that do not depend on each other they count, if fewer.
    """
    if not len(hits):
        return Score(NAN)
    p, n = float(np.mean(hits)), float(min(len(hits), independent))
    middle, half = (
        (p + Z**2 / (2 * n)) / (1 + Z**2 / n),
        Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n),
    )
    return Score(p, min(p, max(middle - half, 0.0)), max(p, min(middle + half, 1.0)))


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """The middle and half the width of Wilson's interval of a share."""
    middle, half = (hits + Z**2 / 2) / (rows + Z**2), math.sqrt(hits * (rows - hits) / rows + Z**2 / 4)
    return middle, Z / (rows + Z**2) * half


def quantile(values: np.ndarray, level: float) -> Score:
    """A quantile of `values`, its interval between the order statistics that the binomial law names; nan
    without values."""
    if not len(values):
        return Score(NAN)
    ordered, n = np.sort(values), len(values)
    low, high = stats.binom.ppf(0.025, n, level), stats.binom.ppf(0.975, n, level)
    value = float(np.quantile(ordered, level))
    return Score(
        value,
        min(value, float(ordered[int(max(low - 1, 0))])),
        max(value, float(ordered[int(min(high, n - 1))])),
    )


def auc(is_positive: np.ndarray, values: np.ndarray) -> Score:
    """Chance that a positive row has the greater value (ties count half): .5 is a guess; nan without rows of
    both sorts.

    Interval of `auc_interval`.
    """
    from sklearn.metrics import roc_auc_score

    positive = np.asarray(is_positive, bool)
    m, n = int(positive.sum()), int((~positive).sum())
    if not m or not n:
        return Score(NAN)
    value = float(roc_auc_score(positive, values))
    return Score(value, *auc_interval(value, m, n))


def auc_interval(value: float, positives: float, negatives: float) -> tuple[float, float]:
    """95 % interval of an AUC, from the AUC and the numbers of rows alone; within 0..1 and sound at the ends.

    The AUCs A for which |value - A| is at most 1.96 standard errors of Hanley and McNeil (1982) at A: method
    5 of Newcombe (2006).
    """

    def beyond(a: float) -> float:
        rest = (positives + negatives) / 2 - 1
        variance = a * (1 - a) * (1 + rest * ((1 - a) / (2 - a) + a / (1 + a))) / (positives * negatives)
        return abs(value - a) - Z * math.sqrt(variance)

    inside = min(max(value, 1e-12), 1 - 1e-12)  # at 0 and 1 the error is 0, which would be the end itself
    low = float(optimize.brentq(beyond, 0, inside)) if beyond(0) > 0 else 0.0
    high = float(optimize.brentq(beyond, inside, 1)) if beyond(1) > 0 else 1.0
    return low, high


def interval(
    score_of: Callable[..., float],
    tables: Sequence[pa.Table] | Sequence[np.ndarray],
    seed: int = 0,
    rounds: int = 20,
    least: float = -math.inf,
    most: float = math.inf,
) -> Score:
    """Any score with its bootstrap interval: `joint_intervals` of one score."""
    return joint_intervals(lambda *rows: (score_of(*rows),), tables, seed, rounds, least, most)[0]


def joint_intervals(
    scores_of: Callable[..., Sequence[float]],
    tables: Sequence[pa.Table] | Sequence[np.ndarray],
    seed: int = 0,
    rounds: int = 20,
    least: float = -math.inf,
    most: float = math.inf,
) -> list[Score]:
    """Scores with their bootstrap intervals: value +- t * the standard deviation over rows drawn with
    replacement.

    Centred on the value, not the percentiles of the rounds: drawing twice adds noise, which puts most rounds
    of a distance above it.

    Args:
        scores_of: Gives the scores of tables, called as `scores_of(*tables)`.
        tables: Tables or arrays; the rows of each are drawn by themselves.
        seed: Picks the rows.
        rounds: How often to draw; 20 know the width to a sixth, which Student's t allows for.
        least, most: Range of the scores.
    """
    values = [float(value) for value in scores_of(*tables)]
    draws = []
    for i in range(rounds):
        generator = rng.generator(seed, "bootstrap", i)
        picks = [generator.integers(max(len(table), 1), size=len(table)) for table in tables]
        rows = [
            take(table, pick) if isinstance(table, pa.Table) else table[pick]
            for table, pick in zip(tables, picks, strict=True)
        ]
        draws.append([float(value) for value in scores_of(*rows)])
    scores = []
    for value, drawn in zip(values, np.array(draws).T, strict=True):
        known = drawn[np.isfinite(drawn)]
        if math.isnan(value) or len(known) < 2:
            scores.append(Score(value))
        else:
            width = float(stats.t.ppf(0.975, len(known) - 1))
            scores.append(about(value, np.std(known, ddof=1), least, most, width))
    return scores


def shape_and_trend(
    real: pa.Table, synthetic: pa.Table, kinds: dict[str, str], seed: int = 0, rounds: int = 20
) -> tuple[Score, Score]:
    """`metrics.fidelity.shape_and_trend` with their bootstrap intervals."""
    tables, kinds = _coded(kinds, real, synthetic)
    shape, trend = joint_intervals(
        lambda a, b: fidelity.shape_and_trend(a, b, kinds), tables, seed, rounds, 0, 100
    )
    return shape, trend


def c2st(real: pa.Table, synthetic: pa.Table, kinds: dict[str, str], seed: int = 0, rounds: int = 3) -> Score:
    """`metrics.fidelity.c2st`, the mean over `rounds` of other folds and trees, which move it by .007 on
    32,000 rows of Adult."""
    aucs = [fidelity.fold_aucs(real, synthetic, kinds, seed + i) for i in range(rounds)]
    return c2st_of(aucs, min(real.num_rows, synthetic.num_rows))


def c2st_of(aucs: Sequence[np.ndarray], rows: int) -> Score:
    """C2ST with its interval from the AUCs of the folds of each round.

    The interval joins the spread of the rounds with the error of the AUC from the rows judged: every row
    once, in the fold that holds it out.
    """
    values = [fidelity.c2st_of(round_aucs) for round_aucs in aucs]
    value = float(np.mean(values))
    if math.isnan(value):
        return Score(value)
    low, high = auc_interval(1 - value / 2, rows, rows)
    spread = Z * float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    below, above = math.hypot(2 * high - 2 + value, spread), math.hypot(2 - 2 * low - value, spread)
    return Score(value, max(value - below, 0.0), min(value + above, 1.0))


def _coded(kinds: dict[str, str], *tables: pa.Table) -> tuple[list[pa.Table], dict[str, str]]:
    """The same columns as numbers and codes, so that texts are read once and not in every round."""
    numbers, levels = fidelity.columns(kinds, *tables)
    coded = [
        pa.table({name: pair[i] for name, pair in {**numbers, **levels}.items()}) for i in range(len(tables))
    ]
    return coded, dict.fromkeys(numbers, "numeric") | dict.fromkeys(levels, "categorical")
