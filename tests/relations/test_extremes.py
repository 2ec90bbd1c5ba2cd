"""Numbers at the ends of their types in relations: exact, and told from their neighbours."""

from decimal import Decimal, localcontext
from fractions import Fraction
from math import floor

import numpy as np
import pyarrow as pa
import pytest

from raygen.errors import ConfigError
from raygen.relations.discovery import discover
from raygen.relations.language import parse
from raygen.relations.relation import HOLDS
from tests.relations.test_reduction import any_codes, fitted, reduced

ROWS = 200
STEPS = np.arange(ROWS) * 7 % 50
FORMS = {
    "x": lambda x, i: x,
    "x + 1": lambda x, i: x + 1,
    "x - i": lambda x, i: x - i,
    "2 * x": lambda x, i: 2 * x,
    "x * i": lambda x, i: x * i,
    "abs(x)": lambda x, i: abs(x),
    "-x": lambda x, i: -x,
    "floor(x / 3)": lambda x, i: Fraction(floor(x / 3)),
}
SIGNS = {">= x": lambda y, x: y >= x, "< x": lambda y, x: y < x, "!= x": lambda y, x: y != x}


def numbers(first: int, step: int, kind: pa.DataType) -> pa.Array:
    whole = [first + step * int(one) for one in STEPS]
    if not pa.types.is_decimal(kind):
        return pa.array(whole, kind)
    with localcontext(prec=90):
        return pa.array([Decimal(one).scaleb(-kind.scale) for one in whole], kind)


def table(kind: pa.DataType, low: int, high: int) -> pa.Table:
    """Numbers from both ends of a type, and such as follow from them."""
    ends = {"low": numbers(low, 1, kind), "next": numbers(low + 1, 1, kind), "high": numbers(high, -1, kind)}
    return pa.table(ends | {"less": numbers(high - 1, -1, kind), "i": STEPS})


LARGE = 10**38 - 1
TABLES = {
    "uint64": table(pa.uint64(), 0, 2**64 - 1),
    "int64": table(pa.int64(), -(2**63), 2**63 - 1),
    "decimal128(38, 0)": table(pa.decimal128(38, 0), -LARGE, LARGE),
    "decimal128(38, 38)": table(pa.decimal128(38, 38), -LARGE, LARGE),
    "decimal256(70, 5)": table(pa.decimal256(70, 5), -(10**70) + 1, 10**70 - 1),
}


@pytest.mark.parametrize("name", TABLES)
def test_what_keeps_a_relation_is_exact(name):
    rows = TABLES[name]
    exact = {column: [Fraction(one) for one in rows[column].to_pylist()] for column in rows.column_names}
    for y in rows.column_names:
        for x in (one for one in rows.column_names if one != y):
            for form in (*FORMS, *SIGNS):
                text = form.replace("x", x) if y != "i" or " i" not in form else x
                try:
                    relation = parse(y, text, "always", rows.schema)
                except ConfigError:
                    continue
                triples = zip(exact[y], exact[x], exact["i"], strict=True)
                if form in SIGNS:
                    expected = [SIGNS[form](own, other) for own, other, _ in triples]
                else:
                    make = FORMS["x"] if text == x else FORMS[form]
                    expected = [own == make(other, i) for own, other, i in triples]
                assert np.array_equal(relation.keeps(rows) == HOLDS, expected), (y, text)


@pytest.mark.parametrize("name", TABLES)
def test_what_is_found_gives_the_table_back(name):
    rows = TABLES[name]
    found = [one.relation for one in discover(rows, 0)]
    reduction = reduced(rows, [(one.column, one.phrase.removeprefix("= ")) for one in found])
    back = reduction.restore(*reduction.reduce(rows), lambda column, shift=0.0: pytest.fail(column))
    assert back.equals(rows)


@pytest.mark.parametrize("name", TABLES)
def test_an_order_between_the_ends_of_a_type_is_kept_by_any_rows(name):
    rows = TABLES[name].select(["low", "high", "i"])
    reduction = reduced(rows, {"high": ">= low"})
    assert [use.how for use in reduction.uses] in (["difference"], ["override"])
    back = reduction.restore(*reduction.reduce(rows), lambda column, shift=0.0: pytest.fail(column))
    assert back.equals(rows)
    codec = fitted(rows, reduction)
    made = codec.decode(*any_codes(codec, ROWS))
    assert (reduction.uses[0].relation.keeps(made) == HOLDS).all()


def test_floats_near_the_largest_are_no_traceback():
    odd = STEPS % 2 == 1
    rows = pa.table(
        {
            "a": np.where(odd, 1e300, 0.1),
            "b": np.where(odd, 2e300, 0.2),
            "c": np.where(odd, np.inf, STEPS),
            "d": np.where(odd, 5e-324, STEPS),
            "i": STEPS,
        }
    )
    found = {(one.relation.column, one.relation.text) for one in discover(rows, 0)}
    assert found
