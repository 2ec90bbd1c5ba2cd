"""Systematic resampling (Douc, Cappe and Moulines 2005): weighted candidates, each as often as it weighs."""

import numpy as np


def resampled(log_weight: np.ndarray, rows: int, offset: float) -> np.ndarray:
    """Numbers of `rows` candidates, ascending, each as often as its weight says, rounded up or down; `offset`
    is uniform in [0, 1)."""
    upper = np.cumsum(np.exp(log_weight - log_weight.max()))
    points = (np.arange(rows) + offset) / rows * upper[-1]
    return np.minimum(np.searchsorted(upper, points, side="right"), len(upper) - 1)


def effective(log_weight: np.ndarray) -> float:
    """Effective number of weighted candidates (Kong 1992)."""
    weight = np.exp(log_weight - log_weight.max())
    return float(weight.sum() ** 2 / (weight**2).sum())
