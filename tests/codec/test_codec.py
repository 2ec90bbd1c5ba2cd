"""Tables to codes and back: missing values, ids, what is stored, and what the network is told of them."""

import json
from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raygen.codec import parts
from raygen.codec.codec import Codec
from raygen.errors import ModelError, SchemaError
from raygen.table.part import Part
from raygen.table.schema import Schema
from tests.codec.round_trip import fitted, there_and_back

patient = settings(deadline=None)  # the machine may be busy
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
    before, after = built.values(table), built.values(back)
    for part, block in built.blocks.items():
        if isinstance(before[part], np.ndarray):
            assert np.array_equal(np.isnan(after[part]), np.isnan(before[part]))
            exact = ~np.isin(codes[:, built.parts.index(part)], np.flatnonzero(block.is_bar)) & np.isin(
                before[part], block.grid
            )
            assert np.array_equal(after[part][exact], before[part][exact])
        else:
            assert after[part].is_null().equals(before[part].is_null())


@patient
@given(TABLES)
@pytest.mark.slow
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
            KINDS[built.parts[i].column] in ("numeric", "datetime") and not built.parts[i].is_calendar
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


@pytest.mark.parametrize("state", [{"x": {}}, []])
def test_a_damaged_codec(state):
    with pytest.raises(ModelError, match="codec cannot be read"):
        Codec.from_dict(fitted(small_table()).schema, state)


@pytest.mark.parametrize(
    ("block", "told"),
    [
        (5, "it holds no object but 5"),
        ({"role": "value"}, "it lacks column"),
        ({"column": 5, "role": "value"}, "column = 5: expected a valid string"),
        ({"column": "x", "role": "hour"}, 'role = "hour": expected'),
        ({"column": "x", "role": ["time"]}, "role = "),
        ({"column": "x", "role": "time"}, r"a block of 'x \(time of day\)', which is of no column"),
        ({"column": "x", "role": "month"}, "it has no block of 'x'"),
        ({"column": "x\0time", "role": "value"}, "a block of 'x\0time', which is of no column"),
        ({"column": "noise", "role": "value"}, "a block of 'noise', which is of no column"),
        ({"column": "word", "role": "value"}, "two blocks of 'word'"),
        ({"column": "x", "role": "value"}, "the block of 'x': it lacks grid"),
        ({"column": "x", "role": "value", "type": "Other"}, "'Other'"),
    ],
)
def test_a_block_of_no_part_is_refused(block, told):
    built = fitted(small_table())
    others = [one for one in built.to_dict()["blocks"] if one["column"] != "x"]
    forged = {"type": "NumericBlock", **block} if isinstance(block, dict) else block
    with pytest.raises(ModelError, match=f"codec cannot be read: .*{told}"):
        Codec.from_dict(built.schema, built.to_dict() | {"blocks": [*others, forged]})


@pytest.mark.parametrize(("blocks", "told"), [({"x": {}}, "blocks: no list but"), ([], "no block of 'word'")])
def test_blocks_that_are_not_those_of_the_schema_are_refused(blocks, told):
    built = fitted(small_table())
    with pytest.raises(ModelError, match=told):
        Codec.from_dict(built.schema, built.to_dict() | {"blocks": blocks})


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
    assert built.blocks[Part("c")].cardinality == 200
    codes, _ = built.encode(table)
    assert (
        built.blocks[Part("c")].decode(codes[:, 0].astype(int), np.zeros(600)).to_pylist()
        == table["c"].to_pylist()
    )


def test_no_rows_and_one_column():
    table = pa.table({"x": [1.5, 2.5] * 10})
    built = fitted(table)
    assert built.decode(np.zeros((0, 1), int), np.zeros((0, 1))).equals(table.schema.empty_table())
    codes, offsets = built.encode(table.schema.empty_table())
    assert codes.shape == (0, 1)
    assert offsets.shape == (0, 0)
