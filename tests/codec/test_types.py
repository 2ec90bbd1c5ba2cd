"""Columns of every Arrow type that a file may hold come back as they were, and draws of them are valid."""

import io
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raygen.codec import parts
from raygen.codec.codec import Codec
from raygen.table import arrow
from raygen.table.schema import infer
from tests.codec.round_trip import fitted, there_and_back

NAN, INF = float("nan"), float("inf")
ROWS = 60
INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
FLOATS = [pa.float16(), pa.float32(), pa.float64()]
DECIMALS = [
    pa.decimal32(9, 2),
    pa.decimal64(12, 2),
    pa.decimal128(10, 2),
    pa.decimal128(38, 18),
    pa.decimal256(50, 20),
]
TEXTS = [pa.string(), pa.large_string(), pa.string_view()]
TIMESTAMPS = [
    pa.timestamp(unit, zone) for unit in ("s", "ms", "us", "ns") for zone in (None, "UTC", "Europe/Berlin")
]
DURATIONS = [pa.duration(unit) for unit in ("s", "ms", "us", "ns")]
TIMES = [pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")]
DICTIONARIES = [
    pa.dictionary(pa.int8(), pa.string()),
    pa.dictionary(pa.int32(), pa.large_string()),
    pa.dictionary(pa.uint16(), pa.string()),
    pa.dictionary(pa.int64(), pa.string(), ordered=True),
]
DAY, MOMENT = date(1969, 7, 20), datetime(2024, 2, 29, 23, 59, 58)

# name: values (repeated over the rows), Arrow type, kind that is inferred
TYPES = {
    **{str(t): ([0, 1, 100, None], t, "numeric") for t in INTEGERS},
    **{f"{t}, negative": ([-100, 7, None], t, "numeric") for t in INTEGERS[:4]},
    "int64, 2^53 - 1": ([2**53 - 1, 1 - 2**53, 5], pa.int64(), "numeric"),
    "uint64, 2^53 - 1": ([2**53 - 1, 5], pa.uint64(), "numeric"),
    **{str(t): ([np.float16(0.1), np.float16(-2.5), NAN, INF, -INF, None], t, "numeric") for t in FLOATS},
    "double, the largest and the smallest": ([1.7e308, -1e300, 1e300, 5e-324, -0.0], pa.float64(), "numeric"),
    **{
        str(t): ([Decimal("0.10"), Decimal("-12345.67"), Decimal("0.3"), None], t, "numeric")
        for t in DECIMALS
    },
    "decimal without places": ([Decimal(5), None], pa.decimal128(38, 0), "numeric"),
    "bool": ([True, False, None], pa.bool_(), "boolean"),
    "bool, constant": ([True], pa.bool_(), "boolean"),
    **{str(t): (["a", "", "\u00e4\n\U0001f600", "null", None], t, "categorical") for t in TEXTS},
    **{str(t): (["a", "", "b c", None], t, "categorical") for t in DICTIONARIES},
    "dictionary of int64": ([3, 100_000, None], pa.dictionary(pa.int8(), pa.int64()), "categorical"),
    "dictionary of double": ([0.1, 1e-7, None], pa.dictionary(pa.int8(), pa.float64()), "categorical"),
    "dictionary of decimal": (
        [Decimal("0.1"), None],
        pa.dictionary(pa.int8(), pa.decimal128(4, 1)),
        "categorical",
    ),
    "dictionary of bool": ([True, None], pa.dictionary(pa.int8(), pa.bool_()), "boolean"),
    "dictionary of timestamp": ([MOMENT, None], pa.dictionary(pa.int8(), pa.timestamp("us")), "datetime"),
    "dictionary of date": ([DAY, None], pa.dictionary(pa.int8(), pa.date32()), "datetime"),
    "dictionary of null": ([None], pa.dictionary(pa.int8(), pa.null()), "categorical"),
    **{str(t): ([MOMENT, datetime(1960, 1, 1, 0, 0, 1), None], t, "datetime") for t in TIMESTAMPS},
    "timestamp, first and last": ([-(2**63) + 1, 2**63 - 1], pa.timestamp("ns"), "datetime"),
    "date32": ([DAY, date(1, 1, 1), date(9999, 12, 31), None], pa.date32(), "datetime"),
    "date64": ([DAY, None], pa.date64(), "datetime"),
    **{str(t): ([time(23, 59, 58), time(0, 0), None], t, "datetime") for t in TIMES},
    **{str(t): ([timedelta(days=-3, seconds=1), timedelta(0), None], t, "datetime") for t in DURATIONS},
    "null": ([None], pa.null(), "categorical"),
    "all null, of integers": ([None], pa.int32(), "numeric"),
    "all null, of text": ([None], pa.string(), "categorical"),
    "all null, of timestamps": ([None], pa.timestamp("us"), "datetime"),
}
LEFT_OUT = {
    "binary": pa.array([b"x"] * ROWS),
    "fixed-size binary": pa.array([b"x"] * ROWS, pa.binary(1)),
    "binary view": pa.array([b"x"] * ROWS, pa.binary_view()),
    "dictionary of binary": pa.array([b"x"] * ROWS).dictionary_encode(),
    "list": pa.array([[1]] * ROWS),
    "large list": pa.array([[1]] * ROWS, pa.large_list(pa.int64())),
    "struct": pa.array([{"a": 1}] * ROWS),
    "map": pa.array([[("a", 1)]] * ROWS, pa.map_(pa.string(), pa.int64())),
    "uuid": pa.array([b"0123456789abcdef"] * ROWS, pa.uuid()),
    "interval": pa.array([(1, 2, 3)] * ROWS, pa.month_day_nano_interval()),
    "run-end encoded": pa.RunEndEncodedArray.from_arrays(pa.array([ROWS], pa.int32()), pa.array([1])),
}


def column(values, kind: pa.DataType) -> pa.Array:
    values = [values[i % len(values)] for i in range(ROWS)]
    if pa.types.is_dictionary(kind):
        encoded = column(values, kind.value_type).dictionary_encode()
        return pa.DictionaryArray.from_arrays(
            encoded.indices.cast(kind.index_type), encoded.dictionary, ordered=kind.ordered
        )
    return pa.array(values, kind)


def drawn(built: Codec, rows=3000) -> pa.Table:
    """Rows of codes drawn independently by their frequency."""
    rng = np.random.default_rng(0)
    codes = np.stack(
        [
            rng.choice(b.cardinality, rows, p=b.frequencies() / b.frequencies().sum())
            for b in built.blocks.values()
        ],
        axis=1,
    )
    out = built.decode(codes, rng.random(codes.shape))
    out.validate(full=True)
    return out


def in_parquet(table: pa.Table) -> pa.Table:
    file = io.BytesIO()
    pq.write_table(table, file)
    return pq.read_table(file)


@pytest.mark.parametrize(("values", "kind", "expected"), TYPES.values(), ids=TYPES)
def test_a_column_of_each_type_comes_back_as_it_was(values, kind, expected):
    table = pa.table({"c": column(values, kind), "other": np.arange(ROWS) % 3})
    assert infer(table)[0]["c"] == expected
    back = there_and_back(fitted(table), table)
    assert back.schema.equals(table.schema)
    before, after = arrow.plain(table["c"]), arrow.plain(back["c"])
    if pa.types.is_floating(kind):
        before, after = arrow.marked_numbers(before), arrow.marked_numbers(after)
        assert np.array_equal(before, after, equal_nan=True)
    else:
        assert after.equals(before)
    file = in_parquet(back)
    assert file.num_rows == ROWS


@pytest.mark.parametrize(
    ("values", "kind", "expected"), [case for case in TYPES.values() if None not in case[0]]
)
def test_columns_that_must_not_be_null(values, kind, expected):
    schema = pa.schema([pa.field("c", kind, nullable=False), pa.field("other", pa.int64(), nullable=False)])
    table = pa.table([column(values, kind), np.arange(ROWS) % 3], schema=schema)
    back = there_and_back(fitted(table), table)
    assert back.schema.equals(schema)
    assert in_parquet(back).num_rows == ROWS


def test_nan_in_a_float_column_that_must_not_be_null_stays_nan():
    schema = pa.schema([pa.field("c", pa.float32(), nullable=False)])
    table = pa.table([column([0.5, NAN, INF, 2.0], pa.float32())], schema=schema)
    back = in_parquet(there_and_back(fitted(table), table))
    assert np.array_equal(back["c"].to_numpy()[:4], [0.5, NAN, np.inf, 2.0], equal_nan=True)


@pytest.mark.parametrize("array", LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_cannot_be_learned_is_left_out_with_a_note(array):
    table = pa.table({"c": array, "other": np.arange(ROWS) % 3})
    kinds, notes = infer(table)
    assert kinds["c"] == "drop"
    assert "left out" in notes["c"]
    assert there_and_back(fitted(table), table).column_names == ["other"]


rng = np.random.default_rng(2)
SPREAD = {
    "int8": (rng.integers(-128, 128, 3000), pa.int8()),
    "uint8": (rng.integers(0, 256, 3000), pa.uint8()),
    "int64": (rng.integers(-(2**52), 2**52, 3000), pa.int64()),
    "uint64": (rng.integers(0, 2**53, 3000), pa.uint64()),
    "float16": (rng.normal(size=3000).astype(np.float16), pa.float16()),
    "float32": (rng.normal(size=3000).astype(np.float32), pa.float32()),
    "double": (rng.normal(size=3000) * 1e290, pa.float64()),
    "prices": ([Decimal(int(x)) / 100 for x in rng.integers(0, 10**6, 3000)], pa.decimal128(10, 2)),
    "prices of many places": (
        [Decimal(int(x)) / 100 for x in rng.integers(0, 10**6, 3000)],
        pa.decimal128(38, 18),
    ),
    "the whole precision": (
        [Decimal(int(x)) / 100 for x in rng.integers(-99999, 99999, 3000)],
        pa.decimal128(5, 2),
    ),
    "shares": ([Decimal(int(x)).scaleb(-18) for x in rng.integers(0, 10**18, 3000)], pa.decimal128(18, 18)),
    **{
        f"moments {t}": ([MOMENT + timedelta(seconds=int(x)) for x in rng.integers(0, 10**9, 3000)], t)
        for t in TIMESTAMPS
    },
    "days": ([DAY + timedelta(days=int(x)) for x in rng.integers(0, 20_000, 3000)], pa.date32()),
    "days in milliseconds": (
        [DAY + timedelta(days=int(x)) for x in rng.integers(0, 20_000, 3000)],
        pa.date64(),
    ),
    "time of day": (rng.integers(0, 86_400_000, 3000, np.int32), pa.time32("ms")),
    "durations": (rng.integers(-(10**15), 10**15, 3000), pa.duration("ns")),
    "close to the last moment": (2**63 - 1 - rng.integers(0, 10**15, 3000), pa.timestamp("ns")),
    "close to the first moment": (-(2**63) + 1 + rng.integers(0, 10**15, 3000), pa.timestamp("ns")),
}


@pytest.mark.parametrize(("values", "kind"), SPREAD.values(), ids=SPREAD)
def test_draws_of_each_type_are_valid_and_in_range(values, kind):
    gone = np.random.default_rng(3).random(3000) < 0.1
    table = pa.table({"c": pa.array(values, kind, mask=gone)})
    built = fitted(table, {"c": "datetime" if pa.types.is_temporal(kind) else "numeric"})
    out = drawn(built)
    assert out.schema.equals(table.schema)
    values, made = parts.values(built.schema, table), parts.values(built.schema, out)
    for name in values:  # a day and a time of day, each in its own range
        seen, back = values[name], made[name]
        seen, back = (x[arrow.present(x)] for x in (seen, back))
        assert seen.min() <= back.min() <= back.max() <= seen.max()
    assert in_parquet(out).num_rows == 3000


def test_draws_keep_decimal_places_and_seconds():
    """A price in decimal(38, 18) has two places, a moment in nanoseconds whole seconds, if all that was seen
    has."""
    prices, moments = (pa.array(*SPREAD[name]) for name in ("prices of many places", "moments timestamp[ns]"))
    out = drawn(fitted(pa.table({"price": prices, "moment": moments, "single": prices.cast(pa.float32())})))
    assert np.array_equal(
        out["single"].to_numpy(), out["single"].to_numpy().astype(float).round(2).astype(np.float32)
    )
    assert all(price == price.quantize(Decimal("0.01")) for price in out["price"].to_pylist())
    assert len(set(out["price"].to_pylist())) > 1000
    assert not np.any(out["moment"].cast(pa.int64()).to_numpy() % 10**9)


def test_floats_too_large_to_learn_are_missing_and_told():
    table = pa.table({"x": np.where(np.arange(3000) % 3, np.random.default_rng(0).normal(size=3000), 1e305)})
    assert infer(table)[1]["x"].startswith("1,000 of its values lie beyond 1e+300")
    out = drawn(fitted(table))
    assert out["x"].null_count == pytest.approx(1000, abs=150)
    assert np.nanmax(out["x"].to_numpy()) < 5


def test_a_float_that_decimals_cannot_hold_is_cut_to_their_range():
    largest = arrow.from_numbers(np.array([1e30, -1e30, NAN]), pa.decimal128(18, 2))
    assert largest.to_pylist()[2] is None
    assert [abs(x) for x in largest.to_pylist()[:2]] == [pytest.approx(Decimal(10) ** 16)] * 2
