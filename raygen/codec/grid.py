"""Where the values of a column can lie: on a grid of numbers, on some days of the calendar."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from raygen.table.arrow import rounded
from raygen.table.stats import MAX_DECIMALS, NumericStats

RARE = 0.003  # share of the rows that may lie beside the grid of all others
MOST_DAYS = 10**7  # between the first and the last day of a calendar
SAMPLES = 16  # of the values, in each of which a step is looked for
SAMPLE = 8  # values
MOST = 0.5  # share of the rows that would have more significant digits than nearly all have
DIGITS, DIGITS_OF_SINGLE = 15, 6  # that any number in 64 and in 32 bits keeps
CHANCE = 1e-9  # that the days that never come would never come in days at random
WEEKEND, CHANCE_OF_WEEKEND = (2, 3), 1e-4  # Saturday and Sunday; many tables hold neither


@dataclass(frozen=True)
class Grid:
    """The numbers (base + k * step) / 10 ** decimals, for whole k.

    Attributes:
        decimals: Digits after the point of nearly all values; from `MAX_DECIMALS` on, any number is on the
            grid.
        step, base: Whole numbers; the base is one of the grid.
        significant: Digits from the first that is not 0, where nearly all values have so few of them; 0 where
            the decimals say it all.
    """

    decimals: int
    step: int = 1
    base: int = 0
    significant: int = 0

    @classmethod
    def fit(cls, stats: NumericStats, min_rows: int = 1) -> "Grid":
        """The coarsest grid that all values but `RARE` of them lie on, or but fewer than `min_rows`."""
        rows = stats.digits.sum()
        beyond = rows - np.cumsum(stats.digits)
        decimals = int(np.argmax(beyond <= max(RARE * rows, min_rows - 1))) if rows else 0
        significant = _significant(stats, decimals, min_rows) if decimals else 0
        if decimals >= MAX_DECIMALS:
            return cls(MAX_DECIMALS, significant=significant)
        few = min_rows == 1
        if stats.scale is not None:
            step, base = _step(stats.values, stats.counts, few)
        else:
            scaled = stats.values * 10.0**decimals
            small = np.abs(scaled) < 2.0**53
            step, base = _step(np.round(scaled[small]).astype(np.int64), stats.counts[small], few)
        if not beyond[0] and stats.divisor > step and (min_rows == 1 or stats.sketch is not None):
            step, base = stats.divisor, stats.base  # one row can make it, if there are few
        base = base if min_rows == 1 else base % step  # a value, or as good as none
        return cls(decimals, step, base, significant)

    def snap(self, values: np.ndarray) -> np.ndarray:
        """The nearest number of the grid to each of `values`."""
        if self.significant:
            values = np.array([float(f"{one:.{self.significant - 1}e}") for one in values.tolist()])
        if self.decimals >= MAX_DECIMALS:
            return values
        if values.dtype == object:
            return (values - self.base + self.step // 2) // max(1, self.step) * max(1, self.step) + self.base
        if self.step <= 1:
            return rounded(values, self.decimals)
        unit = 10.0**self.decimals
        whole = np.round((values * unit - self.base) / self.step) * self.step + self.base
        return rounded(whole / unit, self.decimals)

    @property
    def resolution(self) -> float:
        """Distance between two neighbours on the grid."""
        return max(self.step, 1) * 10.0**-self.decimals

    def within(self, lowest: float, highest: float) -> tuple[float, float]:
        """The first and the last number of the grid in a range."""
        if self.decimals >= MAX_DECIMALS or self.step <= 1:
            return lowest, highest
        step, base = self.resolution, self.base * 10.0**-self.decimals
        return (
            float(np.ceil((lowest - base) / step) * step + base),
            float(np.floor((highest - base) / step) * step + base),
        )


def _significant(stats: NumericStats, decimals: int, min_rows: int) -> int:
    """Digits, from the first that is not 0, that nearly all values make do with, of which `MOST` rows would
    have more with so many decimals; 0 where there is no such number."""
    values, shares = stats.distribution()
    values, shares = values[values != 0], shares[values != 0] / max(shares[values != 0].sum(), 1e-300)
    if stats.scale is not None or not len(values):
        return 0
    with np.errstate(over="ignore", under="ignore"):
        single = (values.astype(np.float32) == values).all()
    room = np.full(len(values), DIGITS_OF_SINGLE if single else DIGITS)
    if decimals < MAX_DECIMALS:
        room = np.minimum(room, np.floor(np.log10(np.abs(values))).astype(int) + 1 + decimals)
    texts = np.abs(values).astype(np.float32 if single else float).astype(str).tolist()
    used = [len(text.partition("e")[0].replace(".", "").strip("0")) for text in texts]
    beyond = 1 - np.cumsum(np.bincount(used, shares))
    found = int(np.argmax(beyond <= max(RARE, (min_rows - 1) / stats.num_usual)))
    return found if shares[room > found].sum() >= MOST else 0


def _step(values: np.ndarray, counts: np.ndarray, few: bool) -> tuple[int, int]:
    """Step and base of nearly all of some distinct whole numbers, in ascending order; counts of rows. Of few
    numbers all count, or if not `few` none are looked at."""
    if len(values) < 2 * SAMPLE:
        step = int(np.gcd.reduce(np.abs(values - values[0]))) if few and len(values) > 1 else 1
        return max(step, 1), int(values[0]) if step > 1 else 0
    stride, best = len(values) // SAMPLE, (1, 0)
    for start in range(min(SAMPLES, stride)):
        sample = values[start * stride // min(SAMPLES, stride) :: stride]
        step = int(np.gcd.reduce(np.abs(sample - sample[0])))
        on_grid = (values - sample[0]) % step == 0 if step > best[0] else np.zeros(0, bool)
        if len(on_grid) and counts[on_grid].sum() >= (1 - RARE) * counts.sum():
            best = step, int(sample[0])
    return best


EVERY_DAY = Grid(0)


@dataclass(frozen=True)
class Days:
    """Days of the calendar between two, of classes that come.

    Attributes:
        low, high: Days since the epoch, both belong to it.
        classes: For each of four calendars (see `calendars`), the classes that come; None: all.
        step, base: Only each so many days, `base` one of them.
    """

    low: int
    high: int
    classes: tuple[tuple[int, ...] | None, ...]
    step: int = 1
    base: int = 0

    @classmethod
    def fit(
        cls, days: np.ndarray, counts: np.ndarray, min_rows: int = 1, grid: Grid = EVERY_DAY
    ) -> "Days | None":
        """What distinct days have in common that neither chance nor their grid explains; None if there is no
        such thing. A class of fewer than `min_rows` rows does not come."""
        if not len(days) or days.max() - days.min() > MOST_DAYS:
            return None
        found: list[tuple[int, ...] | None] = []
        step, base = max(1, grid.step), grid.base
        between = calendars(_every(days.min(), days.max(), step, base))
        for number, (of_day, of_all) in enumerate(zip(calendars(days), between, strict=True)):
            shares = np.bincount(of_all) / len(of_all)
            came = np.bincount(of_day, counts, len(shares))
            comes = came > RARE * shares * counts.sum()
            some, never = comes & (came >= min_rows), shares[~comes].sum()
            is_weekend = number == 0 and tuple(np.flatnonzero(~comes).tolist()) == WEEKEND
            chance = CHANCE_OF_WEEKEND if is_weekend else CHANCE
            unlikely = never > 0 and len(days) * np.log(max(1 - never, 1e-300)) < np.log(chance)
            found.append(tuple(np.flatnonzero(some).tolist()) if unlikely else None)
        if not any(found):
            return None
        return cls(int(days.min()), int(days.max()), tuple(found), step, base)

    def between(self, days: np.ndarray) -> "Days | None":
        """Those between the first and the last of some days, in ascending order; None if there are none."""
        if not len(days):
            return None
        return replace(self, low=int(np.ceil(days[0])), high=int(np.floor(days[-1])))

    @cached_property
    def all(self) -> np.ndarray:
        """Every one of them, float64 in ascending order."""
        days = _every(self.low, self.high, self.step, self.base)
        fits = np.ones(len(days), bool)
        for of_day, classes in zip(calendars(days), self.classes, strict=True):
            if classes is not None:
                fits &= np.isin(of_day, classes)
        return days[fits].astype(float)

    def snap(self, days: np.ndarray) -> np.ndarray:
        """The nearest of them to each day."""
        after = np.searchsorted(self.all, days).clip(1, max(1, len(self.all) - 1))
        if len(self.all) < 2:
            return np.full(len(days), self.all[0]) if len(self.all) else days
        low, high = self.all[after - 1], self.all[after]
        return np.where(days - low <= high - days, low, high)


def _every(low: float, high: float, step: int, base: int) -> np.ndarray:
    """Each `step`-th of the days from `low` to `high`, `base` one of them."""
    return np.arange(low + (base - low) % step, high + 1, step)


def calendars(days: np.ndarray) -> list[np.ndarray]:
    """The class of each day since the epoch in four calendars: weekday (Thursday is 0), day of the month,
    days left in the month, month; all from 0 on."""
    whole = days.astype(np.int64)
    day = whole.astype("datetime64[D]")
    month = day.astype("datetime64[M]")
    since = (day - month.astype("datetime64[D]")).astype(np.int64)
    left = ((month + 1).astype("datetime64[D]") - day).astype(np.int64) - 1
    return [whole % 7, since, left, month.astype(np.int64) % 12]
