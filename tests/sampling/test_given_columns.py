"""Exact counts of categories that relations give, of a small trained model."""

import pyarrow.compute as pc
import pytest

from raygen.errors import ConfigError
from raygen.sampling.rows import sample
from tests import trained
from tests.relations import given

TABLE = given.table(3000)
pytestmark = pytest.mark.slow
OF_EACH = [(column, "autoregressive") for column in given.TEXTS]


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("given")
    return {
        decoder: trained.save(
            folder / decoder, TABLE, {"model.decoder": decoder, "train.steps": 100}, given.RELATIONS
        )
        for decoder in ("autoregressive", "independent")
    }


@pytest.mark.parametrize(("column", "decoder"), [*OF_EACH, ("ship_to", "independent")])
def test_each_category_has_exactly_its_rows(models, column, decoder):
    made = sample(models[decoder], per=f"{column}=50")
    levels = sorted(set(pc.cast(TABLE[column], "string").to_pylist()) - {None})
    assert pc.cast(made[column], "string").to_pylist() == [name for name in levels for _ in range(50)]
    for relation in given.RELATIONS:
        if relation.is_total and relation.kind != "lookup":
            assert not (relation.keeps(made) == 0).any(), relation.text
    pairs = [set(zip(*map(rows.to_pydict().get, ("zone", "borough")), strict=True)) for rows in (made, TABLE)]
    assert pairs[0] <= pairs[1]


def test_counts_go_with_conditions_on_columns_of_both_kinds(models):
    where = "ship_to IN ('A', 'C') AND channel != 'till' AND bill_to = 'B'"
    made = sample(models["autoregressive"], per="ship_to=40", where=where)
    assert made["ship_to"].to_pylist() == ["A"] * 40 + ["C"] * 40
    assert set(made["bill_to"].to_pylist()) == {"B"}
    assert set(made["channel"].to_pylist()) <= {"web", "phone"} and not made["brand"].null_count
    made = sample(models["autoregressive"], per="payment=40", where="borough = 'borough 1'")
    assert made["payment"].to_pylist() == ["card"] * 40 + ["cash"] * 40
    assert set(made["borough"].to_pylist()) == {"borough 1"}


def test_a_category_that_hardly_any_row_has_is_refused_with_its_probability(models):
    with pytest.raises(
        ConfigError, match=r"has a probability below about 6\.1e-05: none of 16,384"
    ) as caught:
        sample(models["autoregressive"], per="copied=40", where="payment = 'cash' AND channel = 'web'")
    assert "NOT IN" in caught.value.hint
