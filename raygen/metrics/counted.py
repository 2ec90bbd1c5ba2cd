"""How near counted rows come to the real table: scores of the whole, of columns and of pairs, from the counts
of both."""

import itertools
from collections.abc import Iterable

import numpy as np

from raygen.metrics.counts import STRONG_CORRELATION, Counts, Reference
from raygen.report.evaluation.record import (
    Column,
    LevelHistogram,
    Number,
    NumberHistogram,
    PairError,
    Pairs,
    Record,
)

TOP_LEVELS = 20
SHOWN_ROWS = 10  # real rows from which a real value may be shown by name
WORST_PAIRS = 10


class CountedScores(Record):
    """Scores of all rows; None where a number has no meaning (no rows, a constant column).

    Attributes:
        real_rows, rows: Of the two tables.
        copied_rows, outside_rows, unseen_rows, beyond_rows: Rows equal to a real one in every column; with a
            number beyond the real range; with a level that the real table lacks; with either.
        exact_copies, outside: Shares of `copied_rows` and of `beyond_rows`.
        copies_of_one: Share of the rows that equal a real row which only one row, or person, has.
        rare_values, rare_numbers: Share of the rows with a category, and with a number, that too few real
            rows have. These three are None where nobody has asked.
        missing_error: Percent, the mean over the columns of the distance between the shares of nulls.
        level_coverage, category_coverage, range_coverage: Share of real levels that occur, of real rows whose
            level occurs, of the real range that may be shown which is covered; means over the columns.
    """

    real_rows: int
    rows: int
    copied_rows: int
    outside_rows: int
    unseen_rows: int
    beyond_rows: int
    shape_error: Number
    trend_error: Number
    exact_copies: Number
    outside: Number
    copies_of_one: Number
    rare_values: Number
    rare_numbers: Number
    missing_error: Number
    level_coverage: Number
    category_coverage: Number
    range_coverage: Number
    columns: list[Column]
    pairs: Pairs


def scores(reference: Reference, counts: Counts) -> CountedScores:
    """Compare counted rows with the real table.

    Args:
        reference: The real table.
        counts: Of all rows to judge; of `metrics.fidelity.floor` or of held-out rows for the two ends of the
            scale.
    """
    own = reference.own
    columns = [_column(name, reference, counts) for name in reference.kinds]
    errors = pair_errors(reference, counts)
    has_rows = counts.num_rows and own.num_rows
    levels = [column for column in columns if column.levels is not None]
    numbers = [column for column in columns if column.levels is None]
    return CountedScores(
        real_rows=own.num_rows,
        rows=counts.num_rows,
        copied_rows=counts.num_copies,
        outside_rows=counts.num_outside,
        unseen_rows=counts.num_unseen,
        beyond_rows=counts.num_beyond,
        shape_error=_mean(column.shape_error for column in columns),
        trend_error=trend_error(reference, counts),
        exact_copies=_share(counts.num_copies, counts.num_rows),
        outside=_share(counts.num_beyond, counts.num_rows),
        copies_of_one=_share(counts.num_sole, counts.num_rows) if reference.rare else None,
        rare_values=_share(counts.num_rare, counts.num_rows) if reference.names and reference.rare else None,
        rare_numbers=_share(counts.num_rare_numbers, counts.num_rows)
        if reference.knots and reference.rare
        else None,
        missing_error=_mean(map(_missing_error, columns)) if has_rows else None,
        level_coverage=_mean(column.level_coverage for column in levels),
        category_coverage=_mean(column.coverage for column in levels),
        range_coverage=_mean(column.coverage for column in numbers),
        columns=columns,
        pairs=_pairs(list(reference.kinds), errors),
    )


def shape_error(reference: Reference, counts: Counts) -> float:
    """Mean distance of the columns in percent; nan where none can be compared."""
    errors = [_distance(name, reference, counts) for name in reference.kinds]
    return _percent(errors)


def trend_error(reference: Reference, counts: Counts) -> float:
    """Mean distance of the pairs that count in percent; nan where none does."""
    return _percent(pair_errors(reference, counts).values())


def pair_errors(reference: Reference, counts: Counts) -> dict[tuple[str, str], float]:
    """Error (0 to 1, or NaN) of each pair that counts: as in `metrics.fidelity.trend_error`."""
    numbers = list(reference.knots)
    r_real, r_synthetic = reference.own.moments.correlations(), counts.moments.correlations()
    errors = {}
    for i, j in itertools.combinations(range(len(numbers)), 2):
        if reference.all_pairs or abs(r_real[i, j]) > STRONG_CORRELATION:
            errors[numbers[i], numbers[j]] = float(abs(r_real[i, j] - r_synthetic[i, j]) / 2)
    for pair, joint in reference.own.joints.items():
        errors[pair] = _total_variation(joint, counts.joints[pair])
    return errors


def _distance(name: str, reference: Reference, counts: Counts) -> float:
    """Of a column, 0 to 1: Kolmogorov-Smirnov of numbers, total variation of levels."""
    if name in reference.own.levels:
        return _total_variation(reference.own.levels[name], counts.levels[name])
    real, synthetic = reference.own.numbers[name], counts.numbers[name]
    num_real, num_synthetic = real.sum(), synthetic.sum()
    if not num_real or not num_synthetic:
        return float("nan")
    return float(np.abs(np.cumsum(real) / num_real - np.cumsum(synthetic) / num_synthetic).max())


def _column(name: str, reference: Reference, counts: Counts) -> Column:
    error = 100 * _distance(name, reference, counts)
    if name in reference.own.numbers:
        return _number(name, error, reference, counts)
    return _level(name, error, reference, counts)


def _number(name: str, error: float, reference: Reference, counts: Counts) -> Column:
    """`error_bound` is 0 up to `metrics.counts.MAX_KNOTS` distinct real values."""
    real, synthetic = reference.own.numbers[name], counts.numbers[name]
    num_real, num_synthetic = int(real.sum()), int(synthetic.sum())
    (low, high), (lowest, highest) = reference.shown[name] or (0.0, 0.0), counts.extremes[name]
    covered = None  # else of what may be shown, since the true range follows from it
    if num_synthetic and high > low:
        covered = max(0.0, (min(high, highest) - max(low, lowest)) / (high - low))
    return Column(
        name=name,
        kind=reference.kinds[name],
        shape_error=error,
        error_bound=100 * float(real[::2].max()) / num_real if num_real else None,
        missing_real=_share(reference.own.num_rows - num_real, reference.own.num_rows),
        missing_synthetic=_share(counts.num_rows - num_synthetic, counts.num_rows),
        outside=_share(num_synthetic - int(synthetic[1:-1].sum()), num_synthetic),
        coverage=covered,
        real_range=reference.shown[name],
        synthetic_range=(lowest, highest) if num_synthetic else None,
        histogram=NumberHistogram(
            edges=reference.edges[name].tolist(),
            real=_shares(_enough(reference.own.histograms[name], reference.protection.of(name)), num_real),
            synthetic=_shares(counts.histograms[name], num_synthetic),
        ),
    )


def _level(name: str, error: float, reference: Reference, counts: Counts) -> Column:
    """The histogram has missing values and the most frequent real levels; the rest makes up to 1."""
    real, synthetic = reference.own.levels[name], counts.levels[name]
    names = reference.names[name]
    least = max(SHOWN_ROWS, reference.protection.of(name))
    top = names.slice(0, min(TOP_LEVELS, int((real[1:-1] >= least).sum()))).to_pylist()
    shown = slice(0 if real[0] or synthetic[0] else 1, 1 + len(top))  # of the codes: 0 is missing
    return Column(
        name=name,
        kind=reference.kinds[name],
        shape_error=error,
        missing_real=_share(int(real[0]), reference.own.num_rows),
        missing_synthetic=_share(int(synthetic[0]), counts.num_rows),
        unseen=_share(int(synthetic[-1]), counts.num_rows),
        unseen_examples=counts.unseen[name],
        coverage=_share(int(real[1:-1][synthetic[1:-1] > 0].sum()), int(real[1:-1].sum())),
        levels=len(names),
        level_coverage=_share(int(np.count_nonzero(synthetic[1:-1])), len(names)),
        histogram=LevelHistogram(
            levels=[None, *top][shown],
            others=len(names) - len(top),
            real=_shares(real[shown], reference.own.num_rows),
            synthetic=_shares(synthetic[shown], counts.num_rows),
        ),
    )


def _pairs(names: list[str], errors: dict[tuple[str, str], float]) -> Pairs:
    matrix: list[list[float | None]] = [[None] * len(names) for _ in names]
    place = {name: i for i, name in enumerate(names)}
    for (a, b), error in errors.items():
        matrix[place[a]][place[b]] = matrix[place[b]][place[a]] = 100 * error
    ordered = sorted((pair for pair in errors if not np.isnan(errors[pair])), key=lambda pair: -errors[pair])
    worst = [PairError(columns=pair, error=100 * errors[pair]) for pair in ordered[:WORST_PAIRS]]
    return Pairs(names=names, errors=matrix, worst=worst)


def _missing_error(column: Column) -> float:
    return 100 * abs((column.missing_real or 0.0) - (column.missing_synthetic or 0.0))


def _total_variation(real: np.ndarray, synthetic: np.ndarray) -> float:
    a, b = real.sum(), synthetic.sum()
    return float(np.abs(real / a - synthetic / b).sum() / 2) if a and b else float("nan")


def _share(count: int, total: int) -> float | None:
    return count / total if total else None


def _enough(counts: np.ndarray, min_rows: int) -> np.ndarray:
    """Counts without those of a few rows, which may be told by what lies around them."""
    return np.where(counts >= min_rows, counts, 0)


def _shares(counts: np.ndarray, total: int) -> list[float | None]:
    return [_share(int(count), total) for count in counts]


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _percent(errors: Iterable[float]) -> float:
    known = [error for error in errors if not np.isnan(error)]
    return 100 * float(np.mean(known)) if known else float("nan")
