"""What is shown of real numbers: their range, and bins of a histogram; none of it tells the value of fewer
rows than a value needs to be kept."""

import numpy as np

from raygen.codec.support import pooled

BINS = 40
ROWS_PER_BIN = 2  # on average at the least, in units of the rows that a value needs
HEAVY_TAIL = 5  # a range so many times that of the middle nine tenths of the values


def shown(knots: np.ndarray, values: np.ndarray, min_rows: int) -> np.ndarray:
    """The distinct values that may be shown, in ascending order: those of `min_rows` rows or more, and means
    of disjoint groups of so many.

    Args:
        knots: The distinct values in ascending order, or quantiles.
        values: Of all rows, NaN where missing.
        min_rows: Rows; 1: the knots as they are.
    """
    if min_rows == 1 or not len(knots):
        return knots
    near = np.searchsorted(knots, values[~np.isnan(values)]).clip(max=len(knots) - 1)
    return pooled(knots, np.bincount(near, minlength=len(knots)), min_rows)[0]


def edges(places: np.ndarray, knots: np.ndarray, values: np.ndarray, min_rows: int) -> np.ndarray:
    """Equal bins over the range that is shown, whole numbers wide where the values are whole; of values with
    a heavy tail, bins of about as many distinct values each. What lies beyond counts to the outer ones.

    Args:
        places: What may be shown; the others as in `shown`.
    """
    if not len(places):
        return np.array([-0.5, 0.5])
    bins = BINS
    if min_rows > 1:
        bins = int(np.clip((~np.isnan(values)).sum() // (ROWS_PER_BIN * min_rows), 1, BINS))
    whole = bool((knots == np.floor(knots)).all())
    low, high = (np.floor(places[0]), np.ceil(places[-1])) if whole else (places[0], places[-1])
    if low == high:
        pad = max(0.5, 1e-6 * abs(low))
        return np.array([low - pad, high + pad])
    start, end = np.nanquantile(values, (0.05, 0.95))
    if (end - start) * HEAVY_TAIL < high - low:
        cuts = np.unique(np.linspace(0, len(places), bins + 1).astype(int))[1:-1]
        inner = (places[cuts - 1] + places[cuts]) / 2
        return np.concatenate([[low], inner[(low < inner) & (inner < high)], [high]])
    if max(-low, high) < 2**51 and whole:
        width = np.ceil((high - low + 1) / bins)
        return low - 0.5 + width * np.arange(np.ceil((high - low + 1) / width) + 1)
    return np.linspace(low, high, bins + 1)
