"""Trend of columns with many levels: other real rows come nearer than shuffled columns."""

from importlib import resources

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raygen.metrics import counted, counts, fidelity
from raygen.metrics.counts import Reference
from raygen.metrics.row_codes import take
from tests.metrics.tallies import assert_same, count
from tests.metrics.test_scorecard import KINDS


def named(codes: np.ndarray, letter: str) -> list[str]:
    return [f"{letter}{code}" for code in codes]


def shop(rows: int, levels: int) -> tuple[pa.Table, dict[str, str]]:
    """Products with a frequency that falls slowly, a group of each, and a price that follows the group."""
    rng = np.random.default_rng([rows, levels])
    product = np.minimum(rng.zipf(1.2, rows), levels)
    group = product % max(2, levels // 20)
    table = {
        "product": named(product, "p"),
        "text": named(product, "t"),
        "group": named(group, "g"),
        "customer": named(rng.integers(0, levels, rows), "c"),
        "price": group + rng.normal(size=rows),
    }
    return pa.table(table), {**dict.fromkeys(table, "categorical"), "price": "numeric"}


def ends(table: pa.Table, kinds: dict[str, str]) -> tuple[float, float]:
    """Trend error of shuffled columns and of a tenth of the rows that was kept back."""
    order = np.random.default_rng(1).permutation(table.num_rows)
    holdout, real = take(table, order[: len(order) // 10]), take(table, order[len(order) // 10 :])
    reference = Reference(real, kinds)
    return tuple(
        counted.trend_error(reference, reference.count_table(rows))
        for rows in (fidelity.floor(real), holdout)
    )


@pytest.mark.parametrize("rows", [300, 3000, 20_000])
@pytest.mark.parametrize("levels", [40, 400, 4000])
def test_other_real_rows_are_nearer_than_shuffled_columns(rows, levels, monkeypatch):
    floor, ceiling = ends(*shop(rows, levels))
    assert (1.3 if rows < 1000 else 2) * ceiling < floor
    if (rows, levels) == (3000, 4000):
        monkeypatch.setattr(counts, "ROWS_PER_CELL", 1e-9)
        floor, ceiling = ends(*shop(rows, levels))
        assert ceiling > 0.7 * floor  # what it is without pooling


def test_chance_is_no_pair():
    rng = np.random.default_rng(0)
    table = pa.table({name: named(rng.integers(0, 900, 3000), name) for name in "ab"})
    assert not Reference(table, dict.fromkeys("ab", "categorical")).cells


def test_pairs_of_few_levels_are_as_they_are():
    adult = pq.read_table(resources.files("raygen") / "datasets" / "adult.parquet")
    reference = Reference(adult.slice(0, 29_305), KINDS)
    sizes = {name: len(names) for name, names in reference.names.items()} | dict.fromkeys(reference.knots, 10)
    assert reference.alone == {(a, b): (sizes[a], sizes[b]) for a, b in reference.alone}


def test_pooled_pairs_add_up_over_blocks():
    table, kinds = shop(3000, 400)
    real, other = table.slice(0, 1500), table.slice(1500)
    reference = Reference(real, kinds)
    assert reference.alone["product", "text"] != tuple(len(reference.names[n]) for n in ("product", "text"))
    assert_same(count(reference, other), count(reference, other, (1, 700, 701)))
