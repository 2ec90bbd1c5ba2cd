"""Whole numbers that are days, months or times of day, written as YYYYMMDD, YYYYMM, HHMM or HHMMSS."""

from dataclasses import replace
from functools import cache

import numpy as np

from raygen.table.arrow import LARGEST
from raygen.table.stats import NumericStats

FIRST, LAST = "1500-01", "2201-01"  # month of the first day, and behind the last one
WORDS = {
    "YYYYMMDD": "days written as YYYYMMDD",
    "YYYYMM": "months written as YYYYMM",
    "HHMM": "times of day written as HHMM",
    "HHMMSS": "times of day written as HHMMSS",
}
FEW = 20  # distinct numbers that say nothing
STRAY = 0.03  # of the distinct numbers may be none
CHANCE = 1e-9  # that so many numbers at random are all such
MIN_REPEATS = 5  # rows of a number beside the reading that stands for something


def find(stats: NumericStats) -> str:
    """The name of the reading that nearly all numbers of a column allow and chance does not explain; "" if
    there is none."""
    if stats.sketch is not None or stats.scale is not None or stats.digits[1:].any():
        return ""
    return of_values(stats.values)


def of_values(values: np.ndarray) -> str:
    """The same of whole numbers, distinct and in ascending order."""
    found, least = "", 1.0
    for name in WORDS:
        valid, _ = _knots(name)
        inside = values[np.isin(values, valid)]
        if len(inside) < max(FEW, (1 - STRAY) * len(values)):
            continue
        first, last = np.searchsorted(valid, inside[[0, -1]])
        share = (last - first + 1) / (inside[-1] - inside[0] + 1)
        if share < least and len(inside) * np.log(share) < np.log(CHANCE):
            found, least = name, share
    return found


def to_line(values: np.ndarray, name: str) -> np.ndarray:
    """Numbers to days since the epoch, or months, minutes or seconds since the first: whole for those that
    the reading allows, in between or beyond for others."""
    return _along(values, *_knots(name))


def from_line(line: np.ndarray, name: str) -> np.ndarray:
    """The inverse of `to_line`."""
    valid, places = _knots(name)
    values = _along(line, places, valid)
    return np.where(np.abs(values) <= LARGEST, np.round(values), values)


def on_line(stats: NumericStats, name: str, min_rows: int) -> tuple[NumericStats, np.ndarray]:
    """Statistics of a column on the line, and what of it the reading does not allow, but many rows have;
    fewer rows count to what it allows beside them."""
    valid, _ = _knots(name)
    known = np.isin(stats.values, valid)
    kept = known | (stats.counts >= max(MIN_REPEATS, min_rows))
    inside = stats.values[known]
    beside = inside[np.searchsorted(inside, stats.values).clip(0, len(inside) - 1)]
    line = to_line(np.where(kept, stats.values, beside), name)
    values, where = np.unique(line, return_inverse=True)
    counts = np.bincount(where, stats.counts).astype(np.int64)
    out = replace(stats, values=values, counts=counts, minimum=float(values[0]), maximum=float(values[-1]))
    return replace(out, base=0, divisor=1), to_line(stats.values[kept & ~known], name)


def _along(values: np.ndarray, points: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Straight between the points, and with slope 1 beyond them; missing and special values stay."""
    moved = np.interp(values, points, places) + (values - np.clip(values, points[0], points[-1]))
    return np.where(np.abs(values) <= LARGEST, moved, values)


@cache
def _knots(name: str) -> tuple[np.ndarray, np.ndarray]:
    """All numbers that a reading allows, in ascending order, and their places; float64."""
    if name in ("HHMM", "HHMMSS"):
        unit = np.arange(24 * 60 * (60 if name == "HHMMSS" else 1) + 1)  # the last one is 24:00
        minutes = unit // 60 if name == "HHMMSS" else unit
        valid = minutes // 60 * 100 + minutes % 60
        return (valid * 100 + unit % 60 if name == "HHMMSS" else valid).astype(float), unit.astype(float)
    step = "D" if name == "YYYYMMDD" else "M"
    time = np.arange(FIRST, LAST, dtype=f"datetime64[{step}]")
    month = time.astype("datetime64[M]")
    number = month.astype(np.int64)
    valid = (1970 + number // 12) * 100 + number % 12 + 1
    if step == "D":
        valid = valid * 100 + (time - month.astype("datetime64[D]")).astype(np.int64) + 1
    return valid.astype(float), time.astype(np.int64).astype(float)
