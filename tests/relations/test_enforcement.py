"""Bounds that always hold are kept by rows of any codes."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from raygen import rng
from raygen.codec import parts
from raygen.codec.codec import Codec
from raygen.relations.counts import Counts
from raygen.relations.language import parse
from raygen.relations.reduction import Reduction
from raygen.relations.uses import uses
from raygen.sampling.selection import select
from raygen.table.part import Part
from raygen.table.schema import Schema, infer
from tests.relations.test_reduction import any_codes, fitted, reduced

ROWS = 2000


def table(kind: pa.DataType | None = None) -> pa.Table:
    draws = rng.generator(0, "table of bounds")
    sort = draws.choice(["a", "b", "c"], ROWS)
    low = draws.integers(-50, 50, ROWS)
    high = low + draws.integers(1, 40, ROWS)
    amount = np.where(sort == "a", 1, draws.choice([-1, 1], ROWS)) * draws.integers(1, 99, ROWS)
    some = np.where(sort == "b", draws.integers(5, 9, ROWS), draws.integers(0, 9, ROWS))
    columns = {
        "low": low,
        "high": high,
        "some": some,
        "above": pa.array(low + draws.integers(1, 9, ROWS), mask=draws.random(ROWS) < 0.1),
        "double": 2 * high + draws.integers(0, 9, ROWS),
        "amount": amount,
        "other": np.where(low == some, some + 1, low),
    }
    kind = kind or pa.int64()
    wide = pa.decimal128(22, 2) if pa.types.is_decimal(kind) else kind
    made = {name: pa.array(own).cast(wide, safe=False).cast(kind) for name, own in columns.items()}
    return pa.table({"sort": sort, "word": np.where(sort == "a", "x", "y"), **made})


BOUNDS = {
    "amount": ["> 0 where sort = 'a'"],
    "some": [">= 5 where sort = 'b'"],
    "above": ["> low"],  # with values missing
    "double": [">= 2 * high"],
    "high": ["> low", "<= 89"],
    "other": ["!= some"],
}


@pytest.mark.parametrize(
    "kind", [pa.int64(), pa.int16(), pa.float64(), pa.float32(), pa.decimal128(9, 2)], ids=str
)
def test_any_codes_keep_bounds(kind):
    rows = table(kind)
    texts = [(column, text) for column, own in BOUNDS.items() for text in own]
    reduction = reduced(rows, texts)
    assert [use.how for use in reduction.uses].count("checked") == 0
    codec = fitted(rows, reduction)
    made = codec.decode(*any_codes(codec, ROWS))
    inner = reduction.inner
    for use in reduction.uses:
        kept = use.relation.keeps(made)
        assert not (kept == 0).any() and (kept == 1).any(), (use.relation.column, use.relation.text)
    assert made["above"].null_count and not made["amount"].null_count and "high" in inner.kinds


def test_what_breaks_a_bound_by_a_constant_is_drawn_again_and_not_put_beside_it():
    rows = table()
    codec = fitted(rows, reduced(rows, [("amount", "> 0 where sort = 'a'")]))
    made = codec.decode(*any_codes(codec, ROWS)).to_pandas()
    drawn = made.amount[made.sort == "a"]
    assert (drawn > 0).all() and (drawn == 1).mean() < 0.1
    assert abs(drawn.mean() - 49.5) < 8


def test_rows_that_keep_bounds_stay_as_they_are():
    rows = table()
    reduction = reduced(rows, [(column, text) for column, own in BOUNDS.items() for text in own])
    back = reduction.restore(*reduction.reduce(rows), lambda name, shift=0.0: pytest.fail("none is wanting"))
    assert back.equals(rows)


def test_a_bound_by_a_constant_alone_is_kept_by_the_codes():
    rows = table()
    assert [use.how for use in reduced(rows, [("amount", ">= -98")]).uses] == ["checked"]


def test_what_is_drawn_from_a_gaussian_keeps_its_bounds():
    """A Gaussian has no ends: a quarter of its draws break these."""
    draws = rng.generator(0, "table of skewed columns")
    price = draws.gamma(1, 20, ROWS).round(2)
    day = np.datetime64("2024-01-01") + draws.exponential(300, ROWS).astype("m8[D]")
    rows = pa.table({"price": price, "gross": (price * 1.2).round(2), "day": pa.array(day)})
    texts = {"price": ">= 0", "gross": ">= price", "day": ">= '2024-01-01'"}
    relations = [parse(column, text, "always", rows.schema) for column, text in texts.items()]
    counts = Counts(relations)
    counts.observe(rows)
    schema = Schema.of(rows.schema, infer(rows)[0], "here")
    reduction = Reduction(schema, uses(relations, counts.counts, schema, numeric="gaussian"))
    assert [use.how for use in reduction.uses] == ["override"] * 3
    stats = parts.observe(reduction.inner, rows)
    codec = Codec.fit(schema, stats, 64, 256, "gaussian", reduction=reduction)
    codes = np.zeros((ROWS, codec.num_columns), int)
    made = codec.decode(codes, draws.normal(size=codes.shape))
    for relation in relations:
        kept = relation.keeps(made)
        assert (kept == 1).all(), relation.text
    assert (np.array(made["price"]) == 0).mean() < 0.01  # drawn again, not put beside the bound
    assert (
        np.array(made["price"]).min() < 1
        and np.median(made["price"]) < codec.blocks[Part("price")].mean * 1.5
    )


def test_a_value_that_must_be_missing_by_a_circle_is_emptied():
    """The arrival is planned arrival + delay, so that no delay can be set missing by a missing arrival."""
    draws = rng.generator(0, "table of a circle")
    planned, delay = draws.integers(0, 999, ROWS), draws.integers(-30, 90, ROWS)
    no_arrival, no_delay = draws.random(ROWS) < 0.1, draws.random(ROWS) < 0.1
    flights = pa.table(
        {
            "planned": planned,
            "delay": pa.array(delay, mask=no_arrival | no_delay),
            "arrival": pa.array(planned + delay, mask=no_arrival),
            "taxi": pa.array(draws.integers(1, 9, ROWS), mask=no_arrival | no_delay),
        }
    )
    texts = {
        "arrival": "planned + delay",
        "delay": "missing at least where arrival is missing",
        "taxi": "missing where delay is missing",
    }
    reduction = reduced(flights, texts)
    assert [use.how for use in reduction.uses] == ["tied", "checked", "override"]
    assert reduction.emptying == [reduction.uses[1].relation] and "delay" in reduction.touched
    codec = fitted(flights, reduction)
    codes, positions = any_codes(codec, 5000)
    made = codec.decode(codes, positions)
    assert made["delay"].null_count < 4000
    for use in reduction.uses:
        assert not (use.relation.keeps(made) == 0).any(), use.relation.column
    wanted = select(codec, "delay > 5")
    holds = wanted.tests.hold(codes, positions)
    assert 0 < holds.sum() == (pc.greater(made["delay"], 5).fill_null(False)).to_numpy().sum()


def turned(draws: np.random.Generator) -> tuple[pa.Table, dict[str, str], set[str]]:
    """Orders whose column gives the other one: by a relation that often holds, one on missing values, one on
    zeros, a sum, and a sum that is missing on one side."""
    limit, used = draws.integers(5, 99, ROWS), draws.random(ROWS)
    off, made, tried = draws.random(ROWS) < 0.1, draws.integers(0, 6, ROWS), draws.integers(0, 6, ROWS)
    start, lasts = draws.integers(0, 99, ROWS), draws.integers(0, 9, ROWS)
    sum_, gone = start + lasts, draws.random(ROWS) < 0.1
    table = pa.table(
        {
            "limit": limit,
            "used": np.where(used < 0.5, limit, (limit * used).astype(int)),
            "mean": pa.array(limit, mask=off),
            "least": pa.array(limit - draws.integers(0, 9, ROWS), mask=off),
            "tried": tried,
            "made": np.minimum(made, tried),
            "start": start,
            "lasts": pa.array(lasts, mask=gone),
            "end": sum_,
            "cut": np.maximum(sum_ - draws.integers(0, 9, ROWS), 0),
        }
    )
    texts = {"used": "limit", "least": "missing where mean is missing", "made": "0 where tried = 0"}
    orders = {("limit", "used"), ("mean", "least"), ("tried", "made"), ("end", "cut")}
    return table, texts | {"end": "start + lasts"}, orders


def test_an_order_that_closes_a_circle_or_is_of_a_given_column_is_turned():
    rows, texts, orders = turned(rng.generator(3, "table of orders that close circles"))
    pairs = [*texts.items(), *((y, f">= {x}") for y, x in sorted(orders))]
    reduction = reduced(rows, pairs, ("used",))
    assert {(u.relation.column, u.relation.text) for u in reduction.uses if u.how == "difference"} == {
        (x, f"<= {y}") for y, x in orders
    }
    back = reduction.restore(*reduction.reduce(rows), lambda name, shift=0.0: pytest.fail("none is wanting"))
    assert back.equals(rows)
    codec = fitted(rows, reduction)
    made = codec.decode(*any_codes(codec, ROWS))
    for use in reduction.uses:
        if use.relation.is_total:
            assert not (use.relation.keeps(made) == 0).any(), (use.relation.column, use.relation.text)
    assert made["least"].null_count and not made["used"].null_count


def test_an_order_is_kept_where_another_relation_gave_the_value():
    draws = rng.generator(4, "table of a greater one of two")
    one, other = draws.integers(0, 99, ROWS), draws.integers(0, 99, ROWS)
    rows = pa.table({"one": one, "other": other, "most": np.maximum(one, other)})
    texts = [("most", "one"), ("most", "other"), ("most", ">= one"), ("most", ">= other")]
    schema = Schema.of(rows.schema, infer(rows)[0], "here")
    relations = [parse(c, t, "often" if "=" not in t else "always", rows.schema) for c, t in texts]
    counts = Counts(relations)
    counts.observe(rows)
    codec = fitted(rows, Reduction(schema, uses(relations, counts.counts, schema)))
    made = codec.decode(*any_codes(codec, ROWS)).to_pandas()
    assert (made.most >= made[["one", "other"]].max(axis=1)).all()
