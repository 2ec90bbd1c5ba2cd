"""How near a synthetic table comes to a real one: columns, pairs of columns, whole rows.

The scores follow the definitions of published comparisons. "numeric" and "datetime" columns are numbers
(float64, datetimes in seconds), "categorical" and "boolean" columns are levels, where null is a level of its
own; a column of another kind is left out.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from raygen import rng
from raygen.metrics import counted
from raygen.metrics.column_ranges import NUMBERS, floats
from raygen.metrics.counts import Counts, Reference
from raygen.metrics.row_codes import LEVELS, shared_codes, take

# One column: its values in each table, (real, synthetic) where nothing else is said.
Pair = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Fidelity:
    """How near a table comes to the real one: errors in percent, C2ST 0 to 1; nan where undefined."""

    shape_error: float
    trend_error: float
    c2st: float


def shape_error(real: pa.Table, synthetic: pa.Table, kinds: dict[str, str]) -> float:
    """Mean distance between the columns of two tables in percent: 0 is alike, 100 has nothing in common.

    100 * (1 - "Column Shapes") of sdmetrics' QualityReport: a number column gives its Kolmogorov-Smirnov
    statistic without nulls, a level column its total variation distance. Exact up to
    `metrics.counts.MAX_KNOTS` distinct values of a real number column.

    Args:
        real: Rows to compare with.
        synthetic: Rows to judge, any number of them.
        kinds: Kind by column name.

    Returns:
        Percent; nan when nothing can be compared. A number column that is wholly null in one table is left
        out.

    Raises:
        KeyError: If a table lacks a column of a kind that counts.
        pyarrow.ArrowInvalid: If a number column holds something else.
    """
    return counted.shape_error(*_counts(real, synthetic, kinds))


def trend_error(real: pa.Table, synthetic: pa.Table, kinds: dict[str, str], all_pairs: bool = False) -> float:
    """Mean distance between the column pairs of two tables in percent: 0 is alike, 100 is the worst.

    100 * (1 - "Column Pair Trends") of sdmetrics' QualityReport: two number columns give half the difference
    of their Pearson correlations, any other pair the total variation distance of its joint levels, numbers
    cut in 10 bins. Only pairs that depend on each other in the real table count: correlation beyond 0.5,
    Cramer's V above 0.3.

    Args:
        real, synthetic, kinds: As in `shape_error`, also for the errors.
        all_pairs: Count every pair, as sdmetrics did until 2025 and papers of that time do.

    Returns:
        Percent; nan when no pair counts. A pair whose correlation is undefined (a constant column) is left
        out.
    """
    return counted.trend_error(*_counts(real, synthetic, kinds, all_pairs))


def shape_and_trend(real: pa.Table, synthetic: pa.Table, kinds: dict[str, str]) -> tuple[float, float]:
    """`shape_error` and `trend_error` of rows that are counted once."""
    reference, counts = _counts(real, synthetic, kinds)
    return counted.shape_error(reference, counts), counted.trend_error(reference, counts)


def repeated(
    real: list[pa.Table], tables: list[pa.Table], kinds: dict[str, str], seed: int = 0
) -> dict[str, float]:
    """Means over some comparisons of one table each with its real one.

    Returns:
        `shape_error`, `trend_error`, `c2st`, and the standard error of the last as `c2st_error`; without it
        where one comparison was made, of which the spread is not known.
    """
    found = np.array(
        [
            (*shape_and_trend(a, b, kinds), c2st(a, b, kinds, seed + i))
            for i, (a, b) in enumerate(zip(real, tables, strict=True))
        ]
    )
    scores = dict(zip(("shape_error", "trend_error", "c2st"), found.mean(axis=0).tolist(), strict=True))
    if len(found) > 1:
        scores["c2st_error"] = float(found[:, 2].std(ddof=1) / np.sqrt(len(found)))
    return scores


def variance_ratio(real: pa.Table, synthetic: pa.Table, kinds: dict[str, str]) -> float:
    """Variance of a number column of the synthetic table as a multiple of the real one's, the median over
    columns; nan without one that varies."""
    numbers, _ = columns(kinds, real, synthetic)
    ratios = [
        np.nanvar(b) / np.nanvar(a)
        for a, b in numbers.values()
        if len(b) and np.nanvar(a) > 0 and not np.isnan(b).all()
    ]
    return float(np.median(ratios)) if ratios else float("nan")


def c2st(real: pa.Table, synthetic: pa.Table, kinds: dict[str, str], seed: int = 0) -> float:
    """How well synthetic rows pass for real ones before a classifier: 1 cannot be told apart, 0 always is.

    The classifier two-sample test (Lopez-Paz and Oquab, 2017, section 3) as 1 - mean over 3 stratified folds
    of 2 * max(0.5, AUC) - 1.

    Args:
        real, synthetic, kinds: As in `shape_error`, also for the errors. As many rows of each as the shorter
            has.
        seed: Picks rows, folds and trees; the same seed gives the same score.

    Returns:
        0 to 1; nan with fewer than 3 rows or no column that counts.
    """
    return c2st_of(fold_aucs(real, synthetic, kinds, seed))


def c2st_of(aucs: np.ndarray) -> float:
    """C2ST of the AUCs of the folds; nan without folds."""
    return 1 - float(np.mean(2 * np.maximum(0.5, aucs) - 1)) if len(aucs) else float("nan")


def fold_aucs(real: pa.Table, synthetic: pa.Table, kinds: dict[str, str], seed: int = 0) -> np.ndarray:
    """AUC of a classifier that tells real rows from synthetic ones, for each fold that was held out from it.

    sklearn's HistGradientBoostingClassifier with 100 trees of 31 leaves at learning rate 0.2, no early
    stopping, one thread: within about 0.01 of XGBoost's defaults. Twice 16,000 rows x 15 columns take 2
    seconds.

    Args:
        real, synthetic, kinds, seed: As in `c2st`.

    Returns:
        Of shape (3,); empty with fewer than 3 rows or no column that counts.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold
    from threadpoolctl import threadpool_limits

    rows, generator = min(real.num_rows, synthetic.num_rows), rng.generator(seed, "c2st")
    numbers, levels = columns(kinds, _sample(real, rows, generator), _sample(synthetic, rows, generator))
    if rows < 3 or not (numbers or levels):
        return np.empty(0)
    features = [np.concatenate(pair) for pair in numbers.values()]
    features += [ranks(*pair) for pair in levels.values()]
    x, y = np.column_stack(features).astype(np.float64), np.repeat([1, 0], rows)
    is_level = np.arange(len(features)) >= len(numbers)
    folds, trees = (int(state) for state in generator.integers(2**31, size=2))
    aucs = []
    for fit, test in StratifiedKFold(3, shuffle=True, random_state=folds).split(x, y):
        model = HistGradientBoostingClassifier(
            max_iter=100,
            learning_rate=0.2,
            early_stopping=False,
            categorical_features=is_level,
            random_state=trees,
        )
        usable = np.where(np.isnan(x[fit]).all(axis=0), 0, x)  # the trees take no column of nulls
        # One thread: its threads wait in a busy loop, 100 times slower when cores are shared.
        with threadpool_limits(1, "openmp"):
            chance = model.fit(usable[fit], y[fit]).predict_proba(usable[test])[:, 1]
        aucs.append(roc_auc_score(y[test], chance))
    return np.array(aucs)


def floor(real: pa.Table, seed: int = 0) -> pa.Table:
    """Every column permuted by itself: the same columns and dtypes, no dependence left."""
    orders = [rng.generator(seed, "floor", i).permutation(real.num_rows) for i in range(real.num_columns)]
    shuffled = [
        take(real.select([name]), order)[name] for name, order in zip(real.column_names, orders, strict=True)
    ]
    return pa.table(shuffled, real.column_names)


def quality(
    real: pa.Table, holdout: pa.Table, synthetic: pa.Table, kinds: dict[str, str], seed: int = 0
) -> dict[str, Fidelity]:
    """Score synthetic rows beside the floor and the ceiling (`holdout`: real rows that the model never saw).

    All on the same number of rows, that of the shortest table, drawn by `seed`. Errors as in `shape_error`.

    Returns:
        By "synthetic", "floor" and "ceiling".
    """
    rows = min(real.num_rows, holdout.num_rows, synthetic.num_rows)
    generator = rng.generator(seed, "quality rows")
    real, holdout, synthetic = (_sample(table, rows, generator) for table in (real, holdout, synthetic))
    tables = {"synthetic": synthetic, "floor": floor(real, seed), "ceiling": holdout}
    return {name: scores(real, table, kinds, seed) for name, table in tables.items()}


def scores(real: pa.Table, synthetic: pa.Table, kinds: dict[str, str], seed: int = 0) -> Fidelity:
    """Shape error, Trend error and C2ST of a table."""
    shape, trend = shape_and_trend(real, synthetic, kinds)
    return Fidelity(shape, trend, c2st(real, synthetic, kinds, seed))


def columns(kinds: dict[str, str], *tables: pa.Table) -> tuple[dict[str, Pair], dict[str, Pair]]:
    """Number columns (float64, nan where null) and level columns (codes that all tables share, 0 where null),
    ready to compare."""
    numbers, levels = {}, {}
    for name, kind in kinds.items():
        if kind in NUMBERS:
            numbers[name] = tuple(floats(table[name], kind) for table in tables)
        elif kind in LEVELS:
            levels[name] = tuple(shared_codes(*(table[name] for table in tables))[0])
    return numbers, levels


def ks(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Kolmogorov-Smirnov distance of two samples, without their nans: 0 is alike, 1 is apart."""
    a, b = (np.sort(values[~np.isnan(values)]) for values in (real, synthetic))
    if not len(a) or not len(b):
        return float("nan")
    points = np.concatenate([a, b])
    order = np.argsort(points, kind="stable")  # merges the two
    points, below = points[order], np.cumsum(order < len(a))
    apart = np.abs(below / len(a) - (np.arange(1, len(points) + 1) - below) / len(b))
    last = np.append(points[1:] != points[:-1], True)  # of equal ones
    return float(apart[last].max())  # scipy's also takes a p-value, which needs more rows


def ranks(real: np.ndarray, synthetic: np.ndarray) -> np.ndarray:
    """Codes of both tables by falling frequency, below 255 because sklearn takes no more: the rarest levels
    share the last."""
    codes = np.concatenate([real, synthetic])
    rank = np.argsort(np.argsort(-np.bincount(codes), kind="stable"))
    return np.minimum(rank, 254)[codes]


def _sample(table: pa.Table, rows: int, generator: np.random.Generator) -> pa.Table:
    return take(table, generator.permutation(table.num_rows)[:rows])


def _counts(
    real: pa.Table, synthetic: pa.Table, kinds: dict[str, str], all_pairs: bool = False
) -> tuple[Reference, Counts]:
    """The real table as a reference, and the synthetic one counted against it."""
    reference = Reference(real, kinds, all_pairs)
    return reference, reference.count_table(synthetic)
