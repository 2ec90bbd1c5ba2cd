"""Each way to be wrong is caught by the score that is meant for it, on real rows."""

from importlib import resources

import numpy as np
import pyarrow.parquet as pq
import pytest

from raygen.metrics import fidelity, scorecard
from raygen.report.evaluation.record import ScoreRecord
from raygen.score_catalogue import SCORES
from tests.frames import arrow

pytestmark = pytest.mark.slow
ROWS = 1200
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


def score(card, frame):
    return card.score(arrow(frame))


@pytest.fixture(scope="module")
def card(rows):
    return scorecard.Scorecard(
        arrow(rows[0]), tuple(map(arrow, rows[:2])), KINDS, has_unseen=True, target="income", rows=ROWS
    )


@pytest.fixture(scope="module")
def perfect(card, rows):
    return score(card, rows[2])


def value(scores, name):
    return scores[name].value


def test_other_real_rows_reach_the_ceiling(perfect):
    asked = ("rules_kept", "copies_of_one", "rare_values", "rare_numbers")
    assert list(perfect) == [name for name in SCORES if name not in asked]
    for name in ("shape_error", "trend_error", "c2st", "c2st_test", "mle", "alpha_precision", "beta_recall"):
        assert perfect[name].low - 0.02 <= perfect[name].ceiling <= perfect[name].high + 0.02, name
    assert value(perfect, "dcr_share") == pytest.approx(0.5, abs=0.04)
    assert value(perfect, "membership_auc") == pytest.approx(0.5, abs=0.04)
    assert value(perfect, "exact_copies") < 0.01


def test_a_copy_of_the_training_rows_is_caught_by_the_copying_scores(card, rows, perfect):
    scores = score(card, rows[0].sample(frac=1, random_state=1))
    assert value(scores, "c2st") > 0.95  # which it would win
    assert value(scores, "exact_copies") == 1
    assert value(scores, "dcr_share") > 0.95 and value(scores, "membership_auc") > 0.95
    assert value(scores, "dcr_2_percent") == 0 < value(perfect, "dcr_2_percent")
    assert scores["memory"].low > 0.4 and abs(value(perfect, "memory")) < 0.1 > perfect["memory"].low


def test_independent_columns_are_caught_by_trend_and_c2st_and_not_by_shape(card, rows):
    scores = card.score(fidelity.floor(arrow(rows[2]), seed=3))
    assert value(scores, "shape_error") < 3
    assert value(scores, "trend_error") > 15
    assert value(scores, "c2st") < 0.2
    assert value(scores, "beta_recall") < 0.5 * scores["beta_recall"].ceiling
    assert value(scores, "mle") < 0.65


def test_one_scrambled_column_is_caught(card, rows, perfect):
    scrambled = rows[2].assign(relationship=rows[2]["relationship"].sample(frac=1, random_state=2).to_numpy())
    scores = score(card, scrambled)
    assert value(scores, "shape_error") == pytest.approx(value(perfect, "shape_error"))
    assert value(scores, "trend_error") > 2 * value(perfect, "trend_error")
    assert value(scores, "c2st") < value(perfect, "c2st") - 0.2


def test_the_most_frequent_levels_alone_are_caught_by_shape_and_coverage(card, rows):
    """What decoding by argmax does to rare levels."""
    narrow = rows[2].copy()
    for name in ("workclass", "race", "native_country", "occupation"):
        narrow[name] = narrow[name].mode()[0]
    scores = score(card, narrow)
    assert value(scores, "shape_error") > 8
    assert value(scores, "category_coverage") < 0.87 < scores["category_coverage"].ceiling


def test_values_outside_the_real_range_and_unknown_levels_are_counted(card, rows):
    wild = rows[2].copy()
    wild.loc[:199, "age"] = 200
    wild.loc[200:299, "sex"] = "Unknown"
    assert value(score(card, wild), "outside") == pytest.approx(300 / ROWS, abs=0.02)


def test_the_same_rows_have_the_same_scores(card, rows):
    assert score(card, rows[2][:200]) == score(card, rows[2][:200])


def test_memory_compares_as_many_rows_as_there_are(card, rows):
    assert card.memory_rows(arrow(rows[0])) == card.memory_rows(arrow(rows[2])) == ROWS
    assert card.memory_rows(arrow(rows[2][:300])) == 300


def test_floor_and_ceiling_are_those_that_the_catalogue_names(perfect):
    for name, record in perfect.items():
        assert (record.floor is not None) == SCORES[name].has_floor, name
        assert (record.ceiling is not None) == SCORES[name].has_ceiling, name


def test_a_score_that_only_unseen_rows_give_is_absent_without_them(rows):
    halves = arrow(rows[0][: ROWS // 2]), arrow(rows[0][ROWS // 2 :])
    card = scorecard.Scorecard(arrow(rows[0]), halves, KINDS, has_unseen=False, target="", rows=300)
    scores = score(card, rows[2])
    assert not {"memory", "c2st_test", "dcr_share", "mle"} & set(scores) and "c2st" in scores
    assert card.memory_rows(arrow(rows[2])) is None


def test_the_gate():
    values = {"c2st": 0.8, "dcr_share": 0.56, "trend_error": None}
    scores = {n: ScoreRecord(value=v, better=SCORES[n].better) for n, v in values.items()}
    rules = scorecard.gate(scores, {"c2st": 0.7}, {"dcr_share": 0.55, "trend_error": 3, "shape_error": 1})
    assert [(r.rule, r.passed) for r in rules] == [
        ("c2st >= 0.7", True),
        ("dcr_share <= 0.55", False),
        ("trend_error <= 3", False),
        ("shape_error <= 1", False),
    ]
