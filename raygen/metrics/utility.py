"""What synthetic rows are good for: a model trained on them, tested on real rows."""

import numpy as np
import pandas as pd

from raygen import rng
from raygen.errors import ConfigError, did_you_mean
from raygen.metrics import fidelity
from raygen.metrics.intervals import NAN, Score, about, auc

MOST_CLASSES = 20  # of a target; its rarer levels are one class, because the trees grow with every class


def mle(
    train: pd.DataFrame, test: pd.DataFrame, target: str, kinds: dict[str, str], seed: int = 0
) -> dict[str, Score]:
    """Machine-learning efficiency: how well a model of `train` predicts one column of real rows it never saw.

    Train on synthetic, test on real (Esteban, Hyland and Raetsch, 2017, section 4). The same with real rows
    as `train` is what to compare with. sklearn's HistGradientBoosting, 100 trees of 31 leaves at learning
    rate 0.1, on one thread: within about 0.01 of XGBoost's AUC.

    Args:
        train: Rows to learn from, synthetic or real.
        test: Real rows to predict.
        target: The column to predict from all others that count.
        kinds: Kind by column name.
        seed: Seeds the trees; the same seed gives the same score.

    Returns:
        {"auc": Score} for a level column, 0..1, .5 is a guess: the mean over classes of each against the
        rest. Null is a class, and beyond 20 classes the rarer ones count as one. .5 where `train` lacks a
        class of `test`, nan where `test` has one class only. {"rmse": Score, "r2": Score} for a number
        column, rows with a null target left out: root mean squared error in the column's own unit (seconds
        for a datetime), and the share of variance explained, at most 1; nan without rows, r2 also where the
        target is constant.

    Raises:
        ConfigError: If `target` is no column that counts.
        KeyError: If a table lacks a column of a kind that counts.
    """
    numbers, levels = fidelity.columns(kinds, train, test)
    if target not in {**numbers, **levels}:
        reason = (
            f"of kind {kinds[target]}, which is not learned" if target in kinds else "no column of the table"
        )
        raise ConfigError(f"target '{target}' is {reason}.", did_you_mean(target, {**numbers, **levels}))
    y, truth = (numbers if target in numbers else levels).pop(target)
    features = _features(numbers, levels, len(train), len(train) + len(test))
    if kinds[target] in ("categorical", "boolean"):
        return {"auc": _auc(*features, y, truth, seed)}
    rmse, r2 = _errors(*features, y, truth, seed)
    return {"rmse": rmse, "r2": r2}


def _features(
    numbers: dict[str, fidelity.Pair], levels: dict[str, fidelity.Pair], train: int, total: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of the train and the test table, and which of them are levels."""
    features = [np.concatenate(pair) for pair in numbers.values()] + [
        fidelity.ranks(*pair) for pair in levels.values()
    ]
    x = np.column_stack(features or [np.zeros(total)]).astype(np.float64)
    x[:, np.isnan(x[:train]).all(axis=0)] = 0  # the trees take no column of nulls
    return x[:train], x[train:], np.arange(x.shape[1]) >= len(numbers)


def _auc(
    x: np.ndarray, x_test: np.ndarray, is_level: np.ndarray, y: np.ndarray, truth: np.ndarray, seed: int
) -> Score:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    y, truth = _classes(y, truth)
    classes = np.unique(truth)
    if len(classes) < 2 or not np.isin(classes, y).all():
        return Score(NAN if len(classes) < 2 else 0.5)
    model = HistGradientBoostingClassifier(
        early_stopping=False, categorical_features=is_level, random_state=rng.integer(seed, "utility trees")
    )
    with threadpool_limits(1, "openmp"):
        chances = model.fit(x, y).predict_proba(x_test)
    positives = (
        classes[1:] if len(model.classes_) == 2 else classes
    )  # of two classes, each against the rest is the same
    aucs = [auc(truth == c, chances[:, np.searchsorted(model.classes_, c)]) for c in positives]
    return Score(*(float(np.mean([getattr(a, part) for a in aucs])) for part in ("value", "low", "high")))


def _classes(y: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Classes by falling frequency in the test rows; the last for the rare ones and those that only the train
    rows have."""
    levels, counts = np.unique(truth, return_counts=True)
    most = MOST_CLASSES if len(levels) <= MOST_CLASSES else MOST_CLASSES - 1
    classes = np.full(1 + max(y.max(initial=0), truth.max(initial=0)), most)
    frequent = levels[np.argsort(-counts, kind="stable")][:most]
    classes[frequent] = np.arange(len(frequent))
    return classes[y], classes[truth]


def _errors(
    x: np.ndarray, x_test: np.ndarray, is_level: np.ndarray, y: np.ndarray, truth: np.ndarray, seed: int
) -> tuple[Score, Score]:
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    known, is_tested = ~np.isnan(y), ~np.isnan(truth)
    if not known.any() or not is_tested.any():
        return Score(NAN), Score(NAN)
    truth, empty = truth[is_tested], np.isnan(x[known]).all(axis=0)  # sklearn cannot cut a column of nulls
    x, x_test = np.where(empty, 0, x), np.where(empty, 0, x_test)
    model = HistGradientBoostingRegressor(
        early_stopping=False, categorical_features=is_level, random_state=rng.integer(seed, "utility trees")
    )
    with threadpool_limits(1, "openmp"):
        squares = (model.fit(x[known], y[known]).predict(x_test[is_tested]) - truth) ** 2
    # Intervals by the delta method: the spread of each row's share in the score.
    mse, variance, root = squares.mean(), truth.var(), np.sqrt(len(truth))
    rmse = about(np.sqrt(mse), squares.std() / root / (2 * np.sqrt(mse)) if mse else 0.0, least=0)
    if not variance:
        return rmse, Score(NAN)
    unexplained = mse / variance
    return rmse, about(
        1 - unexplained, (squares - unexplained * (truth - truth.mean()) ** 2).std() / root / variance, most=1
    )
