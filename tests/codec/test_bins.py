"""Codes of numbers and of strings: what goes in comes out, exactly or as near as a bar allows."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from raygen.codec.bins import NumericBlock
from raygen.codec.categories import CategoryBlock
from raygen.table.stats import MAX_DISTINCT, CategoryStats, NumericStats

NAN = float("nan")
patient = settings(deadline=None)  # the machine may be busy

NUMBERS = st.one_of(
    st.floats(-1e300, 1e300),
    st.integers(-50, 50).map(float),
    st.integers(-10_000, 10_000).map(lambda cents: cents / 100),
    st.sampled_from([NAN, 0.0, 1e300, -1e300, 5e-324, 2.0**60]),
)
COLUMNS = arrays(
    np.float64, st.integers(0, 400), elements=NUMBERS, fill=st.sampled_from([0.0, 7.0, NAN]) | st.nothing()
)
STRINGS = st.lists(st.none() | st.text("abc", max_size=3), max_size=60)


def numeric(values, bars=128) -> NumericBlock:
    return NumericBlock.fit(NumericStats.observe(np.asarray(values, float)), bars)


def there_and_back(block, values):
    codes, offsets = block.encode(values)
    return codes, block.decode(codes, (offsets + 0.5) / 256)


def strings(values) -> pa.Array:
    return pa.array(values, pa.large_string())


@patient
@given(COLUMNS, st.integers(4, 64))
def test_any_numbers(values, bars):
    block = numeric(values, bars)
    codes, back = there_and_back(block, values)
    missing = np.isnan(values)
    assert np.all((codes >= 0) & (codes < block.cardinality))
    assert np.array_equal(np.isnan(back), missing)
    atoms = np.append(block.grid[~block.is_bar, 0], np.nan)
    atom = np.isin(values, atoms)
    assert np.array_equal(back[atom], values[atom])  # exactly, at any magnitude
    for code in np.unique(codes[~missing]):
        inside = back[(codes == code) & ~missing]
        assert np.all((inside >= block.grid[code, 0]) & (inside <= block.grid[code, -1]))


@patient
@given(COLUMNS, st.integers(4, 64), st.floats(0, 1))
def test_any_draw_lies_in_the_observed_range_with_the_column_s_precision(values, bars, position):
    block = numeric(values, bars)
    drawn = block.decode(np.arange(block.cardinality), np.full(block.cardinality, position))
    present = values[~np.isnan(values)]
    assert np.isnan(drawn).sum() == (len(present) < len(values) or not len(values))
    drawn = drawn[~np.isnan(drawn)]
    if len(drawn):
        assert drawn.min() >= present.min()
        assert drawn.max() <= present.max()
    small = drawn[np.abs(drawn) < 1e6]
    exact = np.isin(small, values) | np.isin(small, block.spacing.snap(small))
    assert exact.all(), "a value of the table, or on its grid"


@patient
@given(COLUMNS, st.integers(4, 64))
def test_shares_of_a_numeric_block(values, bars):
    block = numeric(values, bars)
    assert len(block.frequencies()) == block.cardinality
    assert block.frequencies().sum() == pytest.approx(1)
    if len(block.grid):
        assert block.low[0] == 0
        assert block.high[-1] == pytest.approx(1)
        assert np.array_equal(block.low[1:], block.high[:-1])


@patient
@given(COLUMNS, st.integers(4, 64))
def test_a_numeric_block_survives_strict_json(values, bars):
    block = numeric(values, bars)
    again = NumericBlock.from_dict(json.loads(json.dumps(block.to_dict(), allow_nan=False)))
    codes, back = there_and_back(again, values)
    assert np.array_equal(codes, block.encode(values)[0])
    assert np.array_equal(back, there_and_back(block, values)[1], equal_nan=True)


rng = np.random.default_rng(5)
FEW_ENOUGH = {
    "constant": np.full(100, 3.25),
    "zero": np.zeros(20),
    "0 and 1": rng.integers(0, 2, 500),
    "whole numbers": rng.integers(-40, 40, 3000),
    "some missing": np.where(rng.random(3000) < 0.3, NAN, rng.integers(0, 50, 3000)),
    "cents": rng.integers(0, 200, 3000) / 100,
    "float32": rng.integers(0, 200, 3000).astype(np.float32).astype(float) / 3,
}


@pytest.mark.parametrize("values", FEW_ENOUGH.values(), ids=FEW_ENOUGH)
def test_few_distinct_numbers_are_all_atoms(values):
    block = numeric(values)
    codes, back = there_and_back(block, values)
    assert not block.is_bar.any()
    assert np.array_equal(back, values, equal_nan=True)
    assert block.frequencies() == pytest.approx(np.bincount(codes, minlength=block.cardinality) / len(values))
    assert np.all(np.diff(block.grid[:, 0]) > 0)  # codes are in the order of the values


MANY = {
    "normal": rng.normal(size=20_000),
    "heavy tail": rng.pareto(1.1, 20_000),
    "whole and skewed": np.round(rng.exponential(20_000, 20_000)),
    "hundreds": rng.integers(0, 100_000, 20_000) * 100.0,
    "cents": rng.normal(500, 100, 20_000).round(2),
    "mostly zero": np.where(rng.random(20_000) < 0.9, 0, rng.normal(size=20_000)),
    "capped": rng.normal(size=20_000).clip(-1, 1),
    "600 levels": rng.integers(0, 600, 20_000),
    "every row its own": np.arange(20_000.0),
    "a sketch": rng.normal(size=MAX_DISTINCT + 1000),
    "few rows": rng.normal(size=50),
}


@pytest.mark.parametrize("values", MANY.values(), ids=MANY)
def test_a_number_comes_back_within_its_bar(values):
    """Between a value and what it becomes lie fewer rows than a bar holds, as far as the statistics are
    exact."""
    block = numeric(values)
    codes, back = there_and_back(block, values)
    bars = int(block.is_bar.sum())
    assert 4 <= bars <= 128
    assert block.cardinality <= 256
    ordered = np.sort(values)
    between = np.minimum(
        np.abs(np.searchsorted(ordered, back, "left") - np.searchsorted(ordered, values, "right")),
        np.abs(np.searchsorted(ordered, back, "right") - np.searchsorted(ordered, values, "left")),
    )
    between[back == values] = 0
    assert between.max() <= 1.5 * len(values) / min(128, max(4, len(values) // 16))
    atom = ~block.is_bar[codes]
    assert np.array_equal(back[atom], values[atom])
    assert block.frequencies() == pytest.approx(
        np.bincount(codes, minlength=block.cardinality) / len(values), abs=0.003
    )


@pytest.mark.parametrize("values", MANY.values(), ids=MANY)
def test_draws_by_frequency_follow_the_column(values):
    block = numeric(values)
    draws = np.random.default_rng(3)
    codes = draws.choice(block.cardinality, 20_000, p=block.frequencies())
    drawn = block.decode(codes, draws.random(20_000))
    points = np.quantile(values, np.linspace(0.01, 0.99, 50))
    share = [np.searchsorted(np.sort(v), points, "right") / len(v) for v in (values, drawn)]
    assert np.abs(share[0] - share[1]).max() < (0.02 if len(values) > 100 else 0.1)


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("whole and skewed", 1),
        ("hundreds", 100),
        ("cents", 0.01),
        ("600 levels", 1),
        ("every row its own", 1),
    ],
)
def test_draws_keep_the_unit_of_the_column(name, unit):
    block = numeric(MANY[name])
    draws = np.random.default_rng(4)
    drawn = block.decode(draws.integers(0, block.cardinality, 5000), draws.random(5000))
    assert np.array_equal(drawn, np.round(np.round(drawn / unit) * unit, 2))


def test_draws_of_float32_stay_in_their_range():
    """The lowest value is 0.1 in 32 bits, a little more than the 0.1 in 64 bits that it is rounded to."""
    values = (np.arange(1, 2000) / 10).astype(np.float32).astype(float)
    block = NumericBlock.fit(NumericStats.observe(values, single=True), 128)
    assert block.spacing.decimals == 1
    assert block.decode(np.array([0]), np.array([0.0])) == values[0] > 0.1


def test_a_spike_is_an_atom_and_what_is_left_is_bars():
    values = np.where(np.arange(20_000) % 2, 0.0, np.random.default_rng(1).normal(size=20_000))
    block = numeric(values, bars=64)
    assert block.grid[~block.is_bar, 0].tolist() == [0.0]
    assert block.frequencies()[~block.is_bar].item() == pytest.approx(0.5)
    assert 32 <= block.is_bar.sum() <= 34


def test_a_small_table_gets_fewer_bars():
    assert numeric(np.random.default_rng(1).normal(size=160)).is_bar.sum() <= 10


def test_numbers_that_the_statistics_never_saw():
    atoms = numeric([1.0, 1.0, 5.0, 9.0])
    assert there_and_back(atoms, np.array([-7.0, 2.9, 3.1, 100.0]))[1].tolist() == [1.0, 1.0, 5.0, 9.0]
    bars = numeric(np.arange(1000.0))
    assert there_and_back(bars, np.array([-7.0, 5000.0]))[1].tolist() == pytest.approx([0.0, 999.0], abs=1)


@pytest.mark.parametrize("values", [[], [NAN] * 12])
def test_a_column_without_values(values):
    block = numeric(values)
    assert block.cardinality == 1
    assert block.frequencies().tolist() == [1.0]
    codes, back = there_and_back(block, np.array(values, float))
    assert codes.tolist() == [0] * len(values)
    assert np.isnan(back).all()


@patient
@given(STRINGS, st.integers(8, 10))
def test_any_strings(values, max_categories):
    values = strings(values)
    block = CategoryBlock.fit(CategoryStats.observe(values), max_categories)
    codes, _ = block.encode(values)
    assert np.all((codes >= 0) & (codes < block.cardinality))
    assert block.cardinality <= max_categories + 1
    assert block.frequencies() == pytest.approx(
        np.bincount(codes, minlength=block.cardinality) / len(values) if len(values) else 1
    )
    for position in (0.0, 0.5, 1 - 1e-7):
        back = block.decode(codes, np.full(len(codes), position))
        assert back.is_null().equals(values.is_null())
        assert np.array_equal(block.encode(back.cast(values.type))[0], codes)
        if block.num_codes == len(block.members):
            assert back.cast(values.type).equals(values)
    again = CategoryBlock.from_dict(json.loads(json.dumps(block.to_dict(), allow_nan=False)))
    assert np.array_equal(again.encode(values)[0], codes)


def test_categories_come_most_frequent_first_and_missing_last():
    block = CategoryBlock.fit(CategoryStats.observe(strings(["b", "a", "c", None, "c"])), 256)
    assert block.encode(strings(["c", "a", "b", None]))[0].tolist() == [0, 1, 2, 3]
    assert block.frequencies().tolist() == pytest.approx([0.4, 0.2, 0.2, 0.2])


def test_members_of_a_group_are_drawn_by_their_frequency():
    counts = {f"city {i:03}": 1 + i % 7 for i in range(300)} | {"capital": 5000}
    values = strings([name for name, count in counts.items() for _ in range(count)])
    block = CategoryBlock.fit(CategoryStats.observe(values), 16)
    codes, _ = block.encode(values)
    assert block.num_codes <= 16
    assert block.frequencies().max() == pytest.approx(5000 / len(values))
    again = np.repeat(np.arange(block.cardinality), np.bincount(codes) * 50)
    positions = np.concatenate([(np.arange(n) + 0.5) / n for n in np.bincount(codes) * 50])
    drawn = block.decode(again, positions).value_counts().to_pylist()
    assert {d["values"]: round(d["counts"] / 50) for d in drawn} == counts


def test_strings_that_the_statistics_dropped_are_spread_over_the_groups():
    """Beyond 100,000 strings the rare ones are forgotten; their rows must not turn into missing values."""
    names = [f"user {i:06}" for i in range(130_000)]
    values = strings(names + ["guest"] * 50_000)
    block = CategoryBlock.fit(CategoryStats.observe(values), 256)
    codes, _ = block.encode(values)
    assert block.missing == 0
    assert codes.max() < block.cardinality == block.num_codes
    assert block.encode(strings(["guest"]))[0].tolist() == [0]
    assert block.decode(codes, np.full(len(codes), 0.3)).null_count == 0
    forgotten = strings(sorted(set(names) - set(block.members)))
    assert len(forgotten) >= 30_000
    groups = np.bincount(block.encode(forgotten)[0], minlength=block.num_codes)[128:]
    assert groups.min() > 0.7 * groups.mean()
    assert groups.sum() == len(forgotten)


def test_a_string_unknown_to_a_column_of_few():
    block = CategoryBlock.fit(CategoryStats.observe(strings(["a", "a", "b"])), 256)
    assert block.encode(strings(["z"]))[0].tolist() == [1]
    empty = CategoryBlock.fit(CategoryStats.observe(strings([None])), 256)
    assert empty.encode(strings(["z", None]))[0].tolist() == [0, 0]
    assert empty.decode(np.array([0]), np.array([0.5])).to_pylist() == [None]


def test_strings_of_one_group_go_together_in_another_column():
    names = [f"plane {i:04d}" for i in range(2000)]
    kin = {name: f"carrier {i % 7}" for i, name in enumerate(names)}
    values = strings([name for i, name in enumerate(names) for _ in range(1 + i % 3)])
    block = CategoryBlock.fit(CategoryStats.observe(values), 64, kin=kin)
    assert block.cardinality <= 64 and len(block.members) == 2000
    grouped = np.flatnonzero(np.bincount(block.codes) > 1)
    assert len(grouped) > 20
    for code in grouped:
        assert len({kin[block.members[i]] for i in np.flatnonzero(block.codes == code)}) == 1
    assert block.decode(block.encode(values)[0], np.zeros(len(values))).null_count == 0


def test_groups_are_as_ever_where_there_are_too_many_kinds():
    names = [f"plane {i:04d}" for i in range(2000)]
    stats = CategoryStats.observe(strings(names))
    plain, kin = CategoryBlock.fit(stats, 64), {name: f"{i % 900}" for i, name in enumerate(names)}
    assert CategoryBlock.fit(stats, 64, kin=kin).num_codes == plain.num_codes


@pytest.mark.parametrize("power", [-310, -300, 0])
def test_the_smallest_numbers_have_codes(power):
    """Such as p-values near zero, which differ by less than the inverse of the largest float."""
    values = np.random.default_rng(3).random(2000) * 10.0**power
    values[:200] = np.linspace(1e-320, 5e-315, 200)
    block = NumericBlock.fit(NumericStats.observe(values), 64)
    with np.errstate(all="raise", under="ignore"):
        codes, offsets = block.encode(values)
    order = np.argsort(values)
    assert np.all(np.diff(codes[order]) >= 0) and len(np.unique(codes)) > 50
    made = block.decode(codes, (offsets + 0.5) / 256)
    assert values.min() <= made.min() and made.max() <= values.max()
