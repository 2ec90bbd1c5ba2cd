"""A generator of random numbers for the tables."""

import numpy as np
import pytest


@pytest.fixture
def rng():
    return np.random.default_rng(23)
