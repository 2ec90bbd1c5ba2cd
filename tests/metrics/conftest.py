"""What the tests of counts share."""

import pytest

from raygen.metrics import counts as counts_module
from tests.metrics.tallies import mixed


@pytest.fixture(scope="module")
def pairs_as_they_are():
    """Without pooling of rare levels, which `tests/metrics/test_pooling.py` is about."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counts_module, "ROWS_PER_CELL", 1e-9)
        yield


@pytest.fixture(scope="module")
def tables():
    (real, kinds), (synthetic, _) = mixed(400, 0), mixed(700, 1)
    return real, synthetic, kinds
