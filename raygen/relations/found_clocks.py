"""Clock times as numbers that a sample shows to be another one and so many minutes: 2310 is 2255 + 15."""

import numpy as np

from raygen.relations.sampled import LOOK, Candidate, Sample
from raygen.relations.tokens import spelled

LEAST_DISTINCT = 24  # values of a column of clock times
MOST_DELAYS = 200  # columns that are tried as minutes


def candidates(sample: Sample) -> list[Candidate]:
    """Columns that are a clock time of another column and the minutes of a third one in the first rows."""
    look = sample.look(4 * LOOK)
    numbers = sample.of_kind("number")
    clocks = [k for k in numbers if sample.distinct[k] >= LEAST_DISTINCT and _are_clocks(sample.numbers[k])]
    delays = [k for k in numbers if k not in clocks and _are_whole(look.numbers[k])][:MOST_DELAYS]
    if len(clocks) < 2 or not delays:
        return []
    minutes = np.where(np.isnan(look.numbers), np.nan, look.numbers // 100 * 60 + look.numbers % 100)
    out = []
    for y in clocks:
        for x in clocks:
            if x == y:
                continue
            for d in delays:
                off = (minutes[y] - minutes[x] - look.numbers[d]) % 1440
                known = off[~np.isnan(off)]
                if len(known) >= LEAST_DISTINCT and not known.any() and not _is_constant(look.numbers[d]):
                    name = "clock24" if np.nanmin(sample.numbers[y]) > 0 else "clock"
                    text = f"{name}(minutes({spelled(sample.names[x])}) + {spelled(sample.names[d])})"
                    out.append(Candidate(sample.names[y], text, float(sample.entropy[y]), rank=1))
    return out


def _are_clocks(values: np.ndarray) -> bool:
    known = values[~np.isnan(values)]
    return _are_whole(known) and bool(
        ((known >= 0) & (known <= 2400) & (known % 100 < 60)).all() and known.max(initial=0) >= 1000
    )


def _are_whole(values: np.ndarray) -> bool:
    known = values[~np.isnan(values)]
    return bool(len(known)) and bool((known == np.floor(known)).all())


def _is_constant(values: np.ndarray) -> bool:
    known = values[~np.isnan(values)]
    return bool((known == known[:1]).all())
