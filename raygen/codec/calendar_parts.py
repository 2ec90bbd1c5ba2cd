"""Parts of the calendar: where the bars of a column of days are wide, months and weekdays are parts of their
own.

A bar of a week says nothing of what happens on Sundays alone, one of two months nothing of Decembers. So the
month and the weekday are drawn too, after the bar. A day that a bar gave stays if it has both. Days of other
months, in their order, are spread over those of the bar that have the month, and of these the ones of other
weekdays over those that have the weekday: each day comes as often as the bar's own law says. Nearest days
would pile up where a month begins and ends. Where the bar has no day of the month, or the month in the bar
none of the weekday, that part moves nothing.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raygen.codec.bins import NumericBlock
from raygen.codec.block import Block
from raygen.codec.categories import CategoryBlock
from raygen.codec.cells import GRID
from raygen.table import readings
from raygen.table.part import Part, Role
from raygen.table.stats import CategoryStats, NumericStats

MONTHS = "January February March April May June July August September October November December"
WEEKDAYS = "Thursday Friday Saturday Sunday Monday Tuesday Wednesday"  # the epoch's first
NAMES: dict[Role, list[str]] = {"month": MONTHS.split(), "weekday": WEEKDAYS.split()}
WIDE: dict[Role, int] = {"month": 15, "weekday": 3}  # days of a bar that does not tell it
APART: dict[Role, int] = {"month": 31, "weekday": 3}  # days between two that a stepped bar lists, at most
ENOUGH = 0.5  # of the rows that have a day, in wide bars
MOST_DAYS = 10**6  # from the first to the last of each bar, of all together
LATEST = 2**31  # day, from 1970 on


def is_of_days(block: Block) -> bool:
    """Whether a block of numbers holds days by its reading."""
    return isinstance(block, NumericBlock) and block.reading in readings.DAYS


def on_line(block: NumericBlock, values: np.ndarray) -> np.ndarray:
    """Values of a column as days since the epoch; NaN where missing, or beyond any calendar."""
    days = readings.to_line(values, block.reading) if block.reading else values
    return np.where(np.abs(days) < LATEST, days, np.nan)


def classes_of(days: np.ndarray, role: Role) -> np.ndarray:
    """The class of each day since the epoch, a number of `NAMES`."""
    whole = np.floor(days).astype(np.int64)
    if role == "weekday":
        return whole % len(NAMES["weekday"])
    return whole.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % len(NAMES["month"])


def names_of(days: np.ndarray, role: Role) -> pa.Array:
    """The month or the weekday of each day since the epoch; null where that is NaN."""
    missing = np.isnan(days)
    index = classes_of(np.where(missing, 0, days), role).astype(np.int8)
    names = pa.array(NAMES[role], pa.large_string())
    return pa.DictionaryArray.from_arrays(pa.array(index, mask=missing), names).dictionary_decode()


def fit(column: str, stats: NumericStats, block: Block, min_rows: int) -> dict[Part, CategoryBlock]:
    """Blocks of the parts of the calendar that the days of `block` do not tell, and of which something has
    `min_rows` rows; none of more distinct days than `stats` hold."""
    found: dict[Part, CategoryBlock] = {}
    if not isinstance(block, NumericBlock) or stats.sketch is not None:
        return found
    days = on_line(block, stats.values)
    days, rows_of = days[~np.isnan(days)], stats.counts[~np.isnan(days)]
    for part in Part.calendar(column):
        if _is_wide(block, part.role):
            names = NAMES[part.role]
            came = np.bincount(classes_of(days, part.role), rows_of, len(names))
            counts = {name: int(rows) for name, rows in zip(names, came, strict=True) if rows}
            some = CategoryStats(stats.num_rows, stats.num_rows - sum(counts.values()), counts)
            own = CategoryBlock.fit(some, len(names), min_rows)
            found |= {part: own} if own.members else {}
    return found


def _is_wide(block: NumericBlock, role: Role) -> bool:
    """Whether the bars of a block of days say too little of a part, and any of its days can be near."""
    if not block.is_bar.any() or are_too_many(block.grid[block.is_bar]):
        return False
    days, every = block.days, block.spacing.step <= 1
    if role == "weekday" and not (every and (days is None or (days.step <= 1 and not any(days.classes[1:])))):
        return False
    spans, listed = block.grid[:, -1] - block.grid[:, 0], 1 + np.sum(np.diff(block.grid) > 0, axis=1)
    wide = (spans >= WIDE[role]) & (~block.stepped | (listed * APART[role] >= spans))
    return bool(np.sum((block.high - block.low)[wide]) >= ENOUGH)


def are_too_many(bars: np.ndarray) -> bool:
    """Whether the days of some bars, by their grids, are more than are listed, or beyond any calendar."""
    return bool(np.any(np.abs(bars) >= LATEST) or np.sum(bars[:, -1] - bars[:, 0]) > MOST_DAYS)


@dataclass(frozen=True)
class _Order:
    """The days that bars can draw, sorted by a group of each and their number.

    Attributes:
        group: Of each day, by its number.
        ahead: Mass of the days of its group that come before it, by its number.
        key: Group and number of the sorted days as one number.
        upto: What comes before each of these, and all of them: masses, summed.
        begin: Where each group begins among them, and the end.
    """

    group: np.ndarray
    ahead: np.ndarray
    key: np.ndarray
    upto: np.ndarray
    begin: np.ndarray

    @classmethod
    def of(cls, group: np.ndarray, num_groups: int, mass: np.ndarray) -> "_Order":
        key = group * len(group) + np.arange(len(group))
        order = np.argsort(key)
        upto = np.append(0.0, np.cumsum(mass[order]))
        begin = np.searchsorted(key[order], np.arange(num_groups + 1) * len(group))
        ahead = np.empty(len(group))
        ahead[order] = upto[:-1] - upto[begin[group[order]]]
        return cls(group, ahead, key[order], upto, begin)

    @cached_property
    def total(self) -> np.ndarray:
        """Mass of the days of each group."""
        return np.diff(self.upto[self.begin])

    def before(self, group: np.ndarray, number: np.ndarray) -> np.ndarray:
        """Mass of the days of each group that have a lower number."""
        place = np.searchsorted(self.key, group * len(self.group) + number)
        return self.upto[place] - self.upto[self.begin[group]]

    def at(self, group: np.ndarray, mass: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Number of the day of each group, none of them empty, before which there is no more than so much
        mass, and the share of its own mass that the rest is."""
        begin, end = self.begin[group], self.begin[group + 1]
        upto = self.upto[begin] + mass
        place = np.clip(np.searchsorted(self.upto, upto, "right") - 1, begin, end - 1)
        inside = (upto - self.upto[place]) / np.maximum(self.upto[place + 1] - self.upto[place], 1e-300)
        return self.key[place] % len(self.group), np.clip(inside, 0, 1)


@dataclass(frozen=True)
class Mover:
    """What the parts of the calendar that are drawn make of the days of a block.

    Attributes:
        block: Of the days.
        parts: Of the calendar, those that are drawn.
    """

    block: NumericBlock
    parts: tuple[Part, ...]

    def decode(self, codes: np.ndarray, position: np.ndarray, names: list[pa.Array]) -> np.ndarray:
        """Values of the block's column; NaN where missing.

        Args:
            codes, position: Of the days.
            names: Of each part; null: any.
        """
        is_bar = np.append(self.block.is_bar, False)[np.minimum(codes, len(self.block.grid))]
        rows = np.flatnonzero(is_bar)
        bar = np.searchsorted(self._bars, codes[rows])
        number, inside = self._orders[()].at(bar, np.clip(position[rows].astype(float), 0, 1))
        has_month = np.zeros(len(rows), bool)
        month: tuple[Role, ...] = ("month",)
        for role, own in zip(self._roles, names, strict=True):
            index = pc.index_in(own, pa.array(NAMES[role], own.type)).fill_null(-1)
            wanted = index.to_numpy(zero_copy_only=False).astype(np.int64)[rows]
            for held, among in (((), ~has_month), (month, has_month.copy())):
                some = np.flatnonzero(among & (wanted >= 0))
                if len(some):
                    moved = self._spread(held, role, number[some], inside[some], wanted[some])
                    number[some], inside[some], comes = moved
                    has_month[some] |= comes & (role == "month")
        days = self._days[1][number]
        values = self.block.decode(codes, position)
        values[rows] = readings.from_line(days, self.block.reading) if self.block.reading else days
        return values

    def near_codes(self, intervals: list[tuple[float, float]]) -> np.ndarray:
        """Codes of which some day can lie in one of some intervals of the column's values."""
        ends = np.reshape(intervals, (-1, 2))
        ends = readings.to_line(ends, self.block.reading) if self.block.reading else ends
        low, high = np.floor(self.block.grid[:, :1]), np.ceil(self.block.grid[:, -1:])
        return np.flatnonzero(((low <= ends[:, 1]) & (ends[:, 0] <= high)).any(axis=1))

    def share(self, bar: int, days: np.ndarray) -> np.ndarray:
        """Share of a bar's positions that are moved to each of some of its days (on the line), where the
        parts that are drawn are those of that day."""
        bars, day, mass = self._days
        begin, end = np.searchsorted(bars, [bar, bar + 1])
        number = (begin + np.searchsorted(day[begin:end], days)).clip(begin, end - 1)
        order = self._orders[self._roles]
        return mass[number] / np.maximum(order.total[order.group[number]], 1e-300)

    def _spread(
        self, held: tuple[Role, ...], role: Role, number: np.ndarray, inside: np.ndarray, wanted: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Days, by number and how much of each day's mass is left behind, moved to those of their bar, and
        with the classes of the roles `held` that they have, that are of a class that is wanted of a role; and
        whether there are some."""
        within, to = self._orders[held], self._orders[(*held, role)]
        target = within.group[number] * len(NAMES[role]) + wanted
        comes = to.total[target] > 0
        some = np.flatnonzero(comes & (to.group[number] != target))
        day, target = number[some], target[some]
        mass = to.total[target]
        ahead = within.ahead[day] - to.before(target, day) + inside[some] * self._days[2][day]
        rest = within.total[within.group[day]] - mass
        number, inside = number.copy(), inside.copy()
        number[some], inside[some] = to.at(target, np.clip(ahead / np.maximum(rest, 1e-300), 0, 1) * mass)
        return number, inside, comes

    @cached_property
    def _roles(self) -> tuple[Role, ...]:
        return tuple(part.role for part in self.parts)

    @cached_property
    def _bars(self) -> np.ndarray:
        """Codes of the bars."""
        return np.flatnonzero(self.block.is_bar)

    @cached_property
    def _days(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The days that each bar draws, in ascending order: the code of the bar, the day, and its share of
        the bar's positions."""
        found = [self._of_bar(bar) for bar in self._bars]
        days, masses = (np.concatenate(one) for one in zip(*found, strict=True))
        return np.repeat(self._bars, [len(own) for own, _ in found]), days, masses

    def _of_bar(self, bar: int) -> tuple[np.ndarray, np.ndarray]:
        """The days that a bar draws: of a stepped one those that it lists, else all from its first to its
        last one that the column can hold; and the share of its positions that each takes."""
        block, grid = self.block, self.block.grid[bar].astype(float)
        if block.stepped[bar]:
            days, steps = np.unique(grid, return_counts=True)
            return days, steps / GRID
        low, high = np.round(grid[[0, -1]]).clip(block.minimum, block.maximum)
        days = np.arange(low, high + 1)
        if block.days is not None:
            days = block.days.all[slice(*np.searchsorted(block.days.all, [low, high + 1]))]
        days = days[block.spacing.snap(days) == days]
        days = days if len(days) else np.array([low])
        upto = np.interp((days[1:] + days[:-1]) / 2, grid, np.linspace(0, 1, GRID))
        return days, np.diff(np.concatenate([[0.0], upto, [1.0]]))

    @cached_property
    def _orders(self) -> dict[tuple[Role, ...], _Order]:
        """The days by bar, and by bar and what they have of some roles."""
        bars, days, mass = self._days
        chosen = dict.fromkeys([(), *((role,) for role in self._roles), self._roles])
        group: dict[tuple[Role, ...], np.ndarray] = {(): np.searchsorted(self._bars, bars)}
        count: dict[tuple[Role, ...], int] = {(): len(self._bars)}
        for some in chosen:
            if some:
                group[some] = group[some[:-1]] * len(NAMES[some[-1]]) + classes_of(days, some[-1])
                count[some] = count[some[:-1]] * len(NAMES[some[-1]])
        return {some: _Order.of(group[some], count[some], mass) for some in chosen}
