"""Numbers as standard deviations from their mean: blocks, codec, and what the network is told of them."""

import json
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from raygen.codec import parts, row_hash
from raygen.codec.codec import Codec
from raygen.codec.gaussian import GaussianBlock
from raygen.commands import inspect_model
from raygen.config import Config
from raygen.errors import SchemaError
from raygen.table import arrow
from raygen.table.schema import Schema, infer
from raygen.table.stats import MAX_DECIMALS, NumericStats

NAN = float("nan")
patient = settings(deadline=None)  # the machine may be busy
NUMBERS = st.one_of(
    st.floats(-1e300, 1e300),
    st.integers(-50, 50).map(float),
    st.integers(-10_000, 10_000).map(lambda cents: cents / 100),
    st.sampled_from([NAN, 0.0, 1e300, -1e300, 5e-324, 2.0**52]),
)
COLUMNS = arrays(
    np.float64, st.integers(0, 200), elements=NUMBERS, fill=st.sampled_from([0.0, 7.0, NAN]) | st.nothing()
)


def block_of(values) -> GaussianBlock:
    return GaussianBlock.fit(NumericStats.observe(np.asarray(values, float)))


@patient
@given(COLUMNS)
def test_any_numbers(values):
    block = block_of(values)
    block = GaussianBlock.from_dict(json.loads(json.dumps(block.to_dict(), allow_nan=False)))
    codes, away = block.encode(values)
    assert away.dtype == np.float32
    assert np.all((codes >= 0) & (codes < block.cardinality))
    assert np.all(np.isfinite(away))
    assert np.all(
        np.abs(away) < 1.001 * np.sqrt(len(values))
    )  # no value lies further from the mean than that
    assert len(block.frequencies()) == len(block.has_offset) == block.cardinality
    assert block.frequencies() == pytest.approx(
        np.bincount(codes, minlength=block.cardinality) / len(values) if len(values) else [1]
    )
    back, missing = block.decode(codes, away), np.isnan(values)
    assert np.array_equal(np.isnan(back), missing)
    close = (
        1e-6 * (block.std * np.abs(away.astype(float)) + abs(block.mean))
        + 1e-14 * block.std
        + block.spacing.resolution
    )
    assert np.all(np.abs(back - values)[~missing] <= close[~missing])
    on_grid = block.spacing.decimals == 0 and np.array_equal(
        block.spacing.snap(values), values, equal_nan=True
    )
    if on_grid and not missing.all() and np.nanmax(np.abs(values)) < 1e6:
        assert np.array_equal(back, values, equal_nan=True)


def test_what_is_stored_is_standardised():
    values = np.random.default_rng(0).normal(50, 7, 4000).round(1)
    values[::10] = NAN
    block = block_of(values)
    codes, away = block.encode(values)
    present = ~np.isnan(values)
    assert (block.mean, block.std) == pytest.approx((np.nanmean(values), np.nanstd(values)))
    assert away[present].mean() == pytest.approx(0, abs=1e-5)
    assert away[present].std() == pytest.approx(1, abs=1e-5)
    assert np.all(away[~present] == 0)
    assert codes.tolist() == (~present).astype(int).tolist()
    assert block.frequencies() == pytest.approx([0.9, 0.1])


def test_draws_have_the_column_s_unit_but_not_its_range():
    hundreds = block_of(np.arange(50) * 100.0)
    drawn = hundreds.decode(np.zeros(3, int), np.array([0.123, 5.0, -5.0]))
    assert not np.any(drawn % 100)
    assert drawn.max() > 4900 and drawn.min() < 0
    cents = block_of(np.arange(500) / 100).decode(np.zeros(2, int), np.array([0.1234, -0.777]))
    assert np.array_equal(cents, cents.round(2))
    free = block_of(np.random.default_rng(0).normal(size=100))
    assert free.spacing.decimals == MAX_DECIMALS
    assert free.decode(np.zeros(1, int), np.array([0.5])).item() == free.mean + free.std / 2


def test_values_that_are_there_are_drawn_by_their_share():
    block = block_of(np.random.default_rng(0).normal(50, 7, 4000))
    drawn = block.present(np.array([0.5, stats.norm.cdf(1), stats.norm.cdf(-2)]))
    assert drawn == pytest.approx(block.mean + block.std * np.array([0.0, 1.0, -2.0]), abs=1e-3)


@pytest.mark.parametrize(
    ("values", "back"), [([3.25] * 20, 3.25), ([NAN] * 12, NAN), ([], NAN), ([0.1] * 3 + [NAN], 0.1)]
)
def test_a_column_of_one_value_or_none_has_nothing_to_learn(values, back):
    block = block_of(values)
    assert not block.has_offset.any()
    assert block.decode(np.array([0]), np.array([2.0])).tolist() == pytest.approx([back], nan_ok=True)
    assert np.array_equal(block.decode(*block.encode(np.array(values, float))), values, equal_nan=True)


def a_table(rows=500, seed=0) -> pa.Table:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    gone = rng.random(rows) < 0.2
    times = zip(rng.integers(0, 90, rows).tolist(), rng.integers(0, 86_400, rows).tolist(), strict=True)
    moments = [datetime(2024, 1, 1) + timedelta(days=day, seconds=second) for day, second in times]
    return pa.table(
        {
            "word": np.where(x > 0, "plus", "minus"),
            "x": np.round(x, 3),
            "small": pa.array(rng.integers(0, 256, rows), pa.uint8()),
            "constant": np.full(rows, 7),
            "price": pa.array(
                [Decimal(int(c)) / 100 for c in rng.integers(0, 9999, rows)], pa.decimal128(4, 2), mask=gone
            ),
            "half": pa.array((rng.random(rows) * 60_000).astype(np.float16), mask=gone),
            "day": pa.array([m.date() for m in moments], pa.date32()),
            "moment": pa.array(moments, pa.timestamp("ms"), mask=gone),
            "clock": pa.array([m.time() for m in moments], pa.time32("s")),
        }
    )


KINDS = dict.fromkeys(("x", "small", "constant", "price", "half"), "numeric") | dict.fromkeys(
    ("day", "moment", "clock"), "datetime"
)


def fitted(table: pa.Table) -> Codec:
    schema = Schema.of(table.schema, {"word": "categorical"} | KINDS, "here")
    return Codec.fit(schema, parts.observe(schema, table), 128, 256, "gaussian")


def spread(built: Codec, offsets: np.ndarray) -> np.ndarray:
    return np.concatenate(
        [offsets, np.full((len(offsets), built.num_columns - built.num_offsets), 0.5)], axis=1
    )


def test_a_table_comes_back_within_the_precision_of_its_float32_offsets():
    table = a_table()
    built = fitted(table)
    built = Codec.from_dict(built.schema, json.loads(json.dumps(built.to_dict(), allow_nan=False)))
    codes, offsets = built.encode(table)
    assert built.gaussian
    assert offsets.dtype == built.offset_type == np.float32
    assert (
        offsets.shape == (500, built.num_offsets) == (500, 8)
    )  # the moment has two; constant, day's and clock's other parts have none
    back = built.decode(codes, spread(built, offsets))
    back.validate(full=True)
    assert back.drop_columns(["half"]).equals(table.drop_columns(["half"]))
    assert back["half"].is_null().equals(table["half"].is_null())
    np.testing.assert_allclose(arrow.numbers(back["half"]), arrow.numbers(table["half"]), rtol=1e-3)


def test_what_the_network_is_told():
    built = fitted(a_table())
    tables = built.tables()
    assert tables.gaussian and tables.num_offsets == 8
    ends = np.cumsum(tables.cardinalities)
    for i, block in enumerate(built.blocks.values()):
        own = slice(ends[i] - tables.cardinalities[i], ends[i])
        assert tables.has_offset[own].tolist() == (
            [True, False][: block.cardinality] if i < 8 else [False] * block.cardinality
        )
        assert built.frequencies()[own].sum() == pytest.approx(1)
        assert not tables.ordered[i]
    words = {part.title: inspect_model._codes(block) for part, block in built.blocks.items()}
    assert (words["x"], words["price"], words["constant"], words["word"]) == (
        "Gaussian",
        "Gaussian, missing",
        "one value",
        "2 categories",
    )


@pytest.mark.parametrize("away", [-40.0, 40.0, -1e9, 1e9])
def test_draws_far_from_the_mean_still_fit_their_type(away):
    table = a_table()
    built = fitted(table)
    out = built.decode(np.zeros((5, built.num_columns), int), np.full((5, built.num_columns), away))
    out.validate(full=True)
    assert out.schema.equals(table.schema)
    assert out["small"][0].as_py() == (0 if away < 0 else 255)
    assert abs(out["half"][0].as_py()) == 65504
    assert abs(out["price"][0].as_py()) == Decimal("99.99")
    assert out["constant"][0].as_py() == 7
    assert out["clock"][0].as_py() == (datetime.min if away < 0 else datetime(1, 1, 1, 23, 59, 59)).time()
    whole, missing = arrow.moments(table["moment"])
    assert arrow.moments(out["moment"])[0][0] == (min if away < 0 else max)(whole[~missing])
    assert abs(x := out["x"][0].as_py()) > 30 and x == round(x, 3)


INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]


@pytest.mark.parametrize(
    "kind",
    [*INTEGERS, pa.float16(), pa.float32(), pa.float64(), pa.dictionary(pa.int8(), pa.int16())],
    ids=str,
)
def test_any_number_is_clipped_to_its_type(kind):
    values = np.array([30.0, 60.0, 90.0, NAN])
    block = GaussianBlock.fit(NumericStats.observe(values), *arrow.limits(kind))
    away = np.array([-1e300, -4.0, 0.0, 4.0, 1e300, 0.0], float)
    out = arrow.from_numbers(block.decode(np.array([0, 0, 0, 0, 0, 1]), away), kind)
    out.validate(full=True)
    back = arrow.numbers(out)
    assert np.array_equal(np.isnan(back), [False] * 5 + [True])
    assert (
        back[2] == 60
        and back[4] > 100
        and np.all(np.diff(back[:5]) >= 0)
        and (back[0] < 0 or "uint" in str(kind))
    )
    assert not np.any(back[:5] % 30) or not pa.types.is_integer(arrow.value_type(kind))


def test_a_value_missing_where_none_was_before():
    table = a_table()
    changed = table.set_column(1, "x", pa.nulls(500, pa.float64()))
    with pytest.raises(
        SchemaError, match="column 'x' has missing values; when its statistics were taken it had none"
    ):
        fitted(table).encode(changed)


def test_rows_are_told_apart_by_the_bits_of_their_offsets():
    codes = np.zeros((3, 1), np.uint16)
    offsets = np.array([[0.1], [0.2], [np.nextafter(np.float32(0.2), np.float32(1))]], np.float32)
    assert len(set(row_hash.content_hash(codes, offsets).tolist())) == 3
    assert np.array_equal(
        row_hash.content_hash(codes, offsets), row_hash.content_hash(codes, np.asfortranarray(offsets))
    )


def test_bars_stay_the_default():
    table = a_table()
    schema = Schema.of(table.schema, infer(table)[0] | KINDS, "here")
    built = Codec.fit(schema, parts.observe(schema, table), 128, 256, Config().schema_.numeric)
    assert not built.gaussian and not built.tables().gaussian and built.offset_type is np.uint8
