"""What a column holds, in a few words."""

import datetime

import pyarrow as pa
import pytest

from raygen.commands.facts import facts

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


def of_rows(values, kind=None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, kind)])


MOMENT = datetime.datetime(2024, 2, 29, 12)
MEANS = {
    "whole numbers": (of_rows([*range(16), 10**18]), "17 values, about 3 to 111111111111111121"),
    "numbers": (of_rows([0.5] * 8 + [1.25] * 7 + [90.0]), "3 values, about 0.5 to 12.3438, often 0.5"),
    "days": (of_rows([DAY] * 8 + [datetime.date(1, 1, 1)]), "2 values, often 2024-02-29"),
    "moments": (
        of_rows([MOMENT + datetime.timedelta(seconds=k) for k in range(16)], pa.timestamp("us", "UTC")),
        "16 values, about 2024-02-29 12:00:03+00:00 to 2024-02-29 12:00:11+00:00",
    ),
    "times": (
        of_rows([datetime.time(hour) for hour in range(16)], pa.time32("s")),
        "16 values, about 03:30:00 to 11:30:00",
    ),
    "a rare boolean": (of_rows([True] * 20 + [False]), "2 values, often True"),
    "often enough": (of_rows([1] * 8 + [7] * 8), "2 values, 1 to 7, often 1 and 7"),
    "texts": (of_rows(["a"] * 9 + ["b"] * 7), "2 values, often a"),
}


@pytest.mark.parametrize(("column", "expected"), MEANS.values(), ids=MEANS)
def test_of_eight_rows_or_more(column, expected):
    assert facts(column, 8) == expected
