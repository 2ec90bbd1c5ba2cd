"""The shift that makes the mean probability of each code that of the table."""

import numpy as np
import pytest

from raygen.sampling.calibration import FARTHEST, _shift

ROWS = 16_384


def probabilities(codes: int, rows: int = ROWS) -> np.ndarray:
    mass = np.exp(np.random.default_rng(0).normal(0, 1.5, (rows, codes)))
    return mass / mass.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("target", [[0.14, 0.86], [0.8, 0.2], [0.3, 0.25, 0.45], [0.6, 0.39, 0.01]])
def test_mean_probabilities_become_the_target(target):
    shift = _shift(probabilities(len(target)), np.array(target))
    mass = probabilities(len(target)) * np.exp(shift)
    share = (mass / mass.sum(axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(share, target, atol=3e-3)
    assert np.isfinite(shift).all()


def test_what_is_right_already_is_not_shifted():
    assert np.abs(_shift(np.array([[0.2, 0.8], [0.4, 0.6]]), np.array([0.3, 0.7]))).max() < 1e-6


def test_a_code_of_few_rows_is_shifted_less_and_none_far():
    shares = np.array([1e-4, 0.3, 0.6999])
    few = _shift(probabilities(3), shares)
    assert abs(few[0]) < 0.1 * FARTHEST and np.abs(few).max() <= FARTHEST
    assert abs(_shift(probabilities(3, 200), np.array([0.1, 0.3, 0.6]))[0]) < 0.6 * FARTHEST
