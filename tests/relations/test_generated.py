"""Relations planted in a table, through discovery, training and generation: generated rows keep them."""

import pytest

from raygen.sampling.rows import sample
from tests import trained
from tests.relations.planted import PARTIAL, TOTAL, kept, planted

REAL = planted(8000)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    settings = {"model.dropout": 0.35, "train.steps": 200}
    return sample(trained.save(tmp_path_factory.mktemp("planted") / "model", REAL, settings), 10_000)


@pytest.mark.slow
def test_what_always_holds_is_never_broken(made):
    assert made.schema.equals(REAL.schema)
    counts = kept(REAL, made)
    assert not {column: counts[column] for column in TOTAL if counts[column][1] or not counts[column][0]}


@pytest.mark.slow
@pytest.mark.parametrize("column", PARTIAL)
def test_what_often_holds_does_so_in_the_same_share(made, column):
    real, own = (kept(REAL, rows)[column] for rows in (REAL, made))
    assert own[0] / sum(own) == pytest.approx(real[0] / sum(real), abs=0.02)
