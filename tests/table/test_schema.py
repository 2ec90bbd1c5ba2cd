"""Kinds: how they are guessed, which types they fit, and the message for each mistake."""

import base64
import json

import numpy as np
import pyarrow as pa
import pytest

from raygen.codec import parts
from raygen.codec.codec import Codec
from raygen.errors import ModelError, SchemaError
from raygen.table.schema import LEARNED, MADE, Schema, check_rows, check_table, infer

ROWS = 100
COUNT = np.arange(ROWS)
WORDS = np.array(["a", "b", "c"])[COUNT % 3]

# name: column, kind, words of the note (empty: no note)
GUESSES = {
    "few levels": (WORDS, "categorical", ""),
    "constant text": (["same"] * ROWS, "categorical", "constant"),
    "constant number": ([4.5] * ROWS, "numeric", "constant"),
    "no text": (pa.nulls(ROWS, pa.string()), "categorical", "no values"),
    "no numbers": (pa.nulls(ROWS, pa.float32()), "numeric", "no values"),
    "NaN alone": ([float("nan")] * ROWS, "numeric", "no values"),
    "no type": (pa.nulls(ROWS), "categorical", "no values"),
    "row numbers": (COUNT, "id", "own number"),
    "row numbers, unsigned": (COUNT.astype(np.uint32), "id", "own number"),
    "row numbers, shuffled, from 1,000": (1000 + COUNT[::-1] * 7 % 101, "id", "own number"),
    "row numbers in 16 bits": (COUNT.astype(np.int16), "numeric", ""),
    "row numbers, one missing": (pa.array(COUNT, mask=COUNT == 5), "id", "own number"),
    "keys with gaps": (1000 + 7 * COUNT[::-1], "numeric", ""),
    "row numbers of pandas, one missing": (
        pa.array(COUNT.astype(float), mask=COUNT == 5),
        "id",
        "own number",
    ),
    "row numbers of Oracle": (
        pa.array(COUNT.tolist(), pa.int64()).cast(pa.decimal128(38, 0)),
        "id",
        "own number",
    ),
    "row numbers and NaN": (np.where(COUNT == 5, np.nan, COUNT), "numeric", ""),
    "halves": (COUNT / 2, "numeric", ""),
    "German days": ([f"{i % 28 + 1}. März {1960 + i}" for i in COUNT], "drop", "holds dates"),
    "accounts": (
        [f" $ ({i}.50)" if i % 3 else " $ -   " for i in COUNT * 37],
        "categorical",
        "holds numbers",
    ),
    "zeros are numbers": ([f"{i:08d}" for i in COUNT], "drop", "holds numbers, nearly"),
    "numbers of 16 digits": (10**15 + COUNT * 89 * 10**12 + 1234567, "numeric", "has 16 digits"),
    "numbers of 8 digits": (10**7 + COUNT * 890_001, "numeric", "has 8 digits"),
    "seconds since 1970": (15 * 10**8 + COUNT * 10**6, "numeric", ""),
    "many keys with gaps": (1000 + 7 * np.arange(1500), "id", "own number"),
    "twelve ages": (np.arange(21, 33), "numeric", ""),
    "years": (np.arange(1990, 2020), "numeric", ""),
    "two hundred years": (np.arange(1820, 2020), "numeric", ""),
    "most above 2^53": (np.where(COUNT % 7, 2**60 + COUNT % 7, COUNT % 7), "categorical", "above 2^53"),
    "some above 2^53": (np.where(COUNT % 7, COUNT % 7, 2**60), "numeric", ""),
    "row numbers, one above 2^53": (np.where(COUNT == 40, 2**60, COUNT), "id", "own number"),
    "ages, one above 2^53": (np.where(COUNT == 40, 2**60, COUNT % 7), "numeric", ""),
    "moments in nanoseconds": (1_700_000_000_123 * 10**6 + COUNT * 10**7, "numeric", "above 2^53"),
    "many far above 2^53": (2**60 + np.arange(600) // 2 * 97, "numeric", "above 2^53"),
    "decimals above 2^53": (
        pa.array([10**20 + int(i) for i in COUNT % 7], pa.decimal128(38, 0)),
        "numeric",
        "",
    ),
    "dates as text": ([f"{1 + i % 28:02d}/{1 + i % 12:02d}/{1950 + i}" for i in COUNT], "drop", "dates"),
    "money": ([f"${i * 1234.5:,.2f}" for i in COUNT], "drop", "numbers"),
    "percent, often the same": ([f"{i % 40}.5%" for i in COUNT], "categorical", "numbers"),
    "minutes and seconds": ([f"{i % 40}:05" for i in COUNT], "categorical", "times"),
    "points": ([f"52.{i:04d}, 13.{i:04d}" for i in COUNT], "drop", "coordinates"),
    "row numbers, one twice": (np.where(COUNT == 5, 6, COUNT), "numeric", ""),
    "distinct but far apart": (COUNT**3, "numeric", ""),
    "distinct floats": (COUNT / 7, "numeric", ""),
    "above 2^53": (COUNT + 2**53 + 1, "id", "identifiers"),
    "below -2^53": (-(2**62) - COUNT, "id", "identifiers"),
    "distinct words": ([f"user-{i}" for i in COUNT], "id", "nearly all distinct"),
    "distinct words, some missing": (
        [f"user-{i}" if i % 4 else None for i in COUNT],
        "id",
        "nearly all distinct",
    ),
    "sentences": ([f"row {i} says so" for i in COUNT], "drop", "free text"),
    "half distinct": ([f"user-{i // 2}" for i in COUNT], "categorical", ""),
    "distinct dictionary": (pa.array([f"user-{i}" for i in COUNT]).dictionary_encode(), "categorical", ""),
    "bytes": ([b"x"] * ROWS, "drop", "not supported"),
}


@pytest.mark.parametrize(("column", "kind", "words"), GUESSES.values(), ids=GUESSES)
def test_guesses(column, kind, words):
    kinds, notes = infer(pa.table({"c": column}))
    assert kinds == {"c": kind}
    assert words in notes["c"] if words else not notes


def test_nine_rows_are_too_few_to_call_anything_an_id():
    table = pa.table({"key": range(9), "name": [f"user-{i}" for i in range(9)]})
    assert infer(table)[0] == {"key": "numeric", "name": "categorical"}


FITS = {
    pa.int8(): "numeric categorical drop",
    pa.uint16(): "numeric categorical drop",
    pa.int32(): "numeric categorical id fake drop",
    pa.uint64(): "numeric categorical id fake drop",
    pa.float16(): "numeric categorical drop",
    pa.float32(): "numeric categorical drop",
    pa.float64(): "numeric categorical id drop",
    pa.decimal128(9, 2): "numeric categorical drop",
    pa.decimal128(9, 0): "numeric categorical id drop",
    pa.string(): "categorical id fake drop",
    pa.string_view(): "categorical id fake drop",
    pa.dictionary(pa.int8(), pa.string()): "categorical drop",
    pa.dictionary(pa.int8(), pa.int64()): "numeric categorical drop",
    pa.bool_(): "categorical boolean drop",
    pa.date32(): "categorical datetime drop",
    pa.timestamp("us", "UTC"): "datetime drop",
    pa.duration("s"): "datetime drop",
    pa.null(): "categorical drop",
    pa.binary(): "drop",
    pa.struct({"a": pa.int64()}): "drop",
}


@pytest.mark.parametrize(("source", "fitting"), FITS.items(), ids=map(str, FITS))
def test_kinds_that_fit_a_type(source, fitting):
    table = pa.schema({"c": source, "other": pa.int64()})
    for kind in (*LEARNED, *MADE, "drop"):
        if kind in fitting.split():
            assert Schema.of(table, {"c": kind, "other": "numeric"}, "here").kinds["c"] == kind
        else:
            with pytest.raises(SchemaError) as caught:
                Schema.of(table, {"c": kind, "other": "numeric"}, "here")
            assert caught.value.message == f'schema.columns.c = "{kind}" does not fit its type {source}.'
            assert caught.value.hint == f"use one of: {fitting.replace(' ', ', ')}."


SOURCE = pa.schema({"age": pa.int64(), "income": pa.string(), "blob": pa.binary()})
RIGHT = {"age": "numeric", "income": "categorical", "blob": "drop"}
MISTAKES = {
    "an absent column": (
        RIGHT | {"incme": "categorical"},
        "source 'bucket/census/' has no column 'incme', which [schema.columns] names. Found: age, "
        "income, blob (3).",
        "did you mean 'income'?",
    ),
    "an absent column like none": (
        RIGHT | {"zzz": "drop"},
        "has no column 'zzz'",
        "choose one of: age, income, blob.",
    ),
    "a column without a kind": (
        {"age": "numeric", "blob": "drop"},
        "has a column 'income' that [schema.columns] does not name",
        'income = "drop"',
    ),
    "a wrong kind": (
        RIGHT | {"blob": "numeric"},
        'schema.columns.blob = "numeric" does not fit its type binary',
        "use one of: drop.",
    ),
    "nothing to learn": (
        dict.fromkeys(RIGHT, "drop"),
        "has no column to learn: all are of kind id, fake or drop",
        "another kind",
    ),
}


@pytest.mark.parametrize(("kinds", "message", "hint"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_in_the_columns(kinds, message, hint):
    with pytest.raises(SchemaError) as caught:
        Schema.of(SOURCE, kinds, "bucket/census/")
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_wide_table_does_not_fill_the_screen():
    wide = pa.schema({f"c{i}": pa.int64() for i in range(5000)})
    with pytest.raises(SchemaError) as caught:
        Schema.of(wide, {"qqq": "numeric"}, "here")
    assert "c19, ... (5000)." in caught.value.message
    assert len(str(caught.value)) < 500


def test_output_keeps_order_types_and_nullability_but_no_dropped_column():
    fields = [
        pa.field("b", pa.int8(), nullable=False),
        pa.field("x", pa.binary()),
        pa.field("a", pa.dictionary(pa.int8(), pa.string())),
    ]
    schema = Schema.of(
        pa.schema(fields, {"pandas": "{}"}), {"a": "categorical", "x": "drop", "b": "numeric"}, "here"
    )
    assert schema.output.equals(pa.schema([fields[0], fields[2]]), check_metadata=True)
    assert schema.learned == ["b", "a"]


def test_a_schema_survives_json():
    fields = [
        pa.field("plain", pa.int64(), nullable=False),
        pa.field('with "quotes", a\nnewline and \u00e4', pa.timestamp("ns", "Europe/Berlin")),
        pa.field("", pa.dictionary(pa.int16(), pa.string(), ordered=True)),
        pa.field("d", pa.decimal128(38, 18)),
    ]
    schema = Schema.of(
        pa.schema(fields),
        dict(zip([f.name for f in fields], ["numeric", "datetime", "categorical", "drop"], strict=True)),
        "here",
    )
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema


@pytest.mark.parametrize(
    "state", [{}, {"arrow": "?", "columns": {}}, {"arrow": base64.b64encode(b"junk").decode(), "columns": {}}]
)
def test_a_damaged_schema(state):
    with pytest.raises(ModelError, match="schema cannot be read"):
        Schema.from_dict(state)


def checked(table: pa.Table, kinds: dict) -> None:
    schema = Schema.of(table.schema, kinds, "here")
    check_table(schema, parts.observe(schema, table), "here")


@pytest.mark.parametrize(("rows", "count"), [(0, "no rows"), (1, "1 row;"), (9, "9 rows")])
def test_too_few_rows(rows, count):
    with pytest.raises(SchemaError, match=f"source 'here' has {count}.* at least 10 are needed"):
        check_rows(rows, "here")
    with pytest.raises(SchemaError, match=count):
        checked(pa.table({"x": pa.array([1.5] * rows, pa.float64())}), {"x": "numeric"})


def test_ten_rows_are_enough():
    checked(pa.table({"x": [1.5] * 10}), {"x": "numeric"})


def test_more_categories_than_the_dictionary_type_can_index():
    """Each file fits its int8 dictionary, all files together do not."""
    chunks = [
        pa.array([f"{side}{i}" for i in range(100)])
        .dictionary_encode()
        .cast(pa.dictionary(pa.int8(), pa.string()))
        for side in "ab"
    ]
    checked(pa.table({"c": chunks[0]}), {"c": "categorical"})
    with pytest.raises(
        SchemaError, match=r"column 'c' has 200 categories in all files together; its type .*int8.* holds 128"
    ):
        checked(pa.table({"c": pa.chunked_array(chunks)}), {"c": "categorical"})


def test_rows_that_ids_can_number():
    schema = Schema.of(
        pa.schema({"a": pa.uint32(), "b": pa.string(), "x": pa.int8()}),
        {"a": "id", "b": "id", "x": "numeric"},
        "here",
    )
    schema.check_ids(2**32 - 1)
    with pytest.raises(
        SchemaError, match="column 'a' of kind id and type uint32 cannot number 4,294,967,296 rows"
    ):
        schema.check_ids(2**32)
    kinds = {"a": "id", "b": "id", "x": "numeric"}
    schema = Schema.of(
        pa.schema({"a": pa.decimal128(3, 0), "b": pa.float64(), "x": pa.int8()}), kinds, "here"
    )
    schema.check_ids(999)
    with pytest.raises(SchemaError, match=r"decimal128\(3, 0\) cannot number 1,000 rows; it ends at 999"):
        schema.check_ids(1000)


def test_no_name_of_a_column_is_that_of_a_part():
    """As names of 0.2 were."""
    moments = pa.array([7 * 10**8 * (i % 6) for i in range(36)], pa.timestamp("ms"))
    odd = {"d\0time": [1.5 * (i % 5) for i in range(36)], "d\0month": ["a", "b"] * 18}
    table = pa.table({"d": moments, **odd})
    schema = Schema.of(table.schema, infer(table)[0], "here")
    assert schema.learned == ["d", *odd]
    codec = Codec.fit(schema, parts.observe(schema, table), 32, 32)
    again = Codec.from_dict(schema, json.loads(json.dumps(codec.to_dict())))
    codes, _ = again.encode(table)
    assert again.decode(codes, np.full(codes.shape, 0.5)).equals(table)
