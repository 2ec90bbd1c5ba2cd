"""The shift that makes the mean probability of each code that of the table."""

import numpy as np
import pytest

from raygen.sampling.calibration import FARTHEST, _shift

ROWS = 16_384


def probabilities(codes: int, rows: int = ROWS) -> np.ndarray:
    mass = np.exp(np.random.default_rng(0).normal(0, 1.5, (rows, codes)))
    return mass / mass.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("target", [[0.14, 0.86], [0.8, 0.2], [0.3, 0.25, 0.45], [0.5, 0.45, 0.05]])
def test_mean_probabilities_become_the_target(target):
    shift = _shift(probabilities(len(target)), np.array(target))
    mass = probabilities(len(target)) * np.exp(shift)
    share = (mass / mass.sum(axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(share, target, atol=1e-2)
    assert np.isfinite(shift).all()


def test_what_is_right_already_is_not_shifted():
    assert np.abs(_shift(np.array([[0.2, 0.8], [0.4, 0.6]]), np.array([0.3, 0.7]))).max() < 1e-6


def test_a_code_of_few_rows_is_shifted_less_and_none_far():
    many, few = (_shift(probabilities(3, rows), np.array([0.01, 0.3, 0.69])) for rows in (ROWS, 200))
    assert many[0] < few[0] < -0.5 and np.abs(_shift(probabilities(2), np.array([1e-6, 1]))).max() <= FARTHEST
