"""Whole numbers that are days, weeks, months, times of day or moments, written as YYYYMMDD, HHMM and the
like."""

from dataclasses import replace
from functools import cache

import numpy as np

from raygen.table.arrow import LARGEST
from raygen.table.stats import NumericStats

FIRST, LAST = "1500-01", "2201-01"  # month of the first day, and behind the last one
WORDS = {  # of two that fit alike the first
    "MMDD": "days written as MMDD, without a year",
    "YYYYMMDD": "days written as YYYYMMDD",
    "YYMMDD": "days written as YYMMDD",
    "CYYMMDD": "days written as CYYMMDD, with 1 for the century from 2000 on",
    "YYYYDDD": "days written as YYYYDDD, year and day of the year",
    "YYYYWW": "weeks written as YYYYWW",
    "YYWW": "weeks written as YYWW",
    "YYYYMM": "months written as YYYYMM",
    "YYMM": "months written as YYMM",
    "HHMM": "times of day written as HHMM",
    "HHMMSS": "times of day written as HHMMSS",
    "YYYYMMDDHHMM": "moments written as YYYYMMDDHHMM",
    "YYYYMMDDHHMMSS": "moments written as YYYYMMDDHHMMSS",
}
DAYS = ("YYYYMMDD", "YYMMDD", "CYYMMDD", "YYYYDDD")  # whose line is that of days since the epoch
DAY_AND_CLOCK = {"YYYYMMDDHHMM": (10**4, 24 * 60), "YYYYMMDDHHMMSS": (10**6, 24 * 3600)}
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
        inside = values[_allowed(values, name)]
        if len(inside) < max(FEW, (1 - STRAY) * len(values)):
            continue
        first, last = to_line(inside[[0, -1]], name)
        share = (last - first + 1) / (inside[-1] - inside[0] + 1)
        if share < least and len(inside) * np.log(share) < np.log(CHANCE):
            found, least = name, share
    return found


def year_last(values: np.ndarray) -> str:
    """DDMMYYYY or MMDDYYYY, if nearly all of some distinct whole numbers are days written so, whose order is
    not that of their size; else no name."""
    high, year = np.divmod(values, 10**4)
    first, second = np.divmod(high, 100)
    for name, day, month in (("DDMMYYYY", first, second), ("MMDDYYYY", second, first)):
        inside = (year >= 1900) & (year < 2101)
        inside &= np.isin((year * 100 + month) * 100 + day, _knots("YYYYMMDD")[0])
        if inside.sum() >= max(FEW, (1 - STRAY) * len(values)):
            return name
    return ""


def is_spreadsheet_clock(stats: NumericStats) -> bool:
    """Whether nearly all numbers of a column are days of a spreadsheet with a time of day, such as
    45123.7291667: whole minutes or seconds, which chance does not explain. Of numbers of fewer than five
    digits after the point nobody can tell."""
    values, digits = stats.distribution()[0], int(np.flatnonzero(stats.digits).max(initial=0))
    if stats.scale is not None or not len(values) or np.mean((values < 20_000) | (values >= 60_000)) > STRAY:
        return False
    for per, least in ((24 * 60, 5), (24 * 3600, 7)):
        whole = np.abs(values * per - np.round(values * per)) <= per * 10.0**-digits
        if digits >= least and whole.mean() >= 1 - STRAY:
            return bool(np.sum(np.abs(values * 8 - np.round(values * 8)) > 1e-4) >= FEW)
    return False


def to_line(values: np.ndarray, name: str) -> np.ndarray:
    """Numbers to days or seconds since the epoch, or weeks, months, minutes or seconds since the first: whole
    for those that the reading allows, in between or beyond for others."""
    return _moments_to_line(values, name) if name in DAY_AND_CLOCK else _along(values, *_knots(name))


def from_line(line: np.ndarray, name: str) -> np.ndarray:
    """The inverse of `to_line`."""
    if name in DAY_AND_CLOCK:
        values = _moments_from_line(line, name)
    else:
        valid, places = _knots(name)
        values = _along(line, places, valid)
    return np.where(np.abs(values) <= LARGEST, np.round(values), values)


def on_line(stats: NumericStats, name: str, min_rows: int) -> tuple[NumericStats, np.ndarray]:
    """Statistics of a column on the line, and what of it the reading does not allow, but many rows have;
    fewer rows count to what it allows beside them."""
    known = _allowed(stats.values, name)
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


def _allowed(values: np.ndarray, name: str) -> np.ndarray:
    """Whether a reading allows each of some numbers."""
    if name not in DAY_AND_CLOCK:
        return np.isin(values, _knots(name)[0])
    first, last = _ends(name)
    inside = (values >= _moment(first, name)) & (values <= _moment(last, name))
    return inside & (_moment(np.clip(_place(values, name), first, last), name) == values)


def _moments_to_line(values: np.ndarray, name: str) -> np.ndarray:
    """As `to_line`, where no list holds them all; what lies between two days is not told apart to the last
    digit."""
    first, last = _ends(name)
    low, high = _moment(np.array([first, last]), name)
    usual = np.where(np.abs(values) <= LARGEST, values, low)
    place = np.clip(_place(np.clip(usual, low, high), name), first, last - 1)
    before, after = _moment(place, name), _moment(place + 1, name)
    inside = place + (np.clip(usual, low, high) - before) / (after - before)
    return np.where(np.abs(values) <= LARGEST, inside + (usual - np.clip(usual, low, high)), values)


def _moments_from_line(line: np.ndarray, name: str) -> np.ndarray:
    first, last = _ends(name)
    usual = np.where(np.abs(line) <= LARGEST, line, first)
    inside = np.clip(usual, first, last)
    place = np.clip(np.floor(inside), first, last - 1)
    before, after = _moment(place, name), _moment(place + 1, name)
    moved = before + (inside - place) * (after - before) + (usual - inside)
    return np.where(np.abs(line) <= LARGEST, moved, line)


def _ends(name: str) -> tuple[float, float]:
    """Places of the first and of the last moment."""
    (_, days), per = _knots("YYYYMMDD"), DAY_AND_CLOCK[name][1]
    return days[0] * per, days[-1] * per + per - 1


def _place(values: np.ndarray, name: str) -> np.ndarray:
    """The place of the last moment that is no later than each number, from the first moment on."""
    unit, per = DAY_AND_CLOCK[name]
    (valid, days), (clock, _) = _knots("YYYYMMDD"), _knots(name.removeprefix("YYYYMMDD"))
    day, time = np.divmod(values, unit)
    number = (np.searchsorted(valid, day, "right") - 1).clip(0)
    within = np.searchsorted(clock[:-1], time, "right") - 1
    return days[number] * per + np.where(valid[number] == day, within, per - 1)


def _moment(place: np.ndarray | float, name: str) -> np.ndarray:
    """The number at each place, a whole one between the ends."""
    unit, per = DAY_AND_CLOCK[name]
    (valid, days), (clock, _) = _knots("YYYYMMDD"), _knots(name.removeprefix("YYYYMMDD"))
    day, time = np.divmod(place, per)
    return valid[np.asarray(day - days[0], np.int64)] * unit + clock[np.asarray(time, np.int64)]


@cache
def _knots(name: str) -> tuple[np.ndarray, np.ndarray]:
    """All numbers that a reading allows, in ascending order, and their places; float64."""
    if name in ("HHMM", "HHMMSS"):
        unit = np.arange(24 * 60 * (60 if name == "HHMMSS" else 1) + 1)  # the last one is 24:00
        minutes = unit // 60 if name == "HHMMSS" else unit
        valid = minutes // 60 * 100 + minutes % 60
        return (valid * 100 + unit % 60 if name == "HHMMSS" else valid).astype(float), unit.astype(float)
    if name in ("YYYYWW", "YYWW"):
        return _weeks(*((2000, 2100, 2000) if name == "YYWW" else (1500, 2201, 0)))
    first, last, base = {
        "MMDD": ("2000-01", "2001-01", 2000),
        "YYMM": ("2000-01", "2100-01", 2000),
        "YYMMDD": ("2000-01", "2100-01", 2000),
        "CYYMMDD": ("1901-01", LAST, 1900),
    }.get(name, (FIRST, LAST, 0))
    time = np.arange(first, last, dtype=f"datetime64[{'D' if 'D' in name else 'M'}]")
    month = time.astype("datetime64[M]")
    year, number = np.divmod(month.astype(np.int64), 12)
    valid = (1970 + year - base) * 100 + number + 1
    if name == "YYYYDDD":
        valid = (1970 + year) * 1000 + (time - time.astype("datetime64[Y]")).astype(np.int64) + 1
    elif "D" in name:
        valid = valid * 100 + (time - month.astype("datetime64[D]")).astype(np.int64) + 1
    return valid.astype(float), time.astype(np.int64).astype(float)


def _weeks(first: int, last: int, base: int) -> tuple[np.ndarray, np.ndarray]:
    """The weeks of ISO 8601 of some years, less than `last`, and their numbers."""
    mondays = np.arange(f"{first - 1}-12-22", f"{last}-01-08", dtype="datetime64[D]")
    mondays = mondays[(mondays.astype(np.int64) + 3) % 7 == 0]
    year = (mondays + 3).astype("datetime64[Y]")  # that of its Thursday
    week = (mondays + 3 - year.astype("datetime64[D]")).astype(np.int64) // 7 + 1
    number = year.astype(np.int64) + 1970
    inside = (number >= first) & (number < last)
    valid = ((number - base) * 100 + week)[inside]
    return valid.astype(float), np.arange(len(valid), dtype=float)
