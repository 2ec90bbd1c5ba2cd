"""Whole numbers beyond 2^53 and long decimals keep all their digits."""

import json
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from raygen.codec import log_volume, parts
from raygen.codec.codec import Codec
from raygen.errors import SchemaError
from raygen.sampling.selection import select
from raygen.table import arrow
from raygen.table.part import Part
from raygen.table.protection import Protection
from raygen.table.schema import Schema
from raygen.table.stats import MAX_DISTINCT, NumericStats

ROWS = 3000
rng = np.random.default_rng(6)
COUNTS = rng.integers(0, 40, ROWS)
HUGE = 2**63 - 1
LONG = pa.decimal128(38, 18)


def decimals(whole) -> pa.Array:
    return pa.array([Decimal(int(w)).scaleb(-18, arrow.DIGITS) for w in whole], LONG)


WHOLE = rng.integers(10**17, 10**18, ROWS).astype(object) * 10**9 + rng.integers(0, 10**9, ROWS)
EXACT = {
    "moments in nanoseconds": pa.array(1_700_000_000 * 10**9 + rng.integers(0, 10**17, ROWS)),
    "int64, all of it": pa.array(rng.integers(-(2**63), 2**63 - 1, ROWS)),
    "uint64, all of it": pa.array(rng.integers(0, 2**64 - 1, ROWS, np.uint64)),
    "far away": pa.array(2**62 + rng.integers(0, 10_000, ROWS)),
    "codes": pa.array(rng.choice(2**60 + np.arange(300) * 17, ROWS)),
    "more codes": pa.array(rng.choice(2**60 + rng.integers(0, 2**50, 700), ROWS)),
    "decimal128(38, 18)": decimals(WHOLE),
    "decimal256(76, 30)": pa.array([Decimal(int(w)).scaleb(10) for w in WHOLE], pa.decimal256(76, 30)),
    "small decimals": decimals(rng.integers(0, 10**9, ROWS)),
    "odd numbers": pa.array(2**61 + 1 + 2 * rng.integers(0, 10**6, ROWS)),
    "with a sentinel": pa.array(np.where(rng.random(ROWS) < 0.1, HUGE, rng.integers(0, 10**6, ROWS))),
}


def fitted(column, numeric="bars", min_rows=1) -> tuple[Codec, pa.Table]:
    table = pa.table({"c": column})
    schema = Schema.of(table.schema, {"c": "numeric"}, "here")
    stats = parts.merge(parts.observe(schema, table.slice(0, 1000)), parts.observe(schema, table.slice(1000)))
    built = Codec.fit(schema, stats, 128, 256, numeric, Protection(min_rows))
    return Codec.from_dict(schema, json.loads(json.dumps(built.to_dict()))), table


def whole(column: pa.Array) -> np.ndarray:
    """Python's integers, of those that are there."""
    return arrow.whole_numbers(column.drop_null())


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("column", EXACT.values(), ids=EXACT)
@pytest.mark.slow
def test_digits_come_back(column, missing):
    column = pc.if_else(pa.array(rng.random(ROWS) >= missing), column, pa.scalar(None, column.type))
    built, table = fitted(column)
    codes, offsets = built.encode(table)
    positions = (offsets.reshape(ROWS, -1) + 0.5) / 256 if offsets.size else np.full(codes.shape, 0.5)
    back = built.decode(codes.astype(int), positions)["c"]
    assert back.is_null().equals(table["c"].is_null())
    real, new = whole(column), whole(back)
    block = built.blocks[Part("c")]
    atom = ~block.has_offset[codes[:, 0]][column.is_valid().to_numpy(zero_copy_only=False)]
    assert np.array_equal(real[atom], new[atom])
    made = built.decode(codes.astype(int), rng.random(codes.shape))["c"]
    made.validate(full=True)
    drawn = whole(made)
    assert made.type == column.type and real.min() <= drawn.min() <= drawn.max() <= real.max()
    if block.has_offset.any():
        assert np.abs(log_volume.log_volume(built, codes, offsets)).max() < 100


def test_what_lies_between_keeps_to_the_values_and_their_grid():
    for name in ("codes", "more codes", "with a sentinel"):
        built, table = fitted(EXACT[name])
        codes, _ = built.encode(table)
        made, real = (
            whole(x["c"]) for x in (built.decode(codes.astype(int), rng.random(codes.shape)), table)
        )
        known = np.isin(made.astype(np.int64), real.astype(np.int64))
        assert known.all() or (name == "with a sentinel" and made[~known].max() < 10**6)
        assert abs(int((made == HUGE).sum()) - int((real == HUGE).sum())) < 5
    built, table = fitted(EXACT["odd numbers"])
    made = whole(built.decode(built.encode(table)[0].astype(int), rng.random((ROWS, 1)))["c"])
    assert all(m % 2 for m in made) and len(set(made) - set(whole(table["c"]))) > 1000


def test_one_huge_value_changes_no_other():
    for real, odd in ((pa.array(COUNTS), 2**62 + 1), (pa.array(rng.integers(0, 10**6, ROWS)), 2**62 + 1)):
        with_odd = pa.array(np.append(real.to_numpy(), odd))
        (plain, _), (built, table) = fitted(real), fitted(with_odd)
        made = whole(built.decode(built.encode(table)[0].astype(int), rng.random((ROWS + 1, 1)))["c"])
        assert len(plain.blocks[Part("c")].grid) <= len(built.blocks[Part("c")].grid) + 1
        assert np.sort(made)[-30] < 10**6 and (made == odd).sum() <= 30
    prices = rng.integers(100, 10**6, ROWS).astype(object) * 10**16
    odd = [10**16 + 1, 3 * 10**36 + 7]
    built, table = fitted(decimals([*prices, *odd]))
    made = whole(built.decode(built.encode(table)[0].astype(int), rng.random((ROWS + 2, 1)))["c"])
    assert sum(m % 10**16 != 0 for m in made) < 20, "two digits, as nearly all have"


def test_statistics_of_parts_answer_as_those_of_all():
    long, short = decimals(WHOLE), decimals(rng.integers(0, 10**6, ROWS).astype(object) * 10**16)
    parts = [NumericStats.observe(arrow.marked_numbers(x, None), scale=18) for x in (short, long)]
    assert parts[0].scale is None and parts[1].scale == 18
    merged = NumericStats.merge(*parts)
    both = NumericStats.observe(arrow.whole_numbers(pa.concat_arrays([short, long])), scale=18)
    assert np.array_equal(merged.values, both.values) and np.array_equal(merged.counts, both.counts)
    assert (merged.minimum, merged.maximum, merged.divisor) == (both.minimum, both.maximum, both.divisor)


def test_more_values_than_are_known_one_by_one():
    many = 1_700_000_000 * 10**9 + rng.integers(0, 10**17, 2 * MAX_DISTINCT)
    built, table = fitted(pa.array(many))
    made = whole(built.decode(built.encode(table)[0].astype(int), rng.random((len(many), 1)))["c"])
    assert many.min() <= made.min() and made.max() <= many.max() and any(m % 2 for m in made)


def test_with_support():
    built, table = fitted(EXACT["moments in nanoseconds"], min_rows=8)
    real = set(whole(table["c"]))
    block = built.blocks[Part("c")]
    assert not real & {*block.grid.ravel(), block.minimum, block.maximum}
    made = whole(built.decode(built.encode(table)[0].astype(int), rng.random((ROWS, 1)))["c"])
    assert min(real) < made.min() and made.max() < max(real) and len(set(made)) > ROWS - 50


def test_conditions_are_in_the_units_of_the_column():
    built, _ = fitted(decimals(WHOLE))
    pieces = select(built, "c >= 500000000").pieces[0]
    made = built.decode(pieces.codes[:, None], (pieces.low[:, None] + pieces.high[:, None]) / 2)[
        "c"
    ].to_pylist()
    assert min(made) >= 500_000_000 and len(made) > 20


def test_a_gaussian_has_too_few_digits():
    with pytest.raises(
        SchemaError, match=r"column 'c' holds numbers of more digits .* a Gaussian has"
    ) as caught:
        fitted(EXACT["far away"], "gaussian")
    assert "schema.numeric" in caught.value.hint
