"""Times of day written as HHMM numbers, so many minutes after another one: 2350 and 20 minutes are 10."""

from collections.abc import Iterator

import numpy as np

from raygen.relations.sampled import Candidate, Sample
from raygen.relations.tokens import spelled

DAY = 1440  # minutes
MOST_CLOCKS = 12
LEAST_VALUES = 100
SHARE = 0.9  # of the first rows


def candidates(sample: Sample, look: Sample) -> Iterator[Candidate]:
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


def _is_clock(sample: Sample, k: int) -> bool:
    """Whether a column's numbers are times of day as HHMM."""
    if sample.distinct[k] < LEAST_VALUES or sample.quantities[sample.names[k]].per != 1:
        return False
    values = sample.numbers[k][~np.isnan(sample.numbers[k])]
    in_day = (values >= 0).all() and (values <= 2400).all() and values.max() >= 1000
    return bool(in_day and (values % 100 < 60).all())


def _minutes(values: np.ndarray) -> np.ndarray:
    return values // 100 * 60 + values % 100
