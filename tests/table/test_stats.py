"""Merging statistics answers as observing everything at once: exactly, and within the sketches' bounds beyond
100,000 values."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from raygen.table.stats import MAX_DISTINCT, CategoryStats, NumericStats

NAN = float("nan")
patient = settings(deadline=None)  # the machine may be busy
NUMBERS = st.one_of(
    st.floats(allow_infinity=False),
    st.integers(-1000, 1000).map(float),
    st.integers(-10_000, 10_000).map(lambda cents: cents / 100),
    st.sampled_from([NAN, 0.0, 1e15 + 0.5, 2.0**60, 1e308]),
)
COLUMNS = st.lists(NUMBERS, max_size=30).map(np.array)
STRINGS = st.lists(st.none() | st.text(max_size=3), max_size=30).map(
    lambda values: pa.array(values, pa.large_string())
)


def numeric_answers(stats: NumericStats) -> dict:
    return vars(stats) | {
        "values": stats.values.tolist(),
        "counts": stats.counts.tolist(),
        "digits": stats.digits.tolist(),
        "special": stats.special.tolist(),
        "first": stats.first.tolist(),
        "last": stats.last.tolist(),
    }


def largest_rank_error(stats: NumericStats, values: np.ndarray) -> float:
    """Largest distance between the shares that the statistics claim and those of the values themselves."""
    found, shares = stats.distribution()
    assert shares.sum() == pytest.approx(1)
    return np.abs(
        np.cumsum(shares) - np.searchsorted(np.sort(values), found, side="right") / len(values)
    ).max()


@patient
@given(COLUMNS, COLUMNS)
@example(np.array([1.0]), np.array([1e308]))  # which is beyond what is learned
@example(np.array([1.0, 3.0]), np.array([1e300, -1e308]))
def test_numeric_merge_answers_as_one_pass(a, b):
    merged = NumericStats.merge(NumericStats.observe(a), NumericStats.observe(b))
    assert numeric_answers(merged) == numeric_answers(NumericStats.observe(np.concatenate([a, b])))


@patient
@given(STRINGS, STRINGS)
def test_category_merge_answers_as_one_pass(a, b):
    merged, whole = (
        CategoryStats.merge(CategoryStats.observe(a), CategoryStats.observe(b)),
        CategoryStats.observe(pa.concat_arrays([a, b])),
    )
    assert merged == whole
    assert merged.frequencies() == whole.frequencies()


@pytest.mark.parametrize(
    ("values", "digits", "divisor"),
    [
        ([], None, 0),
        ([NAN], None, 0),
        ([0.0], 0, 0),
        ([3.0, 6.0, -9.0], 0, 3),
        ([1.0, 3.0, 9.0], 0, 2),
        ([7000.0, 1500.0], 0, 5500),
        ([5.0, 2.0**60], 0, 1),
        ([1.5, 2.0], 1, 1),
        ([0.1, 0.25, 1234567.89], 2, 1),
        ([0.00000001], 8, 1),
        ([1 / 3], 9, 1),
    ],
)
def test_digits_and_divisor(values, digits, divisor):
    stats = NumericStats.observe(np.array(values, float))
    assert np.flatnonzero(stats.digits).max(initial=-1) == (-1 if digits is None else digits)
    assert stats.digits.sum() == stats.num_rows - stats.num_missing
    assert stats.divisor == divisor


def test_digits_of_float32_are_those_that_were_written():
    stored = np.array([0.1, 2.35, 7.0], np.float32).astype(float)
    assert NumericStats.observe(stored, single=True).digits[:3].tolist() == [1, 1, 1]
    assert NumericStats.observe(stored).digits[9] == 2


@pytest.mark.parametrize("parts", [([3.0, 9.0], [15.0]), ([NAN], [4.0, 4.0], [10.0]), ([1.0], [1.5], [2.0])])
def test_the_divisor_of_merged_parts_is_that_of_all(parts):
    merged = NumericStats.observe(np.empty(0))
    for part in parts:
        merged = NumericStats.merge(merged, NumericStats.observe(np.array(part)))
    whole = NumericStats.observe(np.concatenate([np.array(part) for part in parts]))
    assert merged.divisor == whole.divisor
    assert np.array_equal(merged.digits, whole.digits)


def test_numeric_distribution_and_range():
    stats = NumericStats.observe(np.array([2.0, NAN, 1.0, 2.0, 2.0]))
    values, shares = stats.distribution()
    assert (stats.num_rows, stats.num_missing, stats.minimum, stats.maximum) == (5, 1, 1.0, 2.0)
    assert values.tolist() == [1.0, 2.0]
    assert shares.tolist() == [0.25, 0.75]


def test_frequencies_come_by_count_then_name():
    stats = CategoryStats.observe(pa.array(["b", "a", "c", None, "c"], pa.large_string()))
    assert (stats.num_rows, stats.num_missing) == (5, 1)
    assert stats.frequencies() == [("c", 2), ("a", 1), ("b", 1)]


def test_numeric_sketch_of_merged_parts_is_within_its_bound():
    """Three parts: one that is a sketch already, one that becomes a sketch with it, and one value on two
    million rows."""
    rng = np.random.default_rng(1)
    parts = [
        rng.normal(size=MAX_DISTINCT + 20_000).round(6),
        rng.exponential(size=80_000),
        np.full(2_000_000, 0.5),
    ]
    merged = NumericStats.observe(np.array([NAN]))
    for part in parts:
        merged = NumericStats.merge(merged, NumericStats.observe(part))
    everything = np.concatenate(parts)
    whole = NumericStats.observe(everything)
    for stats in (merged, whole):
        assert stats.sketch is not None
        assert len(stats.values) == 0
        assert (stats.minimum, stats.maximum) == (everything.min(), everything.max())
        assert stats.digits[9] >= 80_000
        assert largest_rank_error(stats, everything) < 0.002
        values, shares = stats.distribution()
        assert (values[0], values[-1]) == (stats.minimum, stats.maximum)
        assert shares[values == 0.5].sum() == pytest.approx(2_000_000 / len(everything), abs=0.002)
    assert (merged.num_rows, merged.num_missing) == (len(everything) + 1, 1)


def test_category_sketch_of_merged_parts_keeps_the_frequent():
    common = [*["often"] * 30_000, *["sometimes"] * 9_000, None]
    parts = [pa.array([f"{side}{i}" for i in range(60_000)] + common, pa.large_string()) for side in "ab"]
    merged = CategoryStats.merge(*map(CategoryStats.observe, parts))
    assert merged.sketch is not None
    assert merged.counts == {}
    assert (merged.num_rows, merged.num_missing) == (2 * 99_001, 2)
    (first, most), (second, fewer), *rest = merged.frequencies()
    assert (first, second) == ("often", "sometimes")
    assert most == pytest.approx(60_000, abs=2)
    assert fewer == pytest.approx(18_000, abs=2)
    assert 10_000 < len(rest) < MAX_DISTINCT
    again = CategoryStats.merge(merged, CategoryStats.observe(pa.array(["often"] * 10, pa.large_string())))
    assert again.frequencies()[0] == ("often", most + 10)
