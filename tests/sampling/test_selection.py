"""Conditions as pieces of codes: exactly the codes and positions whose values satisfy them, for every type of
column."""

import datetime
import itertools
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from raygen.codec.code_ranges import STEP
from raygen.codec.codec import Codec
from raygen.codec.parts import observe
from raygen.errors import ConfigError
from raygen.sampling.selection import select
from raygen.table.part import Part
from raygen.table.schema import Schema

ROWS = 4000
DAY = datetime.date(2024, 1, 1)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(0)

    def gaps(array, share=0.1):
        return pa.array(array, mask=rng.random(ROWS) < share)

    wage = np.where(rng.random(ROWS) < 0.3, 0, np.round(rng.lognormal(8, 1, ROWS), 2))
    days = rng.integers(0, 900, ROWS)
    city = np.append(np.arange(700), rng.zipf(1.3, ROWS - 700) % 700)
    return pa.table(
        {
            "age": pa.array(17 + rng.binomial(60, 0.3, ROWS)),  # atoms alone
            "weight": pa.array(rng.integers(0, 10**6, ROWS) * 10),  # bars of whole tens
            "wage": gaps(wage),  # an atom and bars
            "single": pa.array(rng.normal(0, 1, ROWS).astype(np.float32)),
            "price": pa.array(
                [Decimal(int(v)) / 100 for v in rng.integers(0, 10**6, ROWS)], pa.decimal128(10, 2)
            ),
            "city": pa.array(
                [f"city {c:03}" if c != 699 else None for c in city]
            ),  # groups of several members
            "flag": gaps(rng.random(ROWS) < 0.3),
            "kind": pa.array(rng.choice([10, 20, 30], ROWS)),
            "when": gaps(
                [
                    datetime.datetime(2024, 1, 1)
                    + datetime.timedelta(days=int(d), seconds=int(d) * 61 % 86_400)
                    for d in days
                ]
            ),
            "day": pa.array([DAY + datetime.timedelta(days=int(d)) for d in days]),
            "long": pa.array([DAY + datetime.timedelta(days=int(d)) for d in 13 * days]),
            "yyyymmdd": [
                int(f"{DAY + datetime.timedelta(days=int(d)):%Y%m%d}") for d in rng.integers(0, 9000, ROWS)
            ],
            "clock": pa.array(rng.integers(0, 86_400, ROWS), pa.int64())
            .cast(pa.int32())
            .cast(pa.time32("s")),
            "number": pa.array(np.arange(ROWS)),
            "note": pa.array(["x"] * ROWS),
        }
    )


KINDS = {"city": "categorical", "flag": "boolean", "kind": "categorical", "number": "id", "note": "drop"}
KINDS |= dict.fromkeys(("age", "weight", "wage", "single", "price", "yyyymmdd"), "numeric") | dict.fromkeys(
    ("when", "day", "long", "clock"), "datetime"
)


@pytest.fixture(scope="module")
def codec(table) -> Codec:
    schema = Schema.of(table.schema, KINDS, "here")
    return Codec.fit(schema, observe(schema, table), bars=32, max_categories=32)


def known(holds):
    return lambda value: value is not None and holds(value)


CASES = {
    "age = 30": known(lambda v: v == 30),
    "age IN (20, 30, 31) AND age != 30": lambda v: v in (20, 31),
    "age >= 30 AND age < 40": lambda v: 30 <= v < 40,
    "age NOT IN (30, 31)": lambda v: v not in (30, 31),
    "weight BETWEEN 100001 AND 2000009": lambda v: 100_001 <= v <= 2_000_009,
    "weight < 5e6 AND weight > 4999990": None,
    "weight IN (200000, 200050, 200010, 9000000)": lambda v: v in (200_000, 200_050, 200_010, 9_000_000),
    "wage = 0": known(lambda v: v == 0),
    "wage > 0": known(lambda v: v > 0),
    "wage > 1000.005 AND wage <= 1000.5": known(lambda v: 1000.005 < v <= 1000.5),
    "wage != 0": known(lambda v: v != 0),
    "wage IS NULL": lambda v: v is None,
    "wage IS NOT NULL": lambda v: v is not None,
    "single > 0.1": lambda v: np.float32(v) > np.float32(0.1),
    "single >= 0.1 AND single < 0.3": lambda v: np.float32(0.1) <= np.float32(v) < np.float32(0.3),
    "price BETWEEN 10.01 AND 20": lambda v: Decimal("10.01") <= v <= 20,
    "city = 'city 001'": lambda v: v == "city 001",
    "city IN ('city 001', 'city 333', 'city 334', 'city 335', 'city 600')": lambda v: (
        v in {f"city {i:03}" for i in (1, 333, 334, 335, 600)}
    ),
    "city != 'city 333'": known(lambda v: v != "city 333"),
    "city IS NULL": lambda v: v is None,
    "flag = true": lambda v: v is True,
    "flag != true": lambda v: v is False,
    "kind IN (10, '30')": lambda v: v in (10, 30),
    "when >= '2024-06-01' AND when < '2025-01-01'": known(
        lambda v: datetime.datetime(2024, 6, 1) <= v < datetime.datetime(2025, 1, 1)
    ),
    "when = '2024-03-05'": known(lambda v: v.date() == datetime.date(2024, 3, 5)),
    "day BETWEEN '2024-06-01' AND '2024-06-30'": lambda v: (v.year, v.month) == (2024, 6),
    "long >= '2030-03-02' AND long < '2031-01-01'": lambda v: (
        datetime.date(2030, 3, 2) <= v < datetime.date(2031, 1, 1)
    ),
    "yyyymmdd > 20301231 AND yyyymmdd <= 20350704": lambda v: 20301231 < v <= 20350704,
}


@pytest.mark.parametrize("where", [w for w, holds in CASES.items() if holds])
def test_a_position_is_in_a_piece_if_and_only_if_its_value_satisfies_the_condition(where, codec):
    column, holds = where.split()[0], CASES[where]
    found = select(codec, where)
    rng = np.random.default_rng(1)
    number = codec.parts.index(Part(column))
    pieces = found.pieces[number]
    size = codec.blocks[Part(column)].cardinality
    ends = np.concatenate([pieces.low, pieces.high])
    codes = np.concatenate([np.repeat(np.arange(size), 300), np.tile(pieces.codes, 2)])
    position = np.concatenate([rng.random(300 * size).astype(np.float32), ends])
    every, inside = (
        np.zeros((len(codes), codec.num_columns), int),
        np.zeros((len(codes), codec.num_columns), np.float32),
    )
    every[:, number], inside[:, number] = codes, position
    for part in set(Part.calendar(column)) & set(codec.parts):
        own = codec.parts.index(part)
        every[:, own] = rng.integers(0, codec.cardinalities[own], len(codes))
    values = codec.decode(every, inside)[column].to_pylist()
    same = codes[:, None] == pieces.codes
    within = (same & (position[:, None] >= pieces.low) & (position[:, None] <= pieces.high)).any(axis=1)
    truth = np.array([bool(holds(v)) for v in values])
    beyond = (
        same & (np.minimum(abs(position[:, None] - pieces.low), abs(position[:, None] - pieces.high)) < STEP)
    ).any(axis=1) & ~within
    assert truth.any() and within[-len(ends) :].all()
    if found.tests:
        assert Part(column) in codec.movers and within[truth].all()
    held = within & found.tests.hold(every, inside) if found.tests else within
    np.testing.assert_array_equal(held[~beyond], truth[~beyond])
    shares = np.bincount(pieces.codes, pieces.share, size)
    drawn = np.bincount(codes[: 300 * size], within[: 300 * size], size) / 300
    assert np.abs(shares - drawn).max() < 0.2


def test_a_rare_member_of_a_group_restricts_its_draw(codec):
    block = codec.blocks[Part("city")]
    rare = block.members[-1]
    pieces = select(codec, f"city = '{rare}'").pieces[codec.parts.index(Part("city"))]
    assert len(pieces.codes) == 1 and 0 < pieces.share[0] < 1
    of_code = block.shares[block.codes == pieces.codes[0]]
    assert pieces.share[0] == pytest.approx(of_code[-1] / of_code.sum(), abs=1e-6)


def test_a_member_too_rare_for_any_position_is_refused(codec):
    block = codec.blocks[Part("city")]
    shares = np.where(np.arange(len(block.members)) == len(block.members) - 2, 1e-12, block.shares)
    other = Codec(codec.schema, codec.blocks | {Part("city"): replace(block, shares=shares)})
    rare = block.members[-2]
    with pytest.raises(ConfigError, match="no value that the model can give"):
        select(other, f"city = '{rare}'")
    with pytest.raises(ConfigError, match=f"category '{rare}' is too rare to be drawn") as caught:
        select(other, "", "city=5")
    assert "NOT IN" in caught.value.hint


def test_conditions_on_a_missing_datetime_concern_both_parts(codec):
    parts = {codec.parts[i]: p for i, p in select(codec, "when IS NULL").pieces.items()}
    assert {n: list(p.codes) for n, p in parts.items()} == {
        n: [codec.blocks[n].cardinality - 1] for n in Part.every("when") if n in codec.parts
    }
    assert set(select(codec, "when > '2024-02-01'").pieces) == {
        codec.parts.index(part) for part in Part.every("when") if part in codec.parts
    }


def test_no_condition_and_one_that_all_rows_satisfy(codec):
    assert select(codec, "") is None
    assert select(codec, "age IS NOT NULL").pieces == {}


@pytest.mark.parametrize(
    ("where", "message", "hint"),
    [
        ("agee > 3", "no column 'agee'", "did you mean 'age'"),
        ("number > 3", "column 'number' is of kind id", "name one of: "),
        ("note = 'x'", "column 'note' is of kind drop", "name one of: "),
        ("city = 'city 0001'", r"no category 'city 0001' \(\d+ are known\)", "did you mean 'city 001'"),
        ("city > 'city 001'", "compares the categories of column 'city' by size", "=, != or IN"),
        ("age = '30'", "compares the numbers of column 'age' with '30'", "without quotes"),
        ("age IN (30, 'x')", "compares the numbers of column 'age' with 'x'", "without quotes"),
        ("age = true", "compares the numbers of column 'age' with true", "without quotes"),
        ("when > 20240101", "compares the days of column 'when' with 20240101", "2024-01-31"),
        ("when > '2024-01-01 10:00'", "compares the days", "compared by their day"),
        ("clock = '10:00'", r"column 'clock' of type time32\[s\] has no day", "other columns"),
        ("age BETWEEN 40 AND 30", "nothing satisfies .*its range is empty", "change"),
        ("age > 40 AND age < 41 AND age > 50", "its range is empty", "change"),
        ("age > 1e400", "the model gives values from [0-9]+ to [0-9]+", "change"),
        ("age < -1e400", "the model gives values from [0-9]+ to [0-9]+", "change"),
        ("age > 300", "the model gives values from [0-9]+ to [0-9]+", "change"),
        ("when < '1999-01-01'", "the model gives values from 2024-01-01 to 2026-", "change"),
        ("age = 30.5", "no value that the model can give satisfies it", "change"),
        ("wage IS NULL AND wage > 3", "no value is missing and satisfies the rest", "change"),
        ("age IS NULL", "column 'age' has no missing values", "change"),
        ("flag = true AND flag = false", "nothing satisfies", "change"),
    ],
)
def test_a_condition_that_cannot_be_met_is_refused(where, message, hint, codec):
    with pytest.raises(ConfigError, match=message) as caught:
        select(codec, where)
    assert hint in caught.value.hint


def test_strata_are_the_categories_in_order_each_with_its_rows(codec):
    found = select(codec, "age > 30 AND city NOT IN ('city 001', 'city 002')", "city=7")
    names = [s.name for s in found.strata]
    assert names == sorted(set(codec.blocks[Part("city")].members) - {"city 001", "city 002"})
    assert found.num_rows == 7 * len(names)
    assert set(found.pieces) == {codec.parts.index(Part("age"))}
    assert found.describe(3) == f"city = '{names[3]}' AND age > 30"
    block = codec.blocks[Part("city")]
    for one in found.strata:
        (code,), ends = one.pieces.codes, np.concatenate([one.pieces.low, one.pieces.high])
        both = block.decode(np.full(2, code), ends)
        assert both.to_pylist() == [one.name] * 2


@pytest.mark.parametrize(("rows", "size"), [(10, 3), (10, 10), (7, 100)])
def test_blocks_of_strata_cover_each_row_once_and_hold_one_stratum(rows, size, codec):
    found = select(codec, "", f"kind={rows}")
    assert found.num_laws == 3
    seen = [(n, r) for n, a, b in found.blocks(0, 3 * rows, size) for r in range(a, b)]
    assert len(seen) == len(set(seen)) == 3 * rows
    assert [n % 3 for n, _ in seen] == sorted(n % 3 for n, _ in seen)
    for first, last in itertools.combinations(range(0, 3 * rows + 1, 2), 2):
        assert [(n, r) for n, a, b in found.blocks(first, last, size) for r in range(a, b)] == seen[
            first:last
        ]


@pytest.mark.parametrize(
    ("where", "per", "message"),
    [
        ("", "agee=5", "generate.per: the model has no column 'agee'"),
        ("", "number=5", "generate.per: column 'number' is of kind id"),
        ("", "age=5", "column 'age' is numeric"),
        ("city IS NULL", "city=5", "no category of 'city' satisfies"),
    ],
)
def test_another_per_is_refused(where, per, message, codec):
    with pytest.raises(ConfigError, match=message):
        select(codec, where, per)


def test_numbers_learned_by_squared_error_have_no_pieces(table):
    schema = Schema.of(table.schema, KINDS, "here")
    gaussian = Codec.fit(schema, observe(schema, table), bars=32, max_categories=32, numeric="gaussian")
    with pytest.raises(ConfigError, match="learned by squared error"):
        select(gaussian, "age > 30")
    assert list(select(gaussian, "wage IS NULL AND flag = true").pieces) == [
        gaussian.parts.index(Part(n)) for n in ("wage", "flag")
    ]
