"""Intervals whose ends are known, and how often they hold the truth."""

import json
import math
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from raygen.metrics import fidelity, intervals
from raygen.metrics.intervals import Score
from tests.frames import OfFrames
from tests.metrics.test_fidelity import dependent, mixed

fidelity = OfFrames(fidelity)
intervals = OfFrames(intervals)


def ends(score):
    return score.low, score.high


def test_a_score_is_plain_data():
    assert json.loads(json.dumps(asdict(Score(0.5, 0.25, 0.75)))) == {"value": 0.5, "low": 0.25, "high": 0.75}
    assert math.isnan(Score(1).low) and math.isnan(Score(1).high)


def test_about_stays_within_the_range_of_the_score():
    assert intervals.about(0.5, 0.1, 0, 1) == Score(
        0.5, pytest.approx(0.304, abs=1e-4), pytest.approx(0.696, abs=1e-4)
    )
    assert ends(intervals.about(0.5, 1, 0, 1)) == (0, 1)


@pytest.mark.parametrize(
    ("hits", "low", "high"),
    [
        ([1, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0.0179, 0.4042),
        ([0] * 10, 0, 0.2775),
        ([1] * 10, 0.7225, 1),
        ([0.5], 0.0546, 0.9454),
    ],  # Wilson's, by hand
)
def test_share_has_wilsons_interval(hits, low, high):
    score = intervals.share(np.array(hits))
    assert score.value == np.mean(hits)
    assert ends(score) == pytest.approx((low, high), abs=1e-4)


def test_share_of_rows_that_depend_on_each_other_is_wider():
    hits = np.repeat([1, 0], 50)
    assert intervals.share(hits, 10) == intervals.share(np.repeat([1, 0], 5))
    assert intervals.share(hits, 1e9) == intervals.share(hits)
    assert math.isnan(intervals.share(np.array([])).value)


def test_quantile_lies_between_order_statistics():
    score = intervals.quantile(np.arange(101.0)[::-1], 0.5)
    assert score == Score(50.0, 40.0, 60.0)  # binomial(101, 1/2) has its 2.5 % and 97.5 % at 41 and 60
    assert intervals.quantile(np.array([3.0]), 0.02) == Score(3, 3, 3)
    assert math.isnan(intervals.quantile(np.array([]), 0.5).value)


@pytest.mark.parametrize(
    ("positives", "negatives", "value"),
    [
        ([3, 4], [1, 2], 1),
        ([1, 2], [3, 4], 0),
        ([1, 3], [2, 4], 0.25),
        ([1, 1], [1], 0.5),
        ([1, 2], [1], 0.75),
    ],
)
def test_auc_is_the_share_of_pairs_in_order(positives, negatives, value):
    score = intervals.auc(
        np.repeat([True, False], [len(positives), len(negatives)]), np.array(positives + negatives)
    )
    assert score.value == value
    assert 0 <= score.low <= value <= score.high <= 1
    assert score.high - score.low > 0.4  # so few rows tell little, also where the AUC is 1
    assert math.isnan(intervals.auc(np.array([True]), np.array([1.0])).value)


def test_auc_interval_is_that_of_hanley_and_mcneil_at_its_ends():
    low, high = intervals.auc_interval(0.8, 50, 80)
    for end in (low, high):
        q1, q2 = end / (2 - end), 2 * end**2 / (1 + end)  # their formula, where both sides weigh alike
        both = end * (1 - end) + 64 * ((q1 - end**2) + (q2 - end**2))
        assert abs(0.8 - end) == pytest.approx(1.96 * math.sqrt(both / (50 * 80)), rel=1e-3)
    assert intervals.auc_interval(1.0, 10**6, 10**6) == pytest.approx((1, 1), abs=1e-4)


def test_interval_of_a_mean_is_that_of_its_standard_error():
    values = np.random.default_rng(0).normal(size=10_000)
    score = intervals.interval(np.mean, [values], rounds=200)
    assert score.value == values.mean()
    assert (score.high - score.low) / 2 == pytest.approx(
        1.97 * 0.01, rel=0.15
    )  # Student's t with 199 degrees of freedom
    assert score == intervals.interval(np.mean, [values], rounds=200)
    assert score != intervals.interval(np.mean, [values], seed=1, rounds=200)


def test_interval_draws_the_rows_of_each_table_by_themselves():
    frame, array, seen = (
        pd.DataFrame({"a": np.arange(1000)}, index=np.arange(1000)[::-1]),
        np.arange(1000),
        [],
    )

    def note(a, b):
        seen.append(((a["a"].to_numpy() == b).mean(), len(set(a["a"])), len(set(b))))
        return 0.0

    intervals.interval(note, [frame, array], rounds=5)
    assert seen[0] == (1, 1000, 1000)  # the score itself is of the rows as they come
    assert len(seen) == 6 == len(set(seen))
    assert all(
        equal < 0.02 and 580 < one < 680 and 580 < other < 680 for equal, one, other in seen[1:]
    )  # 1 - 1 / e of the rows


def test_interval_of_an_undefined_score_is_undefined():
    for tables in ([np.array([])], [np.array([np.nan])]):
        assert all(
            math.isnan(part)
            for part in asdict(
                intervals.interval(lambda a: a.sum() / len(a) if len(a) else math.nan, tables)
            ).values()
        )


def test_scores_have_the_value_of_fidelity_within_an_interval():
    (real, kinds), (other, _) = mixed(600, 0), mixed(500, 1)
    shape, trend = intervals.shape_and_trend(real, other, kinds)
    c2st = intervals.c2st(real, other, kinds)
    assert (shape.value, trend.value) == pytest.approx(
        (fidelity.shape_error(real, other, kinds), fidelity.trend_error(real, other, kinds))
    )
    assert c2st.value == pytest.approx(
        np.mean([fidelity.c2st(real, other, kinds, seed) for seed in range(3)])
    )
    for score in (shape, trend, c2st):
        assert score.low <= score.value <= score.high and score.low < score.high
    assert (shape, trend) == intervals.shape_and_trend(real, other, kinds)
    assert c2st == intervals.c2st(real, other, kinds)
    for score in (*intervals.shape_and_trend(real, other, {}), intervals.c2st(real, other, {})):
        assert math.isnan(score.value)


def test_an_interval_of_two_scores_is_that_of_each():
    values = np.random.default_rng(0).normal(size=500)
    mean, spread = intervals.joint_intervals(lambda a: (a.mean(), a.std()), [values])
    assert mean == intervals.interval(np.mean, [values]) and spread == intervals.interval(np.std, [values])


def test_c2st_interval_narrows_with_rows_and_ends_at_one():
    (real, kinds), (same, _), (noisy, _) = (
        dependent(4000, 1),
        dependent(4000, 2),
        dependent(4000, 3, noise=0.5),
    )
    assert intervals.c2st(real, same, kinds).high == 1
    wide, narrow = (
        intervals.c2st(real[:400], noisy[:400], kinds, rounds=1),
        intervals.c2st(real, noisy, kinds, rounds=1),
    )
    assert wide.high - wide.low == pytest.approx(10**0.5 * (narrow.high - narrow.low), rel=0.3)
    assert 0 < narrow.low < narrow.high < 1
    several = intervals.c2st(real, noisy, kinds)
    assert several.high - several.low > narrow.high - narrow.low  # other folds and trees move it too
