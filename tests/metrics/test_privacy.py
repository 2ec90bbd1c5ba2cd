"""Copies are found, rows of the same population are not; small cases by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from raygen.metrics import fidelity, intervals, privacy
from tests.frames import OfFrames
from tests.metrics.test_fidelity import dependent, mixed

fidelity = OfFrames(fidelity)
intervals = OfFrames(intervals)
privacy = OfFrames(privacy)

KINDS = {"n": "numeric", "c": "categorical"}


def rows(*values):
    return pd.DataFrame(values, columns=["n", "c"])


def test_dcr_share_by_hand():
    train, holdout = rows((0.0, "a"), (10.0, "b")), rows((4.0, "a"), (10.0, "b"))
    synthetic = rows((1.0, "a"), (3.0, "a"), (2.0, "a"), (9.0, "b"))  # nearer to train, to holdout, two ties
    score = privacy.dcr_share(synthetic, train, holdout, KINDS)
    assert score.value == 0.5
    assert privacy.dcr_share(synthetic[:1], train, holdout, KINDS).value == 1
    assert privacy.dcr_share(synthetic[:2], train, holdout, KINDS).value == 0.5
    assert privacy.dcr_share(synthetic[2:], train, holdout, KINDS).value == 0.5
    assert privacy.dcr_share(synthetic[1:2], train, holdout, KINDS).value == 0


def test_dcr_share_is_one_for_copies_and_a_half_for_other_rows():
    (train, kinds), (holdout, _), (synthetic, _) = (dependent(2000, seed) for seed in range(3))
    assert privacy.dcr_share(train, train, holdout, kinds).value > 0.97  # some rows are in both
    assert privacy.dcr_share(holdout, train, holdout, kinds).value < 0.03
    score = privacy.dcr_share(synthetic, train, holdout, kinds)
    assert score.low < 0.5 < score.high and score.high - score.low < 0.1
    assert privacy.dcr_share(fidelity.floor(train), train, holdout, kinds).value == pytest.approx(
        0.5, abs=0.05
    )
    assert score == privacy.dcr_share(synthetic, train, holdout, kinds)


def test_dcr_share_looks_among_equal_numbers():
    (train, kinds), (holdout, _), (synthetic, _) = dependent(3000, 0), dependent(600, 1), dependent(2000, 2)
    score = privacy.dcr_share(synthetic, train, holdout, kinds)
    assert score.low < 0.5 < score.high
    assert privacy.dcr_share(train, train, holdout, kinds).value == pytest.approx(
        0.6, abs=0.03
    )  # .5 + .5 / 5, as the docstring has it


def test_dcr_share_of_rows_with_one_nearest_row_tells_no_more_than_one():
    (train, kinds), (holdout, _), (synthetic, _) = (dependent(1000, seed) for seed in range(3))
    same = synthetic.iloc[np.zeros(1000, int)].reset_index(drop=True)
    alone, many = (
        privacy.dcr_share(synthetic[:1], train, holdout, kinds),
        privacy.dcr_share(same, train, holdout, kinds),
    )
    assert many.value == alone.value
    assert many.high - many.low == pytest.approx(alone.high - alone.low, rel=0.01)


def test_dcr_share_knows_how_many_queries_are_independent():
    train, holdout = rows((0.0, "a"), (10.0, "a")), rows((1.0, "a"), (100.0, "b"))
    synthetic = pd.concat([rows((0.1, "a"), (0.9, "a"))] * 4)
    found = privacy.dcr_share(synthetic, train, holdout, KINDS)
    assert found == intervals.share(np.array([1, 0] * 2))  # two lots of half each: 1 / (2 / 4 - 1 / 4)


def test_dcr_quantile_is_that_of_the_distance_to_training_rows():
    train, holdout = rows((0.0, "a"), (10.0, "b")), rows((1.0, "a"), (8.0, "b"))
    synthetic = pd.concat([rows((0.0, "a"))] * 49 + [rows((5.0, "a"))])
    out = privacy.dcr_quantile(synthetic, train, holdout, KINDS)
    assert out["synthetic"].value == 0
    assert out["holdout"].value == pytest.approx(0.102)  # 0.1 and 0.2
    assert privacy.dcr_quantile(synthetic, train, holdout, KINDS, level=1)["synthetic"].value == 0.5


def test_dcr_quantile_of_copies_is_zero_and_of_other_rows_that_of_holdout_rows():
    (train, kinds), (holdout, _), (synthetic, _) = (dependent(2000, seed) for seed in range(3))
    assert privacy.dcr_quantile(train, train, holdout, kinds)["synthetic"].value == 0
    out = privacy.dcr_quantile(synthetic, train, holdout, kinds, level=0.2)
    assert out["holdout"].low < out["synthetic"].value < out["holdout"].high
    assert (
        privacy.dcr_quantile(synthetic + {"x": 9, "y": 0, "c": "", "b": 0}, train, holdout, kinds)[
            "synthetic"
        ].value
        > out["holdout"].high
    )


def test_exact_copies_by_hand():
    train = rows((1.5, "a"), (1.5, "a"), (2.0, "b"), (np.nan, None), (0.0, "z"))
    synthetic = rows(
        (1.5, "a"),
        (1.5, "b"),
        (2.0, "b"),
        (np.nan, None),
        (-0.0, "z"),
        (np.nextafter(2.0, 3), "b"),
        (np.nan, "a"),
        (2.0, None),
    )
    holdout = rows((1.5, "a"), (7.0, "a"))
    out = privacy.exact_copies(synthetic, train, holdout, KINDS)
    assert {name: score.value for name, score in out.items()} == {
        "synthetic": 4 / 8,  # 1.5 a, 2.0 b, the nulls, zero
        "synthetic_unique": 3 / 8,  # 1.5 a is there twice
        "holdout": 1 / 2,
        "holdout_unique": 0,
    }


def test_exact_copies_of_every_dtype():
    (train, kinds), (holdout, _) = mixed(200, 0), mixed(100, 1)
    out = privacy.exact_copies(train, train, holdout, kinds)
    assert out["synthetic"].value == out["synthetic_unique"].value == 1 and out["holdout"].value == 0
    late = train.assign(zoned=train.zoned + pd.Timedelta(microseconds=1))
    assert privacy.exact_copies(late, train, holdout, kinds)["synthetic"].value == 0
    other = train.assign(
        zoned=train.zoned.dt.tz_convert("UTC"),
        decimal=train.decimal.astype(float),
        string=train.string.astype("large_string[pyarrow]"),
        category=train.category.astype(object),
        label=train.label.astype("float64"),
        id="none",
    )
    assert (
        privacy.exact_copies(other, train, holdout, kinds)["synthetic"].value == 1
    )  # the same values, and an id does not count


def test_membership_inference_by_hand():
    train, holdout = rows((0.0, "a"), (10.0, "a")), rows((2.0, "a"), (5.0, "a"))
    assert privacy.membership_inference(rows((0.0, "a"), (10.0, "a")), train, holdout, KINDS).value == 1
    assert privacy.membership_inference(rows((2.0, "a"), (5.0, "a")), train, holdout, KINDS).value == 0
    assert (
        privacy.membership_inference(rows((1.0, "a")), train, holdout, KINDS).value == 0.375
    )  # 1, 9 against 1, 4: a tie, a win, two losses


def test_membership_inference_is_one_for_copies_and_a_half_for_other_rows():
    (train, kinds), (holdout, _), (synthetic, _) = dependent(2000, 0), dependent(1500, 1), dependent(2500, 2)
    assert privacy.membership_inference(train, train, holdout, kinds).value > 0.97  # some rows are in both
    assert privacy.membership_inference(holdout, train, holdout, kinds).value < 0.03
    score = privacy.membership_inference(synthetic, train, holdout, kinds)
    assert score.low < 0.5 < score.high and score.high - score.low < 0.1
    assert score == privacy.membership_inference(synthetic, train, holdout, kinds)
    half = pd.concat([train[:1000], synthetic[:1000]])
    assert 0.6 < privacy.membership_inference(half, train, holdout, kinds).value < 0.9


def test_scores_of_every_dtype_see_copies():
    (train, kinds), (holdout, _), (synthetic, _) = (mixed(300, seed) for seed in range(3))
    assert privacy.dcr_share(train, train, holdout, kinds).value == 1
    assert privacy.membership_inference(train, train, holdout, kinds).value == 1
    assert privacy.dcr_share(synthetic, train, holdout, kinds).value == pytest.approx(0.5, abs=0.15)


def test_a_constant_column_tells_nothing():
    table = pd.DataFrame({"n": [3.0] * 50, "c": ["a"] * 50})
    assert privacy.dcr_share(table, table, table, KINDS).value == 0.5
    assert privacy.membership_inference(table, table, table, KINDS).value == 0.5
    out = privacy.exact_copies(table, table, table, KINDS)
    assert out["synthetic"].value == out["holdout"].value == 1 and out["synthetic_unique"].value == 0


def test_tiny_and_empty_tables():
    train, holdout, synthetic = (rows((n, "a"), (n + 1, "b"), (None, None)) for n in (0.0, 0.5, 3.0))
    for score in (privacy.dcr_share, privacy.membership_inference):
        found = score(synthetic, train, holdout, KINDS)
        assert found.high - found.low > 0.5
        for tables in (
            [synthetic[:0], train, holdout],
            [synthetic, train[:0], holdout],
            [synthetic, train, holdout[:0]],
        ):
            assert math.isnan(score(*tables, KINDS).value)
        assert math.isnan(score(synthetic, train, holdout, {}).value)
    for score in (privacy.dcr_quantile, privacy.exact_copies):
        assert all(0 <= s.low <= s.value <= s.high for s in score(synthetic, train, holdout, KINDS).values())
        assert all(math.isnan(s.value) for s in score(synthetic, train, holdout, {}).values())
        assert math.isnan(score(synthetic[:0], train, holdout, KINDS)["synthetic"].value)
        assert math.isnan(score(synthetic, train, holdout[:0], KINDS)["holdout"].value)
