"""The density ratio: its trees against sklearn's, its weights against a law that is known, its raking and its
chances."""

import math

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from raygen.model import density_ratio
from raygen.model.density_ratio import Ratio, fit, grown, inclusion, rake

SIZES = [6, 4, 12]
STARTS = np.cumsum([0, *SIZES[:-1]])


def law(seed: int) -> np.ndarray:
    """A law over all rows of two blocks of 6 and 4 codes and one of 12 that depends on both."""
    weight = np.random.default_rng(seed).gamma(2.0, size=SIZES)
    return weight / weight.sum()


REAL, MODEL = law(1), law(2)


def rows(chances: np.ndarray, count: int, seed: int):
    flat = np.random.default_rng(seed).choice(chances.size, count, p=chances.ravel())
    codes = np.stack(np.unravel_index(flat, chances.shape), axis=1).astype(np.int32)
    return codes


def joint(codes, weight=None):
    count = np.bincount(np.ravel_multi_index(codes.T, SIZES), weight, minlength=math.prod(SIZES))
    return (count / count.sum()).reshape(SIZES)


def marginals(chances):
    return np.concatenate([chances.sum(axis=tuple(j for j in range(3) if j != i)) for i in range(3)])


def bare():
    none = np.zeros(0, np.int32)
    return Ratio(none, none, none, none, none, 0, STARTS, np.zeros(sum(SIZES)))


@pytest.fixture(scope="module")
def fitted():
    return fit(
        SIZES,
        marginals(REAL),
        rows(REAL, 20_000, 3),
        rows(MODEL, 60_000, 4),
        rows(REAL, 4000, 5),
        rows(MODEL, 8000, 6),
    )


@pytest.mark.parametrize("count", [1, 7, 20])
def test_trees_are_those_of_sklearn(count):
    x = np.random.default_rng(0).integers(0, 200, (3000, 5)).astype(float)
    y = (x[:, 0] + x[:, 1] * (x[:, 2] > 90) > 150).astype(int)
    model = HistGradientBoostingClassifier(
        max_iter=20, max_depth=6, max_leaf_nodes=20, early_stopping=False, random_state=0
    ).fit(x, y)
    new = np.random.default_rng(1).integers(0, 200, (2000, 5)).astype(float)
    staged = list(model.staged_decision_function(new))[count - 1] - model._baseline_prediction.item()
    np.testing.assert_allclose(grown(bare(), model, count).of_trees(new), staged, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_weighted_rows_of_the_model_have_the_law_of_the_table(fitted):
    found, loss = fitted
    codes = rows(MODEL, 400_000, 7)
    weight = np.exp(found.log(codes))
    before, after = (np.abs(joint(codes, w) - REAL).sum() / 2 for w in (None, weight))
    assert before > 0.25 and after < 0.3 * before
    np.testing.assert_allclose(marginals(joint(codes, weight)), marginals(REAL), rtol=0.03)
    best = -np.sum(REAL * np.log(REAL / (REAL + MODEL)) + MODEL * np.log(MODEL / (REAL + MODEL))) / 2
    assert best <= loss < best + 0.03


def test_trees_that_held_out_rows_do_not_confirm_are_left_out(monkeypatch):
    monkeypatch.setattr(density_ratio, "ROWS_PER_LEAF", 1)
    found, loss = fit(SIZES, marginals(REAL), *(rows(REAL, n, n) for n in (60, 70, 3000, 3001)))
    assert loss == math.log(2) and len(found.roots) == 0
    assert found.log(rows(REAL, 10, 0)).shape == (10,)


def test_its_arrays_give_it_back(fitted):
    found, some = fitted[0], rows(MODEL, 100, 8)
    assert np.array_equal(Ratio.from_arrays(found.to_arrays()).log(some), found.log(some))


def test_raked_rows_have_each_code_as_often_as_the_table():
    codes = rows(MODEL, 200_000, 9)
    weight = np.random.default_rng(0).normal(0, 0.5, len(codes))
    raked = rake(weight, codes + STARTS, SIZES, marginals(REAL))
    after = joint(codes, np.exp(weight + raked[codes + STARTS].sum(axis=1)))
    np.testing.assert_allclose(marginals(after), marginals(REAL), rtol=2e-3)


def test_a_code_that_is_never_drawn_weighs_little():
    codes = np.zeros((1000, 3), np.int32)
    raked = rake(np.zeros(1000), codes + STARTS, SIZES, marginals(REAL))
    assert np.isfinite(raked).all() and np.abs(raked).max() <= density_ratio.MOST_RAKED


def test_few_held_out_rows_choose_no_trees():
    few, enough = (
        fit(
            SIZES,
            marginals(REAL),
            rows(REAL, 5000, 3),
            rows(MODEL, 20_000, 4),
            rows(REAL, n, 5),
            rows(MODEL, 2048, 6),
        )
        for n in (99, 100)
    )
    assert (len(few[0].roots), few[1]) == (0, math.log(2)) and len(enough[0].roots) > 0
    assert np.abs(few[0].raked).max() > 0.1


@pytest.mark.parametrize(
    ("ratios", "count", "chances"),
    [
        ([1, 1, 1, 1], 2, [0.5] * 4),
        ([1, 3, 2, 2], 2, [0.25, 0.75, 0.5, 0.5]),
        ([8, 1, 1, 1, 1], 2, [1, 0.25, 0.25, 0.25, 0.25]),
        ([1, 9, 1, 4, 2], 3, [0.25, 1, 0.25, 1, 0.5]),
    ],
)
def test_chances_follow_the_ratio_up_to_one(ratios, count, chances):
    np.testing.assert_allclose(inclusion(np.log(ratios) + 7, count), chances)
