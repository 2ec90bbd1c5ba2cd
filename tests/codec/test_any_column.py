"""Columns of every Arrow type that is learned, of whatever shape, through the codec and back: what comes out
went in, or lies within the range of what did."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raygen.codec import parts
from raygen.codec.bins import NumericBlock
from raygen.codec.codec import Codec
from raygen.table import arrow
from raygen.table.part import Part
from raygen.table.protection import Protection
from raygen.table.schema import Schema, infer

DAY = 86_400
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
# type: least and greatest of the whole numbers that its values are made of
WHOLE = {
    **{pa.int8(): (-128, 127), pa.uint8(): (0, 255), pa.int16(): (-(2**15), 2**15 - 1)},
    **{pa.uint16(): (0, 2**16 - 1), pa.int32(): (-(2**31), 2**31 - 1), pa.uint32(): (0, 2**32 - 1)},
    **{pa.int64(): (-(2**63), 2**63 - 1), pa.uint64(): (0, 2**64 - 1)},
    **{pa.decimal32(9, 2): (1 - 10**9, 10**9 - 1), pa.decimal64(18, 4): (1 - 10**18, 10**18 - 1)},
    **{pa.decimal128(10, 2): (0, 10**10 - 1), pa.decimal128(38, 18): (1 - 10**38, 10**38 - 1)},
    pa.decimal256(76, 30): (1 - 10**76, 10**76 - 1),
    **{pa.float16(): (-2000, 2000), pa.float32(): (-(10**6), 10**6), pa.float64(): (-(10**12), 10**12)},
    **{pa.timestamp(unit): (-(2**62), 2**62) for unit in ("us", "ns")},
    **{pa.timestamp(unit): (-(10**10) * UNITS[unit], 10**10 * UNITS[unit]) for unit in ("s", "ms")},
    pa.timestamp("us", "UTC"): (-(10**15), 10**15),
    pa.timestamp("s", "Europe/Berlin"): (0, 4 * 10**9),
    pa.date32(): (-700_000, 2_900_000),
    pa.date64(): (-700_000, 2_900_000),
    **{pa.time32(unit): (0, DAY * UNITS[unit] - 1) for unit in ("s", "ms")},
    **{pa.time64(unit): (0, DAY * UNITS[unit] - 1) for unit in ("us", "ns")},
    **{pa.duration(unit): (-(2**63) + 1, 2**63 - 1) for unit in UNITS},
}
TEXTS = [pa.string(), pa.large_string(), pa.string_view(), pa.bool_()]
TYPES = [*WHOLE, *TEXTS, pa.dictionary(pa.int16(), pa.string()), pa.dictionary(pa.int16(), pa.int64())]
TYPES += [pa.dictionary(pa.int16(), pa.timestamp("ms")), pa.null()]


def made_of(whole: list, kind: pa.DataType) -> pa.Array:
    """A column of a type from whole numbers and None."""
    if pa.types.is_null(kind):
        return pa.nulls(len(whole))
    if pa.types.is_dictionary(kind):
        return made_of(whole, kind.value_type).dictionary_encode().cast(kind)
    if kind in TEXTS[:3]:
        return pa.array([None if w is None else f"{w}" for w in whole], kind)
    if pa.types.is_boolean(kind):
        return pa.array([None if w is None else w % 2 == 0 for w in whole], pa.bool_())
    if pa.types.is_floating(kind):
        return pa.array([None if w is None else w / 100 for w in whole], pa.float64()).cast(kind)
    if pa.types.is_decimal(kind):
        return pa.array(
            [None if w is None else Decimal(w).scaleb(-kind.scale, arrow.DIGITS) for w in whole], kind
        )
    if pa.types.is_date64(kind):
        return pa.array([None if w is None else w * DAY * 1000 for w in whole], pa.int64()).cast(kind)
    narrow = pa.types.is_date32(kind) or pa.types.is_time32(kind)
    plain = pa.int32() if narrow else kind if pa.types.is_integer(kind) else pa.int64()
    return pa.array(whole, plain).cast(kind)


def whole_of(column: pa.Array) -> np.ndarray:
    """What a column is made of, in order of size, or its text; of those that are there."""
    column = arrow.plain(column)
    kind = column.type
    if kind in TEXTS or pa.types.is_null(kind):
        return np.array(arrow.strings(column).drop_null().to_pylist(), object)
    column = column.drop_null()
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return arrow.whole_numbers(column)
    if pa.types.is_floating(kind):
        return arrow.marked_numbers(column)
    return arrow.moments(column)[0].astype(object)


@st.composite
def columns(draw, kind: pa.DataType) -> pa.Array:
    """Some distinct values, of a grid or not, that come again and again or once, one of them a sentinel; and
    nulls."""
    low, high = WHOLE.get(arrow.value_type(kind), (0, 30 if kind != pa.bool_() else 1))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows, distinct = draw(st.integers(10, 200)), draw(st.integers(1, 200))
    width = min(high - low, draw(st.sampled_from([3, 50, 10**4, 10**9, 10**18, 10**76])))
    base = low + (high - low - width) * draw(st.integers(0, 100)) // 100
    step = draw(st.sampled_from([1, 1, 2, 7, 100, 86_400]))
    step = step if step * 10 < width else 1
    drawn = generator.integers(0, 2**62, distinct).tolist()
    values = [base + d * width // 2**62 // step * step for d in drawn]
    picked = [values[i] for i in generator.integers(0, distinct, rows)]
    sentinel = draw(st.sampled_from([None, low, high, base]))
    often, gone = draw(st.sampled_from([0.0, 0.02, 0.3])), draw(st.sampled_from([0.0, 0.0, 0.05, 0.6, 1.0]))
    for value, share in ((sentinel, often if sentinel is not None else 0.0), (None, gone)):
        picked = [value if x < share else w for w, x in zip(picked, generator.random(rows), strict=True)]
    return made_of(picked, kind)


@pytest.mark.parametrize("kind", TYPES, ids=str)
@settings(deadline=None, max_examples=10)
@given(data=st.data())
@pytest.mark.slow
def test_what_comes_out_went_in(kind, data):
    column = data.draw(columns(kind))
    least, numeric = (
        data.draw(st.sampled_from([1, 1, 8])),
        data.draw(st.sampled_from(["bars", "bars", "gaussian"])),
    )
    table = pa.table({"c": column, "other": np.arange(len(column)) % 3})
    kinds, notes = infer(table)
    if kinds["c"] == "drop":
        assert "left out" in notes["c"]
        return
    if kinds["c"] == "id":
        kinds["c"] = "numeric" if kind in WHOLE else "categorical"
    schema = Schema.of(table.schema, kinds, "here")
    stats = parts.observe(schema, table)
    if (
        numeric == "gaussian"
        and stats[Part("c")].__dict__.get("scale") is not None
        and kinds["c"] == "numeric"
    ):
        return
    built = Codec.fit(schema, stats, data.draw(st.integers(4, 40)), 20, numeric, Protection(least))
    codes, offsets = built.encode(table)
    assert np.all(codes < [block.cardinality for block in built.blocks.values()])
    positions = np.random.default_rng(data.draw(st.integers(0, 9))).random(codes.shape)
    if built.gaussian:
        positions[:, : built.num_offsets] = offsets
    made = built.decode(codes.astype(int), positions)["c"]
    made.validate(full=True)
    assert made.type == kind
    real, new = whole_of(table["c"]), whole_of(made)
    if least == 1:
        assert made.is_null().combine_chunks().equals(column.is_null()), "as many are missing, the same ones"
    if not len(real) or not len(new):
        return
    if kinds["c"] in ("categorical", "boolean"):
        assert set(new) <= {*real, *(["_rare_"] if least > 1 else [])}
        return
    if built.gaussian and not isinstance(built.blocks[Part("c")], NumericBlock):
        return
    assert real.min() <= new.min() <= new.max() <= real.max()
    if pa.types.is_floating(kind) and kind != pa.float16():
        assert np.array_equal(new, np.round(new.astype(float), 2).astype(kind.to_pandas_dtype()))
    if least == 1 and not arrow.is_moment(kind):  # a moment is a day and a time of day
        step = 0 if pa.types.is_floating(kind) else np.gcd.reduce(real - real[0])
        assert built.blocks[Part("c")].has_offset.any() or set(new.tolist()) <= set(real.tolist())
        assert not step or all((value - real[0]) % step == 0 for value in new.tolist())


def test_every_type_that_is_learned_is_here():
    """Others are named when they are left out (test_types.LEFT_OUT)."""
    names = {str(kind).split("(")[0].split("[")[0].split("<")[0] for kind in TYPES}
    assert {"int64", "uint8", "decimal256", "float", "halffloat", "double", "date32", "time64"} <= names
    assert {"timestamp", "duration", "string", "large_string", "string_view", "bool", "dictionary"} <= names
