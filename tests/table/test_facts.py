"""What a column holds, in a few words."""

import datetime

import pyarrow as pa
import pytest

from raygen.table.facts import facts

DAY = datetime.date(2024, 2, 29)
FACTS = {
    "numbers": (pa.array([3] * 6 + [1, 7]), "3 values, 1 to 7, often 3"),
    "some missing": (pa.array([1, 2, None, None]), "2 values, 1 to 2, 50 % missing"),
    "days": (
        pa.array([DAY] * 5 + [datetime.date(1, 1, 1)]),
        "2 values, 0001-01-01 to 2024-02-29, often 2024-02-29",
    ),
    "texts": (pa.array(["a"] * 9 + ["b"] * 5 + ["rare"]), "3 values, often a and b"),
    "a long text": (pa.array(["x" * 99] * 5 + ["y"]), f"2 values, often {'x' * 24}..."),
    "a constant": (pa.array(["k"] * 9), "1 value"),
    "a dictionary": (pa.array(["u"] * 5 + ["v"]).dictionary_encode(), "2 values, often u"),
    "no value": (pa.nulls(4, pa.int64()), "0 values, 100 % missing"),
    "structs": (pa.array([{"a": 1}] * 3), ""),
}


@pytest.mark.parametrize(("column", "expected"), FACTS.values(), ids=FACTS)
def test_facts(column, expected):
    assert facts(pa.chunked_array([column])) == expected


def test_what_few_rows_have_is_no_example():
    assert "often" not in facts(pa.chunked_array([["Ann", "Bo", "Ann", "Cy", "Ann", "Ann"]]))
