"""Memory is large for copies of training rows and none for fresh ones."""

import math

import numpy as np
import pandas as pd
import pytest

from raygen.metrics import memory as module
from tests.frames import OfFrames
from tests.metrics.test_fidelity import dependent

pytestmark = pytest.mark.slow

memory = OfFrames(module).memory

ROWS = 400


@pytest.fixture(scope="module")
def tables():
    """Training rows, unseen rows, fresh rows of the same law; and the kinds."""
    (train, kinds), (holdout, _), (fresh, _) = (dependent(ROWS, seed) for seed in range(3))
    return train, holdout, fresh, kinds


def test_copies_of_training_rows_show_it(tables):
    train, holdout, _, kinds = tables
    copies = memory(train.sample(frac=1, random_state=0), train, holdout, kinds)
    assert copies.difference.value > 0.5 and copies.difference.low > 0.3
    assert copies.c2st_train_n.value == 1  # where C2ST ends, so that the two C2ST differ by little
    assert copies.c2st_test.value > 0.8


def test_fresh_rows_show_none(tables):
    train, holdout, fresh, kinds = tables
    score = memory(fresh, train, holdout, kinds).difference
    assert abs(score.value) < 0.15 and score.low < 0


def test_copies_of_unseen_rows_show_less_than_none(tables):
    train, holdout, _, kinds = tables
    forward, backward = (
        memory(train, *both, kinds, rounds=1) for both in ((train, holdout), (holdout, train))
    )
    assert backward.difference.value < -0.5
    assert backward.difference.value == pytest.approx(-forward.difference.value, abs=0.2)


def test_half_copies_lie_between(tables):
    train, holdout, fresh, kinds = tables
    half = pd.concat([train[: ROWS // 2], fresh[ROWS // 2 :]])
    values = [memory(rows, train, holdout, kinds, rounds=1).difference.value for rows in (fresh, half, train)]
    assert values[0] + 0.1 < values[1] < values[2] - 0.1


def test_it_is_the_difference_of_both_c2st_where_rows_are_told_apart(tables):
    train, holdout, fresh, kinds = tables
    moved = fresh.assign(x=fresh.x + 0.4)
    score = memory(moved, train, holdout, kinds, rounds=1)
    assert max(score.c2st_test.value, score.c2st_train_n.value) < 0.9
    assert score.difference.value == pytest.approx(score.c2st_train_n.value - score.c2st_test.value)


def test_both_comparisons_have_as_many_rows(tables):
    train, holdout, fresh, kinds = tables
    score = memory(fresh, train, holdout[:200], kinds, rounds=1)
    assert score.rows == 200
    other = memory(fresh, pd.concat([train, train]), holdout[:200], kinds, rounds=1)
    assert other.rows == 200 and other.c2st_test == score.c2st_test


def test_the_same_rows_and_seed_give_the_same_score(tables):
    train, holdout, fresh, kinds = tables
    one, two, other = (memory(fresh, train, holdout, kinds, seed, rounds=1) for seed in (0, 0, 1))
    assert one == two != other


def test_nothing_to_compare_gives_nan(tables):
    train, holdout, fresh, kinds = tables
    for score in (memory(fresh[:2], train, holdout, kinds), memory(fresh, train, holdout, {})):
        assert all(math.isnan(s.value) for s in (score.difference, score.c2st_test, score.c2st_train_n))


def test_the_interval_narrows_with_rows():
    widths = []
    for rows in (150, 1350):
        (train, kinds), (holdout, _), (fresh, _) = (dependent(rows, seed) for seed in range(3, 6))
        score = memory(fresh, train, holdout, kinds, rounds=1).difference
        widths.append(score.high - score.low)
    assert np.divide(*widths) == pytest.approx(3, rel=0.25)
