"""Scores of values that pandas and Python cannot hold."""

import decimal

import numpy as np
import pyarrow as pa
import pytest

from raygen.metrics import counted, scorecard
from raygen.metrics.counts import Reference
from raygen.metrics.examples import examples

pytestmark = pytest.mark.slow

ROWS = 60
NO_PARQUET = "year 300 million"  # Parquet has no seconds, and too few milliseconds
FAR = {
    "nanoseconds of a day": (pa.time64("ns"), 86_399_999_999_999, 7),
    "nanoseconds": (pa.timestamp("ns"), 1_700_000_000_123_456_789, 1001),
    "year 12000": (pa.timestamp("s"), 316_000_000_000, 3600),
    NO_PARQUET: (pa.timestamp("s", "Asia/Tokyo"), 10**16, 10**9),
    "day of year 12000": (pa.date32(), 3_700_000, 1),
    "day in milliseconds": (pa.date64(), 10**9 * 86_400_000, 86_400_000),
    "span": (pa.duration("ns"), 2**62, 10**12),
    "span of seconds": (pa.duration("s"), 2**60, 10**10),
}
WIDE = decimal.Decimal(10) ** 70


def far(seed: int) -> pa.Table:
    steps = np.random.default_rng(seed).integers(0, 6, ROWS)
    columns = {}
    for name, (kind, start, step) in FAR.items():
        ticks = pa.array([None if s == 5 else start - int(s) * step for s in steps], pa.int64())
        columns[name] = (ticks.cast(pa.int32()) if pa.types.is_date32(kind) else ticks).cast(kind)
    columns["wide decimal"] = pa.array([WIDE + int(s) for s in steps], pa.decimal256(76, 2))
    columns["fine decimal"] = pa.array(
        [decimal.Decimal(int(s) + 1).scaleb(-38) for s in steps], pa.decimal128(38, 38)
    )
    columns["bytes"] = pa.array([bytes([255, int(s)]) for s in steps], pa.binary())
    columns["view"] = pa.array([f"v{s}" for s in steps]).cast(pa.string_view())
    return pa.table(columns)


def kinds(as_levels: bool) -> dict[str, str]:
    texts = ("bytes", "view")
    decimals = dict.fromkeys(["wide decimal", "fine decimal"], "numeric")
    numbers = {} if as_levels else dict.fromkeys(FAR, "datetime") | decimals
    return {name: numbers.get(name, "categorical") for name in [*FAR, *decimals, *texts]}


@pytest.mark.parametrize("as_levels", [False, True], ids=["numbers", "levels"])
def test_they_are_scored_and_shown(as_levels):
    real, holdout, synthetic = (far(seed) for seed in range(3))
    names = kinds(as_levels)
    card = scorecard.Scorecard(real, (real, holdout), names, has_unseen=True, target="span", rows=50)
    scores = card.score(synthetic)
    assert {"c2st", "mle", "memory", "dcr_share", "exact_copies"} <= {n for n, s in scores.items() if s.rows}
    reference = Reference(real, names)
    all_rows = counted.scores(reference, reference.count_table(synthetic))
    assert [column.name for column in all_rows.columns if column.shape_error is None] == []
    assert all_rows.shape_error < 30
    itself = counted.scores(reference, reference.count_table(real))
    assert (itself.shape_error, itself.exact_copies) == (0, 1)
    shown = {example.name: example for example in examples(real, synthetic, reference)}
    assert all(isinstance(value, str) for value, _ in shown["year 12000"].frequent)


def test_their_distances_are_those_of_their_ticks():
    first = pa.table({"t": pa.array([10**16, 10**16 + 2], pa.timestamp("s"))})
    second = pa.table({"t": pa.array([10**16 + 2, 10**16 + 4], pa.timestamp("s"))})
    reference = Reference(first, {"t": "datetime"})
    column = counted.scores(reference, reference.count_table(second)).columns[0]
    assert column.real_range == (1e16, 1e16 + 2) and column.shape_error == 50


def test_a_moment_is_one_level_in_all_units():
    coarse, fine = (
        pa.table({"t": pa.array([0, 1, 90], pa.int64()).cast(pa.timestamp("s")).cast(kind)})
        for kind in (pa.timestamp("s"), pa.timestamp("us"))
    )
    reference = Reference(coarse, {"t": "categorical"})
    assert counted.shape_error(reference, reference.count_table(fine)) == 0
