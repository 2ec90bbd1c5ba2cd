"""Parquet files as people have them, through source, kinds and codec and back: every value that comes out is
one that could be in the table."""

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest

from tests.cases.made import days, ends, made, parquet, within

EPOCH = dt.date(1970, 1, 1)


def test_calendar(tmp_path, rng):
    n = 600
    grids = {
        "trade": pd.bdate_range("2015-01-01", "2023-12-31"),
        "month": pd.date_range("1990-01-01", "2023-12-01", freq="MS"),
        "week": pd.date_range("2010-01-04", "2023-12-25", freq="W-MON"),
        "quarter": pd.date_range("1960-03-31", "2023-12-31", freq="QE"),
    }
    columns = {k: pa.array(pd.Series(r[rng.integers(0, len(r), n)]).dt.date) for k, r in grids.items()}
    columns["hour"] = pa.array(1_577_836_800 + 3600 * rng.integers(0, 24 * 900, n), pa.timestamp("s"))
    columns["odd"] = pa.array(2 * rng.integers(0, 500, n) + 1)
    table, out, _ = made(parquet(tmp_path, columns), rng)
    within(out, table)
    for name, grid in grids.items():
        assert set(out[name].to_pylist()) <= set(grid.date), name
    assert set(pc.minute(out["hour"]).to_pylist()) == {0}
    assert {value % 2 for value in out["odd"].to_pylist()} == {1}


def test_datetime_nulls(tmp_path, rng):
    n = 4000
    columns = {
        "discharged": days(rng.integers(17000, 19500, n)),
        "logged": pa.array(rng.integers(1_500_000_000, 1_700_000_000, n) * 10**6, pa.timestamp("us")),
        "clock": pa.array((rng.integers(0, 1440, n) * 60000).astype(np.int32), pa.time32("ms")),
        "stay": pa.array(rng.integers(0, 86400 * 5, n), pa.duration("s")),
        "amount": pa.array(rng.gamma(2, 50, n).round(2)),
    }
    missing = {
        k: pc.if_else(pa.array(rng.random(n) < 0.2), pa.scalar(None, v.type), v) for k, v in columns.items()
    }
    table, out, _ = made(parquet(tmp_path, missing), rng)
    within(out.drop_columns(["logged"]), table)
    assert abs(out["logged"].null_count - table["logged"].null_count) < 20
    assert ends(table["logged"])[0] <= ends(out["logged"])[0]
    assert ends(out["logged"])[1] <= ends(table["logged"])[1]


def test_durations(tmp_path, rng):
    n, base = 3000, 1_710_028_800
    night = np.round(rng.normal(0, 3600, n)).astype(int)
    columns = {
        "delay": pa.array(np.round(rng.normal(0, 1200, n)).astype(int), pa.duration("s")),
        "shift": pa.array(np.round(rng.normal(86400, 1800, n)).astype(int) * 1000, pa.duration("ms")),
        "event": pa.array((base + night) * 10**6, pa.timestamp("us")),
        "event_tz": pa.array((base + night) * 10**9, pa.timestamp("ns", "America/New_York")),
    }
    table, out, _ = made(parquet(tmp_path, columns), rng)
    within(out, table)


def shape(name: str, n: int, rng) -> dict:
    counts, word = rng.poisson(3, n), rng.choice(["a", "b", "c"], n)
    survey = {f"q{i}": rng.choice(["yes", "no", "unsure"], n) for i in range(6)}
    return {
        "one count": {"clicks": counts},
        "one word": {"word": word},
        "one float": {"x": rng.normal(size=n)},
        "two": {"clicks": counts, "word": word},
        "an id and a count": {
            "id": np.arange(n) * 10**13 + 2**60 + rng.integers(0, 10**12, n),
            "clicks": counts,
        },
        "constants": {"c": [7] * n, "d": ["k"] * n},
        "survey": survey | {"household": rng.integers(1, 7, n), "owner": rng.random(n) < 0.5},
    }[name]


@pytest.mark.parametrize(
    "name", ["one count", "one word", "one float", "two", "an id and a count", "constants", "survey"]
)
def test_few_columns(tmp_path, rng, name):
    table, out, kinds = made(parquet(tmp_path, shape(name, 2000, rng)), rng)
    ids = [column for column, kind in kinds.items() if kind == "id"]
    assert ids == (["id"] if "id" in table.column_names else [])
    within(out.drop_columns(ids), table)


def test_ordered_categorical(tmp_path, rng):
    n = 2000
    levels = {"severity": ["none", "low", "medium", "high", "critical"], "size": ["S", "M", "L", "XL"]}
    frame = pd.DataFrame(
        {
            "severity": pd.Categorical(
                rng.choice(["low", "medium", "high"], n), levels["severity"], ordered=True
            ),
            "size": pd.Categorical(rng.choice(levels["size"], n), levels["size"], ordered=True),
            "plan": pd.Categorical(rng.choice(["free", "pro"], n), ["pro", "free", "trial"]),
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    out = made(tmp_path / "t.parquet", rng)[1].to_pandas()
    for name in frame:
        assert out[name].dtype == frame[name].dtype, name
    assert out["size"].max() == "XL" and out["severity"].max() == "high"


def test_pandas_dtypes(tmp_path, rng):
    n = 1500

    def some(values, share):
        return np.where(rng.random(n) < share, None, values)

    frame = pd.DataFrame(
        {
            "visits": pd.array(some(rng.integers(0, 40, n), 0.2), "Int64"),
            "small": pd.array(some(rng.integers(0, 5, n), 0.1), "UInt8"),
            "score": pd.array(some(rng.normal(size=n).round(3), 0.3), "Float64"),
            "active": pd.array(some(rng.random(n) < 0.4, 0.25), "boolean"),
            "note": pd.array(some(rng.choice(["", "ok", "NA", "None", "null"], n), 0.3), "string"),
        },
        index=pd.Index(1000 + 7 * np.arange(n), name="customer"),
    )
    frame.to_parquet(tmp_path / "t.parquet")
    _, out, _ = made(tmp_path / "t.parquet", rng)
    pq.write_table(out, tmp_path / "out.parquet")
    again = pd.read_parquet(tmp_path / "out.parquet")
    assert dict(again.dtypes) == dict(frame.dtypes) and again.index.name == "customer"


def test_parquet_others(tmp_path, rng):
    n, end = 1000, dt.datetime(9999, 12, 31)
    moments = [
        end if rng.random() < 0.3 else dt.datetime(2020, 1, 1) + dt.timedelta(days=int(rng.integers(0, 900)))
        for _ in range(n)
    ]
    rows = pa.table({"valid_to": pa.array(moments, pa.timestamp("us")), "x": rng.normal(size=n)})
    pq.write_table(rows, tmp_path / "t.parquet", use_deprecated_int96_timestamps=True)
    _, out, _ = made(tmp_path / "t.parquet", rng)
    found = out["valid_to"].to_pylist()
    assert {(one.hour, one.minute) for one in found} == {(0, 0)}
    assert max(set(found) - {end}) <= max(set(moments) - {end})
    assert abs(found.count(end) - moments.count(end)) < 60
    hive = pads.partitioning(pa.schema([("country", pa.string())]), flavor="hive")
    parts = pa.table({"x": rng.normal(size=n), "country": rng.choice(["DE", "FR"], n)})
    pads.write_dataset(parts, tmp_path / "hive", format="parquet", partitioning=hive)
    _, out, _ = made(tmp_path / "hive", rng)
    assert set(out["country"].to_pylist()) == {"DE", "FR"}


def test_rounding(tmp_path, rng):
    n = 6000
    price = rng.gamma(2, 60, n).round(2)
    noisy = rng.choice(n, 6, replace=False)
    price[noisy] = np.nextafter(np.nextafter(price[noisy], 1e9), 1e9)
    salary = (rng.gamma(9, 6, n).round() * 1000).astype(int)
    salary[7] = 51234
    temperature = rng.normal(20, 8, n).round(1)
    temperature[11] = 20.123456789
    single = rng.gamma(2, 60, n).round(2).astype(np.float32)
    columns = {"price": price, "salary": salary, "temp": temperature, "f32": single}
    table, out, _ = made(parquet(tmp_path, columns), rng)
    within(out, table)
    for name, digits in (("price", 2), ("temp", 1)):
        values = out[name].to_numpy()
        beside = set(values[values != values.round(digits)])
        assert beside <= set(table[name].to_pylist()), name
    assert set(out["salary"].to_numpy() % 1000) <= {0, 234}
    assert (out["f32"].to_numpy() == out["f32"].to_numpy().round(2)).all()


def test_sentinel_dates(tmp_path, rng):
    n = 10000

    def day(*date) -> int:
        return (dt.date(*date) - EPOCH).days

    born = rng.integers(day(1930, 1, 1), day(2005, 1, 1), n)
    born[rng.random(n) < 0.002] = day(1, 1, 1)
    end = rng.integers(day(2020, 1, 1), day(2026, 1, 1), n)
    end[rng.random(n) < 0.004] = day(9999, 12, 31)
    moment = end.astype(np.int64) * 86400 + np.where(end == day(9999, 12, 31), 0, rng.integers(0, 86400, n))
    pay = rng.gamma(2, 1500, n).round(2)
    pay[rng.random(n) < 0.003] = 999999.99
    columns = {"born": days(born), "ends": days(end), "ends_ts": pa.array(moment * 10**6, pa.timestamp("us"))}
    table, out, _ = made(parquet(tmp_path, columns | {"pay": pay}), rng)
    within(out, table)
    years = {name: set(pc.year(out[name]).to_pylist()) for name in columns}
    assert years["born"] <= {1, *range(1930, 2006)}
    assert years["ends"] | years["ends_ts"] <= {9999, *range(2020, 2027)}
    amounts = out["pay"].to_numpy()
    assert set(amounts[amounts > pay[pay < 999999].max()]) == {999999.99}


def test_small_tables(tmp_path, rng):
    years = {
        "year": np.arange(1990, 2020),
        "population_k": 8200 + 31 * np.arange(30) + rng.integers(-5, 5, 30),
        "rate": rng.normal(3, 0.4, 30).round(1),
        "party": rng.choice(["A", "B"], 30),
    }
    table, out, kinds = made(parquet(tmp_path, years), rng)
    assert kinds["year"] == "numeric"
    within(out, table)
    survey = {
        "age": rng.permutation(np.arange(21, 37))[:12],
        "height": rng.permutation(np.arange(160, 176))[:12],
        "first_name": [f"N{chr(65 + i)}" for i in range(12)],
        "answer": rng.choice(["yes", "no"], 12),
    }
    table, out, kinds = made(parquet(tmp_path, survey), rng)
    assert (kinds["age"], kinds["height"], kinds["first_name"]) == ("numeric", "numeric", "id")
    within(out.drop_columns(["first_name"]), table)
