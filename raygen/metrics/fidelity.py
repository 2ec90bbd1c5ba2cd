"""How near a synthetic table comes to a real one: columns, pairs of columns, whole rows.

The scores follow the definitions of published comparisons. "numeric" and "datetime" columns are numbers
(float64, datetimes in seconds), "categorical" and "boolean" columns are levels, where null is a level of its
own; a column of another kind is left out.
"""

import itertools

import numpy as np
import pandas as pd
import pyarrow as pa

from raygen import rng

Pair = tuple[
    np.ndarray, ...
]  # one column: its values in each table, (real, synthetic) where nothing else is said


def shape_error(real: pd.DataFrame, synthetic: pd.DataFrame, kinds: dict[str, str]) -> float:
    """Mean distance between the columns of two tables in percent: 0 is alike, 100 has nothing in common.

    100 * (1 - "Column Shapes") of sdmetrics' QualityReport: a number column gives its Kolmogorov-Smirnov
    statistic without nulls, a level column its total variation distance.

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
    numbers, levels = columns(kinds, real, synthetic)
    return _percent([ks(*pair) for pair in numbers.values()] + [_tvd(*pair) for pair in levels.values()])


def trend_error(
    real: pd.DataFrame, synthetic: pd.DataFrame, kinds: dict[str, str], all_pairs: bool = False
) -> float:
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
    numbers, levels = columns(kinds, real, synthetic)
    tables = (pd.DataFrame({name: pair[side] for name, pair in numbers.items()}) for side in (0, 1))
    r_real, r_synthetic = (
        t.corr(min_periods=2).to_numpy()[np.triu_indices(len(numbers), k=1)] for t in tables
    )
    errors = list((np.abs(r_real - r_synthetic) / 2)[all_pairs | (np.abs(r_real) > 0.5)])
    bins = [(_bins(x), _bins(y)) for x, y in numbers.values()]
    pairs = itertools.chain(
        itertools.combinations(levels.values(), 2), itertools.product(levels.values(), bins)
    )
    errors += [_tvd(*_joint(a, b)) for a, b in pairs if all_pairs or _cramers_v(a[0], b[0]) > 0.3]
    return _percent(errors)


def variance_ratio(real: pd.DataFrame, synthetic: pd.DataFrame, kinds: dict[str, str]) -> float:
    """Variance of a number column of the synthetic table as a multiple of the real one's, the median over
    columns; nan without one that varies."""
    numbers, _ = columns(kinds, real, synthetic)
    ratios = [
        np.nanvar(b) / np.nanvar(a)
        for a, b in numbers.values()
        if len(b) and np.nanvar(a) > 0 and not np.isnan(b).all()
    ]
    return float(np.median(ratios)) if ratios else float("nan")


def c2st(real: pd.DataFrame, synthetic: pd.DataFrame, kinds: dict[str, str], seed: int = 0) -> float:
    """How well synthetic rows pass for real ones before a classifier: 1 cannot be told apart, 0 always is.

    The classifier two-sample test (Lopez-Paz and Oquab, 2017, section 3) as 1 - mean over 3 stratified folds
    of 2 * max(0.5, AUC) - 1. sklearn's HistGradientBoostingClassifier with 100 trees of 31 leaves at learning
    rate 0.2, no early stopping, one thread: within about 0.01 of XGBoost's defaults. Twice 16,000 rows x 15
    columns take 2 seconds.

    Args:
        real, synthetic, kinds: As in `shape_error`, also for the errors. As many rows of each as the shorter
            has.
        seed: Picks rows, folds and trees; the same seed gives the same score.

    Returns:
        0 to 1; nan with fewer than 3 rows or no column that counts.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold
    from threadpoolctl import threadpool_limits

    rows, generator = min(len(real), len(synthetic)), rng.generator(seed, "c2st")
    numbers, levels = columns(kinds, _sample(real, rows, generator), _sample(synthetic, rows, generator))
    if rows < 3 or not (numbers or levels):
        return float("nan")
    features = [np.concatenate(pair) for pair in numbers.values()] + [
        ranks(*pair) for pair in levels.values()
    ]
    x, y = np.column_stack(features).astype(np.float64), np.repeat([1, 0], rows)
    is_level = np.arange(len(features)) >= len(numbers)
    folds, trees = (int(state) for state in generator.integers(2**31, size=2))
    distances = []
    for fit, held in StratifiedKFold(3, shuffle=True, random_state=folds).split(x, y):
        model = HistGradientBoostingClassifier(
            max_iter=100,
            learning_rate=0.2,
            early_stopping=False,
            categorical_features=is_level,
            random_state=trees,
        )
        seen = np.where(np.isnan(x[fit]).all(axis=0), 0, x)  # the trees take no column of nulls
        with threadpool_limits(
            1, "openmp"
        ):  # its threads wait in a busy loop: 100 times slower when cores are shared
            chance = model.fit(seen[fit], y[fit]).predict_proba(seen[held])[:, 1]
        distances.append(2 * max(0.5, roc_auc_score(y[held], chance)) - 1)
    return 1 - float(np.mean(distances))


def floor(real: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Every column permuted by itself: the same columns and dtypes, no dependence left."""
    orders = [rng.generator(seed, "floor", i).permutation(len(real)) for i in range(real.shape[1])]
    return pd.DataFrame(
        {c: real[c].iloc[order].reset_index(drop=True) for c, order in zip(real, orders, strict=True)}
    )


def quality(
    real: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame, kinds: dict[str, str], seed: int = 0
) -> dict[str, dict[str, float]]:
    """Score synthetic rows beside the floor and the ceiling (`holdout`: real rows that the model never saw).

    All on the same number of rows, that of the shortest table, drawn by `seed`. Errors as in `shape_error`.

    Returns:
        {"synthetic" | "floor" | "ceiling": {"shape_error" | "trend_error" | "c2st": score}}.
    """
    rows, generator = min(len(real), len(holdout), len(synthetic)), rng.generator(seed, "quality rows")
    real, holdout, synthetic = (_sample(table, rows, generator) for table in (real, holdout, synthetic))
    tables = {"synthetic": synthetic, "floor": floor(real, seed), "ceiling": holdout}
    return {
        row: {
            "shape_error": shape_error(real, table, kinds),
            "trend_error": trend_error(real, table, kinds),
            "c2st": c2st(real, table, kinds, seed),
        }
        for row, table in tables.items()
    }


def columns(kinds: dict[str, str], *tables: pd.DataFrame) -> tuple[dict[str, Pair], dict[str, Pair]]:
    """Number columns (float64, nan where null) and level columns (codes that all tables share, 0 where null),
    ready to compare."""
    numbers, levels = {}, {}
    for name, kind in kinds.items():
        if kind in ("numeric", "datetime"):
            numbers[name] = tuple(_numbers(table[name], kind) for table in tables)
        elif kind in ("categorical", "boolean"):
            levels[name] = _levels(*(table[name] for table in tables))
    return numbers, levels


def _numbers(column: pd.Series, kind: str) -> np.ndarray:
    """float64, nan where null or infinite."""
    array = pa.array(column, from_pandas=True)
    if kind == "datetime":
        is_time, is_duration = pa.types.is_time(array.type), pa.types.is_duration(array.type)
        unit = pa.time64("us") if is_time else pa.duration("us") if is_duration else pa.timestamp("us")
        array = array.cast(unit, safe=False).cast(pa.int64())
    values = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.where(np.isfinite(values), values, np.nan) / (1e6 if kind == "datetime" else 1)


def _levels(*columns: pd.Series) -> Pair:
    """Codes that all tables share, 0 for null. 1.0 is the level 1: nulls make floats of integers in one table
    only."""
    codes, levels = zip(*(pd.factorize(column) for column in columns), strict=True)
    texts = [v if isinstance(v, str) else str(v).removesuffix(".0") for values in levels for v in values]
    shared = np.split(
        pd.factorize(np.array(texts, dtype=object))[0] + 1, np.cumsum([len(values) for values in levels])[:-1]
    )
    return tuple(np.append(own, 0)[code] for own, code in zip(shared, codes, strict=True))


def ks(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Kolmogorov-Smirnov distance of two samples, without their nans: 0 is alike, 1 is apart."""
    a, b = (np.sort(values[~np.isnan(values)]) for values in (real, synthetic))
    if not len(a) or not len(b):
        return float("nan")
    points = np.concatenate([a, b])
    return np.abs(
        np.searchsorted(a, points, "right") / len(a) - np.searchsorted(b, points, "right") / len(b)
    ).max()


def _tvd(real: np.ndarray, synthetic: np.ndarray) -> float:
    if not len(real) or not len(synthetic):
        return float("nan")
    codes, distinct = pd.factorize(np.concatenate([real, synthetic]))
    a, b = (np.bincount(part, minlength=len(distinct)) / len(part) for part in np.split(codes, [len(real)]))
    return np.abs(a - b).sum() / 2


def _cramers_v(a: np.ndarray, b: np.ndarray) -> float:
    (a, rows), (b, columns) = pd.factorize(a), pd.factorize(b)
    if min(len(rows), len(columns)) < 2:
        return float("nan")
    codes, cells = pd.factorize(a * len(columns) + b)
    expected = np.bincount(a)[cells // len(columns)] * np.bincount(b)[cells % len(columns)]
    phi_squared = (np.bincount(codes) ** 2 / expected).sum() - 1
    return np.sqrt(max(phi_squared, 0) / (min(len(rows), len(columns)) - 1))


def _joint(a: Pair, b: Pair) -> Pair:
    width = 1 + np.concatenate(b).max(initial=0)
    return a[0] * width + b[0], a[1] * width + b[1]


def _bins(values: np.ndarray) -> np.ndarray:
    """10 bins over the table's own range; the greatest value and nulls are an 11th (both as sdmetrics has
    it)."""
    known = values[~np.isnan(values)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    pad = 0.5 if low == high else 0.0
    return np.digitize(values, np.linspace(low - pad, high + pad, 11))


def ranks(real: np.ndarray, synthetic: np.ndarray) -> np.ndarray:
    """Codes of both tables by falling frequency, below 255 because sklearn takes no more: the rarest levels
    share the last."""
    codes = np.concatenate([real, synthetic])
    rank = np.argsort(np.argsort(-np.bincount(codes), kind="stable"))
    return np.minimum(rank, 254)[codes]


def _sample(table: pd.DataFrame, rows: int, generator: np.random.Generator) -> pd.DataFrame:
    return table.iloc[generator.permutation(len(table))[:rows]]


def _percent(errors: list[float]) -> float:
    known = [error for error in errors if not np.isnan(error)]
    return 100 * float(np.mean(known)) if known else float("nan")
