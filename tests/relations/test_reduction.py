"""What relations leave of a table to learn, and the table back."""

import json

import numpy as np
import pyarrow as pa
import pytest

from raygen import rng
from raygen.codec import parts
from raygen.codec.codec import Codec
from raygen.errors import SchemaError
from raygen.relations.counts import Counts
from raygen.relations.differences import added, difference
from raygen.relations.language import parse
from raygen.relations.reduction import Reduction, Use
from raygen.relations.uses import uses, why_unused
from raygen.table.part import Part
from raygen.table.schema import Schema, infer
from tests.relations import every_use as planted

ROWS = 3000


def reduced(
    table: pa.Table, texts: dict[str, str] | list[tuple[str, str]], often: tuple[str, ...] = ()
) -> Reduction:
    schema = Schema.of(table.schema, infer(table)[0], "here")
    pairs = texts.items() if isinstance(texts, dict) else texts
    relations = [parse(c, t, "often" if c in often else "always", table.schema) for c, t in pairs]
    counts = Counts(relations)
    counts.observe(table)
    return Reduction(schema, uses(counts.verified(), counts.counts, schema))


def fitted(table: pa.Table, reduction: Reduction) -> Codec:
    inner, ties = reduction.reduce(table)
    stats, explained = parts.observe(reduction.inner, inner), reduction.explained(ties)
    return Codec.fit(reduction.schema, stats, 64, 256, "bars", reduction=reduction, explained=explained)


def any_codes(codec: Codec, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes and positions that know nothing of each other."""
    draws = rng.generator(0, "test of any codes")
    codes = np.stack([draws.integers(0, size, rows) for size in codec.cardinalities], axis=1)
    return codes, draws.random(codes.shape)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return planted.table(ROWS)


@pytest.fixture(scope="module")
def whole(table) -> Codec:
    return fitted(table, reduced(table, planted.TOTAL | planted.PARTIAL, tuple(planted.PARTIAL)))


def test_each_kind_has_its_use(whole):
    assert {use.relation.column: use.how for use in whole.reduction.uses} == {
        "total": "computed",
        "ended": "difference",
        "borough": "computed",
        "tip": "override",
        "card": "override",
        "doubled": "computed",
        "year": "computed",
        "paid": "tied",
    }


def test_a_computed_column_has_no_codes(whole):
    assert not {"total", "borough", "doubled", "year"} & {part.column for part in whole.parts}
    assert Part.time("ended") not in whole.parts  # a duration is one part


def test_what_is_reduced_comes_back(table, whole):
    inner, ties = whole.reduction.reduce(table)
    assert inner.num_columns == table.num_columns - 4 and list(ties) == ["paid"]
    back = whole.reduction.restore(inner, ties, lambda name: pytest.fail(f"no value of {name} is wanting"))
    for name in table.column_names:
        assert back[name].combine_chunks().equals(table[name].combine_chunks()), name


def test_any_codes_make_rows_that_keep_what_always_holds(table, whole):
    rows = whole.decode(*any_codes(whole, ROWS))
    assert rows.schema.equals(table.schema)
    for use in whole.reduction.uses:
        if use.relation.is_total:
            kept = use.relation.keeps(rows)
            assert not (kept == 0).any() and (kept == 1).any(), use.relation.text
    for name in table.column_names:
        if not table[name].null_count:
            assert not rows[name].null_count, name


def test_codes_of_real_rows_have_the_share_of_a_partial_relation(table, whole):
    codes, _ = whole.encode(table)
    rows = whole.decode(codes, np.full(codes.shape, 0.5))
    same = np.equal(rows["paid"], rows["bill"]).mean()
    assert abs(same - np.equal(table["paid"], table["bill"]).mean()) < 0.02


def test_a_relation_is_one_more_code(table, whole):
    place, block = whole.parts.index(Part("paid")), whole.blocks[Part("paid")]
    assert whole.cardinalities[place] == block.cardinality + 1 and block.missing == 0
    codes, _ = whole.encode(table)
    share = np.equal(table["paid"], table["bill"]).mean()
    assert (codes[:, place] == block.cardinality).mean() == pytest.approx(share)
    start = sum(whole.cardinalities[:place])
    frequencies = whole.frequencies()
    assert frequencies[start + block.cardinality] == pytest.approx(share)
    assert frequencies[start : start + block.cardinality + 1].sum() == pytest.approx(1)
    assert len(frequencies) == len(whole.tables().has_offset) == sum(whole.cardinalities)


def test_what_a_relation_needs_is_drawn_before_what_it_gives(whole):
    order = [whole.parts[number] for number in whole.turn_order]
    assert sorted(order) == sorted(whole.parts)
    assert order.index(Part("bill")) < order.index(Part("paid"))


def test_a_value_that_must_be_there_is_made_up(table, whole):
    """Where the relation was drawn and what it needs is missing."""
    copied = table.set_column(
        table.schema.get_field_index("bill"), "bill", pa.array(table["bill"], mask=np.arange(ROWS) % 5 == 0)
    )
    built = fitted(copied, reduced(copied, planted.PARTIAL, tuple(planted.PARTIAL)))
    rows = built.decode(*any_codes(built, ROWS))
    assert rows["bill"].null_count and not rows["paid"].null_count
    assert len(set(rows["paid"].filter(rows["bill"].is_null()).to_pylist())) > 20


def test_the_codec_comes_back_from_json(table, whole):
    again = Codec.from_dict(whole.schema, json.loads(json.dumps(whole.to_dict())))
    codes, _ = whole.encode(table)
    assert np.array_equal(again.encode(table)[0], codes)
    positions = np.full(codes.shape, 0.5)
    assert again.decode(codes, positions).equals(whole.decode(codes, positions))


def test_a_value_where_the_relation_gives_none_is_learned_and_stays():
    """`y = 2 x` in all rows where both are there; `y` is there without `x`, and missing with it."""
    x = pa.array([1, 2, None, 4, 5, None] * 20)
    y = pa.array([2, 4, 7, 8, None, None] * 20)
    table = pa.table({"x": x, "y": y})
    reduction = reduced(table, {"y": "2 * x"})
    assert [use.how for use in reduction.uses] == ["tied"]
    back = reduction.restore(*reduction.reduce(table), lambda name: pytest.fail("none is wanting"))
    assert back["y"].combine_chunks().equals(y)


def test_a_relation_that_rows_break_is_not_forced_on_them(table):
    broken = {"total": "price - tax", "ended": "<= started"}
    assert [use.how for use in reduced(table, broken).uses] == ["tied", "checked"]


def test_an_order_that_often_holds_is_broken_as_often_by_what_is_learned(table):
    late = np.array(table["started"]) - np.timedelta64(90, "s")
    late = np.where(np.arange(ROWS) % 25 == 0, late, np.array(table["ended"]))
    rows = table.set_column(table.schema.get_field_index("ended"), "ended", pa.array(late))
    reduction = reduced(rows, {"ended": ">= started"})
    assert [use.how for use in reduction.uses] == ["difference"]
    codec, draws = fitted(rows, reduction), rng.generator(0, "test of codes by their frequency")
    shares = np.split(codec.frequencies(), np.cumsum(codec.cardinalities)[:-1])
    codes = np.stack([draws.choice(len(p), 20_000, p=p / p.sum()) for p in shares], axis=1)
    made = codec.decode(codes, draws.random(codes.shape)).to_pandas()
    assert (made.ended >= made.started).mean() == pytest.approx(0.96, abs=0.01)


def test_the_difference_is_of_an_order_that_always_holds_before_one_that_often_does(table):
    year = pa.array(2 * np.array(table["year"]) + np.arange(ROWS) % 3)
    wrong = pa.array(np.where(np.arange(ROWS) % 25 == 0, 9999, 0))
    rows = table.append_column("high", year).append_column("limit", wrong)
    found = reduced(rows, [("high", ">= limit"), ("high", ">= year")]).uses
    assert [use.how for use in found] == ["checked", "difference"]


def test_a_second_bound_is_kept_too():
    draws = rng.generator(0, "test of two bounds")
    low, other = draws.integers(0, 50, 500), draws.integers(0, 50, 500)
    high = np.maximum(low, other) + draws.integers(0, 9, 500)
    table = pa.table({"low": low, "other": other, "high": high})
    schema = Schema.of(table.schema, infer(table)[0], "here")
    relations = [parse("high", f">= {name}", "always", table.schema) for name in ("low", "other")]
    counts = Counts(relations)
    counts.observe(table)
    whole = fitted(table, Reduction(schema, uses(relations, counts.counts, schema)))
    rows = whole.decode(*any_codes(whole, 500)).to_pandas()
    assert (rows.high >= rows.low).all() and (rows.high >= rows.other).all()


def test_what_would_close_a_circle_is_not_used():
    table = pa.table({"x": [1.0, 2.0, 3.5] * 9, "y": [1.0, 2.0, 3.5] * 9, "z": [1, 2, 3] * 9})
    assert [use.how for use in reduced(table, {"x": "y", "y": "x"}).uses] == ["computed", "checked"]


def test_uses_that_go_in_a_circle_are_refused():
    table = pa.table({"x": [1.0, 2.0, 3.5] * 9, "y": [1.0, 2.0, 3.5] * 9, "z": [1, 2, 3] * 9})
    schema = Schema.of(table.schema, infer(table)[0], "here")
    both = [parse(*pair, "always", table.schema) for pair in (("x", "y"), ("y", "x"))]
    with pytest.raises(SchemaError, match=r"circle: .*x.*y"):
        Reduction(schema, tuple(Use(one, "computed", True) for one in both))


@pytest.mark.parametrize(
    "kind",
    [
        pa.int8(),
        pa.int64(),
        pa.float32(),
        pa.float64(),
        pa.decimal128(12, 3),
        pa.date32(),
        pa.date64(),
        pa.timestamp("ns", "Europe/Berlin"),
        pa.time32("s"),
        pa.time64("us"),
        pa.duration("ms"),
    ],
    ids=str,
)
def test_differences_come_back_exactly(kind):
    low, high = [0, 5, None, 86_399, 100], [7, 5, 9, 86_399, None]
    if kind == pa.int8():
        low[3], high[3] = -128, 127
    narrow = pa.int32() if kind.bit_width == 32 or kind == pa.date64() else pa.int64()
    x, y = (pa.array(values, narrow) for values in (low, high))
    if kind == pa.date64():
        x, y = x.cast(pa.date32()), y.cast(pa.date32())
    elif pa.types.is_decimal(kind):
        x, y = (v.cast(pa.decimal128(22, 3)) for v in (x, y))
    x, y = x.cast(kind), y.cast(kind)
    step = difference(y, x)
    expected = [None if x[i].as_py() is None else y[i].as_py() for i in range(len(x))]
    assert added(x, step, kind).to_pylist() == expected


def test_sums_of_floats_have_the_digits_of_their_parts():
    y, x = pa.array([0.3, 1234567.89]), pa.array([0.1, 0.01])
    assert difference(y, x).to_pylist() == [0.2, 1234567.88]
    assert added(x, pa.array([0.2, 1234567.88]), pa.float64()).to_pylist() == [0.3, 1234567.89]


@pytest.mark.parametrize(
    ("texts", "number", "words"),
    [
        ([("y", "2 * x"), ("y", ">= x")], 1, "'y' is computed in every row, = 2 * x"),
        ([("y", "2 * x"), ("x", "y / 2")], 1, "what it needs is given by 'x' itself"),
        ([("y", ">= 3 where none > 0")], 0, "no row of which it says anything"),
        ([("y", "2 * x")], 0, ""),
        ([("x", ">= 0")], 0, ""),
    ],
)
def test_why_nothing_is_made_of_a_relation_is_said(texts, number, words):
    x = np.arange(1, 60)
    table = pa.table({"x": x, "y": 2 * x, "z": x % 7, "none": np.zeros(len(x))})
    schema = Schema.of(table.schema, infer(table)[0], "here")
    relations = [parse(column, text, "always", table.schema) for column, text in texts]
    counts = Counts(relations)
    counts.observe(table)
    why = why_unused(number, uses(relations, counts.counts, schema), counts.counts)
    assert words in why and bool(words) == bool(why)
