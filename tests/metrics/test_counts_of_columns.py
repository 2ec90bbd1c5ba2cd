"""What counts tell of single columns and of pairs, worked out by hand; ranges from footers."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raygen.metrics import counted, fidelity
from raygen.metrics.column_ranges import NOTHING, merged, observed, ranges_of
from tests.frames import OfFrames
from tests.metrics.tallies import (
    NAN,
    compare,
)

fidelity = OfFrames(fidelity)
pytestmark = pytest.mark.usefixtures("pairs_as_they_are")


def test_number_columns_by_hand():
    real = pa.table({"a": [0, 10, 10, 20, None]})
    out = compare(real, pa.table({"a": [-5, 5, 10, 15, 40, None, None, 10]}), {"a": "numeric"})
    column = out.columns[0]
    assert column.shape_error == pytest.approx(100 / 6)  # below 0: none and 1/6; at 20: all and 5/6
    assert column.error_bound == 0
    assert (column.missing_real, column.missing_synthetic) == (0.2, 0.25)
    assert column.outside == pytest.approx(2 / 6)
    assert (column.real_range, column.synthetic_range) == ((0, 20), (-5, 40))
    assert column.coverage == 1
    assert (out.outside_rows, out.outside) == (2, 0.25)
    bins = column.histogram
    assert bins.edges == [i - 0.5 for i in range(22)]
    assert {i: share for i, share in enumerate(bins.real) if share} == {0: 0.25, 10: 0.5, 20: 0.25}
    assert {i: share for i, share in enumerate(bins.synthetic) if share} == pytest.approx(
        {5: 1 / 6, 10: 2 / 6, 15: 1 / 6}
    )
    inner = compare(real, pa.table({"a": [5, 10]}), {"a": "numeric"})
    assert (inner.level_coverage, inner.category_coverage, inner.range_coverage) == (None, None, 0.25)
    apart = compare(real, pa.table({"a": [50]}), {"a": "numeric"})
    assert apart.range_coverage == 0 and apart.columns[0].shape_error == 100
    unknown = compare(pa.table({"a": pa.nulls(3, pa.int64())}), real, {"a": "numeric"})
    assert (unknown.outside_rows, unknown.columns[0].outside) == (4, 1)


def test_a_heavy_tail_is_more_than_one_bar():
    values = np.random.default_rng(0).lognormal(0, 3, 5000)
    zeros = np.where(np.arange(5000) % 10 == 0, np.round(values), 0)
    even, few = np.arange(5000) % 97, np.where(np.arange(5000) % 50 == 0, [1e9], np.arange(5000) % 3)
    for column in (values, zeros, few):
        table = pa.table({"a": column})
        bins = compare(table, table, {"a": "numeric"}).columns[0].histogram
        assert np.ptp(np.diff(bins.edges)) > 0 and np.all(np.diff(bins.edges) > 0)
        assert np.count_nonzero(bins.real) == len(bins.real) >= min(len(np.unique(column)), 40)
        assert sum(bins.real) == pytest.approx(1) and bins.real == bins.synthetic
        assert max(bins.real) < 0.1 or column is not values
    table = pa.table({"a": even})
    edges = compare(table, table, {"a": "numeric"}).columns[0].histogram.edges
    assert np.ptp(np.diff(edges)) == 0


def test_a_category_is_shown_with_its_share_of_all_rows():
    names = [f"level {i % 100:02}" for i in range(2000)] + ["rare"] * 9
    table = pa.table({"a": names})
    shown = compare(table, table, {"a": "categorical"}).columns[0].histogram
    assert (len(shown.levels), shown.others) == (20, 81)
    assert shown.real == shown.synthetic == [20 / 2009] * 20
    few = pa.table({"a": ["usual"] * 30 + ["rare"] * 9 + [None]})
    shown = compare(few, few, {"a": "categorical"}).columns[0].histogram
    assert (shown.levels, shown.others, shown.real) == ([None, "usual"], 1, [1 / 40, 30 / 40])


def test_datetimes_are_reported_in_seconds():
    days = pa.table({"t": pa.array([0, 1, 3], pa.int32()).cast(pa.date32())})
    assert compare(days, days, {"t": "datetime"}).columns[0].real_range == (0, 3 * 86_400)


def test_only_strong_correlations_count():
    x = np.repeat([0.0, 1.0], 10)
    for both, counts in ((7, False), (8, True)):  # r = 0.4 and 0.6
        table = pa.table({"x": x, "y": np.where(np.arange(20) % 10 < both, x, 1 - x)})
        assert (compare(table, table, {"x": "numeric", "y": "numeric"}).trend_error is not None) == counts


def test_level_columns_by_hand(monkeypatch):
    monkeypatch.setattr(counted, "SHOWN_ROWS", 1)
    real = pa.table({"a": ["x", "x", "y", "z", None], "b": [True, None, None, True, True]})
    synthetic = pa.table(
        {
            "a": ["x", "new", "old", None, "new", "y", "y", "y"],
            "b": [True, False, True, True, True, True, True, None],
        }
    )
    out = compare(real, synthetic, {"a": "categorical", "b": "boolean"})
    a, b = out.columns
    assert a.shape_error == pytest.approx(
        100 * (abs(2 / 5 - 1 / 8) + abs(1 / 5 - 3 / 8) + 1 / 5 + abs(1 / 5 - 1 / 8) + 3 / 8) / 2
    )
    assert (a.missing_real, a.missing_synthetic) == (0.2, 0.125)
    assert (a.levels, a.level_coverage, a.unseen, a.unseen_examples) == (
        3,
        2 / 3,
        0.375,
        ["new", "old"],
    )
    assert a.histogram.model_dump() == {
        "levels": [None, "x", "y", "z"],
        "others": 0,
        "real": [0.2, 0.4, 0.2, 0.2],
        "synthetic": [0.125, 0.125, 0.375, 0],
    }
    assert (b.level_coverage, b.unseen, b.unseen_examples) == (1, 0.125, ["False"])
    assert out.unseen_rows == 3  # one row is new in both
    assert out.level_coverage == pytest.approx((2 / 3 + 1) / 2)
    assert out.category_coverage == pytest.approx((0.6 / 0.8 + 1) / 2) and out.range_coverage is None


def test_pairs_are_reported_by_name():
    real = pa.table(
        {"a": list("xxyy"), "n": [1, 2, 3, 4], "b": list("uuvv"), "m": [1, 2, 3, 4], "c": list("pqpq")}
    )
    synthetic = pa.table(
        {"a": list("xxyy"), "n": [1, 2, 3, 4], "b": list("uvuv"), "m": [4, 3, 2, 1], "c": list("pqpq")}
    )
    out = compare(
        real,
        synthetic,
        {"a": "categorical", "n": "numeric", "b": "categorical", "m": "numeric", "c": "categorical"},
    ).pairs
    assert out.names == list("anbmc")
    matrix = np.array(out.errors, dtype=object)
    assert (matrix == matrix.T).all() and matrix[0, 0] is None
    assert matrix[1, 3] == pytest.approx(100) and matrix[0, 2] == pytest.approx(
        50
    )  # r 1 and -1; two of four cells
    assert matrix[0, 4] is None  # independent in the real table
    assert out.worst[0].error == pytest.approx(100)
    assert ("n", "m") in [pair.columns for pair in out.worst[:3]]
    errors = [pair.error for pair in out.worst]
    assert errors == sorted(errors, reverse=True)


def test_footers_tell_the_ranges(tables, tmp_path):
    real, synthetic, kinds = tables
    paths = [str(tmp_path / f"{i}.parquet") for i in range(3)]
    for path, table in zip(paths, (real, synthetic, synthetic[:0]), strict=True):
        pq.write_table(table, path, row_group_size=7)  # some row groups hold nulls alone
    want = merged([observed(real, kinds), observed(synthetic, kinds)])
    assert want["no number"] == NOTHING
    assert ranges_of(paths, kinds) == want
    assert set(ranges_of([], {"a": "numeric"}).values()) == {NOTHING}


def test_footers_that_do_not_tell_give_none(tmp_path):
    kinds = {"a": "numeric", "b": "numeric"}
    table = pa.table({"a": [1.0, float("inf")], "b": [1.0, NAN]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert ranges_of([str(tmp_path / "a.parquet")], kinds) == {"a": None, "b": (1, 1)}
    pq.write_table(table, tmp_path / "d.parquet", row_group_size=1)  # one row group tells, the other does not
    assert ranges_of([str(tmp_path / "d.parquet")], kinds) == {"a": None, "b": None}
    pq.write_table(table, tmp_path / "b.parquet", write_statistics=False)
    assert ranges_of([str(tmp_path / "b.parquet")], kinds) == {"a": None, "b": None}
    pq.write_table(pa.table({"a": np.array([1, 2], np.float16), "b": [1, 2]}), tmp_path / "c.parquet")
    assert ranges_of([str(tmp_path / "c.parquet")], kinds)["b"] == (1, 2)
