"""What a model learns from tables whose rule is known."""

import math

import numpy as np
import pandas as pd
import pytest

from raygen.errors import ConfigError
from raygen.metrics import fidelity, utility
from tests.frames import OfFrames
from tests.metrics.test_fidelity import dependent, mixed

fidelity = OfFrames(fidelity)
utility = OfFrames(utility)

KINDS = {"x": "numeric", "y": "numeric", "c": "categorical", "b": "boolean"}


def rule(rows, seed):
    """y = 3 x + noise of sd 1, b is x > 0 in 9 of 10 rows, c is the sign of x in words, with nulls."""
    rng = np.random.default_rng([seed, 9])
    x = rng.normal(size=rows)
    b = (x > 0) ^ (rng.random(rows) < 0.1)
    c = np.select([x < -1, x < 1, x < 2], ["low", "middle", "high"], default="top").astype(object)
    return pd.DataFrame(
        {"x": x, "y": 3 * x + rng.normal(size=rows), "c": pd.Series(c).mask(c == "top", None), "b": b}
    )


@pytest.mark.parametrize("target", ["c", "b"])
def test_auc_of_a_level_is_high_from_dependent_rows_and_a_guess_from_independent_ones(target):
    train, test = rule(3000, 0), rule(2000, 1)
    kinds = {name: KINDS[name] for name in ("x", target)}
    score, guess = (
        utility.mle(table, test, target, kinds)["auc"] for table in (train, fidelity.floor(train))
    )
    assert 0.85 < score.low < score.value < score.high <= 1
    assert abs(guess.value - 0.5) < 0.1
    if target == "b":
        assert score.value == pytest.approx(0.9, abs=0.02)  # the best that nine true of ten allow


def test_rmse_and_r2_of_a_number():
    train, test = rule(4000, 0), rule(2000, 1)
    out = utility.mle(train, test, "y", KINDS)
    assert list(out) == ["rmse", "r2"]
    assert out["rmse"].value == pytest.approx(1, abs=0.1)  # the noise
    assert out["r2"].value == pytest.approx(0.9, abs=0.02)  # 9 / 10
    assert out["rmse"].high - out["rmse"].low == pytest.approx(2 * 1.96 / math.sqrt(2 * 2000), rel=0.25)
    assert out["r2"].low < out["r2"].value < out["r2"].high < 0.91
    floor = utility.mle(fidelity.floor(train), test, "y", KINDS)
    assert floor["r2"].value < 0.05 and floor["rmse"].value > 3


def test_rows_with_a_null_target_are_left_out():
    train, test = rule(1000, 0), rule(500, 1)
    holes = np.arange(1000) % 2 == 0
    kept, masked = train[~holes].reset_index(drop=True), train.assign(y=train.y.mask(holes))
    assert utility.mle(masked, test, "y", KINDS)["rmse"].value == pytest.approx(
        utility.mle(kept, test, "y", KINDS)["rmse"].value, abs=0.05
    )
    part = test.assign(y=test.y.mask(np.arange(500) > 99))
    assert utility.mle(train, part, "y", KINDS)["rmse"].value == pytest.approx(
        utility.mle(train, test[:100], "y", KINDS)["rmse"].value
    )
    nothing = utility.mle(train.assign(y=np.nan), test, "y", KINDS)
    assert math.isnan(nothing["rmse"].value) and math.isnan(nothing["r2"].value)


def test_one_class_is_undefined_and_a_missing_class_a_guess():
    train, test = rule(300, 0), rule(200, 1)
    lacking = utility.mle(train.assign(b=True), test, "b", KINDS)
    assert lacking["auc"].value == 0.5 and lacking["accuracy"].value == test.b.mean()
    without_low = utility.mle(train[train.c != "low"], test, "c", KINDS)["auc"].value
    assert 0.7 < without_low < 0.9  # a guess of one class
    one = utility.mle(train, test.assign(b=True), "b", KINDS)
    assert math.isnan(one["auc"].value) and math.isnan(one["macro_f1"].value)
    f1 = one["weighted_f1"].value
    assert one["accuracy"].value == pytest.approx(f1 / (2 - f1))
    extra = train.assign(c=train.c.where(np.arange(300) > 5, "invented"))
    assert utility.mle(extra, test, "c", KINDS)["auc"].value > 0.9


def test_a_constant_number():
    train, test = rule(300, 0), rule(200, 1)
    guess = utility.mle(train.assign(y=2.0), test, "y", KINDS)
    assert guess["rmse"].value == pytest.approx(math.sqrt(((test.y - 2) ** 2).mean()))
    exact = utility.mle(train.assign(y=2.0), test.assign(y=2.0), "y", KINDS)
    assert exact["rmse"].value == pytest.approx(0, abs=1e-12) and math.isnan(exact["r2"].value)


def test_rare_classes_count_as_one():
    codes = np.repeat(np.arange(30), np.arange(30, 0, -1))
    y, truth, counted = utility._classes(np.arange(40), codes)
    assert list(counted) == list(range(20))
    assert set(truth) == set(range(20)) and (truth == 0).sum() == 30
    assert (truth == 19).sum() == sum(range(1, 12))  # the 11 rarest
    assert (y == 19).sum() == 21  # and those that only the train rows have
    y, truth, counted = utility._classes(np.arange(25), np.repeat(np.arange(20), 10))
    assert list(counted) == list(range(20))
    assert len(set(truth)) == 20 and (y == 20).sum() == 5  # a class of their own


def with_rare(rows, seed):
    """Two classes that x tells at once, and two of a few rows each, of which the second is in one table."""
    rng = np.random.default_rng([seed, 3])
    x = rng.normal(size=rows)
    c = np.where(x > 0, "up", "down").astype(object)
    c[:3], c[3:5] = "rare", f"only {seed}"
    return pd.DataFrame({"x": x, "c": c})


def test_rare_classes_do_not_make_a_good_model_a_guess():
    kinds = {"x": "numeric", "c": "categorical"}
    train, test = with_rare(1000, 0), with_rare(800, 1)
    for table in (train, train[~train.c.isin(["rare", "only 0"])]):
        scores = utility.mle(table, test, "c", kinds)
        assert scores["auc"].value > 0.99 and scores["macro_f1"].value > 0.98
        assert scores["accuracy"].value == pytest.approx(0.99, abs=0.01)
        assert scores["weighted_f1"].value == pytest.approx(0.99, abs=0.015)
        for score in scores.values():
            assert score.low <= score.value <= score.high
    assert utility.left_out(test, "c") == {"only 1": 2, "rare": 3}


def test_one_rare_class_beside_a_frequent_one():
    kinds = {"x": "numeric", "c": "categorical"}
    train, test = with_rare(1000, 0).assign(c="usual"), with_rare(800, 1).assign(c="usual")
    test.loc[:2, "c"] = "fraud"
    scores = utility.mle(train, test, "c", kinds)
    assert math.isnan(scores["auc"].value) and scores["accuracy"].value == 797 / 800


def test_f1_by_hand():
    rows = np.array([[0, 0], [0, 0], [0, 1], [1, 1], [1, 0], [2, 2]])
    each = [2 * 2 / (3 + 3), 2 * 1 / (2 + 2), 1.0]
    assert utility._f1(rows, np.arange(3), False) == pytest.approx(np.mean(each))
    assert utility._f1(rows, np.arange(3), True) == pytest.approx(np.average(each, weights=[3, 2, 1]))


@pytest.mark.parametrize("target", ["x", "c"])
def test_a_target_alone_is_a_guess(target):
    train, test = rule(100, 0), rule(100, 1)
    out = utility.mle(train, test, target, {target: KINDS[target]})
    assert out["auc"].value == pytest.approx(0.5) if target == "c" else out["r2"].value < 0.01


def test_every_dtype_may_be_target_or_feature():
    (train, kinds), (test, _) = mixed(200, 0), mixed(150, 1)
    for target in ("nullable", "decimal", "zoned", "time", "span", "string", "category", "label", "flag"):
        for score in utility.mle(train, test, target, kinds).values():
            assert score.low <= score.value <= score.high
    null = train.assign(float=np.nan, string=None)
    assert not math.isnan(utility.mle(null, test, "bool", kinds)["auc"].value)


def test_three_rows():
    train, test = rule(3, 0).assign(b=[True, False, True]), rule(3, 1).assign(b=[True, False, False])
    assert math.isnan(utility.mle(train, test, "b", KINDS)["auc"].value)
    assert 0 <= utility.mle(train, test, "b", KINDS)["accuracy"].value <= 1
    assert utility.mle(train, test, "y", KINDS)["rmse"].value > 0
    assert math.isnan(utility.mle(train, test[:0], "y", KINDS)["rmse"].value)
    assert math.isnan(utility.mle(train[:0], test, "y", KINDS)["rmse"].value)
    assert utility.mle(train[:0], test, "b", KINDS)["accuracy"].value == 0
    assert utility.mle(train[:0], rule(60, 1), "b", KINDS)["auc"].value == 0.5


def test_the_same_seed_gives_the_same_score_and_rows_have_no_order():
    (train, kinds), (test, _) = dependent(500, 0), dependent(500, 1)
    assert utility.mle(train, test, "b", kinds) == utility.mle(train, test, "b", kinds)
    assert utility.mle(train, test[::-1], "b", kinds)["auc"].value == pytest.approx(
        utility.mle(train, test, "b", kinds)["auc"].value
    )


def test_a_target_that_does_not_count_is_an_error():
    (train, kinds), (test, _) = mixed(10, 0), mixed(10, 1)
    with pytest.raises(ConfigError, match="target 'strng' is no column of the table") as caught:
        utility.mle(train, test, "strng", kinds)
    assert "did you mean 'string'" in caught.value.hint
    with pytest.raises(ConfigError, match="target 'id' is of kind id"):
        utility.mle(train, test, "id", kinds)
