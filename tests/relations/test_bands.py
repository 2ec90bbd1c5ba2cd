"""Categories that the range of a number decides: found, with round limits, and kept by any row."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from raygen.relations.counts import Counts
from raygen.relations.discovery import discover
from raygen.relations.finding.bands import _limit
from raygen.relations.language import parse
from raygen.relations.reduction import Reduction
from raygen.relations.uses import uses
from raygen.table.schema import Schema, infer
from tests.relations.test_reduction import any_codes, fitted

ROWS = 2000
STREAM = np.random.default_rng(8)
AMOUNT = STREAM.lognormal(5, 1.5, ROWS).round(2)
BAND = np.array(["low", "mid", "high"])[np.digitize(AMOUNT, [100, 1000])]
TABLE = pa.table(
    {
        "amount": pa.array(AMOUNT, mask=STREAM.random(ROWS) < 0.1),
        "band": BAND,
        "frost": pa.array(STREAM.normal(0, 10, ROWS).round(1)),
        "other": STREAM.choice(["a", "b", "c"], ROWS),
    }
)
RULES = {
    "'low' where amount < 100",
    "'mid' where amount >= 100 and amount < 1000",
    "'high' where amount >= 1000",
}


def found(table: pa.Table) -> set[tuple[str, str]]:
    return {(one.relation.column, one.relation.text) for one in discover(table, 0)}


def test_a_rule_for_each_category():
    assert found(TABLE) == {("band", rule) for rule in RULES}


def test_truths_and_whole_numbers_of_which_a_limit_belongs_to_the_lower_part():
    cold = TABLE["frost"].to_numpy() > 0
    table = TABLE.append_column("warm", pa.array(cold)).append_column("grade", pa.array(np.where(cold, 7, 3)))
    rules = found(table.select(["frost", "warm"]))
    assert rules == {("warm", "false where frost <= 0"), ("warm", "true where frost > 0")}
    assert ("grade", "3 where frost <= 0") in found(table.select(["frost", "grade"]))


@pytest.mark.parametrize("broken", [1, 100])
def test_ranges_that_overlap_are_none(broken):
    band = BAND.copy()
    band[np.argsort(AMOUNT)[:broken]] = "high"
    assert not found(TABLE.set_column(1, "band", pa.array(band)))


def test_a_category_is_missing_where_its_number_is():
    gone = STREAM.random(ROWS) < 0.2
    table = pa.table({"amount": pa.array(AMOUNT, mask=gone), "band": pa.array(BAND, mask=gone)})
    assert found(table) == {("band", rule) for rule in (*RULES, "missing where amount is missing")}


@pytest.mark.parametrize("factor", [1e-40, 1e40])
def test_limits_that_the_language_cannot_write_are_none(factor):
    assert not found(pa.table({"amount": AMOUNT * factor, "band": BAND}))


def test_few_rows_divided_by_chance_are_none():
    amount = STREAM.normal(size=60).round(2)
    kind = np.where(np.argsort(np.argsort(amount)) < 8, "a", "b")
    assert not found(pa.table({"amount": amount, "kind": kind}))


@pytest.mark.parametrize(
    ("below", "above", "step", "limit"),
    [
        (998.53, 1003.4, "0.01", (1000, False)),
        (1000.0, 1003.4, "0.01", (1000, True)),  # many values end there
        (96.0, 131.0, "1", (100, False)),
        (-131.0, -96.0, "1", (-100, False)),
        (-0.5, 0.0, "0.1", (0, False)),
        (17.0, 18.0, "1", (17.5, False)),  # neither of which is told
        (29.0, 30.0, "1", (30, False)),
        (12.31, 12.36, "0.01", (12.335, False)),
    ],
)
def test_a_limit_is_round_and_none_of_a_row(below, above, step, limit):
    at = _limit(below, above, Decimal(step), False, False)
    assert (float(at.at), at.is_below) == limit


def test_a_limit_may_be_what_many_rows_have():
    assert _limit(17.0, 18.0, Decimal(1), False, True) == (18, False, 1)
    assert _limit(17.0, 18.0, Decimal(1), True, False) == (17, True, 1)


def test_any_row_keeps_them():
    schema = Schema.of(TABLE.schema, infer(TABLE)[0], "here")
    relations = [parse("band", rule, "always", TABLE.schema) for rule in sorted(RULES)]
    counts = Counts(relations)
    counts.observe(TABLE)
    reduction = Reduction(schema, uses(counts.verified(), counts.counts, schema))
    codec = fitted(TABLE, reduction)
    codec.encode(TABLE)
    rows = codec.decode(*any_codes(codec, ROWS))
    known = rows["amount"].is_valid().to_numpy()
    amount, band = rows["amount"].to_numpy()[known], np.array(rows["band"].to_pylist())[known]
    assert (band == np.array(["low", "mid", "high"])[np.digitize(amount, [100, 1000])]).all()
    assert set(np.array(rows["band"].to_pylist())[~known]) == set(BAND) and rows["band"].null_count == 0
