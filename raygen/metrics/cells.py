"""Joint tables of pairs of columns: the cells of a number beside a level, counts at cells, and how strongly a
pair depends on each other."""

import numpy as np

from raygen.metrics.column_ranges import Range

DENSE_CELLS = 2**18  # a joint table up to this size is counted whole, a larger one at the real cells alone
CUTS = 10  # bins of a number beside a level


def cut(values: np.ndarray, ends: Range) -> np.ndarray:
    """Bins 1 to 10 over the range of the whole table; its greatest value and NaN are an 11th, as in
    metrics.trend_error."""
    low, high = ends if ends[0] <= ends[1] else (0.0, 0.0)
    pad = 0.5 if low == high else 0.0
    return np.digitize(values, np.linspace(low - pad, high + pad, CUTS + 1))


def at_cells(keys: np.ndarray, cells: np.ndarray, num_cells: int) -> np.ndarray:
    """How many keys equal each of the (ascending) cells, and how many none."""
    if num_cells <= DENSE_CELLS:
        inside = np.bincount(keys, minlength=num_cells)[cells]
    else:
        place = np.searchsorted(cells, keys).clip(max=len(cells) - 1)
        inside = np.bincount(place[cells[place] == keys], minlength=len(cells))
    return np.append(inside, len(keys) - inside.sum())


def cramers_v(rows: np.ndarray, columns: np.ndarray, counts: np.ndarray) -> float:
    """Cramer's V of a joint table given by its cells; NaN where a side is constant."""
    by_row, by_column = np.bincount(rows, counts), np.bincount(columns, counts)
    fewer = min(np.count_nonzero(by_row), np.count_nonzero(by_column))
    if fewer < 2:
        return float("nan")
    phi_squared = (counts / by_row[rows] * (counts / by_column[columns])).sum() - 1
    return float(np.sqrt(max(phi_squared, 0) / (fewer - 1)))
