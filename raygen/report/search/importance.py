"""Which searched settings matter: shares by Optuna's fANOVA, and a test of whether there is anything to
share.

Each setting gets the share of the variance of the held-out nats that a random forest, fitted to the trials,
finds along it over the searched space (Hutter, Hoos and Leyton-Brown 2014, An efficient approach for
assessing hyperparameter importance, section 4). With few trials a forest finds some share for every setting,
even for one without effect. So the nats are also compared, by their ranks, between the levels of the setting
or the thirds of its scale (Kruskal-Wallis), as often as there are settings (Bonferroni).
"""

import math
from typing import NamedTuple

import numpy as np

from raygen.report.search.trials import Axis, Search, axes

LEAST = 4  # trials
DOUBT = 0.1  # chance, at most, that some setting without effect is called clear


class Importance(NamedTuple):
    """Shares of the settings, the greatest first, which sum to 1; `why_not` instead if they cannot be
    told."""

    shares: dict[str, float]
    clear: frozenset[str]  # settings whose effect is more than chance
    trials: int  # that were counted
    finished: int  # of them
    why_not: str = ""


def of(search: Search) -> Importance:
    """The importance of the settings that differ; the same for the same search."""
    values = search.projected
    space = [axis for axis in axes(search) if axis.key in search.differing]
    counted = [
        t
        for t in search.trials
        if t.number in values and all(a.place(t.params.get(a.key)) is not None for a in space)
    ]
    finished = sum(t.finished for t in counted)
    target = np.array([values[t.number] for t in counted])
    space = [a for a in space if len({a.place(t.params[a.key]) for t in counted}) > 1]
    why_not = ""
    if finished == 0:
        why_not = "no trial finished"
    elif len(counted) < LEAST:
        why_not = (
            f"{len(counted)} trial{'s' * (len(counted) != 1)} with nats "
            f"{'are' if len(counted) > 1 else 'is'} too few"
        )
    elif len(space) < 2:
        why_not = "only one setting differs" if space else "no setting differs"
    elif math.isclose(target.min(), target.max(), rel_tol=1e-9, abs_tol=1e-12):
        why_not = "all trials have the same nats"
    if why_not:
        return Importance({}, frozenset(), len(counted), finished, why_not)
    points = np.array([[a.place(t.params[a.key]) for a in space] for t in counted], float)
    shares = _shares(space, points, target)
    clear = frozenset(
        a.key for a, x in zip(space, points.T, strict=True) if _doubt(a, x, target) * len(space) < DOUBT
    )
    return Importance(
        {key: shares[key] for key in sorted(shares, key=lambda key: -shares[key])},
        clear,
        len(counted),
        finished,
    )


def _shares(space: list[Axis], points: np.ndarray, target: np.ndarray) -> dict[str, float]:
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

    distributions: dict[str, BaseDistribution] = {
        a.key: CategoricalDistribution(a.levels) if a.levels else FloatDistribution(a.low, a.high)
        for a in space
    }
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it tells of every study that it makes
    try:
        study = optuna.create_study()
    finally:
        optuna.logging.set_verbosity(before)
    for point, value in zip(points, target, strict=True):
        params = {
            a.key: a.levels[int(x)] if a.levels else float(x) for a, x in zip(space, point, strict=True)
        }
        study.add_trial(
            optuna.trial.create_trial(value=float(value), params=params, distributions=distributions)
        )
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return {
        key: float(share)
        for key, share in optuna.importance.get_param_importances(study, evaluator=evaluator).items()
    }


def _doubt(axis: Axis, x: np.ndarray, target: np.ndarray) -> float:
    """How often nats that have nothing to do with a setting differ so much along it."""
    from scipy.stats import kruskal

    part = x if axis.levels else np.searchsorted(np.quantile(x, [1 / 3, 2 / 3]), x)
    groups = [target[part == each] for each in np.unique(part)]
    return float(kruskal(*groups).pvalue) if len(groups) > 1 else 1.0
