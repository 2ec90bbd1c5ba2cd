"""Tables to count, and their counts and scores by other ways."""

import datetime
import decimal
import functools
import itertools
from importlib import resources

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st
from scipy.stats.contingency import association

from raygen.metrics import counted, fidelity
from raygen.metrics.column_ranges import observed
from raygen.metrics.counted import CountedScores
from raygen.metrics.counts import Counts, Reference
from tests.frames import OfFrames

fidelity = OfFrames(fidelity)

NAN = float("nan")


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
