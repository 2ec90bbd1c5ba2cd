"""The attacks succeed on copied rows, and on no others more often than on people that the model never saw."""

import math
from importlib import resources

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raygen.metrics import attacks
from tests.metrics.test_scorecard import KINDS

ROWS = 1500


@pytest.fixture(scope="module")
def parts() -> list[pa.Table]:
    """Three disjoint parts of UCI Adult."""
    table = pq.read_table(resources.files("raygen") / "datasets" / "adult.parquet").slice(0, 3 * ROWS)
    order = np.random.default_rng(0).permutation(table.num_rows)
    return [table.take(pa.array(order[i::3])) for i in range(3)]


def test_copies_are_singled_out_linked_and_inferred(parts):
    train, holdout, _ = parts
    found = attacks.risks(train, train, holdout, KINDS)
    assert list(found) == ["singling_out", "linkability", "inference"]
    assert found["singling_out"].low > 0.9 and found["inference"].low > 0.9
    assert found["linkability"].low > 0.4  # halves of some rows are those of others


def test_other_rows_of_the_population_give_nobody_away(parts):
    train, holdout, other = parts
    for name, score in attacks.risks(other, train, holdout, KINDS).items():
        assert score.low <= 0.02 and score.value < 0.1 and score.high < 0.35, name


def test_half_of_the_copies_is_half_of_the_risk(parts):
    train, holdout, other = parts
    half = pa.concat_tables([train.slice(0, ROWS // 2), other.slice(0, ROWS // 2)])
    found = attacks.risks(half, train, holdout, KINDS)
    assert 0.35 < found["inference"].value < 0.65 and found["linkability"].low > 0.15
    assert found["singling_out"].low > 0.1
    assert found == attacks.risks(half, train, holdout, KINDS), "the same each time"
    assert found != attacks.risks(half, train, holdout, KINDS, seed=1)


@pytest.mark.parametrize(("rows", "kinds"), [(50, KINDS), (ROWS, {"age": "numeric"}), (0, KINDS)])
def test_what_shows_nothing_is_not_measured(rows, kinds, parts):
    train, holdout, other = (part.slice(0, rows) for part in parts)
    assert all(math.isnan(score.value) for score in attacks.risks(other, train, holdout, kinds).values())


def test_missing_values_constants_and_numbers_alone(parts):
    train, holdout, other = (
        part.select(["age", "fnlwgt"]).append_column("none", pa.nulls(ROWS, pa.float64())) for part in parts
    )
    kinds = dict.fromkeys(train.column_names, "numeric")
    found = attacks.risks(other, train, holdout, kinds)
    assert all(-1 <= score.low <= score.value <= score.high <= 1 for score in found.values())
