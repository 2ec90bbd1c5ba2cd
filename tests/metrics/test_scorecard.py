"""Each way to be wrong is caught by the score that is meant for it, on real rows."""

from importlib import resources

import numpy as np
import pyarrow.parquet as pq
import pytest

from raygen.metrics import fidelity, scorecard

ROWS = 2000
KINDS = {
    **dict.fromkeys(
        ["age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week"], "numeric"
    ),
    **dict.fromkeys(
        [
            "workclass",
            "education",
            "marital_status",
            "occupation",
            "relationship",
            "race",
            "sex",
            "native_country",
            "income",
        ],
        "categorical",
    ),
}


@pytest.fixture(scope="module")
def rows():
    """Three disjoint parts of UCI Adult: what a model learned from, what it did not, and what stands for
    perfect synthetic rows."""
    table = (
        pq.read_table(resources.files("raygen") / "datasets" / "adult.parquet").slice(0, 3 * ROWS).to_pandas()
    )
    order = np.random.default_rng(0).permutation(len(table))
    return [table.iloc[order[i::3]].reset_index(drop=True) for i in range(3)]


@pytest.fixture(scope="module")
def ends(rows):
    return scorecard.Ends(rows[0], (rows[0], rows[1]), KINDS, knows=True, target="income", rows=ROWS)


@pytest.fixture(scope="module")
def perfect(ends, rows):
    return ends.judge(rows[2])


def value(found, name):
    return found[name]["value"]


@pytest.mark.slow
def test_other_real_rows_reach_the_ceiling(perfect):
    assert set(perfect) == set(scorecard.BETTER)
    for name in ("shape_error", "trend_error", "c2st", "mle", "alpha_precision", "beta_recall"):
        assert perfect[name]["low"] - 0.02 <= perfect[name]["ceiling"] <= perfect[name]["high"] + 0.02, name
    assert value(perfect, "dcr_share") == pytest.approx(0.5, abs=0.04)
    assert value(perfect, "membership_auc") == pytest.approx(0.5, abs=0.04)
    assert value(perfect, "exact_copies") < 0.01


@pytest.mark.slow
def test_a_copy_of_the_training_rows_is_caught_by_the_copying_scores(ends, rows, perfect):
    found = ends.judge(rows[0].sample(frac=1, random_state=1))
    assert value(found, "c2st") > 0.95  # which it would win
    assert value(found, "exact_copies") == 1
    assert value(found, "dcr_share") > 0.95 and value(found, "membership_auc") > 0.95
    assert value(found, "dcr_2_percent") == 0 < value(perfect, "dcr_2_percent")


@pytest.mark.slow
def test_independent_columns_are_caught_by_trend_and_c2st_and_not_by_shape(ends, rows):
    found = ends.judge(fidelity.floor(rows[2], seed=3))
    assert value(found, "shape_error") < 3
    assert value(found, "trend_error") > 15
    assert value(found, "c2st") < 0.2
    assert value(found, "beta_recall") < 0.5 * found["beta_recall"]["ceiling"]
    assert value(found, "mle") < 0.6


@pytest.mark.slow
def test_one_scrambled_column_is_caught(ends, rows, perfect):
    scrambled = rows[2].assign(relationship=rows[2]["relationship"].sample(frac=1, random_state=2).to_numpy())
    found = ends.judge(scrambled)
    assert value(found, "shape_error") == pytest.approx(value(perfect, "shape_error"))
    assert value(found, "trend_error") > 2 * value(perfect, "trend_error")
    assert value(found, "c2st") < value(perfect, "c2st") - 0.2


@pytest.mark.slow
def test_the_most_frequent_levels_alone_are_caught_by_shape_and_coverage(ends, rows):
    """What decoding by argmax does to rare levels."""
    narrow = rows[2].copy()
    for name in ("workclass", "race", "native_country", "occupation"):
        narrow[name] = narrow[name].mode()[0]
    found = ends.judge(narrow)
    assert value(found, "shape_error") > 8
    assert value(found, "category_coverage") < 0.85 < found["category_coverage"]["ceiling"]


@pytest.mark.slow
def test_values_outside_the_real_range_and_unknown_levels_are_counted(ends, rows):
    wild = rows[2].copy()
    wild.loc[:199, "age"] = 200
    wild.loc[200:299, "sex"] = "Unknown"
    assert value(ends.judge(wild), "outside") == pytest.approx(0.15, abs=0.02)


@pytest.mark.slow
def test_the_same_rows_have_the_same_scores(ends, rows, perfect):
    assert ends.judge(rows[2]) == perfect


def test_the_gate():
    found = {"c2st": {"value": 0.8}, "dcr_share": {"value": 0.56}, "trend_error": {"value": None}}
    rules = scorecard.gate(found, {"c2st": 0.7}, {"dcr_share": 0.55, "trend_error": 3, "shape_error": 1})
    assert [(r["rule"], r["passed"]) for r in rules] == [
        ("c2st >= 0.7", True),
        ("dcr_share <= 0.55", False),
        ("trend_error <= 3", False),
        ("shape_error <= 1", False),
    ]
