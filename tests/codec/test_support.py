"""With `min_rows`, nothing is stored that stands for fewer rows; what is left is drawn as ever."""

import datetime
import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raygen.codec import parts
from raygen.codec.bins import NumericBlock
from raygen.codec.codec import Codec
from raygen.table.part import Part
from raygen.table.protection import MADE_UP, Protection
from raygen.table.schema import Schema
from raygen.table.stats import NumericStats
from tests.codec.round_trip import block_in

ROWS, LEAST = 1000, 8
EPOCH = datetime.date(1970, 1, 1)
KINDS = {
    "name": "categorical",
    "boss": "boolean",
    "salary": "numeric",
    "born": "datetime",
    "seen": "datetime",
    "postcode": "numeric",
    "card": "numeric",
    "size": "categorical",
}
patient = settings(deadline=None)  # the machine may be busy


def people(seed=0) -> pa.Table:
    """Rows of persons: most names are of one row, salaries in cents, two bosses, three sizes that nobody
    has, and one that two have."""
    rng = np.random.default_rng(seed)
    name = np.where(rng.random(ROWS) < 0.3, rng.integers(0, 10, ROWS), rng.integers(10, 10**6, ROWS))
    salary = rng.lognormal(10.5, 0.5, ROWS).round(2)
    salary[:2] = 9_876_543.21, 0.01
    size = np.where(np.arange(ROWS) < 2, "XXL", rng.choice(["S", "M"], ROWS))
    seen = 1_700_000_000_123_456 + rng.integers(0, 10**14, ROWS)
    columns = {
        "name": pa.array([f"n{i}" for i in name]),
        "boss": pa.array(np.arange(ROWS) < 2),
        "salary": pa.array(salary, mask=np.arange(ROWS) % 400 == 7),
        "born": pa.array(rng.integers(-9000, 11_000, ROWS).astype(np.int32), pa.date32()),
        "seen": pa.array(seen, pa.timestamp("us", "Europe/Berlin")),
        "postcode": pa.array(rng.integers(10_000, 99_999, ROWS)),
        "card": pa.array(4_000_000_000_000_000 + rng.integers(0, 10**15, ROWS)),
        "size": pa.array(size),
    }
    return pa.table(columns)


def fitted(table: pa.Table, kinds=KINDS, numeric="bars", min_rows=LEAST, max_categories=256) -> Codec:
    schema = Schema.of(
        table.schema, kinds, "here", {"size": ["S", "M", "L", "XXL"]} if kinds is KINDS else None
    )
    built = Codec.fit(
        schema, parts.observe(schema, table), 128, max_categories, numeric, Protection(min_rows)
    )
    return Codec.from_dict(built.schema, json.loads(json.dumps(built.to_dict())))


def drawn(built: Codec, table: pa.Table) -> pa.Table:
    """A table's codes with new positions inside them."""
    codes, _ = built.encode(table)
    assert np.all(codes < [block.cardinality for block in built.blocks.values()])
    return built.decode(codes.astype(int), np.random.default_rng(0).random(codes.shape))


def leaves(state) -> list:
    if isinstance(state, dict):
        return [leaf for value in state.values() for leaf in leaves(value)]
    return [leaf for value in state for leaf in leaves(value)] if isinstance(state, list | tuple) else [state]


def numbers_of(built: Codec, part: Part) -> np.ndarray:
    state = built.to_dict()
    stored = leaves([block_in(state, *part), state["moments"].get(part.column, [])])
    return np.unique([float(leaf) for leaf in stored if isinstance(leaf, int | float)])


@pytest.mark.parametrize("numeric", ["bars", "gaussian"])
def test_no_value_of_fewer_rows_is_stored(numeric):
    table, others = people(), people(1)
    built = fitted(table, numeric=numeric)
    stored = set(map(str, leaves([built.to_dict(), built.schema.levels])))
    for column in ("name", "boss", "size"):
        counts = pc.value_counts(table[column].cast(pa.string()))
        rare = counts.field("values").filter(pc.less(counts.field("counts"), LEAST)).to_pylist()
        assert rare and not stored & set(rare), column
    assert {"L", "n1", "false"} <= stored, "levels that nobody has stay, and what is frequent"
    for part, values in parts.values(built.schema, table).items():
        if isinstance(values, np.ndarray):
            found = numbers_of(built, part)
            value, counts = np.unique(values[~np.isnan(values)], return_counts=True)
            rare, chance = value[counts < LEAST], np.unique(parts.values(built.schema, others)[part])
            own, by_chance = (np.isin(some, found).sum() for some in (rare, chance))
            assert own <= by_chance + 3, (
                f"{part.title}: {own} of {len(rare)} values, {by_chance} of other rows"
            )
            assert part not in (Part("salary"), Part("card"), Part.time("seen")) or own == 0
            assert numeric == "gaussian" or not np.isin(value[[0, -1]], found).any(), "the ends"
    for ends in built.moments.values():
        assert not set(ends) & set(table["seen"].cast(pa.int64()).to_pylist())


def test_what_is_drawn_is_in_range_and_spread_as_before():
    table = people()
    made = drawn(fitted(table), table)
    assert made.schema.equals(table.schema)
    assert set(made["name"].to_pylist()) == {f"n{i}" for i in range(10)}
    assert not pc.any(made["boss"]).as_py() and set(made["size"].to_pylist()) == {"S", "M"}
    assert made["salary"].null_count == 0
    for column in ("salary", "born", "seen", "postcode", "card"):
        real, new = table[column].combine_chunks(), made[column].combine_chunks()
        ends, inner = pc.min_max(real), pc.min_max(new)
        assert ends["min"].as_py() < inner["min"].as_py() < inner["max"].as_py() < ends["max"].as_py(), column
        real, new = ((x.cast(pa.int32()) if column == "born" else x).drop_null() for x in (real, new))
        real, new = (
            np.sort(x.cast(pa.float64() if column != "seen" else pa.int64()).to_numpy()) for x in (real, new)
        )
        place = np.interp(new, real, np.linspace(0, 1, len(real)))
        assert np.abs(np.sort(place) - np.linspace(0, 1, len(place))).max() < 0.03, column


@pytest.mark.parametrize("max_categories", [256, 8])
def test_rare_categories_go_to_what_is_left(max_categories):
    rng = np.random.default_rng(3)
    names = np.where(rng.random(5000) < 0.2, rng.integers(100, 5000, 5000), rng.integers(0, 20, 5000))
    table = pa.table({"c": [f"{i:04}" for i in names]})
    built = fitted(table, {"c": "categorical"}, max_categories=max_categories)
    block = built.blocks[Part("c")]
    assert len(block.members) == 20 and block.frequencies().sum() == pytest.approx(1)
    codes, _ = built.encode(table)
    assert np.bincount(codes[:, 0]) / len(codes) == pytest.approx(block.frequencies(), abs=0.03)


def test_a_column_of_rare_values_only():
    table = pa.table(
        {
            "text": [f"{i}" for i in range(ROWS)],
            "number": pa.array(np.arange(ROWS)),
            "few": pa.array([1.5] * 7 + [None] * (ROWS - 7), pa.float64()),
            "day": pa.array([EPOCH] * 7 + [None] * (ROWS - 7), pa.date32()),
        }
    )
    kinds = {"text": "categorical", "number": "categorical", "few": "numeric", "day": "datetime"}
    for numeric in ("bars", "gaussian"):
        made = drawn(fitted(table, kinds, numeric), table)
        assert set(made["text"].to_pylist()) == {MADE_UP}
        assert made["number"].null_count == made["few"].null_count == made["day"].null_count == ROWS


def test_infinities_and_what_is_missing_are_values_of_so_many_rows():
    values = np.random.default_rng(4).normal(size=ROWS)
    values[:7], values[7:20], values[20:27] = np.inf, -np.inf, np.nan
    for missing in (2, 0):
        table = pa.table(
            {"x": pa.array(values, mask=np.isin(np.arange(ROWS), np.arange(100, 100 + missing)))}
        )
        made = drawn(fitted(table, {"x": "numeric"}), table)["x"]
        found = made.drop_null().to_numpy()
        assert np.isneginf(found).sum() == 13 and not np.isposinf(found).any() and not np.isnan(found).any()
        assert made.null_count == 14 + missing


def test_days_keep_to_their_calendar():
    rng = np.random.default_rng(5)
    days = np.arange(10_000, 15_000)
    working = rng.choice(days[(days % 7 != 3) & (days % 7 != 2)], 3000, replace=False)
    late = np.append(working, days[days % 7 == 3][:5])  # five Sundays
    table = pa.table({"d": pa.array(late.astype(np.int32), pa.date32())})
    made = drawn(fitted(table, {"d": "datetime"}), table)["d"].combine_chunks().cast(pa.int32()).to_numpy()
    assert not np.isin(made % 7, [2, 3]).any() and len(np.unique(made)) > 1000


COUNTS = st.lists(st.tuples(st.integers(-300, 300), st.integers(1, 30)), min_size=1, max_size=80)


@patient
@given(COUNTS, st.integers(2, 40), st.sampled_from([1.0, 0.01]), st.integers(4, 20))
def test_any_numbers(counts, min_rows, unit, bars):
    whole = dict(counts)
    values = np.repeat(np.round(np.array(list(whole)) * unit, 2), list(whole.values()))
    block = NumericBlock.fit(NumericStats.observe(values), bars, min_rows=min_rows)
    if len(values) < min_rows:
        assert len(block.grid) == 0 and np.isnan(block.decode(*block.encode(values))).all()
        return
    codes, offsets = block.encode(values)
    back = block.decode(codes, (offsets + 0.5) / 256)
    assert values.min() - 1e-9 * unit <= back.min() and back.max() <= values.max() + 1e-9 * unit
    assert np.abs(np.round(back / unit) - back / unit).max() < 1e-6, "on the grid"
    assert np.all(block.frequencies() * len(values) > min_rows - 1e-6)
    assert np.bincount(codes, minlength=block.cardinality) / len(codes) == pytest.approx(
        block.frequencies(), abs=(2 * min_rows + len(values) / bars) / len(values)
    )


@pytest.mark.parametrize("min_rows", [8, 20])
def test_a_column_that_must_have_values_and_keeps_none_may_be_missing(min_rows, tmp_path):
    fields = [pa.field(n, kind, False) for n, kind in (("flag", pa.bool_()), ("code", pa.int16()))]
    fields += [pa.field("n", pa.int32(), False), pa.field("day", pa.date32(), False)]
    flag, some = [True, False] * 5, list(range(10))
    table = pa.table([pa.array(flag), pa.array(some, pa.int16()), some, some], schema=pa.schema(fields))
    kinds = {"flag": "boolean", "code": "categorical", "n": "numeric", "day": "datetime"}
    made = drawn(fitted(table, kinds, min_rows=min_rows), table)
    assert made["flag"].null_count == made["code"].null_count == 10
    assert made["n"].null_count == made["day"].null_count == (10 if min_rows == 20 else 0)
    pq.write_table(made, tmp_path / "t.parquet")
    assert pq.read_table(tmp_path / "t.parquet").num_rows == 10
