"""Values shown, lacking and invented, by hand."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from raygen.metrics import coverage
from tests.frames import OfFrames
from tests.metrics.test_fidelity import mixed

coverage = OfFrames(coverage)

NAN = float("nan")


def values(found):
    return {name: values(part) if isinstance(part, dict) else part.value for name, part in found.items()}


def test_categories_count_levels_and_the_rows_that_hold_them():
    real = pd.DataFrame(
        {"c": ["a"] * 6 + ["b"] * 2 + ["d", None], "b": [True] * 9 + [False], "none": [None] * 10}
    )
    synthetic = pd.DataFrame({"c": ["b", "a", "new", None], "b": [True] * 4, "none": ["x"] * 4})
    found = coverage.categories(real, synthetic, {"c": "categorical", "b": "boolean", "none": "categorical"})
    assert values(found)["c"] == pytest.approx({"levels": 2 / 3, "mass": 8 / 9})
    assert values(found)["b"] == {"levels": 0.5, "mass": 0.9}
    assert all(math.isnan(part) for part in values(found)["none"].values())
    assert math.isnan(found["c"]["levels"].low) and found["c"]["mass"].low < 8 / 9 < found["c"]["mass"].high
    alone = coverage.categories(real[:6], real[:6], {"c": "categorical"})
    assert values(alone) == {"c": {"levels": 1, "mass": 1}}


@pytest.mark.parametrize(
    ("real", "synthetic", "share"),
    [
        ([0, 10], [0, 10], 1),
        ([0, 10], [-5, 15], 1),
        ([0, 10], [2, 7, NAN], 0.5),
        ([0, 10, NAN], [5, 20], 0.5),
        ([0, 10], [20, 30], 0),
        ([0, 10], [5], 0),
        ([3, 3], [3], 1),
        ([3, 3], [2, 4], 1),
        ([3, 3], [4, 5], 0),
        ([0, 10], [NAN], NAN),
        ([NAN], [1], NAN),
    ],
)
def test_ranges_are_shares_of_the_real_range(real, synthetic, share):
    found = coverage.ranges(
        pd.DataFrame({"a": real}, dtype=float), pd.DataFrame({"a": synthetic}, dtype=float), {"a": "numeric"}
    )
    assert values(found) == {"a": pytest.approx(share, nan_ok=True)}


def test_outside_are_values_beyond_the_range_and_unseen_levels():
    kinds = {"c": "categorical", "n": "numeric", "id": "id"}
    real = pd.DataFrame({"n": [0.0, 10.0, NAN], "c": ["a", "b", "a"], "id": [1, 2, 3]})
    synthetic = pd.DataFrame(
        {"n": [0.0, 10.0, 11.0, -1.0, NAN], "c": ["a", "new", "new", "a", None], "id": range(5)}
    )
    assert values(coverage.outside(real, synthetic, kinds)) == {"c": 0.4, "n": 0.4}
    assert coverage.outside_rows(real, synthetic, kinds).value == 0.6
    assert list(coverage.outside(real, synthetic, kinds)) == ["c", "n"]  # in the order of the kinds
    assert coverage.outside_rows(real, real, kinds).value == 0
    assert coverage.outside(real.assign(n=NAN), synthetic, kinds)["n"].value == 0.8  # no value is inside
    assert math.isnan(coverage.outside_rows(real, synthetic, {}).value)


def test_missing_compares_shares_of_nulls():
    real = pd.DataFrame({"c": ["a", None, None, None], "n": [1.0, 2.0, NAN, float("inf")]})
    synthetic = pd.DataFrame({"c": ["a", "b"], "n": [1.0, NAN]})
    found = coverage.missing(real, synthetic, {"c": "categorical", "n": "numeric"})
    assert values(found) == {
        "c": {"real": 0.75, "synthetic": 0, "error": 0.75},
        "n": {"real": 0.5, "synthetic": 0.5, "error": 0},
    }
    assert (
        coverage.missing(synthetic, real, {"c": "categorical"})["c"]["error"].value == 0.75
    )  # either way round
    half = 1.959964 * math.sqrt(0.75 * 0.25 / 4)
    assert found["c"]["error"].low == pytest.approx(0.75 - half) and found["c"]["error"].high == 1
    assert found["n"]["error"].low == 0 and found["n"]["error"].high > 0.5
    assert math.isnan(coverage.missing(real, synthetic[:0], {"n": "numeric"})["n"]["error"].value)


def test_every_dtype_covers_itself():
    table, kinds = mixed(200, 0)
    found = values(coverage.categories(table, table, kinds))
    assert set(found) == {"object", "string", "category", "label", "bool", "flag"}
    assert all(part == {"levels": 1, "mass": 1} for part in found.values())
    found = values(coverage.ranges(table, table, kinds))
    assert found == dict.fromkeys(
        ["int", "nullable", "float", "decimal", "coded", "moment", "zoned", "date", "time", "span"], 1
    )
    assert not coverage.outside_rows(table, table, kinds).value
    assert (
        set(coverage.outside(table, table, kinds))
        == set(coverage.missing(table, table, kinds))
        == set(kinds) - {"id"}
    )
    large = table.assign(
        string=table.string.astype("large_string[pyarrow]"), zoned=table.zoned.dt.tz_convert("UTC")
    )
    assert values(coverage.categories(table, large, kinds))["string"] == {"levels": 1, "mass": 1}
    assert not coverage.outside_rows(table, large, kinds).value
    late = table.assign(zoned=table.zoned + pd.Timedelta(days=1000))
    assert (
        coverage.outside(table, late, kinds)["zoned"].value == 1
        and coverage.ranges(table, late, kinds)["zoned"].value == 0
    )


def test_tiny_and_empty_tables():
    table, kinds = mixed(3, 0)
    for score in (coverage.categories, coverage.ranges, coverage.outside, coverage.missing):
        assert score(table, table, kinds)
        assert score(table, table[:0], kinds)
        assert score(table, table, {}) == {}
    assert math.isnan(coverage.outside_rows(table, table[:0], kinds).value)


def test_problems_name_missing_extra_and_retyped_columns():
    real = pa.schema(
        {"age": pa.int64(), "city": pa.string(), "paid": pa.float64(), "key": pa.int64(), "note": pa.string()}
    )
    synthetic = pa.schema(
        {"city": pa.int32(), "paid": pa.float32(), "key": pa.int64(), "note": pa.string(), "ages": pa.int64()}
    )
    kinds = {"age": "numeric", "city": "categorical", "paid": "numeric", "key": "id", "note": "drop"}
    assert coverage.problems(real, synthetic, kinds) == [
        "Column 'age' is missing from the synthetic table.",
        "Column 'city' is int32 in the synthetic table and string in the real one.",
        "Column 'paid' is float in the synthetic table and double in the real one.",
        "Column 'note' is of kind drop, yet the synthetic table has it.",
        "Column 'ages' of the synthetic table is not in the real one.",
    ]
    assert coverage.problems(real, real.remove(4), kinds) == []


@pytest.mark.parametrize(
    ("real", "synthetic", "same"),
    [
        (pa.string(), pa.large_string(), True),
        (pa.string_view(), pa.string(), True),
        (pa.dictionary(pa.int8(), pa.large_string()), pa.string(), True),
        (pa.dictionary(pa.int8(), pa.int64()), pa.string(), False),
        (pa.binary(), pa.large_binary(), True),
        (pa.timestamp("us"), pa.timestamp("ns"), False),
        (pa.timestamp("us"), pa.timestamp("us", "UTC"), False),
        (pa.decimal128(9, 2), pa.decimal128(9, 2), True),
        (pa.decimal128(9, 2), pa.float64(), False),
        (pa.bool_(), pa.int8(), False),
    ],
)
def test_types_that_hold_the_same_values_are_no_problem(real, synthetic, same):
    assert (
        coverage.problems(pa.schema({"a": real}), pa.schema({"a": synthetic}), {"a": "categorical"}) == []
    ) == same
    assert np.array_equal([], coverage.problems(pa.schema({"a": real}), pa.schema({"a": real}), {}))
