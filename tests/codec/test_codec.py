"""Tables to codes and back: every Arrow type that a file may hold, missing values, ids, and what the network
is told of the codes."""

import io
import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raygen.codec import parts
from raygen.codec.codec import Codec
from raygen.errors import ModelError, SchemaError
from raygen.table import arrow
from raygen.table.schema import Schema, infer

NAN, INF = float("nan"), float("inf")
ROWS = 60
patient = settings(deadline=None)  # the machine may be busy

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


def fitted(table: pa.Table, kinds=None, bars=128, max_categories=256) -> Codec:
    schema = Schema.of(table.schema, kinds or infer(table)[0], "here")
    return Codec.fit(schema, parts.observe(schema, table), bars, max_categories)


def there_and_back(built: Codec, table: pa.Table) -> pa.Table:
    codes, offsets = built.encode(table)
    positions = np.full(codes.shape, 0.5)
    positions[:, : built.num_offsets] = (offsets + 0.5) / 256
    back = built.decode(codes, positions)
    back.validate(full=True)
    return back


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
    if pa.types.is_floating(kind):  # finite, and nearly infinite: a missing value
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
    for name, seen in parts.values(
        built.schema, table
    ).items():  # a datetime's day and time of day, each in its own range
        back = parts.values(built.schema, out)[name]
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


def test_floats_that_mark_missing_values_are_missing():
    table = pa.table(
        {"x": np.where(np.arange(3000) % 3, np.random.default_rng(0).normal(size=3000), np.finfo(float).max)}
    )
    out = drawn(fitted(table))
    assert out["x"].null_count == pytest.approx(1000, abs=150)
    assert np.nanmax(out["x"].to_numpy()) < 5


def test_a_float_that_decimals_cannot_hold_is_cut_to_their_range():
    largest = arrow.from_numbers(np.array([1e30, -1e30, NAN]), pa.decimal128(18, 2))
    assert largest.to_pylist()[2] is None
    assert [abs(x) for x in largest.to_pylist()[:2]] == [pytest.approx(Decimal(10) ** 16)] * 2


CELLS = {
    "number": (st.none() | st.floats(), pa.float64()),
    "count": (st.none() | st.integers(-300, 300), pa.int32()),
    "price": (st.none() | st.decimals(-999, 999, places=2), pa.decimal128(6, 2)),
    "flag": (st.none() | st.booleans(), pa.bool_()),
    "word": (st.none() | st.text(max_size=2), pa.string()),
    "when": (st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), pa.timestamp("us")),
}
KINDS = {
    "number": "numeric",
    "count": "numeric",
    "price": "numeric",
    "flag": "boolean",
    "word": "categorical",
    "when": "datetime",
}
TABLES = st.lists(st.tuples(*[cells for cells, _ in CELLS.values()]), max_size=80).map(
    lambda rows: pa.table(
        [pa.array([row[i] for row in rows], kind) for i, (_, kind) in enumerate(CELLS.values())],
        names=list(CELLS),
    )
)


@patient
@given(TABLES, st.integers(4, 8), st.integers(8, 12))
@pytest.mark.slow
def test_any_table(table, bars, max_categories):
    built = fitted(table, KINDS, bars, max_categories)
    codes, offsets = built.encode(table)
    assert codes.dtype == np.uint16
    assert codes.shape == (table.num_rows, built.num_columns)
    assert offsets.dtype == np.uint8
    assert offsets.shape == (table.num_rows, built.num_offsets)
    assert np.all(codes < built.tables().cardinalities)

    back = there_and_back(built, table)
    assert back.schema.equals(table.schema)
    before, after = parts.values(built.schema, table), parts.values(built.schema, back)
    for name, block in built.blocks.items():
        if isinstance(before[name], np.ndarray):
            assert np.array_equal(np.isnan(after[name]), np.isnan(before[name]))
            exact = ~np.isin(codes[:, built.parts.index(name)], np.flatnonzero(block.is_bar)) & np.isin(
                before[name], block.grid
            )
            assert np.array_equal(after[name][exact], before[name][exact])
        else:
            assert after[name].is_null().equals(before[name].is_null())


@patient
@given(TABLES)
def test_what_the_network_is_told(table):
    built = fitted(table, KINDS, 4, 8)
    tables = built.tables()
    total = sum(tables.cardinalities)
    assert len(tables.low) == len(tables.high) == len(tables.has_offset) == len(built.frequencies()) == total
    assert np.all((tables.low >= 0) & (tables.low <= tables.high) & (tables.high <= 1))
    ends = np.cumsum(tables.cardinalities)
    for i, (first, last) in enumerate(zip(ends - tables.cardinalities, ends, strict=True)):
        assert tables.has_offset[first:last].any() == (i < tables.num_offsets)  # blocks with bars come first
        assert tables.has_offset[first:last].sum() == (
            built.blocks[built.parts[i]].is_bar.sum() if i < tables.num_offsets else 0
        )
        assert tables.ordered[i] == (
            KINDS[built.parts[i].removesuffix(parts.TIME)] in ("numeric", "datetime")
        )
        assert built.frequencies()[first:last].sum() == pytest.approx(1)
        assert np.all(built.frequencies()[first:last] >= 0)


@patient
@given(TABLES, st.integers(0, 80))
@pytest.mark.slow
def test_statistics_of_pieces_answer_as_those_of_the_table(table, cut):
    schema = Schema.of(table.schema, KINDS, "here")
    pieces = parts.merge(parts.observe(schema, table.slice(0, cut)), parts.observe(schema, table.slice(cut)))
    assert (
        Codec.fit(schema, pieces, 8, 8).to_dict()
        == Codec.fit(schema, parts.observe(schema, table), 8, 8).to_dict()
    )


def small_table() -> pa.Table:
    draws = np.random.default_rng(0)
    words = pa.array(draws.choice(["a", "b", "c"], 200))
    return pa.table(
        {
            "key": np.arange(200),
            "name": [f"n{i}" for i in range(200)],
            "word": words,
            "x": draws.normal(size=200),
            "noise": [b""] * 200,
        }
    )


def test_a_codec_survives_json_any_number_of_times():
    table = small_table()
    built = fitted(table)
    state = json.loads(json.dumps(built.to_dict(), allow_nan=False))
    for _ in range(2):  # reading must not change what it reads
        again = Codec.from_dict(Schema.from_dict(json.loads(json.dumps(built.schema.to_dict()))), state)
        assert there_and_back(again, table).equals(there_and_back(built, table))


@pytest.mark.parametrize(
    "state", [{"x": {}}, {"x": {"type": "Other"}}, {"x": {"type": "NumericBlock"}}, {"x": 5}, []]
)
def test_a_damaged_codec(state):
    with pytest.raises(ModelError, match="codec cannot be read"):
        Codec.from_dict(fitted(small_table()).schema, state)


def test_columns_may_come_in_any_order_and_more_of_them():
    table = small_table()
    built = fitted(table)
    turned = table.select(["x", "word"]).append_column("more", [table["key"]])
    assert all(np.array_equal(a, b) for a, b in zip(built.encode(table), built.encode(turned), strict=True))


def test_ids_are_numbered_by_row_and_dropped_columns_are_gone():
    built = fitted(small_table())
    assert built.schema.kinds == {
        "key": "id",
        "name": "id",
        "word": "categorical",
        "x": "numeric",
        "noise": "drop",
    }
    codes, positions = np.zeros((3, built.num_columns), int), np.zeros((3, built.num_columns))
    pieces = [built.decode(codes, positions, first) for first in (0, 3, 10**12)]
    out = pa.concat_tables(pieces)
    assert out.column_names == ["key", "name", "word", "x"]
    assert out["key"].to_pylist() == [1, 2, 3, 4, 5, 6, 10**12 + 1, 10**12 + 2, 10**12 + 3]
    assert out["name"].to_pylist() == [str(n) for n in out["key"].to_pylist()]


@pytest.mark.parametrize("kind", [pa.float64(), pa.decimal128(12, 0), pa.decimal128(38, 0)], ids=str)
def test_ids_of_pandas_and_of_oracle_keep_their_type_and_their_nulls(kind):
    keys = pa.array([None if i % 4 == 0 else i for i in range(200)], pa.int64())
    wide = keys if pa.types.is_floating(kind) else keys.cast(pa.decimal128(19, 0))
    built = fitted(pa.table({"key": wide.cast(kind), "word": ["a", "b"] * 100}))
    assert built.schema.kinds["key"] == "id"
    out = built.decode(np.array([[0, 0], [1, 0], [0, 1]]), np.zeros((3, 2)), 7)["key"]
    assert out.type == kind and out.to_pylist() == [8, None, 10]


def test_more_rows_than_an_id_can_number():
    table = pa.table({"key": pa.array(range(50), pa.int32()), "word": ["a", "b"] * 25})
    built = fitted(table)
    zeros = np.zeros((2, 1), int)
    assert built.decode(zeros, zeros, 2**31 - 3)["key"].to_pylist() == [2**31 - 2, 2**31 - 1]
    with pytest.raises(
        SchemaError,
        match=r"'key' of kind id and type int32 cannot number 2,147,483,648 rows; it ends at 2,147,483,647",
    ):
        built.decode(zeros, zeros, 2**31 - 2)


def test_a_value_missing_where_none_was_before():
    table = small_table()
    built = fitted(table)
    for name, empty in {"x": pa.nulls(200, pa.float64()), "word": pa.nulls(200, pa.string())}.items():
        changed = table.set_column(table.column_names.index(name), name, empty)
        with pytest.raises(
            SchemaError,
            match=f"column '{name}' has missing values; when its statistics were taken it had none",
        ):
            built.encode(changed)


def test_chunks_with_dictionaries_of_their_own():
    """Files written by pandas have int8 dictionaries, each with its own categories; together they may be more
    than 127."""
    chunks = [
        pa.array([f"{side}{i % 100}" for i in range(300)])
        .dictionary_encode()
        .cast(pa.dictionary(pa.int8(), pa.string()))
        for side in "ab"
    ]
    table = pa.table({"c": pa.chunked_array(chunks)})
    built = fitted(table)
    assert built.blocks["c"].cardinality == 200
    codes, _ = built.encode(table)
    assert (
        built.blocks["c"].decode(codes[:, 0].astype(int), np.zeros(600)).to_pylist() == table["c"].to_pylist()
    )


def test_no_rows_and_one_column():
    table = pa.table({"x": [1.5, 2.5] * 10})
    built = fitted(table)
    assert built.decode(np.zeros((0, 1), int), np.zeros((0, 1))).equals(table.schema.empty_table())
    codes, offsets = built.encode(table.schema.empty_table())
    assert codes.shape == (0, 1)
    assert offsets.shape == (0, 0)
