"""What is planted in a table is found, and nothing else; independent columns give none."""

import numpy as np
import pyarrow as pa
import pytest

from raygen import rng
from raygen.relations.checks import check
from raygen.relations.counts import Counts
from raygen.relations.discovery import discover
from raygen.relations.ties import Finding
from tests.relations.planted import PARTIAL, TOTAL, noise, planted

TABLE = planted(8000)


@pytest.fixture(scope="module")
def found() -> list[Finding]:
    return discover(TABLE, 7)


def said(found: list[Finding]) -> dict[tuple[str, str], Finding]:
    return {(one.relation.column, one.relation.text): one for one in found}


@pytest.mark.parametrize("column", TOTAL)
def test_what_holds_in_all_rows_is_found(found, column):
    one = said(found)[column, TOTAL[column]]
    assert one.relation.holds == "always" and one.breaks == 0


@pytest.mark.parametrize("column", PARTIAL)
def test_what_holds_in_a_share_of_the_rows_is_found(found, column):
    text, share = PARTIAL[column]
    one = said(found)[column, text]
    assert one.relation.holds == "often" and one.share == pytest.approx(share, abs=0.02)


def test_nothing_else_is_found(found):
    planted_columns = TOTAL.keys() | PARTIAL.keys()
    others = [key for key, one in said(found).items() if key[0] not in planted_columns]
    assert not others
    counts = {name: sum(one.relation.column == name for one in found) for name in planted_columns}
    assert not {name: count for name, count in counts.items() if count > 1}


def test_what_is_found_can_be_followed(found):
    relations = [one.relation for one in found]
    check(relations, TABLE.schema)
    counts = Counts(relations)
    counts.observe(planted(3000, seed=0))
    assert all(
        count.breaks == 0 for one, count in zip(found, counts.counts, strict=True) if one.relation.is_total
    )


def test_the_same_table_and_seed_give_the_same(found):
    assert discover(TABLE, 7) == found


@pytest.mark.parametrize("seed", range(50))
@pytest.mark.slow
def test_independent_columns_give_none(seed):
    stream = rng.generator(seed, "rows of independent columns")
    table = pa.table({f"c{k}": one for k, one in enumerate(noise(stream, 2000, 20))})
    assert [(one.relation.column, one.relation.text) for one in discover(table, seed)] == []


def test_of_many_copies_a_spanning_set_is_kept():
    values = rng.generator(1, "rows of copies").integers(0, 10**6, 1000)
    found = discover(pa.table({f"x{k}": values for k in range(40)}), 0)
    assert [(one.relation.column, one.relation.text) for one in found] == [
        (f"x{k}", "x0") for k in range(1, 40)
    ]


@pytest.mark.parametrize("rows", [0, 1, 20])
def test_few_rows_show_nothing(rows):
    assert discover(TABLE.slice(0, rows), 0) == []


def test_odd_columns_are_passed_over():
    rows = 200
    table = pa.table(
        {
            "lists": [[1]] * rows,
            "nulls": pa.nulls(rows),
            "bytes": [b"x"] * rows,
            "one": [1] * rows,
            "huge": np.linspace(0, 1e308, rows),
            "nan": np.full(rows, np.nan),
            "unsigned": pa.array(np.arange(rows, dtype=np.uint64) + 2**63),
        }
    )
    assert discover(table, 0) == []


def test_types_of_all_sorts_keep_theirs():
    rows = 500
    whole = rng.generator(2, "rows of odd types").integers(0, 1000, rows)
    letters = [f"k{one % 7}" for one in whole]
    table = pa.table(
        {
            "coded": pa.array(letters).dictionary_encode(),
            "viewed": pa.array([letter.upper() for letter in letters], pa.string_view()),
            "numbered": pa.array(whole % 7).dictionary_encode(),
            "wide": pa.array([str(one) for one in whole]).cast(pa.decimal256(50, 2)),
            "half": pa.array(whole.astype(np.float16)),
            "unsigned": pa.array(whole.astype(np.uint64) + 2**63),
            "moment": pa.array(whole * 10**10, pa.timestamp("ns", "Asia/Tokyo")),
            "clock": pa.array(whole * 10**7 + 9 * 3600 * 10**6, pa.time64("us")),
            'a "quoted` name': whole * 2.5,
            "where": whole + 1,
        }
    )
    found = [one.relation for one in discover(table, 0)]
    assert {one.column for one in found} >= {"viewed", "half", 'a "quoted` name', "where"}
    counts = Counts(found)
    counts.observe(table)
    for relation in counts.verified():
        if relation.gives:
            assert relation.values(table).type == table.schema.field(relation.column).type
            assert (relation.keeps(table) == 1).all()


def test_what_a_category_binds_is_found_behind_many_others():
    stream = rng.generator(4, "rows of many categories")
    columns = {f"k{k}": stream.choice(list("abcd"), 600) for k in range(70)}
    columns |= {"payment": stream.choice(["card", "cash"], 600), "tip": stream.integers(1, 99, 600)}
    columns["tip"][columns["payment"] == "cash"] = 0
    found = discover(pa.table(columns), 0)
    assert [(one.relation.column, one.relation.text) for one in found] == [
        ("tip", "0 where payment = 'cash'")
    ]


def test_a_copy_with_few_mistakes_is_in_no_order():
    whole = rng.generator(5, "rows of a copy with mistakes").integers(0, 10**5, 400)
    table = pa.table({"billed": whole, "paid": np.where(np.arange(400) % 100, whole, whole // 2)})
    found = discover(table, 0)
    assert [(one.relation.column, one.relation.text) for one in found] == [("paid", "billed")]
