"""Tables at the edges of their types, with a relation each: rows come back, and any codes make rows."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from raygen.codec.codec import Codec
from raygen.relations.counts import Counts
from raygen.relations.differences import added, difference
from raygen.relations.language import parse
from raygen.relations.reduction import Reduction
from raygen.relations.uses import uses
from raygen.table.schema import Schema, infer
from tests.relations.test_reduction import any_codes, fitted

ROWS = 600
DRAWS = np.random.default_rng(0)
NUMBERS, STEPS = DRAWS.integers(-100, 100, ROWS), DRAWS.integers(0, 28, ROWS)
SOME, OTHERS = DRAWS.random(ROWS) < 0.3, DRAWS.random(ROWS) < 0.3
LEVELS = ["zz", "b", "unused", "a"]


def reduced(table: pa.Table, texts: dict[str, str], holds: str = "always") -> Reduction:
    kinds = {name: "numeric" if kind == "id" else kind for name, kind in infer(table)[0].items()}
    levels = {f.name: LEVELS for f in table.schema if pa.types.is_dictionary(f.type)}
    schema = Schema.of(table.schema, kinds, "here", levels)
    relations = [parse(column, text, holds, table.schema) for column, text in texts.items()]
    counts = Counts(relations)
    counts.observe(table)
    return Reduction(schema, uses(counts.verified(), counts.counts, schema))


def any_rows(table: pa.Table, reduction: Reduction) -> pa.Table:
    """Rows of codes that know nothing of each other, that may be what the schema says."""
    codec: Codec = fitted(table, reduction)
    codec.encode(table)
    rows = codec.decode(*any_codes(codec, ROWS))
    rows.validate(full=True)
    assert rows.schema.equals(table.schema) and rows.num_rows == ROWS
    for name in table.column_names:
        assert bool(rows[name].null_count) <= bool(table[name].null_count), name
    return rows


def comes_back(table: pa.Table, reduction: Reduction) -> None:
    back = reduction.restore(
        *reduction.reduce(table), lambda name: pytest.fail(f"no value of {name} is wanting")
    )
    assert back.schema.equals(table.schema)
    for name in table.column_names:
        assert list(map(repr, back[name].to_pylist())) == list(map(repr, table[name].to_pylist())), name
        assert back[name].null_count == table[name].null_count


def chosen(places: np.ndarray, gone: np.ndarray | None = None) -> pa.Array:
    return pa.DictionaryArray.from_arrays(
        pa.array(places, pa.int8(), mask=gone), pa.array(LEVELS), ordered=True
    )


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        (pa.uint32(), 2**32 - 300, 2**32 - 1),
        (pa.int8(), -100, 127),
        (pa.time32("s"), 0, 86_399),
        (pa.time64("us"), 0, 86_399_999_999),
    ],
    ids=str,
)
def test_a_drawn_difference_ends_where_its_type_does(kind, low, high):
    width = pa.int32() if pa.types.is_time32(kind) or pa.types.is_date32(kind) else pa.int64()
    x = DRAWS.integers(low, high, ROWS)
    y = np.minimum(x + DRAWS.integers(0, (high - low) // 2, ROWS), high)
    table = pa.table({"x": pa.array(x, width).cast(kind), "y": pa.array(y, width).cast(kind)})
    reduction = reduced(table, {"y": ">= x"})
    assert [use.how for use in reduction.uses] == ["difference"]
    comes_back(table, reduction)
    assert (reduction.uses[0].relation.keeps(any_rows(table, reduction)) == 1).all()


def test_differences_too_large_for_their_type_are_the_largest():
    x, y = pa.array([-(2**63), 2**63 - 1]), pa.array([2**63 - 1, 2**63 - 1])
    assert difference(y, x).to_pylist() == [2**63 - 1, 0]
    assert added(y, pa.array([5, 0]), pa.int64()).to_pylist() == y.to_pylist()


def test_differences_of_decimals_of_all_digits_come_back():
    x = [Decimal(8 * 10**37 + int(one)) for one in NUMBERS]
    y = [one + int(step) for one, step in zip(x, STEPS, strict=True)]
    kind = pa.decimal128(38, 0)
    table = pa.table({"x": pa.array(x, kind), "y": pa.array(y, kind)})
    reduction = reduced(table, {"y": ">= x"})
    comes_back(table, reduction)
    any_rows(table, reduction)


def test_what_always_differs_does_so_in_any_row():
    texts = pa.table({"x": np.array(list("abc"))[STEPS % 3], "y": np.array(list("bca"))[STEPS % 3]})
    for table in (texts, pa.table({"x": NUMBERS, "y": NUMBERS + 1 + STEPS})):
        reduction = reduced(table, {"y": "!= x"})
        assert [use.how for use in reduction.uses] == ["override"]
        rows = any_rows(table, reduction).to_pydict()
        assert all(x != y for x, y in zip(rows["x"], rows["y"], strict=True))


def test_a_sum_that_its_type_cannot_hold_is_the_nearest_that_it_can():
    a, b = NUMBERS + 127, STEPS
    table = pa.table({name: pa.array(v.astype("u1")) for name, v in (("a", a), ("b", b))})
    table = table.append_column("y", pa.array(np.maximum(a, b) - b, pa.uint8()))
    table = table.filter(pa.array(a >= b))
    assert any_rows(table, reduced(table, {"y": "a - b"})).num_rows == ROWS


@pytest.mark.parametrize("nullable", [True, False])
def test_what_nan_gives_is_nan(nullable):
    x = np.where(SOME, np.nan, NUMBERS)
    schema = pa.schema([pa.field(name, pa.float64(), nullable) for name in "xy"])
    table = pa.table([x, 2 * x], schema=schema)
    reduction = reduced(table, {"y": "2 * x"})
    assert [use.how for use in reduction.uses] == ["computed"]
    comes_back(table, reduction)
    any_rows(table, reduction)


def test_a_relation_between_nan_and_values_leaves_no_value_out_where_one_must_be():
    x = np.where(SOME, np.nan, NUMBERS)
    schema = pa.schema([pa.field(name, pa.float64(), False) for name in "xy"])
    table = pa.table([x, np.where(OTHERS, 2 * x, NUMBERS + 5)], schema=schema)
    any_rows(table, reduced(table, {"y": "2 * x"}, "often"))


@pytest.mark.parametrize("texts", [{"c": "5", "x": "7"}, {"c": "5", "x": "7 where c = 5"}])
def test_constants_alone_are_rows_too(texts):
    table = pa.table({"c": np.full(ROWS, 5), "x": np.full(ROWS, 7)})
    rows = any_rows(table, reduced(table, texts))
    assert rows.to_pylist() == [{"c": 5, "x": 7}] * ROWS


@pytest.mark.parametrize(
    "column",
    [
        pa.array(NUMBERS),
        pa.array(NUMBERS / 7),
        pa.array(list("abcd")).take(pa.array(STEPS % 4)),
        pa.array(NUMBERS > 0),
        pa.array(NUMBERS * 10**6, pa.timestamp("us")),
        pa.array(NUMBERS, mask=SOME),
        chosen(np.array([0, 1, 3])[STEPS % 3]),
    ],
    ids=["int", "float", "text", "boolean", "timestamp", "missing", "dictionary"],
)
def test_what_a_relation_often_gives_it_may_give_in_all_rows(column):
    table = pa.table({"x": column, "y": column})
    reduction = reduced(table, {"y": "x"}, "often")
    comes_back(table, reduction)
    any_rows(table, reduction)


def test_a_relation_that_is_broken_is_not_forced():
    table = pa.table({"x": NUMBERS, "y": np.where(SOME, NUMBERS, STEPS)})
    reduction = reduced(table, {"y": "x"})
    assert [(use.how, use.relation.is_total) for use in reduction.uses] == [("tied", False)]
    comes_back(table, reduction)


DICTIONARIES = {
    "tied": ({"y": "x"}, "often", np.where(SOME, STEPS % 2, STEPS % 2 * 3), None),
    "set": ({"y": "'b' where x = 'zz'"}, "always", np.where(STEPS % 2 == 0, 1, 3 * OTHERS), None),
    "missing": ({"y": "missing where x = 'zz'"}, "always", 3 * OTHERS, STEPS % 2 == 0),
    "missing at least": ({"y": "missing at least where x = 'zz'"}, "always", 3 * SOME, STEPS % 4 != 1),
}


@pytest.mark.parametrize(("texts", "holds", "places", "gone"), DICTIONARIES.values(), ids=DICTIONARIES)
def test_dictionaries_keep_their_levels(texts, holds, places, gone):
    table = pa.table({"x": chosen(STEPS % 2 * 3), "y": chosen(places, gone)})
    reduction = reduced(table, texts, holds)
    comes_back(table, reduction)
    rows = any_rows(table, reduction)
    for name in ("x", "y"):
        assert rows[name].chunk(0).dictionary.to_pylist() == LEVELS


def test_dictionaries_of_numbers_are_tied():
    x = pa.array(NUMBERS).dictionary_encode()
    table = pa.table({"x": x, "y": pa.array(np.where(SOME, NUMBERS, 0)).dictionary_encode()})
    schema = Schema.of(table.schema, infer(table)[0], "here")
    relations = [parse("y", "x", "often", table.schema)]
    counts = Counts(relations)
    counts.observe(table)
    reduction = Reduction(schema, uses(relations, counts.counts, schema))
    comes_back(table, reduction)


@pytest.mark.parametrize(("text", "holds"), [("x", "often"), ("missing where x = 'a'", "always")])
def test_texts_that_arrow_views_are_tied(text, holds):
    x = np.array(list("abc"))[STEPS % 3]
    y = [
        None if one == "a" and holds == "always" else one if some else "d"
        for one, some in zip(x, SOME, strict=True)
    ]
    table = pa.table({"x": x, "y": pa.array(y, pa.string_view())})
    reduction = reduced(table, {"y": text}, holds)
    comes_back(table, reduction)
    any_rows(table, reduction)


def test_a_value_may_be_missing_where_the_condition_is_unknown():
    x = pa.array(np.array(list("abc"))[STEPS % 3], mask=SOME)
    table = pa.table({"x": x, "y": pa.array(STEPS, mask=(STEPS % 3 == 0) | SOME)})
    reduction = reduced(table, {"y": "missing where x = 'a'"})
    assert [use.how for use in reduction.uses] == ["override"]
    comes_back(table, reduction)


def test_a_product_of_floats_does_not_wrap_around():
    table = pa.table({"x": [1 / 3, 1000 / 3], "y": pa.array([1, 0], pa.int8())})
    assert parse("y", "floor(x)", "often", table.schema).values(table).to_pylist() == [0, None]
