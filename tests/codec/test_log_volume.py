"""Nats of values: the same for any codec of one law, equal to its entropy, and made of true probabilities of
the codec's own draws."""

import time
from datetime import datetime, timedelta
from importlib import resources

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.special import digamma

from raygen.codec import parts
from raygen.codec.bins import GRID, NumericBlock
from raygen.codec.categories import CategoryBlock
from raygen.codec.codec import Codec
from raygen.codec.grid import Grid
from raygen.codec.log_volume import (
    OFFSETS,
    UNSEEN,
    bar_volume,
    gaussian_volume,
    group_volume,
    log_volume,
    resolution,
    share,
)
from raygen.table.part import Part
from raygen.table.schema import Schema, infer
from raygen.table.stats import CategoryStats, NumericStats

NAN = float("nan")
ROWS = 20_000
BARS = [16, 32, 64, 128, 256]
LN10, LN2PIE, EULER = np.log(10), np.log(2 * np.pi * np.e), np.euler_gamma
patient = settings(deadline=None)  # the machine may be busy


def fitted(table: pa.Table, bars=128, max_categories=256, numeric="bars") -> Codec:
    schema = Schema.of(table.schema, infer(table)[0], "here")
    return Codec.fit(schema, parts.observe(schema, table), bars, max_categories, numeric)


def block_of(values, bars=128) -> NumericBlock:
    return NumericBlock.fit(NumericStats.observe(np.asarray(values, float)), bars)


def nats_of_codes(built: Codec, codes, offsets) -> np.ndarray:
    """Of a model that has the columns' own frequencies and nothing else: uniform offsets, or a standard
    normal law."""
    total = np.zeros(len(codes))
    for i, block in enumerate(built.blocks.values()):
        total -= np.log(block.frequencies()[codes[:, i]])
        if built.gaussian and i < built.num_offsets:
            total -= np.where(codes[:, i] == 0, stats.norm.logpdf(offsets[:, i].astype(float)), 0)
    return total


def before_and_after(built: Codec, table: pa.Table) -> np.ndarray:
    """Mean nats of codes and of values, float64 of shape (2,)."""
    codes, offsets = built.encode(table)
    nats, volume = nats_of_codes(built, codes, offsets), log_volume(built, codes, offsets)
    assert volume.shape == nats.shape and volume.dtype == np.float64
    return np.array([nats.mean(), (nats - volume).mean()])


# A law at equal steps of its mass, so that no draw blurs the figures, and its entropy: in the column's unit,
# or, of floats, at nine significant digits: that of the density plus E[-log(1e-9 |x|)].
U = (np.arange(ROWS) + 0.5) / ROWS
LAWS = {
    "uniform integers": (np.floor(10_000 * U), np.log(10_000)),
    "fewer integers than bars hold one by one": (np.floor(2000 * U), np.log(2000)),
    "hundreds": (100 * np.floor(10_000 * U), np.log(10_000)),
    "normal to one decimal": (stats.norm.ppf(U, 500, 100).round(1), LN2PIE / 2 + np.log(1000)),
    "lognormal integers": (np.exp(stats.norm.ppf(U, 8)).round(), 8 + LN2PIE / 2),
    "mostly zero": (
        np.where(U < 0.9, 0, np.ceil(stats.expon.ppf(10 * U - 9, scale=1000))),
        -0.9 * np.log(0.9) + 0.1 * (1 + np.log(10_000)),
    ),
    "exponential floats": (stats.expon.ppf(U), 1 + 9 * LN10 + EULER),
    "normal floats": (stats.norm.ppf(U), LN2PIE / 2 + 9 * LN10 + (EULER + np.log(2)) / 2),
    "millions": (
        1e6 * stats.expon.ppf(U),
        1 + 9 * LN10 + EULER,
    ),  # the resolution depends on neither scale nor range
    "tiny floats": (1e-12 * stats.expon.ppf(U), 1 + 6 * LN10),  # below 1e-9 it is 1e-18
    "Cauchy floats": (stats.cauchy.ppf(U), np.log(4 * np.pi) + 9 * LN10),
}
# What the piecewise linear law inside a bar costs: 1,000 equal values in whole steps of 1/32 of a bar lose
# .01, a bar of just over 32 values, whose ends get half a step, .03; and floats gain .013 with 256 bars, as
# no value lies between the last of a bar and the next's first.
TOLERANCE = 0.04


@pytest.mark.parametrize(("values", "entropy"), LAWS.values(), ids=LAWS)
@pytest.mark.slow
def test_nats_of_values_are_the_entropy_with_any_number_of_bars(values, entropy):
    table = pa.table({"c": values})
    before, after = np.transpose([before_and_after(fitted(table, bars), table) for bars in BARS])
    assert after == pytest.approx([entropy] * len(BARS), abs=TOLERANCE)
    in_bars = 0.1 if np.mean(values == 0) > 0.5 else 1.0  # an atom stays as it is
    assert np.diff(before) == pytest.approx([in_bars * np.log(2)] * 4, abs=0.01)


@pytest.mark.parametrize("name", ["normal to one decimal", "normal floats"])
def test_a_gaussian_block_gives_what_bars_give(name):
    values, entropy = LAWS[name]
    table = pa.table({"c": pa.array(values, mask=np.arange(ROWS) % 5 == 0), "one": np.full(ROWS, 7)})
    nats = [before_and_after(fitted(table, numeric=numeric), table)[1] for numeric in ("gaussian", "bars")]
    missing = -0.2 * np.log(0.2) - 0.8 * np.log(0.8)
    assert nats == pytest.approx([0.8 * entropy + missing] * 2, abs=TOLERANCE)


@pytest.mark.parametrize("max_categories", [8, 16, 64, 256, 1000])
def test_categories_cost_their_entropy_whatever_the_groups(max_categories):
    counts = np.ceil(3000 / np.arange(1, 301)).astype(int)
    table = pa.table({"c": np.repeat([f"city {i}" for i in range(300)], counts)})
    before, after = before_and_after(fitted(table, max_categories=max_categories), table)
    assert after == pytest.approx(stats.entropy(counts))
    assert (before < after - 0.01) == (max_categories < 300)


def test_a_datetime_has_a_day_and_a_time_of_day():
    moments = np.random.default_rng(0).integers(0, 400 * 86_400 // 60, ROWS)  # whole minutes
    table = pa.table(
        {
            "c": pa.array(
                [datetime(2001, 1, 1) + timedelta(minutes=int(m)) for m in moments], pa.timestamp("us")
            )
        }
    )
    before, after = np.transpose([before_and_after(fitted(table, bars), table) for bars in BARS[1:3]])
    assert after == pytest.approx(
        [np.log(400 * 1440)] * 2, abs=0.15
    )  # 20,000 draws of 400 and of 1,440 values
    assert np.diff(before) == pytest.approx([2 * np.log(2)], abs=0.01)


DRAWN = {
    "lognormal integers": (LAWS["lognormal integers"][0], 16),
    "cents": (np.random.default_rng(1).normal(500, 1, ROWS).round(2), 16),
    "steps": (np.random.default_rng(1).integers(0, 600, ROWS), 32),
    "an atom inside a bar": (np.where(np.arange(ROWS) % 10 == 0, 5000, LAWS["uniform integers"][0]), 32),
}


@pytest.mark.parametrize(("values", "bars"), DRAWN.values(), ids=DRAWN)
def test_it_is_the_frequency_of_a_value_among_draws(values, bars):
    block, u = block_of(values, bars), np.random.default_rng(2).random(200_000)
    volume = bar_volume(block)
    for code in np.flatnonzero(block.is_bar)[:-1:3]:
        seen, where, counts = np.unique(
            block.decode(np.full(len(u), code), u), return_inverse=True, return_counts=True
        )
        width = resolution(seen, block.spacing)
        expected = share(block.grid[code], block.stepped[code], seen, width)
        assert np.sum(expected) == pytest.approx(1)
        assert np.all(np.abs(counts - len(u) * expected) < 6 * np.sqrt(len(u) * expected) + 1)
        codes, offsets = block.encode(seen)
        own = codes == code
        assert np.all(own | np.isin(seen, block.grid[~block.is_bar, 0]))
        alone = own & (
            np.bincount(offsets, minlength=OFFSETS)[offsets] == 1
        )  # others share what is stored of them
        assert np.exp(volume[code, offsets])[alone] == pytest.approx(
            counts[alone] / len(u), rel=0.25, abs=1e-4
        )
        drawn = own[where]
        assert volume[code, offsets[where]][drawn].mean() == pytest.approx(
            np.log(counts / len(u))[where][drawn].mean(), abs=0.02
        )


def test_flats_of_a_grid_count_whole():
    points = np.array([0.0, 0.0, 0.0, 1.0, 5.0, 5.0])
    values = np.array([0.0, 0.5, 1.0, 5.0, 9.0])
    assert share(points, False, values, np.full(5, 0.1)) == pytest.approx(
        [0.4 + 0.01, 0.02, 0.01 + 0.0025, 0.2 + 0.0025, 0]
    )
    assert share(points, True, values, np.full(5, 0.1)) == pytest.approx([1 / 2, 0, 1 / 6, 1 / 3, 0])
    flat = NumericBlock(
        np.repeat([[3.0, 4.0]], 16, axis=0).T.reshape(1, GRID),
        np.zeros(1),
        np.ones(1),
        np.zeros(1, bool),
        Grid(9),
        3.0,
        4.0,
        0.0,
    )
    codes, offsets = flat.encode(np.array([3.0, 4.0]))
    assert bar_volume(flat)[codes, offsets] == pytest.approx(
        np.log([15 / 31] * 2), abs=0.06
    )  # beside the flat, 1/500 of what is stored so has e-24


def test_what_has_one_value_counts_nothing():
    gone = np.arange(1000) % 4 == 0
    table = pa.table(
        {
            "few": pa.array(np.arange(1000) % 9, mask=gone),
            "words": pa.array(np.where(np.arange(1000) % 3, "a", "b"), mask=gone),
            "nothing": pa.array([None] * 1000, pa.float64()),
            "number": pa.array(np.sqrt(np.arange(1000)), mask=gone),
            "at noon": pa.array(
                [datetime(2001, 1, 1, 12) + timedelta(days=int(i)) for i in range(1000)], pa.timestamp("s")
            ),
        }
    )
    schema = Schema.of(table.schema, infer(table)[0] | {"nothing": "numeric"}, "here")
    for numeric in ("bars", "gaussian"):
        built = Codec.fit(schema, parts.observe(schema, table), 128, 256, numeric)
        codes, offsets = built.encode(table)
        for i, (part, block) in enumerate(built.blocks.items()):
            if part.is_calendar:
                continue
            one = Codec(schema, {part: block})
            volume = log_volume(one, codes[:, i : i + 1], offsets[:, i : i + 1][:, : one.num_offsets])
            varies = (
                ~gone
                if part.column == "number" or (part.column == "few" and built.gaussian)
                else ~gone | gone
                if one.num_offsets
                else np.zeros(1000, bool)
            )
            assert np.array_equal(volume != 0, varies), part.title
        assert log_volume(built, codes[:0], offsets[:0]).shape == (0,)


def test_a_value_that_no_step_has():
    values = np.repeat(
        np.arange(300.0), np.where(np.arange(300) == 7, 1, 100)
    )  # 7 is rare: the draws never give it
    block = block_of(values, 16)
    assert 7.0 not in block.grid
    codes, offsets = block.encode(np.array([7.0, 8.0]))
    assert bar_volume(block)[codes, offsets].tolist() == pytest.approx(
        [UNSEEN, np.log(np.mean(block.grid[codes[1]] == 8))]
    )


NUMBERS = st.one_of(
    st.floats(-1e300, 1e300).map(lambda x: x if abs(x) > 1e-200 else 0.0),
    st.integers(-50, 50).map(float),
    st.integers(-10_000, 10_000).map(lambda cents: cents / 100),
    st.sampled_from([NAN, 0.0, 1e300, -1e300, 1e-200, 2.0**60]),
)
COLUMNS = arrays(
    np.float64, st.integers(0, 400), elements=NUMBERS, fill=st.sampled_from([0.0, 7.0, NAN]) | st.nothing()
)


@patient
@given(COLUMNS, st.integers(4, 64))
@example(
    np.array([1.0, 0, 2, 3, 2.08213280e15, 4, 5, 2.08213272e15, 2.08213272e15]), 4
)  # du is less than float64 tells apart
def test_it_is_a_probability_for_any_numbers(values, bars):
    block = block_of(values, bars)
    volume = bar_volume(block)
    assert volume.shape == (block.cardinality, OFFSETS)
    assert np.all(np.isfinite(volume)) and np.all(volume <= 1e-12)
    assert np.all(volume[~block.has_offset] == 0)


@pytest.mark.parametrize(
    ("values", "decimals", "divisor", "expected"),
    [
        (3.0, 0, 0, 1),
        (3.0, 0, 1, 1),
        (300.0, 0, 100, 100),
        (0.25, 2, 0, 0.01),
        (-4.0, 9, 0, 4e-9),
        (0.0, 9, 0, 1e-18),
        (2.0**60, 0, 1, 2**10),
    ],
)
def test_resolution(values, decimals, divisor, expected):
    assert resolution(np.array([values]), Grid(decimals, divisor)) == pytest.approx([expected], rel=1e-12)


def test_a_codec_knows_few_rows_too_well():
    """Grids made of the very rows take log m - digamma(m) nats off a column of floats, for m rows between two
    points of a grid; new rows pay for it. With 254 rows in a bar, as UCI Adult has with 128 bars, that is .06
    nats."""
    rng, entropy = np.random.default_rng(0), LAWS["exponential floats"][1]
    own, new = (pa.table({"c": rng.exponential(size=ROWS)}) for _ in range(2))
    noise = (
        -np.log(own["c"].to_numpy()).mean() - EULER + own["c"].to_numpy().mean() - 1
    )  # of the mean of -log P itself, over these draws
    for bars in BARS:
        m = ROWS / bars / (GRID - 1)
        optimism = np.log(m) - digamma(m)
        built = fitted(own, bars)
        assert before_and_after(built, own)[1] - noise - entropy == pytest.approx(-optimism, abs=0.02)
        assert 0.2 * optimism - 0.02 < before_and_after(built, new)[1] - entropy < optimism + 0.04


def test_members_of_groups():
    values = pa.array(["a"] * 80 + [f"rare {i}" for i in range(16)] + [None] * 4, pa.large_string())
    block = CategoryBlock.fit(CategoryStats.observe(values), 8)
    volume = group_volume(block)
    sizes = np.bincount(block.codes)
    assert len(volume) == block.cardinality == len(sizes) + 1
    assert np.exp(-volume[:-1]) == pytest.approx(sizes)  # groups of strings that are equally rare
    assert volume[0] == volume[-1] == 0
    empty = CategoryBlock.fit(CategoryStats.observe(pa.nulls(4, pa.large_string())), 8)
    assert group_volume(empty).tolist() == [0]


def test_a_gaussian_block_of_hundreds():
    table = pa.table({"c": 100 * np.arange(1000)})
    block = fitted(table, numeric="gaussian").blocks[Part("c")]
    assert gaussian_volume(block, np.array([-1.0, 0.5], np.float32)) == pytest.approx(
        [np.log(100 / block.std)] * 2
    )


@pytest.mark.slow
def test_a_real_table():
    table = pq.read_table(resources.files("raygen") / "datasets" / "adult.parquet")
    before, after = np.transpose([before_and_after(fitted(table, bars), table) for bars in BARS[2:]])
    print(
        f"UCI Adult, independent columns, bars {BARS[2:]}: nats of codes {before.round(2)}, of values "
        f"{after.round(2)}"
    )
    assert before[2] - before[0] == pytest.approx(2 * np.log(2), abs=0.05)
    # .20 of it fnlwgt, the one column of more values than bars: the draws' own grid is finer
    assert -0.25 < after[2] - after[0] < 0
    groups = [before_and_after(fitted(table, max_categories=most), table) for most in (8, 256)]
    assert groups[0][0] < groups[1][0] - 0.5
    assert groups[0][1] == pytest.approx(groups[1][1])


@pytest.mark.slow
def test_it_is_quick():
    rng = np.random.default_rng(0)
    table = pa.table(
        {f"c{i}": rng.normal(size=ROWS) if i % 2 else rng.lognormal(10, 1, ROWS).round() for i in range(20)}
    )
    built = fitted(table)
    codes, offsets = (np.tile(array, (5, 1)) for array in built.encode(table))
    began = time.process_time()
    assert log_volume(built, codes, offsets).shape == (100_000,)
    assert time.process_time() - began < 5  # 0.2 s on an idle machine
