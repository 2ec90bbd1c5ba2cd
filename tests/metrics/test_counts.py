"""Scores from counts are those of whole tables, however the rows are cut into blocks."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from raygen.metrics import counted, fidelity
from raygen.metrics import counts as counts_module
from raygen.metrics.column_ranges import observed
from raygen.metrics.correlations import Moments
from raygen.metrics.counted import CountedScores
from raygen.metrics.counts import Reference
from tests.frames import OfFrames
from tests.metrics.tallies import (
    NAN,
    SMALL_KINDS,
    adult,
    assert_as_metrics,
    assert_same,
    compare,
    count,
    small_tables,
)

fidelity = OfFrames(fidelity)
pytestmark = pytest.mark.usefixtures("pairs_as_they_are")


def test_adult_scores_as_whole_tables_do():
    table, kinds = adult()
    assert_as_metrics(table.slice(0, 16_000), table.slice(16_000), kinds)


def test_every_type_scores_as_whole_tables_do(tables):
    assert_as_metrics(*tables)


A_AND_B = {"a": "numeric", "b": "numeric", "c": "categorical"}
SMALL = {
    "identical": (
        {"a": [1, 2, 4, 8], "b": [1, 2, 3, 5], "c": list("xxyz")},
        {"a": [1, 2, 4, 8], "b": [1, 2, 3, 5], "c": list("xxyz")},
    ),
    "nulls by pairs": (
        {"a": [1, 2, 3, None, 9, 4], "b": [2, 4, None, 7, 8, 1], "c": ["x", None, "y", "y", "x", "y"]},
        {"a": [None, 2, 5, 3, 1], "b": [2, 3, None, 7, 1], "c": [None, None, "y", "z", "x"]},
    ),
    "constant": (
        {"a": [0.1] * 6, "b": [1, 2, 3, 4, 5, 7], "c": list("xxyyzz")},
        {"a": [0.1] * 6, "b": [0.3] * 6, "c": ["x"] * 6},
    ),
    "constant where the other is known": (
        {"a": [1.5, 2, 3, 4], "b": [1, 2, 3, 5], "c": list("xxyy")},
        {"a": [0.1, 0.1, 0.1, 5.0, 9.0], "b": [1, 2, 3, None, None], "c": list("xxyyz")},
    ),
    "far from the real": (
        {"a": [1, 2, 3, 4], "b": [1, 2, 3, 5], "c": list("xxyy")},
        {"a": [1e4, 1e4 + 1, 1e4 + 3], "b": [1, 3, 2], "c": list("xyz")},
    ),
    "infinite": (
        {"a": [1, 2, 3, 4.0], "b": [1, 2, 3, 5], "c": list("xxyy")},
        {"a": [1, float("inf"), NAN, 4], "b": [1, 3, 2, 0], "c": list("xyxx")},
    ),
    "one row": ({"a": [1, 2, 3, 4], "b": [1, 2, 3, 5], "c": list("xxyy")}, {"a": [2], "b": [2], "c": ["y"]}),
    "one real row": (
        {"a": [2], "b": [2], "c": ["y"]},
        {"a": [1, 2, 3, 4], "b": [1, 2, 3, 5], "c": list("xxyy")},
    ),
    "huge": (
        {"a": [1e17] * 4, "b": [-1e300, 1e300, 0, 1], "c": list("xyzw")},
        {"a": [1e17, 3, 1, 2], "b": [-1e300, 1e300, 5, 1], "c": list("xyzw")},
    ),
}


@pytest.mark.parametrize("case", SMALL.values(), ids=SMALL)
def test_small_tables_score_as_whole_tables_do(case):
    real, synthetic = (
        pa.table({name: pa.array(v, None if name == "c" else pa.float64()) for name, v in side.items()})
        for side in case
    )
    assert_as_metrics(real, synthetic, A_AND_B)


def test_correlation_far_from_zero_keeps_its_digits():
    near = np.array([[0.0, 1, 3, 2], [1, 3, 2, NAN]])
    want = np.corrcoef(near[:, :3])[0, 1]  # pandas' corr has three wrong digits at 1e9
    for far in (0.0, 1e9, -1e12):
        parts = near + np.array([[far], [0]])
        assert Moments.observe(parts).correlations()[0, 1] == pytest.approx(want, abs=1e-12)
        assert Moments.observe(parts[:, :1]).merge(Moments.observe(parts[:, 1:])).correlations()[
            0, 1
        ] == pytest.approx(want, abs=1e-12)
        table = pa.table({"a": parts[0], "b": parts[1]})
        assert count(
            Reference(pa.table({"a": [1.0, 5], "b": [2.0, 3]}), A_AND_B | {"c": "id"}), table
        ).moments.correlations()[0, 1] == pytest.approx(want)


def test_correlation_beside_nulls_keeps_its_digits():
    near = np.array([[0.25, 0.5, 1.5, 1e9], [1, 3, 2, NAN]])
    assert Moments.observe(near).correlations()[0, 1] == pytest.approx(
        np.corrcoef(near[:, :3])[0, 1], abs=1e-12
    )
    constant = np.array([[0.1, 0.1, 0.1, 7.3], [1, 3, 2, NAN]])
    assert np.isnan(Moments.observe(constant).correlations()[0, 1])
    assert np.isnan(
        Moments.observe(constant[:, :2]).merge(Moments.observe(constant[:, 2:])).correlations()[0, 1]
    )


def test_nothing_to_compare_is_none(tables):
    real, synthetic, kinds = tables
    for one, other, some in (
        (real, synthetic[:0], kinds),
        (real[:0], synthetic, kinds),
        (real, synthetic, {"id": "id"}),
    ):
        out = compare(one, other, some)
        assert out.shape_error is out.trend_error is None
        json.dumps(out.model_dump(), allow_nan=False)


def test_scores_are_plain_values(tables):
    out = compare(*tables)
    assert CountedScores.model_validate_json(json.dumps(out.model_dump(), allow_nan=False)) == out


def test_a_missing_column_is_an_error(tables):
    real, synthetic, kinds = tables
    with pytest.raises(KeyError, match="float"):
        Reference(real.drop(["float"]), kinds)
    reference = Reference(real, kinds)
    with pytest.raises(KeyError, match="text"):
        reference.count(synthetic.drop(["text"]), observed(synthetic, kinds))
    with pytest.raises(KeyError, match="int8"):
        reference.count(synthetic, {})


@settings(max_examples=150, deadline=None)
@given(real=small_tables(1), synthetic=small_tables(1))
@pytest.mark.slow
def test_any_tables_score_as_whole_tables_do(real, synthetic):
    assert_as_metrics(
        real, synthetic, SMALL_KINDS, both=[True]
    )  # without a threshold that rounding may cross


@pytest.mark.parametrize("knots", [3, 20, 100])
def test_more_values_than_knots_bound_the_error(monkeypatch, knots):
    rng = np.random.default_rng(knots)
    real, synthetic = (
        pa.table({"a": values})
        for values in (np.round(rng.normal(size=2000), 2), rng.normal(0.1, 1.2, size=3000))
    )
    exact = compare(real, synthetic, {"a": "numeric"}).shape_error
    monkeypatch.setattr(counts_module, "MAX_KNOTS", knots)
    column = compare(real, synthetic, {"a": "numeric"}).columns[0]
    assert 0 < column.error_bound <= 100 / (knots - 1)
    assert column.shape_error <= exact <= column.shape_error + column.error_bound
    low, high = real["a"].to_numpy().min(), real["a"].to_numpy().max()
    assert column.real_range == (low, high)
    values = synthetic["a"].to_numpy()
    assert column.outside == ((values < low) | (values > high)).mean()


def test_floor_and_ceiling_come_from_the_same_code():
    table, kinds = adult()
    real, holdout = table[:8000], table[8000:16_000]
    reference = Reference(real, kinds)
    permuted = fidelity.floor(real)
    floor, ceiling, itself = (
        counted.scores(reference, count(reference, rows)) for rows in (permuted, holdout, real)
    )
    assert floor.shape_error == itself.shape_error == 0 < ceiling.shape_error
    assert floor.trend_error > 5 * ceiling.trend_error > itself.trend_error == 0
    assert itself.exact_copies == 1 > ceiling.exact_copies
    assert_same(reference.own, count(reference, real))
