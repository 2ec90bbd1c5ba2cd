"""How near counted rows come to the real table: scores of the whole, of columns and of pairs, from two
tallies."""

import itertools

import numpy as np

from raygen.metrics.counts import STRONG_CORRELATION, Reference, Tally

TOP_LEVELS = 20
WORST_PAIRS = 10


def scores(reference: Reference, tally: Tally) -> dict:
    """Compare the rows of a tally with the real table.

    Args:
        reference: The real table.
        tally: Of all rows to judge; of `metrics.fidelity.floor` or of held-out rows for the two ends of the
            scale.

    Returns:
        Plain values, ready for JSON; None where a number has no meaning (no rows, a constant column). Errors
        are percent, shares 0 to 1:
            rows: {"real", "synthetic"}.
            shape_error, trend_error: As in `metrics`.
            copies, outside, unseen, beyond: {"rows", "share"} of rows equal to a real one in every column;
                with a number beyond the real range; with a level that the real table lacks; with either.
            missing_error: Percent, the mean over the columns of the distance between the shares of nulls.
            coverage: {"levels", "mass", "range"}: share of real levels that occur, of real rows whose level
                occurs, of the real range that is covered; means over the columns.
            columns: For each, its figures and a histogram (see `_number` and `_level`).
            pairs: {"names", "errors", "worst"}: names of the columns, a matrix in that order with None where
                a pair does not count, and the pairs with the largest errors, [{"columns", "error"}].
    """
    own = reference.own
    columns = [
        _number(name, reference, tally) if name in own.numbers else _level(name, reference, tally)
        for name in reference.kinds
    ]
    pairs = pair_errors(reference, tally)
    names = list(reference.kinds)
    matrix: list[list[float | None]] = [[None] * len(names) for _ in names]
    for (a, b), error in pairs.items():
        i, j = names.index(a), names.index(b)
        matrix[i][j] = matrix[j][i] = _or_none(100 * error)
    ordered = sorted((pair for pair in pairs if not np.isnan(pairs[pair])), key=lambda pair: -pairs[pair])
    return {
        "rows": {"real": own.num_rows, "synthetic": tally.num_rows},
        "shape_error": _mean(column["shape_error"] for column in columns),
        "trend_error": _mean(_or_none(100 * error) for error in pairs.values()),
        "copies": _rows(tally.num_copies, tally),
        "outside": _rows(tally.num_outside, tally),
        "unseen": _rows(tally.num_unseen, tally),
        "beyond": _rows(tally.num_beyond, tally),
        "missing_error": _mean(
            100 * abs(c["missing"]["real"] - c["missing"]["synthetic"])
            for c in columns
            if tally.num_rows and own.num_rows
        ),
        "coverage": {
            "levels": _mean(column["levels_seen"] for column in columns if "levels_seen" in column),
            "mass": _mean(column["mass_seen"] for column in columns if "mass_seen" in column),
            "range": _mean(column["range_covered"] for column in columns if "range_covered" in column),
        },
        "columns": columns,
        "pairs": {
            "names": names,
            "errors": matrix,
            "worst": [
                {"columns": list(pair), "error": 100 * float(pairs[pair])} for pair in ordered[:WORST_PAIRS]
            ],
        },
    }


def pair_errors(reference: Reference, tally: Tally) -> dict[tuple[str, str], float]:
    """Error (0 to 1, or NaN) of each pair that counts: as in `metrics.fidelity.trend_error`."""
    numbers = list(reference.knots)
    r_real, r_synthetic = reference.own.moments.correlations(), tally.moments.correlations()
    out = {}
    for i, j in itertools.combinations(range(len(numbers)), 2):
        if reference.all_pairs or abs(r_real[i, j]) > STRONG_CORRELATION:
            out[numbers[i], numbers[j]] = float(abs(r_real[i, j] - r_synthetic[i, j]) / 2)
    for pair, counts in reference.own.joints.items():
        out[pair] = _tvd(counts, tally.joints[pair])
    return out


def _number(name: str, reference: Reference, tally: Tally) -> dict:
    """{"name", "kind", "shape_error", "error_bound", "missing", "outside", "range_covered", "range",
    "histogram"}.

    `error_bound` is by how much (percent) the exact shape error may be larger: 0 up to
    `metrics.counts.MAX_KNOTS` distinct real values.
    """
    real, synthetic = reference.own.numbers[name], tally.numbers[name]
    a, b = int(real.sum()), int(synthetic.sum())
    (low, high), (lowest, highest) = reference.own.extremes[name], tally.extremes[name]
    covered = (
        (min(high, highest) - max(low, lowest)) / (high - low) if a and b and high > low else float("nan")
    )
    distance = np.abs(np.cumsum(real) / a - np.cumsum(synthetic) / b).max() if a and b else float("nan")
    bins = {"real": reference.own.histograms[name], "synthetic": tally.histograms[name]}
    return {
        "name": name,
        "kind": reference.kinds[name],
        "shape_error": _or_none(100 * distance),
        "error_bound": 100 * float(real[::2].max()) / a if a else None,
        "missing": {
            "real": _share(reference.own.num_rows - a, reference.own.num_rows),
            "synthetic": _share(tally.num_rows - b, tally.num_rows),
        },
        "outside": _share(b - int(synthetic[1:-1].sum()), b),
        "range_covered": _or_none(max(0.0, covered) if not np.isnan(covered) else covered),
        "range": {"real": [low, high] if a else None, "synthetic": [lowest, highest] if b else None},
        "histogram": {"edges": reference.edges[name].tolist()}
        | {side: _shares(n, t) for (side, n), t in zip(bins.items(), (a, b), strict=True)},
    }


def _level(name: str, reference: Reference, tally: Tally) -> dict:
    """{"name", "kind", "shape_error", "missing", "levels", "levels_seen", "mass_seen", "unseen",
    "unseen_examples", "histogram"}.

    The histogram has the most frequent real levels and the shares of all rows that are there; missing ones
    and the rest make up to 1.
    """
    real, synthetic = reference.own.levels[name], tally.levels[name]
    names = reference.names[name]
    top = names.slice(0, TOP_LEVELS).to_pylist()
    return {
        "name": name,
        "kind": reference.kinds[name],
        "shape_error": _or_none(100 * _tvd(real, synthetic)),
        "missing": {
            "real": _share(int(real[0]), reference.own.num_rows),
            "synthetic": _share(int(synthetic[0]), tally.num_rows),
        },
        "levels": len(names),
        "levels_seen": _share(int(np.count_nonzero(synthetic[1:-1])), len(names)),
        "mass_seen": _share(int(real[1:-1][synthetic[1:-1] > 0].sum()), int(real[1:-1].sum())),
        "unseen": _share(int(synthetic[-1]), tally.num_rows),
        "unseen_examples": tally.unseen[name],
        "histogram": {
            "levels": top,
            "real": _shares(real[1 : 1 + len(top)], reference.own.num_rows),
            "synthetic": _shares(synthetic[1 : 1 + len(top)], tally.num_rows),
        },
    }


def _tvd(real: np.ndarray, synthetic: np.ndarray) -> float:
    a, b = real.sum(), synthetic.sum()
    return float(np.abs(real / a - synthetic / b).sum() / 2) if a and b else float("nan")


def _rows(count: int, tally: Tally) -> dict:
    return {"rows": count, "share": _share(count, tally.num_rows)}


def _share(count: int, total: int) -> float | None:
    return count / total if total else None


def _shares(counts: np.ndarray, total: int) -> list[float | None]:
    return [_share(int(count), total) for count in counts]


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _mean(values) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
