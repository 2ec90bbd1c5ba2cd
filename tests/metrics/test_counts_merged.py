"""Counts of rows are one tally however the rows are cut, ordered and encoded; copies among them are found."""

import copy
import functools
import itertools
import pickle

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raygen.metrics import counts as counts_module
from raygen.metrics import fidelity, row_codes
from raygen.metrics.column_ranges import merged, observed
from raygen.metrics.counts import Counts, Reference
from tests.frames import OfFrames
from tests.metrics.tallies import (
    NAN,
    SMALL_KINDS,
    adult,
    assert_same,
    compare,
    count,
    small_tables,
)

fidelity = OfFrames(fidelity)
pytestmark = pytest.mark.usefixtures("pairs_as_they_are")


@settings(max_examples=100, deadline=None)
@given(real=small_tables(), synthetic=small_tables(), data=st.data())
@pytest.mark.slow
def test_any_cut_and_order_of_blocks_gives_one_tally(real, synthetic, data):
    reference = Reference(real, SMALL_KINDS, all_pairs=True)
    ranges = observed(synthetic, SMALL_KINDS)
    ends = [
        0,
        *sorted(data.draw(st.lists(st.integers(0, synthetic.num_rows), max_size=4))),
        synthetic.num_rows,
    ]
    blocks = [synthetic.slice(start, end - start) for start, end in itertools.pairwise(ends)]
    assert merged(observed(block, SMALL_KINDS) for block in blocks) == ranges
    parts = [reference.count(block, ranges) for block in data.draw(st.permutations(blocks))]
    before = copy.deepcopy(parts)
    split = data.draw(st.integers(1, len(parts)))
    sides = [functools.reduce(Counts.merge, side) for side in (parts[:split], parts[split:]) if side]
    assert_same(functools.reduce(Counts.merge, sides), reference.count(synthetic, ranges))
    for part, was in zip(parts, before, strict=True):
        assert_same(part, was)  # merging leaves its parts alone
    into = reference.count(synthetic[:0], ranges)
    for block in blocks:
        reference.add(block, into)
    assert_same(into, reference.count(synthetic, ranges))


def test_slices_and_sparse_joints_change_nothing(tables, monkeypatch):
    real, synthetic, kinds = tables
    want = count(Reference(real, kinds), synthetic)
    monkeypatch.setattr(counts_module, "SLICE_ROWS", 61)
    assert_same(count(Reference(real, kinds), synthetic), want)
    monkeypatch.setattr(counts_module, "DENSE_CELLS", 0)
    assert_same(count(Reference(real, kinds), synthetic), want)


def test_other_encodings_of_the_same_rows_count_alike(tables):
    real, synthetic, kinds = tables
    reference = Reference(real, kinds)
    want = count(reference, synthetic)
    packed = pa.table(
        {
            name: column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
            for name, column in zip(kinds, synthetic, strict=True)
        }
    )
    assert_same(count(reference, packed), want)
    unequal = pa.concat_tables(
        [packed[:100].take(list(range(100))[::-1]), packed[:0], packed[100:]]
    )  # chunks with dictionaries of their own
    assert_same(count(reference, unequal), want)
    wide = synthetic.set_column(0, "int8", synthetic["int8"].cast(pa.int64())).set_column(
        1, "int64", synthetic["int64"].cast(pa.float64())
    )
    wide = wide.set_column(
        synthetic.column_names.index("label"), "label", synthetic["label"].cast(pa.int16())
    )
    assert_same(count(reference, wide.select(wide.column_names[::-1])), want)
    assert_same(count(reference, synthetic, [0, 0, 300, 700]), want)
    assert_same(count(pickle.loads(pickle.dumps(reference)), synthetic), want)


def test_a_dictionary_may_hold_nulls_and_levels_that_no_row_has():
    array = pa.DictionaryArray.from_arrays(
        pa.array([0, 1, 2, None, 0]), pa.array(["a", None, "new", "unused"])
    )
    out = count(Reference(pa.table({"c": ["a", "b", None]}), {"c": "categorical"}), pa.table({"c": array}))
    assert out.levels["c"].tolist() == [2, 2, 0, 1]
    assert out.unseen == {"c": ["new"]}


@pytest.mark.parametrize(
    "kind", ["int8", "int64", "float", "double", "decimal128(20, 1)", "string", "large_string", "string_view"]
)
def test_levels_are_one_whatever_their_type(kind):
    kind = pa.decimal128(20, 1) if kind.startswith("decimal") else pa.type_for_alias(kind)
    column = pa.array([1, 0, None, 1, 7]).cast(pa.string() if kind == pa.string_view() else kind).cast(kind)
    out = count(Reference(pa.table({"c": [1, 0, 0]}), {"c": "categorical"}), pa.table({"c": column}))
    assert (out.levels["c"].tolist(), out.unseen) == ([1, 1, 2, 1], {"c": ["7"]})


def test_minus_zero_is_zero_and_nan_is_null():
    out = count(
        Reference(pa.table({"c": [0.0, 1.0]}), {"c": "categorical"}), pa.table({"c": [-0.0, 0.0, NAN, None]})
    )
    assert out.levels["c"].tolist() == [2, 2, 0, 0]


def test_ranges_of_all_rows_are_needed_to_merge(tables):
    real, synthetic, kinds = tables
    reference = Reference(real, kinds)
    with pytest.raises(ValueError, match="different ranges"):
        count(reference, synthetic[:50]).merge(count(reference, synthetic[50:]))


def test_a_tally_does_not_grow_with_the_rows(tables):
    real, synthetic, kinds = tables
    reference = Reference(real, kinds)
    few, many = (
        len(pickle.dumps(count(reference, table)))
        for table in (synthetic, pa.concat_tables([synthetic] * 40))
    )
    assert many == pytest.approx(few, rel=0.01)
    assert (
        len(
            count(
                reference,
                pa.concat_tables([synthetic.set_column(12, "text", pa.array(map(str, range(700))))]),
            ).unseen["text"]
        )
        == counts_module.EXAMPLES
    )


def test_copies_are_rows_equal_in_every_column():
    real = pa.table(
        {
            "n": [1, 2, 2, None, 0],
            "t": ["a", "b", "b", None, "c"],
            "f": [0.1, 0.2, 0.2, 0.3, 0.0],
            "id": [1, 2, 3, 4, 5],
        }
    )
    kinds = {"n": "numeric", "t": "categorical", "f": "numeric", "id": "id"}
    rows = [
        (1, "a", 0.1, True),
        (1, "a", 0.1 + 1e-16, False),
        (2, "b", 0.2, True),
        (2, "b", 0.2, True),
        (2, "a", 0.2, False),  # each value is there, but not together
        (None, None, 0.3, True),
        (None, None, None, False),
        (0, "c", -0.0, True),
        (1, "new", 0.1, False),
        (1, None, 0.1, False),
    ]
    n, t, f, copied = zip(*rows, strict=True)
    synthetic = pa.table(
        {"f": pa.array(f), "t": pa.array(t).dictionary_encode(), "n": pa.array(n, pa.int16())}
    )
    out = compare(real, synthetic, kinds)
    assert (out.copied_rows, out.exact_copies) == (sum(copied), sum(copied) / len(rows))
    reference = Reference(real, kinds)
    assert [count(reference, synthetic[i : i + 1]).num_copies for i in range(len(rows))] == list(
        map(int, copied)
    )


def test_copies_of_adult_are_those_that_pandas_finds():
    table, kinds = adult()
    real, synthetic = table[:16_000], table[16_000:]
    pairs = synthetic.to_pandas().merge(real.to_pandas().drop_duplicates())
    assert compare(real, synthetic, kinds).copied_rows == len(pairs) == 11


def test_hashes_keep_neighbouring_rows_apart():
    a, b, c = (axis.ravel() for axis in np.meshgrid(np.arange(60.0), np.arange(60.0), np.arange(60)))
    hashes = row_codes.row_hashes(row_codes.CodedRows(len(a), {"a": a, "b": b}, {"c": c}, {}))
    assert len(np.unique(hashes)) == len(a)
    bits = np.unpackbits(hashes.view(np.uint8)).reshape(-1, 64).mean(0)
    assert np.abs(bits - 0.5).max() < 0.01
