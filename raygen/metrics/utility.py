"""What synthetic rows are good for: a model trained on them, tested on real rows."""

import numpy as np
import pyarrow as pa

from raygen import rng
from raygen.errors import ConfigError, did_you_mean
from raygen.metrics import fidelity
from raygen.metrics.intervals import NAN, Score, about, auc, interval, share
from raygen.metrics.row_codes import shared_codes

MOST_CLASSES = 20  # of a target; its rarer levels are one class, because the trees grow with every class
CLASS_ROWS = 10  # test rows from which a class counts by itself


def mle(
    train: pa.Table, test: pa.Table, target: str, kinds: dict[str, str], seed: int = 0
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
        For a level column "auc", "accuracy", "macro_f1" and "weighted_f1", each 0..1. Null is a class, and
        beyond 20 classes the rarer ones count as one. AUC is the mean over classes of each against the rest,
        weighted by their test rows; .5 is a guess. AUC and macro F1 leave out classes with fewer than
        `CLASS_ROWS` test rows (see `left_out`), and are nan where fewer than two are left. {"rmse": Score,
        "r2": Score} for a number
        column, rows with a null target left out: root mean squared error in the column's own unit (seconds
        for a datetime), and the share of variance explained, at most 1; nan without rows, r2 also where the
        target is constant.

    Raises:
        ConfigError: If `target` is no column that counts.
        KeyError: If a table lacks a column of a kind that counts.
    """
    numbers, levels = fidelity.columns(kinds, train, test)
    is_level = target in levels
    if target not in {**numbers, **levels}:
        reason = (
            f"of kind {kinds[target]}, which is not learned" if target in kinds else "no column of the table"
        )
        raise ConfigError(f"target '{target}' is {reason}.", did_you_mean(target, [*numbers, *levels]))
    y, truth = (numbers if target in numbers else levels).pop(target)
    features = _features(numbers, levels, train.num_rows, train.num_rows + test.num_rows)
    if is_level:
        return _of_classes(*features, y, truth, seed)
    rmse, r2 = _errors(*features, y, truth, seed)
    return {"rmse": rmse, "r2": r2}


def left_out(test: pa.Table, target: str) -> dict[str, int]:
    """Classes of a level column with too few test rows to count in AUC and macro F1, and these rows."""
    (truth,), names = shared_codes(test[target])
    counts = np.bincount(truth, minlength=len(names) + 1)
    if np.count_nonzero(counts) > MOST_CLASSES:
        return {}
    return {
        "<missing>" if code == 0 else names[code - 1]: int(counts[code])
        for code in np.flatnonzero((counts > 0) & (counts < CLASS_ROWS))
    }


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


def _of_classes(
    x: np.ndarray, x_test: np.ndarray, is_level: np.ndarray, y: np.ndarray, truth: np.ndarray, seed: int
) -> dict[str, Score]:
    y, truth, counted = _classes(y, truth)
    chances, known = _chances(x, x_test, is_level, y, seed)
    guesses = known[chances.argmax(axis=1)] if len(known) else np.full(len(truth), -1)
    own = [chances[:, known == c].sum(axis=1) for c in counted]
    positives = list(zip(counted, own, strict=True))
    if len(np.union1d(truth, known)) == 2:  # each against the rest is then the same
        positives = positives[1:]
    aucs = [auc(truth == c, chance) for c, chance in positives] if len(counted) > 1 else []
    weights = [(truth == c).sum() for c, _ in positives]
    parts = ([getattr(a, part) for a in aucs] for part in ("value", "low", "high"))
    both = np.column_stack([truth, guesses])
    return {
        "auc": Score(*(float(np.average(part, weights=weights)) for part in parts)) if aucs else Score(NAN),
        "accuracy": share(truth == guesses),
        "macro_f1": interval(lambda rows: _f1(rows, counted, False), [both], seed, least=0, most=1)
        if len(counted) > 1
        else Score(NAN),
        "weighted_f1": interval(
            lambda rows: _f1(rows, np.unique(truth), True), [both], seed, least=0, most=1
        ),
    }


def _chances(
    x: np.ndarray, x_test: np.ndarray, is_level: np.ndarray, y: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Chance of each class of the train rows, of shape (test rows, classes), and these classes."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    known = np.unique(y)
    if len(known) < 2:
        return np.ones((len(x_test), len(known))), known
    model = HistGradientBoostingClassifier(
        early_stopping=False, categorical_features=is_level, random_state=rng.integer(seed, "utility trees")
    )
    with threadpool_limits(1, "openmp"):
        return model.fit(x, y).predict_proba(x_test), known


def _f1(rows: np.ndarray, classes: np.ndarray, weighted: bool) -> float:
    """Mean over classes, weighted by their rows or not, of rows with their class and the guessed one."""
    truth, guesses = rows.T
    scores, weights = [], []
    for c in classes:
        hits, num_true = ((truth == c) & (guesses == c)).sum(), (truth == c).sum()
        scores.append(2 * hits / max(num_true + (guesses == c).sum(), 1))
        weights.append(num_true if weighted else 1)
    return float(np.average(scores, weights=weights)) if sum(weights) else NAN


def _classes(y: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes by falling frequency in the test rows, the last one for the rare ones and those that only the
    train rows have; and which classes count by themselves."""
    levels, counts = np.unique(truth, return_counts=True)
    num_counted = int((counts >= CLASS_ROWS).sum())
    most = min(num_counted, MOST_CLASSES if len(levels) <= MOST_CLASSES else MOST_CLASSES - 1)
    classes = np.full(1 + max(y.max(initial=0), truth.max(initial=0)), most)
    classes[levels[np.argsort(-counts, kind="stable")][:most]] = np.arange(most)
    rest_counts = (
        len(levels) > MOST_CLASSES and counts.sum() - np.sort(counts)[::-1][:most].sum() >= CLASS_ROWS
    )
    return classes[y], classes[truth], np.arange(most + rest_counts)


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
