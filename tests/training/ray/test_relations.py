"""Relations on the way to the encoded table: found or declared, counted over all rows, told, and used."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raygen.config import Config
from raygen.errors import ConfigError
from raygen.table.part import Part
from raygen.training import encoding
from tests.relations import every_use

ROWS = 3000
pytestmark = pytest.mark.ray


def config(table: pa.Table, folder, relations: list[dict] | None) -> Config:
    path = folder / "t.parquet"
    pq.write_table(table, path, row_group_size=1000)
    settings = {"run.folder": str(folder / "run"), "data.source": str(path), "schema.relations": relations}
    return Config().override(settings)


def encoded(made: Config) -> tuple[encoding.Encoded, list[str]]:
    told: list[str] = []
    return encoding.encode(made, told.append), told


def test_what_is_found_is_told_and_used(local_ray, tmp_path):
    made = config(every_use.table(ROWS), tmp_path, None)
    found, told = encoded(made)
    uses = {use.relation.column: use.how for use in found.codec.reduction.uses}
    assert uses["total"] == uses["borough"] == uses["doubled"] == "computed"
    assert uses["ended"] == "difference" and uses["paid"] == "tied"
    assert Part("total") not in found.codec.blocks
    assert any(line == f"Relation: total = price + tax, in all of {ROWS:,} rows" for line in told)
    again, silent = encoded(made)
    assert again.content == found.content and not silent


def test_the_config_decides(local_ray, tmp_path):
    none, _ = encoded(config(every_use.table(ROWS), tmp_path, []))
    assert none.codec.reduction.uses == () and Part("total") in none.codec.blocks


def test_a_relation_that_some_rows_break_is_told_and_learned_as_one_that_holds_often(local_ray, tmp_path):
    table = every_use.table(ROWS)
    wrong = table["total"].to_numpy().copy()
    wrong[2500:2507] += 1
    table = table.set_column(table.schema.get_field_index("total"), "total", pa.array(wrong))
    made = config(table, tmp_path, [{"column": "total", "is": "price + tax"}])
    found, told = encoded(made)
    assert [use.how for use in found.codec.reduction.uses] == ["tied"]
    numbers = "rows 2,501, 2,502, 2,503, ..."
    assert any(f"7 rows break it, which was to hold always: {numbers}. It is learned" in one for one in told)
    assert found.num_rows == ROWS
    codes, _ = found.rows(0, ROWS)
    place, block = found.codec.parts.index(Part("total")), found.codec.blocks[Part("total")]
    assert (codes[:, place] == block.cardinality).sum() == ROWS - 7


def test_rows_that_break_an_enforced_relation_are_left_out(local_ray, tmp_path):
    table = every_use.table(ROWS)
    rule = {"column": "price", "is": ">= 10", "enforce": True}
    found, told = encoded(config(table, tmp_path, [rule]))
    few = int((np.array(table["price"]) < 10).sum())
    assert found.num_rows == ROWS - few and 0 < few < ROWS
    assert found.codec.reduction.kept(table).num_rows == found.num_rows
    assert any(f"{few:,} rows that break 'price >= 10' are left out" in line for line in told)


@pytest.mark.parametrize(
    ("relation", "words"),
    [
        ({"column": "totl", "is": "price + tax"}, "no column 'totl'"),
        ({"column": "total", "is": "price + txa"}, "no column 'txa'"),
        ({"column": "total", "is": "total + tax"}, "names the column itself"),
        ({"column": "total", "is": "price +"}, "price"),
        ({"column": "total", "is": "price + colour"}, "text"),
        ({"column": "total", "is": "price + card"}, "kind drop"),
    ],
)
def test_a_mistake_is_told_before_any_row_is_read(relation, words, tmp_path):
    made = config(every_use.table(100), tmp_path, [relation])
    with pytest.raises(ConfigError, match=words):
        encoding.encode(made.override({"schema.columns": KINDS}))


KINDS = {
    **dict.fromkeys(("price", "tax", "total", "tip", "bill", "paid", "noise"), "numeric"),
    **dict.fromkeys(("started", "ended"), "datetime"),
    **dict.fromkeys(("zone", "borough", "payment", "colour"), "categorical"),
    **dict.fromkeys(("count", "doubled", "year"), "numeric"),
    "card": "drop",
}


def test_two_relations_that_go_in_a_circle_are_refused(tmp_path):
    both = [{"column": "total", "is": "price + tax"}, {"column": "price", "is": "total - tax"}]
    with pytest.raises(ConfigError, match="circle"):
        encoding.encode(config(every_use.table(100), tmp_path, both))
