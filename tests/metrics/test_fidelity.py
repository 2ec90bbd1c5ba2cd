"""Scores of tables small enough to work out by hand, and of tables whose answer is known."""

import datetime
import decimal
import time

import numpy as np
import pandas as pd
import pytest

from raygen.metrics import fidelity
from raygen.metrics.column_ranges import floats
from tests.frames import OfFrames, arrow

fidelity = OfFrames(fidelity)

NAN = float("nan")


def numeric(*values):
    return pd.DataFrame({"a": list(values)}), {"a": "numeric"}


def dependent(rows, seed, noise=0.3):
    """Two numbers and two levels that all follow one hidden number."""
    rng = np.random.default_rng([seed, 7])
    hidden = rng.normal(size=rows)
    x, y, c, b = (hidden + noise * rng.normal(size=(4, rows))).clip(
        -2, 2
    )  # one range, so that bins are alike
    table = {"x": x, "y": y, "c": np.where(c > 0, "up", "down"), "b": b > 0}
    return pd.DataFrame(table), {"x": "numeric", "y": "numeric", "c": "categorical", "b": "boolean"}


def mixed(rows, seed):
    """Every dtype that a table may hold, with nulls."""
    rng = np.random.default_rng([seed, 8])
    day = rng.integers(0, 500, rows)

    def null(values):
        return [None if drop else value for value, drop in zip(values, rng.random(rows) < 0.1, strict=True)]

    epoch = datetime.date(2020, 1, 1)
    columns = {
        "int": (rng.integers(0, 9, rows), "numeric"),
        "nullable": (pd.array(null(rng.integers(0, 9, rows)), "Int64"), "numeric"),
        "float": (np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows)), "numeric"),
        "decimal": (null([decimal.Decimal(int(v)) / 4 for v in day]), "numeric"),
        "coded": (pd.Categorical(null(rng.integers(0, 9, rows))), "numeric"),
        "moment": (pd.Series(null(pd.Timestamp("2020-01-01") + pd.to_timedelta(day, "D"))), "datetime"),
        "zoned": (pd.Timestamp("2020-01-01", tz="Asia/Tokyo") + pd.to_timedelta(day, "D"), "datetime"),
        "date": (
            pd.Series(null([epoch + datetime.timedelta(int(d)) for d in day]), dtype=object),
            "datetime",
        ),
        "time": (pd.Series([datetime.time(int(d) % 24) for d in day], dtype=object), "datetime"),
        "span": (pd.to_timedelta(day, "D"), "datetime"),
        "object": (pd.Series(null(rng.choice(["p", "q"], rows)), dtype=object), "categorical"),
        "string": (pd.array(null(rng.choice(["p", "q"], rows)), "string"), "categorical"),
        "category": (pd.Categorical(null(rng.choice(["p", "q"], rows))), "categorical"),
        "label": (pd.array(null(rng.integers(0, 3, rows)), "Int64"), "categorical"),
        "bool": (rng.random(rows) < 0.5, "boolean"),
        "flag": (pd.array(null(rng.random(rows) < 0.5), "boolean"), "boolean"),
        "id": ([f"row {i}" for i in range(rows)], "id"),
    }
    table = pd.DataFrame({name: pd.Series(values) for name, (values, _) in columns.items()})
    return table, {name: kind for name, (_, kind) in columns.items()}


@pytest.mark.parametrize(
    ("real", "synthetic", "percent"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], 0),
        ([1, 2, 3, 4], [3, 4, 5, 6], 50),
        ([1, 2], [3], 100),
        ([0, 0, 0, 1], [0, 1], 25),
        ([1.0, 1.0, NAN], [1.0, NAN, 2.0], 50),  # nulls left out
        ([1.0, float("inf")], [1.0, 1.0], 0),  # infinite counts as null
        ([7, 7], [7, 7, 7], 0),
        ([1, 2], [NAN, NAN], NAN),
    ],
)
def test_shape_error_of_numbers_is_kolmogorov_smirnov(real, synthetic, percent):
    (real, kinds), (synthetic, _) = numeric(*real), numeric(*synthetic)
    assert fidelity.shape_error(real, synthetic, kinds) == pytest.approx(percent, nan_ok=True)


@pytest.mark.parametrize(
    ("real", "synthetic", "percent"),
    [
        (["a", "a", "b", "b"], ["a", "b"], 0),
        (["a", "a", "b", "c"], ["a", "b", "b", "d"], 50),  # (|2-1| + |1-2| + |1-0| + |0-1|) / 4 / 2
        (["a", None], ["a", "a"], 50),  # null is a level
        ([None, None], [None], 0),
        (["None", "None"], [None, None], 100),  # but not its text
        ([1, 2], [1.0, 2.0], 0),
        ([1, 2], ["1", "2"], 0),
        ([True, False], [True, None], 50),
    ],
)
def test_shape_error_of_levels_is_total_variation(real, synthetic, percent):
    real, synthetic = pd.DataFrame({"a": real}), pd.DataFrame({"a": synthetic})
    for kind in ("categorical", "boolean"):
        assert fidelity.shape_error(real, synthetic, {"a": kind}) == pytest.approx(percent)


def test_shape_error_is_the_mean_over_the_columns_that_count():
    real = pd.DataFrame({"n": [1, 2, 3, 4], "c": list("aabb"), "id": list("wxyz")})
    synthetic = pd.DataFrame({"n": [3, 4, 5, 6], "c": list("abbb"), "id": list("stuv")})
    assert fidelity.shape_error(
        real, synthetic, {"n": "numeric", "c": "categorical", "id": "id"}
    ) == pytest.approx(37.5)
    assert np.isnan(fidelity.shape_error(real, synthetic, {"id": "id"}))


def test_shape_error_of_datetimes_is_that_of_their_seconds():
    days = pd.Series(pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03", "2020-01-04"]))
    real, kinds = pd.DataFrame({"t": days}), {"t": "datetime"}
    later = days + pd.Timedelta(days=2)
    for same in (
        later,
        later.astype("datetime64[s]"),
        later.dt.tz_localize("UTC"),
        later.dt.date,
        later.astype(str),
    ):
        assert fidelity.shape_error(real, pd.DataFrame({"t": same}), kinds) == pytest.approx(50)
    assert floats(arrow(real)["t"], "datetime")[0] == 1577836800.0


def test_trend_error_of_numbers_is_half_the_difference_of_pearson():
    kinds = {"x": "numeric", "y": "numeric"}
    real = pd.DataFrame({"x": [1, 2, 3, 4], "y": [1, 2, 3, 4]})  # r = 1
    opposite = pd.DataFrame({"x": [1, 2, 3], "y": [3, 2, 1]})  # r = -1
    weak = pd.DataFrame(
        {"x": [1, 2, 3, 4], "y": [1, 3, 2, 2]}
    )  # covariance 1/4, variances 5/4 and 1/2: r = 1/sqrt(10)
    assert fidelity.trend_error(real, opposite, kinds) == pytest.approx(100)
    assert fidelity.trend_error(real, weak, kinds) == pytest.approx(50 * (1 - 10**-0.5))
    assert np.isnan(fidelity.trend_error(weak, real, kinds))  # no dependence in the real table
    assert fidelity.trend_error(weak, real, kinds, all_pairs=True) == pytest.approx(50 * (1 - 10**-0.5))


def test_trend_error_leaves_rows_with_nulls_and_constants_out():
    kinds = {"x": "numeric", "y": "numeric"}
    real = pd.DataFrame({"x": [1, 2, 3, 4, NAN, 9], "y": [1, 2, 3, 4, 7, NAN]})
    opposite = pd.DataFrame({"x": [1, 2, 3, 9], "y": [3, 2, 1, NAN]})
    assert fidelity.trend_error(real, opposite, kinds) == pytest.approx(100)
    constant = pd.DataFrame({"x": [0.1] * 6, "y": [1, 2, 3, 4, 5, 6]})
    assert np.isnan(fidelity.trend_error(real, constant, kinds, all_pairs=True))
    assert np.isnan(fidelity.trend_error(real, real[:1], kinds, all_pairs=True))


def often(table: pd.DataFrame) -> pd.DataFrame:
    """The rows again and again: levels that few rows have are pooled."""
    return pd.concat([table] * 100, ignore_index=True)


def test_trend_error_of_levels_is_total_variation_of_the_joint():
    kinds = {"a": "categorical", "b": "categorical"}
    real = pd.DataFrame({"a": list("xxyy"), "b": list("uuvv")})  # xu 1/2, yv 1/2
    crossed = pd.DataFrame({"a": list("xxyy"), "b": list("uvuv")})  # each 1/4
    null = pd.DataFrame({"a": list("xxyy"), "b": ["u", None, "v", "v"]})
    real, crossed, null = map(often, (real, crossed, null))
    assert fidelity.trend_error(real, crossed, kinds) == pytest.approx(50)
    assert fidelity.trend_error(real, null, kinds) == pytest.approx(25)
    assert np.isnan(fidelity.trend_error(crossed, real, kinds))
    assert fidelity.trend_error(crossed, real, kinds, all_pairs=True) == pytest.approx(50)


def test_trend_error_cuts_numbers_in_bins_of_the_tables_own_range():
    kinds = {"n": "numeric", "c": "categorical"}
    real = pd.DataFrame(
        {"n": [0.0, 1.0, 9.0, 10.0], "c": list("abcd")}
    )  # bins 1, 2, 10 and the greatest value alone
    scaled = pd.DataFrame({"n": [0.0, 100.0, 900.0, 1000.0], "c": list("abcd")})
    moved = pd.DataFrame({"n": [0.0, 0.9, 9.0, 10.0], "c": list("abcd")})  # 0.9 falls into the first bin
    null = pd.DataFrame({"n": [0.0, 1.0, 9.0, 10.0, NAN], "c": list("abcdd")})
    real, scaled, moved, null = map(often, (real, scaled, moved, null))
    assert fidelity.trend_error(real, scaled, kinds) == pytest.approx(0)
    assert fidelity.trend_error(real, moved, kinds) == pytest.approx(25)
    assert fidelity.trend_error(real, null, kinds) == pytest.approx(15)  # d holds 2/5 instead of 1/4
    constant = often(pd.DataFrame({"n": [1e17] * 4, "c": list("abcd")}))
    assert fidelity.trend_error(constant, constant, kinds, all_pairs=True) == pytest.approx(0)


@pytest.mark.parametrize(
    ("counts", "percent"), [((30, 10, 10, 30), 25), ((24, 16, 16, 24), NAN)]
)  # V 0.5 and 0.2
def test_trend_error_counts_dependent_pairs_only(counts, percent):
    cells = pd.DataFrame({"a": list("xxyy"), "b": list("uvuv")})
    real, flat = (cells.loc[np.repeat(np.arange(4), n)].reset_index(drop=True) for n in (counts, 20))
    assert fidelity.trend_error(real, flat, dict.fromkeys("ab", "categorical")) == pytest.approx(
        percent, nan_ok=True
    )


def test_identical_tables_have_no_error():
    table, kinds = mixed(300, 0)
    assert fidelity.shape_error(table, table, kinds) == 0
    assert fidelity.trend_error(table, table, kinds) == pytest.approx(0)
    assert fidelity.trend_error(table, table, kinds, all_pairs=True) == pytest.approx(0)
    assert fidelity.c2st(table, table, kinds) == 1


def test_floor_keeps_marginals_and_dtypes_and_breaks_pairs():
    table, kinds = dependent(2000, 0)
    low = fidelity.floor(table)
    assert low.schema == arrow(table).schema
    assert fidelity.shape_error(table, low, kinds) == 0
    assert fidelity.trend_error(table, low, kinds) > 30
    assert fidelity.c2st(table, low, kinds) < 0.3
    assert low.equals(fidelity.floor(table))
    assert not low.equals(fidelity.floor(table, seed=1))
    every, _ = mixed(50, 0)
    assert fidelity.floor(every).schema == arrow(every).schema


def test_one_comparison_has_no_standard_error():
    (real, kinds), (other, _), (third, _) = (dependent(120, seed) for seed in range(3))
    once = fidelity.repeated([real], [other], kinds)
    assert set(once) == {"shape_error", "trend_error", "c2st"}
    twice = fidelity.repeated([real, real], [other, third], kinds)
    apart = [fidelity.c2st(real, table, kinds, i) for i, table in enumerate((other, third))]
    assert twice["c2st"] == pytest.approx(np.mean(apart))
    assert twice["c2st_error"] == pytest.approx(abs(apart[0] - apart[1]) / 2)


@pytest.mark.slow
def test_c2st_of_one_distribution_is_near_one_and_of_another_near_zero():
    (real, kinds), (same, _), (other, _) = dependent(2000, 1), dependent(3000, 2), dependent(2000, 3)
    assert fidelity.c2st(real, same, kinds) > 0.93
    assert fidelity.c2st(real, other.assign(x=other.x + 10), kinds) < 0.01
    assert (
        fidelity.c2st(real, same.sort_values("x"), kinds) > 0.93
    )  # the longer table is drawn from, not cut off
    assert fidelity.c2st(real, same, kinds) == fidelity.c2st(real, same, kinds)
    assert fidelity.c2st(real, same, kinds, seed=1) != fidelity.c2st(real, same, kinds, seed=2)


@pytest.mark.parametrize("values", [[0.0] * 200, ["a"] * 200])
def test_c2st_sees_nulls(values):
    real = pd.DataFrame({"a": values})
    null = real.mask(pd.Series(np.arange(200) % 2 == 0))
    kinds = {"a": "numeric" if values[0] == 0 else "categorical"}
    assert fidelity.c2st(real, null, kinds) == pytest.approx(
        0.5, abs=0.05
    )  # AUC 3/4: half of the rows give it away
    assert fidelity.c2st(real, real.mask(real == values[0]), kinds) == pytest.approx(0, abs=1e-9)
    assert fidelity.c2st(null, null, kinds) == 1


def test_c2st_takes_a_column_of_nulls():
    real = pd.DataFrame({"a": np.full(30, NAN), "b": [1.0, *[NAN] * 29]})
    assert fidelity.c2st(real, real, {"a": "numeric", "b": "numeric"}) == 1
    assert fidelity.c2st(real, real.assign(a=np.arange(30)), {"a": "numeric"}) < 0.3


@pytest.mark.slow
def test_c2st_takes_more_levels_than_the_classifier():
    rng = np.random.default_rng(0)
    kinds = {"a": "categorical"}

    def draw(low, high):
        return pd.DataFrame({"a": rng.integers(low, high, 4000).astype(str)})

    assert fidelity.c2st(draw(0, 1000), draw(0, 1000), kinds) > 0.85
    assert fidelity.c2st(draw(0, 200), draw(200, 1200), kinds) < 0.01
    assert fidelity.c2st(draw(0, 255), draw(0, 255), kinds) > 0.85


def test_ranks_keep_the_254_most_frequent_levels():
    codes = np.concatenate([np.arange(300), np.arange(253, 300)])
    ranks = fidelity.ranks(codes[:300], codes[300:])
    assert ranks.max() == 254
    assert (
        len(set(ranks[253:300])) == 47 and len(set(ranks[:253])) == 208
    )  # 47 twice, 207 once, the rest shared


def test_mixed_dtypes_and_nulls_score_like_what_they_are():
    (real, kinds), (same, _) = mixed(1500, 0), mixed(1000, 1)
    assert fidelity.shape_error(real, same, kinds) < 4
    assert fidelity.trend_error(real, same, kinds) < 20
    assert fidelity.c2st(real, same, kinds) > 0.85


def test_tables_with_nothing_to_compare_give_nan():
    table, kinds = dependent(2, 0)
    for score in (fidelity.shape_error, fidelity.trend_error, fidelity.c2st):
        assert np.isnan(score(table, table, {}))
        assert np.isnan(score(table, table[:0], kinds))
    assert np.isnan(fidelity.c2st(table, table, kinds))


def test_a_missing_or_unreadable_column_is_an_error():
    table, kinds = dependent(10, 0)
    with pytest.raises(KeyError, match="x"):
        fidelity.shape_error(table, table.drop(columns="x"), kinds)
    with pytest.raises(ValueError, match="parse"):
        fidelity.shape_error(table, table, {"c": "numeric"})


@pytest.mark.slow
def test_quality_scores_synthetic_between_floor_and_ceiling_on_equal_rows():
    (real, kinds), (holdout, _), (noisy, _) = (
        dependent(3000, 4),
        dependent(1500, 5),
        dependent(2000, 6, noise=0.6),
    )
    out = fidelity.quality(real, holdout, noisy, kinds)
    assert list(out) == ["synthetic", "floor", "ceiling"]
    assert out["floor"].shape_error == 0
    assert out["floor"].trend_error > out["synthetic"].trend_error > out["ceiling"].trend_error
    assert out["floor"].c2st < out["synthetic"].c2st < out["ceiling"].c2st
    assert out["ceiling"].shape_error > 0
    assert out == fidelity.quality(real, holdout, noisy, kinds)


def test_quality_draws_as_many_rows_as_the_shortest_table_has():
    rng = np.random.default_rng(0)
    tables = [pd.DataFrame({"a": rng.normal(size=rows)}) for rows in (31, 10, 23)]
    for row in fidelity.quality(*tables, {"a": "numeric"}).values():
        assert row.shape_error / 10 == pytest.approx(round(row.shape_error / 10))  # steps of 1 / 10 rows


@pytest.mark.slow
def test_c2st_is_quick():
    (real, kinds), (same, _) = dependent(16_000, 7), dependent(16_000, 8)
    wide = [pd.concat([t.add_suffix(str(i)) for i in range(4)], axis=1) for t in (real, same)]
    start = time.process_time()  # of the CPU, which no other process makes longer
    fidelity.c2st(*wide, {f"{name}{i}": kind for name, kind in kinds.items() for i in range(4)})
    assert time.process_time() - start < 20
