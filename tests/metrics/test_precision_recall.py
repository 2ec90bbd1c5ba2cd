"""Curves worked out by hand, and tables that are alike, too narrow, too wide or copied."""

import math

import numpy as np
import pandas as pd
import pytest

from raygen.metrics import fidelity as metrics
from raygen.metrics import nearest, precision_recall
from tests.frames import OfFrames
from tests.metrics.test_fidelity import dependent, mixed

metrics, precision_recall = OfFrames(metrics), OfFrames(precision_recall)
embed = OfFrames(nearest).embed


def test_distance_from_the_centre_is_that_of_one_hot_vectors():
    real = pd.DataFrame({"n": [0.0, 10.0, 2.0, 4.0], "c": ["a", "a", "b", None]})
    other = pd.DataFrame({"n": [10.0, 20.0], "c": ["b", "new"]})
    points, rows = embed({"n": "numeric", "c": "categorical"}, real, other)
    shares = 0.5**2 + 2 * 0.25**2
    np.testing.assert_allclose(
        precision_recall._from_centre(points, points),
        [0.16 + shares, 0.36 + shares, 0.04 + 0.5 + shares, 0.5 + shares],
    )
    np.testing.assert_allclose(
        precision_recall._from_centre(points, rows), [0.36 + 0.5 + shares, 1.6**2 + 1 + shares]
    )


def test_precision_is_the_area_between_the_curves():
    real = np.linspace(0, 1, 30)
    assert precision_recall._precision(real, real) == 1
    assert precision_recall._precision(real, real + 5) == pytest.approx(0)  # nothing within any radius
    expected = np.arange(1, 31) / 30
    assert precision_recall._precision(real, np.zeros(9)) == pytest.approx(
        1 - (1 - expected).sum() / expected.sum(), abs=0.02
    )  # all at the centre
    assert precision_recall._precision(np.zeros(5), np.zeros(9)) == 1


def test_recall_is_the_share_of_real_rows_found_near():
    apart = np.linspace(0, 1, 100)
    for share, hit in [(1, np.ones(100)), (0, np.zeros(100))]:
        assert precision_recall._recall(np.column_stack([hit, apart])) == share
    assert precision_recall._recall(np.column_stack([np.arange(100) % 2, apart])) == pytest.approx(
        0.5, abs=0.02
    )
    far, near = (
        precision_recall._recall(np.column_stack([hit, apart])) for hit in (apart > 0.5, apart <= 0.5)
    )
    assert far < 0.35 and near > 0.65  # what is near the centre counts at more radii


def test_like_tables_and_copies():
    (real, kinds), (same, _) = dependent(2000, 0), dependent(2500, 1)
    precision, recall = (
        precision_recall.alpha_precision(real, same, kinds),
        precision_recall.beta_recall(real, same, kinds),
    )
    assert 0.95 < precision.value <= precision.high <= 1
    assert recall.value == pytest.approx(0.5, abs=0.06) and recall.low < recall.value < recall.high
    assert precision_recall.alpha_precision(real, real, kinds).value == 1
    assert precision_recall.beta_recall(real, real, kinds).value == pytest.approx(1)
    assert recall == precision_recall.beta_recall(
        real, same, kinds
    ) and precision == precision_recall.alpha_precision(real, same, kinds)


def test_scores_are_the_published_ones_where_nothing_ties():
    """The definitions, spelled out on one-hot vectors and with nominal levels."""
    (real, kinds), (noisy, _) = dependent(800, 0), dependent(800, 1, noise=0.6)
    real, noisy = (t[(t.x.abs() < 2) & (t.y.abs() < 2)][:500] for t in (real, noisy))

    def vectors(table):
        numbers = [(table[n] - real[n].min()) / (real[n].max() - real[n].min()) for n in ("x", "y")]
        return np.column_stack([*numbers, table.c == "up", table.c != "up", table.b, ~table.b]).astype(float)

    x, s, levels = vectors(real), vectors(noisy), np.linspace(0, 1, 30)
    radii, near = (
        np.quantile(np.linalg.norm(x - x.mean(0), axis=1), levels),
        np.linalg.norm(s - x.mean(0), axis=1),
    )
    precision = [(near <= radius).mean() for radius in radii]
    to_real = (np.linalg.norm(x[:, None] - x, axis=2) + 9 * np.eye(500)).min(1)
    apart = np.linalg.norm(x[:, None] - s, axis=2)
    closest = np.linalg.norm(s - s.mean(0), axis=1)[apart.argmin(1)]
    recall = [
        ((apart.min(1) <= to_real) & (closest <= radius)).mean() for radius in np.quantile(closest, levels)
    ]
    for curve, score in (
        (precision, precision_recall.alpha_precision),
        (recall, precision_recall.beta_recall),
    ):
        assert score(real, noisy, kinds).value == pytest.approx(
            1 - np.abs(levels - curve).sum() / levels.sum(), abs=0.01
        )


def test_narrow_and_wide_tables():
    (real, kinds), (same, _) = dependent(2000, 0), dependent(2000, 1)
    one = same.iloc[np.zeros(2000, int)]
    assert precision_recall.beta_recall(real, one, kinds).value < 0.05  # a mode and no more
    narrow = same[(same.x.abs() < 0.5) & (same.y.abs() < 0.5)]
    assert precision_recall.beta_recall(real, narrow, kinds).value < 0.3
    assert precision_recall.alpha_precision(real, narrow, kinds).value < 0.8
    wide = same.assign(x=same.x * 3)
    assert precision_recall.alpha_precision(real, wide, kinds).value < 0.7
    assert (
        precision_recall.beta_recall(real, metrics.floor(real), kinds).value < 0.4
    )  # right columns, wrong rows


@pytest.mark.parametrize(
    "table",
    [pd.DataFrame({"n": [3.0] * 40}), pd.DataFrame({"c": ["a"] * 40}), pd.DataFrame({"c": list("ab") * 20})],
)
def test_constants_and_ties_are_ideal(table):
    kinds = {"n": "numeric"} if "n" in table else {"c": "categorical"}
    if "n" in table:  # nothing left to measure by
        assert math.isnan(precision_recall.alpha_precision(table, table, kinds).value)
    else:
        assert precision_recall.alpha_precision(table, table, kinds).value == 1
        assert precision_recall.beta_recall(table, table[:13], kinds).value == pytest.approx(1)


def test_every_dtype_with_nulls():
    (real, kinds), (same, _) = mixed(500, 0), mixed(500, 1)
    assert precision_recall.alpha_precision(real, same, kinds).value > 0.9
    assert precision_recall.beta_recall(real, same, kinds).value == pytest.approx(0.5, abs=0.1)
    nulls = same.assign(float=np.nan, string=None)
    assert precision_recall.alpha_precision(real, nulls, kinds).value < 0.8


def test_tiny_and_empty_tables():
    (real, kinds), (same, _) = dependent(3, 0), dependent(3, 1)
    for score in (precision_recall.alpha_precision, precision_recall.beta_recall):
        found = score(real, same, kinds)
        assert 0 <= found.low <= found.value <= found.high <= 1
        for tables in ([real[:0], same], [real, same[:0]]):
            assert math.isnan(score(*tables, kinds).value)
        assert math.isnan(score(real, same, {}).value)
        assert score(real[:1], real[:1], kinds).value >= 0 or math.isnan(
            score(real[:1], real[:1], kinds).value
        )
