"""Rows of which the later of two ordered values is given, and the earlier one is not."""

import numpy as np
import pyarrow as pa
import pytest

import raygen
from raygen.relations.language import parse
from raygen.table.schema import infer
from tests import trained

pytestmark = pytest.mark.slow

ROWS = 4000


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(4)
    hint = rng.integers(0, 60, ROWS) * 100
    low = hint + rng.integers(0, 100, ROWS)
    return pa.table({"hint": hint, "low": low, "high": low + rng.integers(0, 3000, ROWS)})


@pytest.fixture(scope="module")
def model(table, tmp_path_factory) -> str:
    assert infer(table)[0]["low"] == "numeric"
    order = [parse("high", ">= low", "always", table.schema)]
    folder = tmp_path_factory.mktemp("run") / "model"
    return trained.save(folder, table, {"train.steps": 400}, order)


@pytest.mark.parametrize("known", [["high"], ["hint", "high"]])
def test_the_earlier_value_is_one_that_both_tell(table, model, known):
    given = table.slice(0, 200).select(known)
    made = raygen.complete(model, given, say=lambda line: None)
    low, high = made["low"].to_numpy(), made["high"].to_numpy()
    assert (high == given["high"].to_numpy()).all()
    assert (low <= high).all() and (high - low <= 3000).mean() > 0.97
    if "hint" in known:
        away = np.abs(low - given["hint"].to_numpy() - 50)
        assert np.median(away) < 150 and np.mean(away < 400) > 0.7
