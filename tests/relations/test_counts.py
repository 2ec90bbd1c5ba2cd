"""Counts of rows that keep relations are the same however rows are shared out."""

import json

import numpy as np
import pyarrow as pa
import pytest

from raygen import rng
from raygen.relations.counts import Counts, often
from raygen.relations.language import parse
from raygen.table.protection import Protection


def table_of(rows: int) -> pa.Table:
    stream = rng.generator(1, "rows of a test of counts")
    x, z = stream.integers(0, 50, rows), stream.integers(0, 9, rows).astype(float)
    y = np.where(stream.random(rows) < 0.1, "other", np.char.add("v", (x // 5).astype(str)))
    z[:5] = np.nan
    w = np.where(np.arange(rows) < 20, -1, 2 * z + 1)
    return pa.table({"x": x, "y": y, "z": z, "w": w})


TABLE = table_of(1000)
TEXTS = {"y": "lookup(x)", "w": "2 * z + 1", "x": "missing where w is missing", "z": ">= 4"}
RELATIONS = [parse(column, text, "often", TABLE.schema) for column, text in TEXTS.items()]


def counts_of(*tables: pa.Table, **settings: int) -> Counts:
    counts = Counts(RELATIONS, **settings)
    for table in tables:
        counts.observe(table)
    return counts


def test_they_count_what_holds_breaks_and_misses():
    lookup, function, missing, order = counts_of(TABLE).counts
    right = sum(
        v == f"v{x // 5}" for x, v in zip(TABLE["x"].to_pylist(), TABLE["y"].to_pylist(), strict=True)
    )
    assert (lookup.holds, lookup.breaks, lookup.missing) == (right, 1000 - right, 0)
    assert (function.holds, function.breaks, function.missing, function.gaps) == (980, 15, 5, 5)
    assert (missing.holds, missing.share) == (1000, 1.0)
    assert order.holds + order.breaks == 995 and 0.4 < order.share < 0.7


def test_parts_merge_to_the_whole():
    parts = counts_of(TABLE[:300])
    parts.merge(counts_of(TABLE[300:310], TABLE[310:]))
    whole = counts_of(TABLE)
    assert json.dumps(parts.to_dict()) == json.dumps(whole.to_dict())
    assert Counts.from_dict(json.loads(json.dumps(whole.to_dict()))).to_dict() == whole.to_dict()


def test_lookups_learn_the_most_frequent_value_of_each_key():
    lookup = counts_of(TABLE).verified()[0]
    assert len(lookup.pairs) == 50
    assert lookup.values(TABLE).to_pylist() == [f"v{x // 5}" for x in TABLE["x"].to_pylist()]
    rare = counts_of(TABLE).verified(Protection(20))[0]
    assert 0 < len(rare.pairs) < 50 and min(rare.pairs.support) >= 20


@pytest.mark.parametrize("parts", [(TABLE,), (TABLE[:40], TABLE[40:])])
def test_too_many_pairs_are_told(parts):
    counts = counts_of(*parts, most_pairs=60)
    counts.merge(counts_of(TABLE[:10]))
    assert counts.counts[0].is_beyond and not counts.counts[0].pairs


TYPES = [pa.int8(), pa.uint64(), pa.float32(), pa.float64(), pa.decimal128(30, 3), pa.date32(), pa.date64()]
TYPES += [pa.time32("s"), pa.time64("ns"), pa.timestamp("ns"), pa.timestamp("us", "Asia/Tokyo")]
TYPES += [pa.duration("ms"), pa.bool_(), pa.string(), pa.string_view(), pa.dictionary(pa.int8(), pa.int64())]


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_lookups_are_of_any_type(kind):
    whole = pa.array([0, 1, 1, 0, None], pa.int32())
    wide = whole if kind in (pa.date32(), pa.time32("s")) else whole.cast(pa.int64())
    if pa.types.is_string_view(kind):
        wide = whole.cast(pa.string())
    if kind == pa.date64():
        wide = whole.cast(pa.date32())
    values = wide.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else wide.cast(kind)
    table = pa.table({"x": values, "y": values, "z": ["a", "b", "b", "a", "c"]})
    texts = {"x": "lookup(z)", "z": "lookup(x)", "y": "lookup(x, z)"}
    counts = Counts([parse(column, text, "always", table.schema) for column, text in texts.items()])
    counts.observe(table)
    for relation in Counts.from_dict(json.loads(json.dumps(counts.to_dict()))).verified():
        assert relation.keeps(table).tolist() == [1, 1, 1, 1, -1]
        assert relation.values(table).to_pylist()[:4] == table[relation.column].to_pylist()[:4]


@pytest.mark.parametrize(
    ("holds", "breaks", "words"),
    [(5, 0, "in all of 5 rows"), (9, 1, "in 90 % of 10 rows"), (99_999, 1, "in 99.99 % of 100,000 rows")],
)
def test_all_is_said_of_all_rows_alone(holds, breaks, words):
    assert often(holds, breaks) == words
