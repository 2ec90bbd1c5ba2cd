"""Functions of two columns that a sample shows: products, and times of day as HHMM numbers, so many minutes
after another one (2350 and 20 minutes are 10)."""

from collections.abc import Iterator
from itertools import product

import numpy as np

from raygen.relations.sampled import Candidate, Sample, saved
from raygen.relations.tokens import spelled

DAY = 1440  # minutes
MOST_CLOCKS = 12
LEAST_VALUES = 100
SHARE = 0.9  # of the first rows
MOST_FACTORS = 100  # columns
GLANCE = 64  # rows by which most products are ruled out
LEAST_GAIN = 1.0  # nats per row


def clocks(sample: Sample, look: Sample) -> Iterator[Candidate]:
    """`hhmm(minutes(x) + d)`, and `hhmm24` where midnight is 2400."""
    clocks = [k for k in sample.of_kind("number") if _is_clock(sample, k)][:MOST_CLOCKS]
    late = any(np.nanmax(sample.numbers[k]) == 2400 for k in clocks)
    numbers = [k for k in sample.of_kind("number") if sample.distinct[k] > 2] if len(clocks) > 1 else []
    for x in clocks:
        for y in clocks:
            apart = _minutes(look.numbers[y]) - _minutes(look.numbers[x])
            for d in (k for k in numbers if k not in (x, y)):
                for sign, plus in ((1, "+"), (-1, "-")):
                    there = ~np.isnan(apart) & ~np.isnan(look.numbers[d])
                    off = (apart[there] - sign * look.numbers[d][there]) % DAY
                    if x == y or there.sum() < 8 or (off == 0).mean() < SHARE:
                        continue
                    name = "hhmm24" if late and not (sample.numbers[y] == 0).any() else "hhmm"
                    inside = f"minutes({spelled(sample.names[x])}) {plus} {spelled(sample.names[d])}"
                    gain = float(sample.entropy[y])
                    yield Candidate(sample.names[y], f"{name}({inside})", gain, rank=int(sign < 0))


def products(sample: Sample, look: Sample) -> Iterator[Candidate]:
    """`a * b`, or `a * b / 100` where one is of percents, rounded where the column has fewer digits."""
    columns = [k for k in sample.of_kind("number") if sample.distinct[k] > 2]
    per = np.array([sample.quantities[sample.names[k]].per for k in columns], float)
    if not 2 < len(columns) <= MOST_FACTORS:
        return
    numbers, surprise = look.numbers[columns], look.surprise[columns]
    half = np.divide(0.5, per, out=np.zeros(len(per)), where=per > 0)[:, None] * (1 + 1e-6)
    whole = sample.numbers[columns]
    are_percents = (np.nanmin(whole, axis=1) >= 0) & (np.nanmax(whole, axis=1) <= 100)
    for i, a in enumerate(columns):
        for (j, b), below in product(enumerate(columns[: i + 1]), (1, 100)):
            if below > 1 and not (are_percents[i] or are_percents[j]):
                continue
            values = numbers[i] * numbers[j] / below
            near = _near(numbers[:, :GLANCE], values[:GLANCE], half)
            likely = np.flatnonzero(near.mean(axis=1) > SHARE)
            for k in (k for k in likely if k not in (i, j)):
                near = _near(numbers[[k]], values, half[[k]])
                gain, _ = saved(near, surprise[[k]], np.array([max(look.rows, 1)]))
                if gain[0] > LEAST_GAIN and near.mean() > SHARE:
                    text = f"{spelled(sample.names[b])} * {spelled(sample.names[a])}"
                    text += f" / {below}" if below > 1 else ""
                    if 0 < per[k] < per[i] * per[j] * below:
                        text = f"round({text}, {round(np.log10(per[k]))})"
                    yield Candidate(sample.names[columns[k]], text, float(gain[0]), rank=3)


def _near(numbers: np.ndarray, values: np.ndarray, half: np.ndarray) -> np.ndarray:
    return np.abs(numbers - values) <= half + 1e-9 * np.abs(values)


def _is_clock(sample: Sample, k: int) -> bool:
    """Whether a column's numbers are times of day as HHMM."""
    if sample.distinct[k] < LEAST_VALUES or sample.quantities[sample.names[k]].per != 1:
        return False
    values = sample.numbers[k][~np.isnan(sample.numbers[k])]
    in_day = (values >= 0).all() and (values <= 2400).all() and values.max() >= 1000
    return bool(in_day and (values % 100 < 60).all())


def _minutes(values: np.ndarray) -> np.ndarray:
    return values // 100 * 60 + values % 100
