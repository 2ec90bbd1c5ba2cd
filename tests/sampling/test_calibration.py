"""The shift that makes the mean probability of some codes what it is to be."""

import numpy as np
import pytest

from raygen.sampling.calibration import _shift


@pytest.mark.parametrize("target", [[0.14], [0.8], [0.3, 0.05], [0.998], [0.0]])
def test_mean_probabilities_become_the_target(target):
    logits = np.random.default_rng(0).normal(0, 1.5, (4000, len(target) + 1))
    mass = np.exp(logits)
    shift = _shift(mass / mass.sum(axis=1, keepdims=True), np.array(target))
    mass *= np.exp(np.append(shift, 0))
    share = (mass / mass.sum(axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(share[:-1], target, atol=1e-4)
    assert np.isfinite(shift).all()


def test_what_is_right_already_is_not_shifted():
    assert abs(_shift(np.array([[0.2, 0.8], [0.4, 0.6]]), np.array([0.3]))[0]) < 1e-6
