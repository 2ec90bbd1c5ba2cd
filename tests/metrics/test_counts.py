"""Scores from counts are those of whole tables, however the rows are cut into blocks."""

import copy
import datetime
import decimal
import functools
import itertools
import json
import pickle
from importlib import resources

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats.contingency import association

from raygen.metrics import counted, fidelity, row_codes
from raygen.metrics import counts as counts_module
from raygen.metrics.column_ranges import NOTHING, merged, observed, ranges_of
from raygen.metrics.correlations import Moments
from raygen.metrics.counted import CountedScores
from raygen.metrics.counts import Counts, Reference
from tests.frames import OfFrames

fidelity = OfFrames(fidelity)

NAN = float("nan")


@pytest.fixture(autouse=True, scope="module")
def pairs_as_they_are():
    """Without pooling of rare levels, which `tests/metrics/test_pooling.py` is about."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counts_module, "ROWS_PER_CELL", 1e-9)
        yield


def count(reference: Reference, table: pa.Table, cuts=()) -> Counts:
    """The counts of a table that arrives in blocks, each counted alone."""
    ends = [0, *sorted(cuts), table.num_rows]
    ranges = observed(table, reference.kinds)
    blocks = [table.slice(start, end - start) for start, end in itertools.pairwise(ends)]
    return functools.reduce(Counts.merge, [reference.count(block, ranges) for block in blocks])


def compare(real: pa.Table, synthetic: pa.Table, kinds: dict[str, str], **options) -> CountedScores:
    reference = Reference(real, kinds, **options)
    return counted.scores(reference, count(reference, synthetic))


def assert_same(a: Counts, b: Counts) -> None:
    for name, value in vars(a).items():
        other = getattr(b, name)
        if name == "moments":
            for part, of_other in zip(vars(value).values(), vars(other).values(), strict=True):
                np.testing.assert_allclose(part, of_other, rtol=1e-9, atol=1e-12)
        elif isinstance(value, dict):
            assert value.keys() == other.keys()
            for key in value:
                np.testing.assert_array_equal(value[key], other[key], err_msg=f"{name} {key}")
        else:
            assert value == other, name


def by_pandas(real: pd.DataFrame, synthetic: pd.DataFrame, kinds: dict[str, str], all_pairs: bool):
    """Shape and Trend error by their definition, on whole tables."""
    numbers, levels = fidelity.columns(kinds, real, synthetic)
    shapes = [fidelity.ks(*pair) for pair in numbers.values()]
    shapes += [total_variation(*pair) for pair in levels.values()]
    frames = (pd.DataFrame({name: pair[side] for name, pair in numbers.items()}) for side in (0, 1))
    of_real, of_synthetic = (
        frame.corr(min_periods=2).to_numpy()[np.triu_indices(len(numbers), k=1)] for frame in frames
    )
    trends = list((np.abs(of_real - of_synthetic) / 2)[all_pairs | (np.abs(of_real) > 0.5)])
    bins = [tuple(map(in_bins, pair)) for pair in numbers.values()]
    for a, b in [
        *itertools.combinations(levels.values(), 2),
        *itertools.product(levels.values(), bins),
    ]:
        if all_pairs or cramers_v(a[0], b[0]) > 0.3:
            width = 1 + np.concatenate(b).max(initial=0)
            trends.append(total_variation(a[0] * width + b[0], a[1] * width + b[1]))
    return tuple(
        100 * np.nanmean(errors) if not np.isnan(errors).all() else NAN
        for errors in (np.array(shapes, float), np.array(trends, float))
    )


def total_variation(a: np.ndarray, b: np.ndarray) -> float:
    values = np.union1d(a, b)
    shares = [(values[:, None] == side).mean(1) for side in (a, b)]
    return np.abs(shares[0] - shares[1]).sum() / 2 if len(a) and len(b) else NAN


def cramers_v(a: np.ndarray, b: np.ndarray) -> float:
    table = pd.crosstab(a, b).to_numpy()
    return association(table, correction=False) if min(table.shape) > 1 else NAN


def in_bins(values: np.ndarray) -> np.ndarray:
    """10 bins over the table's own range; the greatest value and nulls are an 11th."""
    known = values[~np.isnan(values)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    pad = 0.5 if low == high else 0.0
    return np.digitize(values, np.linspace(low - pad, high + pad, 11))


def assert_as_metrics(real: pa.Table, synthetic: pa.Table, kinds: dict[str, str], both=(False, True)) -> None:
    frames = real.to_pandas(), synthetic.to_pandas()
    for all_pairs in both:
        scores = compare(real, synthetic, kinds, all_pairs=all_pairs)
        expected = by_pandas(*frames, kinds, all_pairs)
        counted_errors = [NAN if e is None else e for e in (scores.shape_error, scores.trend_error)]
        assert counted_errors == pytest.approx(expected, abs=1e-9, nan_ok=True)
        of_frames = fidelity.shape_error(*frames, kinds), fidelity.trend_error(*frames, kinds, all_pairs)
        assert of_frames == pytest.approx(expected, abs=1e-9, nan_ok=True)


def adult() -> tuple[pa.Table, dict[str, str]]:
    table = pq.read_table(resources.files("raygen") / "datasets" / "adult.parquet")
    return table, {f.name: "numeric" if pa.types.is_integer(f.type) else "categorical" for f in table.schema}


def mixed(rows: int, seed: int, null_share: float = 0.1) -> tuple[pa.Table, dict[str, str]]:
    """Every Arrow type that a column may have, all led by one hidden number."""
    rng = np.random.default_rng([seed, 9])
    hidden = rng.normal(size=rows)

    def near() -> np.ndarray:
        return hidden + 0.5 * rng.normal(size=rows)

    def column(values, kind=None) -> pa.Array:
        return pa.array([None if rng.random() < null_share else value for value in values], kind)

    day = (10 * near()).astype(int)
    columns = {
        "int8": (column((9 * near()).clip(-99, 99).astype(int).tolist(), pa.int8()), "numeric"),
        "int64": (column((1e6 * near()).astype(int).tolist(), pa.int64()), "numeric"),
        "float": (column(near().tolist()), "numeric"),
        "single": (column(near().tolist(), pa.float32()), "numeric"),
        "decimal": (column([decimal.Decimal(int(v)) / 4 for v in day], pa.decimal128(9, 2)), "numeric"),
        "coded": (column(day.tolist()).dictionary_encode(), "numeric"),
        "date": (column(day.tolist(), pa.int32()).cast(pa.date32()), "datetime"),
        "date64": (column((day * 86_400_000).tolist(), pa.int64()).cast(pa.date64()), "datetime"),
        "moment": (column((1e9 * near()).astype(int).tolist(), pa.timestamp("us")), "datetime"),
        "zoned": (column((1e4 * near()).astype(int).tolist(), pa.timestamp("ms", "Asia/Tokyo")), "datetime"),
        "time": (column((1e3 * (near() + 9).clip(0)).astype(int).tolist(), pa.time32("ms")), "datetime"),
        "span": (column((1e4 * near()).astype(int).tolist(), pa.duration("us")), "datetime"),
        "text": (column(["low" if v < 0 else "high" for v in near()]), "categorical"),
        "packed": (column([f"level {int(v)}" for v in near()]).dictionary_encode(), "categorical"),
        "view": (column([f"{v:.0f}" for v in near()]).cast(pa.string_view()), "categorical"),
        "label": (column((2 * near()).astype(int).tolist()), "categorical"),
        "half": (column((np.round(2 * near()) / 2 + 0.0).tolist()), "categorical"),
        "day": (
            column([datetime.date(2020, 1, 15) + datetime.timedelta(int(v)) for v in day // 5]),
            "categorical",
        ),
        "bool": (column([bool(v > 0) for v in near()]), "boolean"),
        "nothing": (pa.nulls(rows), "categorical"),
        "no number": (pa.nulls(rows, pa.float64()), "numeric"),
        "constant": (pa.array([0.1] * rows), "numeric"),
        "id": (pa.array(range(rows)), "id"),
    }
    return pa.table({name: array for name, (array, _) in columns.items()}), {
        name: kind for name, (_, kind) in columns.items()
    }


@pytest.fixture(scope="module")
def tables():
    (real, kinds), (synthetic, _) = mixed(400, 0), mixed(700, 1)
    return real, synthetic, kinds


def test_adult_scores_as_whole_tables_do():
    table, kinds = adult()
    assert_as_metrics(table.slice(0, 16_000), table.slice(16_000), kinds)


def test_every_type_scores_as_whole_tables_do(tables):
    assert_as_metrics(*tables)


A_AND_B = {"a": "numeric", "b": "numeric", "c": "categorical"}
SMALL = {
    "identical": (
        {"a": [1, 2, 4, 8], "b": [1, 2, 3, 5], "c": list("xxyz")},
        {"a": [1, 2, 4, 8], "b": [1, 2, 3, 5], "c": list("xxyz")},
    ),
    "nulls by pairs": (
        {"a": [1, 2, 3, None, 9, 4], "b": [2, 4, None, 7, 8, 1], "c": ["x", None, "y", "y", "x", "y"]},
        {"a": [None, 2, 5, 3, 1], "b": [2, 3, None, 7, 1], "c": [None, None, "y", "z", "x"]},
    ),
    "constant": (
        {"a": [0.1] * 6, "b": [1, 2, 3, 4, 5, 7], "c": list("xxyyzz")},
        {"a": [0.1] * 6, "b": [0.3] * 6, "c": ["x"] * 6},
    ),
    "constant where the other is known": (
        {"a": [1.5, 2, 3, 4], "b": [1, 2, 3, 5], "c": list("xxyy")},
        {"a": [0.1, 0.1, 0.1, 5.0, 9.0], "b": [1, 2, 3, None, None], "c": list("xxyyz")},
    ),
    "far from the real": (
        {"a": [1, 2, 3, 4], "b": [1, 2, 3, 5], "c": list("xxyy")},
        {"a": [1e4, 1e4 + 1, 1e4 + 3], "b": [1, 3, 2], "c": list("xyz")},
    ),
    "infinite": (
        {"a": [1, 2, 3, 4.0], "b": [1, 2, 3, 5], "c": list("xxyy")},
        {"a": [1, float("inf"), NAN, 4], "b": [1, 3, 2, 0], "c": list("xyxx")},
    ),
    "one row": ({"a": [1, 2, 3, 4], "b": [1, 2, 3, 5], "c": list("xxyy")}, {"a": [2], "b": [2], "c": ["y"]}),
    "one real row": (
        {"a": [2], "b": [2], "c": ["y"]},
        {"a": [1, 2, 3, 4], "b": [1, 2, 3, 5], "c": list("xxyy")},
    ),
    "huge": (
        {"a": [1e17] * 4, "b": [-1e300, 1e300, 0, 1], "c": list("xyzw")},
        {"a": [1e17, 3, 1, 2], "b": [-1e300, 1e300, 5, 1], "c": list("xyzw")},
    ),
}


@pytest.mark.parametrize("case", SMALL.values(), ids=SMALL)
def test_small_tables_score_as_whole_tables_do(case):
    real, synthetic = (
        pa.table({name: pa.array(v, None if name == "c" else pa.float64()) for name, v in side.items()})
        for side in case
    )
    assert_as_metrics(real, synthetic, A_AND_B)


def test_correlation_far_from_zero_keeps_its_digits():
    near = np.array([[0.0, 1, 3, 2], [1, 3, 2, NAN]])
    want = np.corrcoef(near[:, :3])[0, 1]  # pandas' corr has three wrong digits at 1e9
    for far in (0.0, 1e9, -1e12):
        parts = near + np.array([[far], [0]])
        assert Moments.observe(parts).correlations()[0, 1] == pytest.approx(want, abs=1e-12)
        assert Moments.observe(parts[:, :1]).merge(Moments.observe(parts[:, 1:])).correlations()[
            0, 1
        ] == pytest.approx(want, abs=1e-12)
        table = pa.table({"a": parts[0], "b": parts[1]})
        assert count(
            Reference(pa.table({"a": [1.0, 5], "b": [2.0, 3]}), A_AND_B | {"c": "id"}), table
        ).moments.correlations()[0, 1] == pytest.approx(want)


def test_correlation_beside_nulls_keeps_its_digits():
    near = np.array([[0.25, 0.5, 1.5, 1e9], [1, 3, 2, NAN]])
    assert Moments.observe(near).correlations()[0, 1] == pytest.approx(
        np.corrcoef(near[:, :3])[0, 1], abs=1e-12
    )
    constant = np.array([[0.1, 0.1, 0.1, 7.3], [1, 3, 2, NAN]])
    assert np.isnan(Moments.observe(constant).correlations()[0, 1])
    assert np.isnan(
        Moments.observe(constant[:, :2]).merge(Moments.observe(constant[:, 2:])).correlations()[0, 1]
    )


def test_nothing_to_compare_is_none(tables):
    real, synthetic, kinds = tables
    for one, other, some in (
        (real, synthetic[:0], kinds),
        (real[:0], synthetic, kinds),
        (real, synthetic, {"id": "id"}),
    ):
        out = compare(one, other, some)
        assert out.shape_error is out.trend_error is None
        json.dumps(out.model_dump(), allow_nan=False)


def test_scores_are_plain_values(tables):
    out = compare(*tables)
    assert CountedScores.model_validate_json(json.dumps(out.model_dump(), allow_nan=False)) == out


def test_a_missing_column_is_an_error(tables):
    real, synthetic, kinds = tables
    with pytest.raises(KeyError, match="float"):
        Reference(real.drop(["float"]), kinds)
    reference = Reference(real, kinds)
    with pytest.raises(KeyError, match="text"):
        reference.count(synthetic.drop(["text"]), observed(synthetic, kinds))
    with pytest.raises(KeyError, match="int8"):
        reference.count(synthetic, {})


@st.composite
def small_tables(draw, min_rows=0):
    rows = draw(st.integers(min_rows, 12))

    def column(values):
        return draw(st.lists(st.none() | values, min_size=rows, max_size=rows))

    return pa.table(
        {
            "x": pa.array(column(st.integers(-3, 3)), pa.int64()),
            "y": pa.array(column(st.sampled_from([0.1, 0.25, -7.5, 1e6])), pa.float64()),
            "c": pa.array(column(st.sampled_from("abcd")), pa.string()),
            "d": pa.array(column(st.booleans()), pa.bool_()),
        }
    )


SMALL_KINDS = {"x": "numeric", "y": "numeric", "c": "categorical", "d": "boolean"}


@settings(max_examples=150, deadline=None)
@given(real=small_tables(1), synthetic=small_tables(1))
def test_any_tables_score_as_whole_tables_do(real, synthetic):
    assert_as_metrics(
        real, synthetic, SMALL_KINDS, both=[True]
    )  # without a threshold that rounding may cross


@settings(max_examples=100, deadline=None)
@given(real=small_tables(), synthetic=small_tables(), data=st.data())
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


def test_number_columns_by_hand():
    real = pa.table({"a": [0, 10, 10, 20, None]})
    out = compare(real, pa.table({"a": [-5, 5, 10, 15, 40, None, None, 10]}), {"a": "numeric"})
    column = out.columns[0]
    assert column.shape_error == pytest.approx(100 / 6)  # below 0: none and 1/6; at 20: all and 5/6
    assert column.error_bound == 0
    assert (column.missing_real, column.missing_synthetic) == (0.2, 0.25)
    assert column.outside == pytest.approx(2 / 6)
    assert (column.real_range, column.synthetic_range) == ((0, 20), (-5, 40))
    assert column.coverage == 1
    assert (out.outside_rows, out.outside) == (2, 0.25)
    bins = column.histogram
    assert bins.edges == [i - 0.5 for i in range(22)]
    assert {i: share for i, share in enumerate(bins.real) if share} == {0: 0.25, 10: 0.5, 20: 0.25}
    assert {i: share for i, share in enumerate(bins.synthetic) if share} == pytest.approx(
        {5: 1 / 6, 10: 2 / 6, 15: 1 / 6}
    )
    inner = compare(real, pa.table({"a": [5, 10]}), {"a": "numeric"})
    assert (inner.level_coverage, inner.category_coverage, inner.range_coverage) == (None, None, 0.25)
    apart = compare(real, pa.table({"a": [50]}), {"a": "numeric"})
    assert apart.range_coverage == 0 and apart.columns[0].shape_error == 100
    unknown = compare(pa.table({"a": pa.nulls(3, pa.int64())}), real, {"a": "numeric"})
    assert (unknown.outside_rows, unknown.columns[0].outside) == (4, 1)


def test_a_heavy_tail_is_more_than_one_bar():
    values = np.random.default_rng(0).lognormal(0, 3, 5000)
    zeros = np.where(np.arange(5000) % 10 == 0, np.round(values), 0)
    even, few = np.arange(5000) % 97, np.where(np.arange(5000) % 50 == 0, [1e9], np.arange(5000) % 3)
    for column in (values, zeros, few):
        table = pa.table({"a": column})
        bins = compare(table, table, {"a": "numeric"}).columns[0].histogram
        assert np.ptp(np.diff(bins.edges)) > 0 and np.all(np.diff(bins.edges) > 0)
        assert np.count_nonzero(bins.real) == len(bins.real) >= min(len(np.unique(column)), 40)
        assert sum(bins.real) == pytest.approx(1) and bins.real == bins.synthetic
        assert max(bins.real) < 0.1 or column is not values
    table = pa.table({"a": even})
    edges = compare(table, table, {"a": "numeric"}).columns[0].histogram.edges
    assert np.ptp(np.diff(edges)) == 0


def test_a_category_is_shown_with_its_share_of_all_rows():
    names = [f"level {i % 100:02}" for i in range(2000)] + ["rare"] * 9
    table = pa.table({"a": names})
    shown = compare(table, table, {"a": "categorical"}).columns[0].histogram
    assert (len(shown.levels), shown.others) == (20, 81)
    assert shown.real == shown.synthetic == [20 / 2009] * 20
    few = pa.table({"a": ["usual"] * 30 + ["rare"] * 9 + [None]})
    shown = compare(few, few, {"a": "categorical"}).columns[0].histogram
    assert (shown.levels, shown.others, shown.real) == ([None, "usual"], 1, [1 / 40, 30 / 40])


def test_datetimes_are_reported_in_seconds():
    days = pa.table({"t": pa.array([0, 1, 3], pa.int32()).cast(pa.date32())})
    assert compare(days, days, {"t": "datetime"}).columns[0].real_range == (0, 3 * 86_400)


def test_only_strong_correlations_count():
    x = np.repeat([0.0, 1.0], 10)
    for both, counts in ((7, False), (8, True)):  # r = 0.4 and 0.6
        table = pa.table({"x": x, "y": np.where(np.arange(20) % 10 < both, x, 1 - x)})
        assert (compare(table, table, {"x": "numeric", "y": "numeric"}).trend_error is not None) == counts


def test_level_columns_by_hand(monkeypatch):
    monkeypatch.setattr(counted, "SHOWN_ROWS", 1)
    real = pa.table({"a": ["x", "x", "y", "z", None], "b": [True, None, None, True, True]})
    synthetic = pa.table(
        {
            "a": ["x", "new", "old", None, "new", "y", "y", "y"],
            "b": [True, False, True, True, True, True, True, None],
        }
    )
    out = compare(real, synthetic, {"a": "categorical", "b": "boolean"})
    a, b = out.columns
    assert a.shape_error == pytest.approx(
        100 * (abs(2 / 5 - 1 / 8) + abs(1 / 5 - 3 / 8) + 1 / 5 + abs(1 / 5 - 1 / 8) + 3 / 8) / 2
    )
    assert (a.missing_real, a.missing_synthetic) == (0.2, 0.125)
    assert (a.levels, a.level_coverage, a.unseen, a.unseen_examples) == (
        3,
        2 / 3,
        0.375,
        ["new", "old"],
    )
    assert a.histogram.model_dump() == {
        "levels": [None, "x", "y", "z"],
        "others": 0,
        "real": [0.2, 0.4, 0.2, 0.2],
        "synthetic": [0.125, 0.125, 0.375, 0],
    }
    assert (b.level_coverage, b.unseen, b.unseen_examples) == (1, 0.125, ["False"])
    assert out.unseen_rows == 3  # one row is new in both
    assert out.level_coverage == pytest.approx((2 / 3 + 1) / 2)
    assert out.category_coverage == pytest.approx((0.6 / 0.8 + 1) / 2) and out.range_coverage is None


def test_pairs_are_reported_by_name():
    real = pa.table(
        {"a": list("xxyy"), "n": [1, 2, 3, 4], "b": list("uuvv"), "m": [1, 2, 3, 4], "c": list("pqpq")}
    )
    synthetic = pa.table(
        {"a": list("xxyy"), "n": [1, 2, 3, 4], "b": list("uvuv"), "m": [4, 3, 2, 1], "c": list("pqpq")}
    )
    out = compare(
        real,
        synthetic,
        {"a": "categorical", "n": "numeric", "b": "categorical", "m": "numeric", "c": "categorical"},
    ).pairs
    assert out.names == list("anbmc")
    matrix = np.array(out.errors, dtype=object)
    assert (matrix == matrix.T).all() and matrix[0, 0] is None
    assert matrix[1, 3] == pytest.approx(100) and matrix[0, 2] == pytest.approx(
        50
    )  # r 1 and -1; two of four cells
    assert matrix[0, 4] is None  # independent in the real table
    assert out.worst[0].error == pytest.approx(100)
    assert ("n", "m") in [pair.columns for pair in out.worst[:3]]
    errors = [pair.error for pair in out.worst]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("knots", [3, 20, 100])
def test_more_values_than_knots_bound_the_error(monkeypatch, knots):
    rng = np.random.default_rng(knots)
    real, synthetic = (
        pa.table({"a": values})
        for values in (np.round(rng.normal(size=2000), 2), rng.normal(0.1, 1.2, size=3000))
    )
    exact = compare(real, synthetic, {"a": "numeric"}).shape_error
    monkeypatch.setattr(counts_module, "MAX_KNOTS", knots)
    column = compare(real, synthetic, {"a": "numeric"}).columns[0]
    assert 0 < column.error_bound <= 100 / (knots - 1)
    assert column.shape_error <= exact <= column.shape_error + column.error_bound
    low, high = real["a"].to_numpy().min(), real["a"].to_numpy().max()
    assert column.real_range == (low, high)
    values = synthetic["a"].to_numpy()
    assert column.outside == ((values < low) | (values > high)).mean()


def test_floor_and_ceiling_come_from_the_same_code():
    table, kinds = adult()
    real, holdout = table[:8000], table[8000:16_000]
    reference = Reference(real, kinds)
    permuted = fidelity.floor(real)
    floor, ceiling, itself = (
        counted.scores(reference, count(reference, rows)) for rows in (permuted, holdout, real)
    )
    assert floor.shape_error == itself.shape_error == 0 < ceiling.shape_error
    assert floor.trend_error > 5 * ceiling.trend_error > itself.trend_error == 0
    assert itself.exact_copies == 1 > ceiling.exact_copies
    assert_same(reference.own, count(reference, real))


def test_footers_tell_the_ranges(tables, tmp_path):
    real, synthetic, kinds = tables
    paths = [str(tmp_path / f"{i}.parquet") for i in range(3)]
    for path, table in zip(paths, (real, synthetic, synthetic[:0]), strict=True):
        pq.write_table(table, path, row_group_size=7)  # some row groups hold nulls alone
    want = merged([observed(real, kinds), observed(synthetic, kinds)])
    assert want["no number"] == NOTHING
    assert ranges_of(paths, kinds) == want
    assert set(ranges_of([], {"a": "numeric"}).values()) == {NOTHING}


def test_footers_that_do_not_tell_give_none(tmp_path):
    kinds = {"a": "numeric", "b": "numeric"}
    table = pa.table({"a": [1.0, float("inf")], "b": [1.0, NAN]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert ranges_of([str(tmp_path / "a.parquet")], kinds) == {"a": None, "b": (1, 1)}
    pq.write_table(table, tmp_path / "d.parquet", row_group_size=1)  # one row group tells, the other does not
    assert ranges_of([str(tmp_path / "d.parquet")], kinds) == {"a": None, "b": None}
    pq.write_table(table, tmp_path / "b.parquet", write_statistics=False)
    assert ranges_of([str(tmp_path / "b.parquet")], kinds) == {"a": None, "b": None}
    pq.write_table(pa.table({"a": np.array([1, 2], np.float16), "b": [1, 2]}), tmp_path / "c.parquet")
    assert ranges_of([str(tmp_path / "c.parquet")], kinds)["b"] == (1, 2)
