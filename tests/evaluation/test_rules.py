"""Rules that the real rows keep, counted in other rows."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pytest

from raygen.evaluation.rules import Rules, kept
from raygen.table.schema import infer
from raygen.table.source import Source
from tests.relations import every_use

ROWS = 4000


@pytest.fixture(scope="module")
def rules() -> Rules:
    real = every_use.table(ROWS)
    return Rules.of(real, every_use.table(1000, seed=1), infer(real)[0], seed=0)


def records(rules: Rules, table: pa.Table, folder) -> dict:
    path = folder / "rows.csv"
    pacsv.write_csv(table, path)
    return {one.column: one for one in rules.records(Source.open(str(path)))}


def test_the_rules_are_those_of_the_real_rows(rules, tmp_path):
    found = records(rules, every_use.table(2000, seed=2), tmp_path)
    assert {"total", "ended", "borough", "doubled", "year", "paid"} <= set(found)
    for column in ("total", "ended", "borough", "doubled", "year"):
        one = found[column]
        assert one.always and one.real == one.held_out == one.synthetic == 1 and not one.is_broken, column
    assert not found["paid"].always and abs(found["paid"].synthetic - found["paid"].real) < 0.05
    score = rules.score(list(found.values()), 2000)
    assert score.value > 0.97 and score.ceiling > 0.97 and score.floor < 0.8


def test_what_breaks_a_rule_is_counted_and_comes_first(rules, tmp_path):
    table = every_use.table(2000, seed=2)
    wrong = pc.add(table["total"], pa.array([1.0] * 30 + [0.0] * 1970))
    table = table.set_column(table.schema.get_field_index("total"), "total", wrong)
    found = records(rules, table, tmp_path)
    assert next(iter(found)) == "total"
    assert found["total"].broken == 30 and found["total"].is_broken
    assert found["total"].synthetic == pytest.approx(1 - 30 / 2000)


def test_a_table_without_ties_has_no_rules(tmp_path):
    table = every_use.table(500).select(["noise", "colour"])
    none = Rules.of(table, table.slice(0, 0), infer(table)[0], seed=0)
    found = list(records(none, table, tmp_path).values())
    assert found == [] and none.score(found, 500) is None


def test_the_score_is_what_is_kept_of_what_real_rows_keep():
    assert kept([(1.0, 1.0), (0.5, 0.5)]) == 1
    assert kept([(1.0, 0.5), (0.5, 0.9)]) == pytest.approx(1.0 / 1.5)
    assert kept([(1.0, None), (0.5, 0.25)]) == 0.5
    assert kept([(1.0, None)]) is None
