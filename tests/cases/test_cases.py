"""Tables as people have them, through source, kinds and codec and back: every value that comes out is one
that could be in the table."""

import csv
import datetime as dt
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest

from raygen.codec import parts
from raygen.codec.codec import Codec
from raygen.generation.formats import Format
from raygen.table.schema import Schema, infer
from raygen.table.source import Source

EPOCH = dt.date(1970, 1, 1)


@pytest.fixture
def rng():
    return np.random.default_rng(23)


def made(uri, rng) -> tuple[pa.Table, pa.Table, dict[str, str]]:
    """The rows of a table, as many rows of its codec in which all codes are as frequent, and the kinds."""
    source = Source.open(str(uri))
    table = source.head()
    kinds, _ = infer(table, source.doubts)
    schema = Schema.of(source.schema, kinds, str(uri), source.levels())
    built = Codec.fit(schema, parts.observe(schema, table), 128, 256)
    codes, _ = built.encode(table)
    shuffled = np.stack([rng.permutation(column) for column in codes.T], axis=1).astype(np.int64)
    out = built.decode(shuffled, rng.random(codes.shape))
    out.validate(full=True)
    assert out.schema.equals(schema.output, check_metadata=True)
    return table, out, kinds


def parquet(path, table) -> str:
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), path / "t.parquet")
    return str(path / "t.parquet")


def texts(path, header: str, rows, **options) -> str:
    with (path / "t.csv").open("w", newline="") as stream:
        writer = csv.writer(stream, **options)
        writer.writerow(header.split())
        writer.writerows(rows)
    return str(path / "t.csv")


def printed(path, table: pa.Table) -> list[dict[str, str]]:
    """The rows as text of a CSV file."""
    with (path / "made.csv").open("wb") as stream:
        Format("csv", "none").write(stream, table.schema, [table])
    with (path / "made.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def within(out: pa.Table, table: pa.Table) -> None:
    """No value of a column beyond those of the table, and as many missing."""
    for name in out.column_names:
        (low, high), (lowest, highest) = ends(out[name]), ends(table[name])
        assert lowest <= low and high <= highest, name
        assert out[name].null_count == table[name].null_count, name


def ends(column: pa.ChunkedArray) -> tuple:
    """The lowest and the highest value."""
    whole = column.cast(pa.int64()) if pa.types.is_duration(column.type) else column
    found = pc.min_max(whole)
    return found["min"].as_py(), found["max"].as_py()


def days(values) -> pa.Array:
    return pa.array(np.asarray(values).astype(np.int32), pa.date32())


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


def test_csv_dates(tmp_path, rng):
    def one() -> str:
        return f"20{rng.integers(10, 24)}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}"

    def row(i: int) -> list[str]:
        clock = f"{rng.integers(0, 24):02d}:{rng.integers(0, 60):02d}"
        month = ["JAN", "FEB", "MAR"][rng.integers(3)]
        return [
            "9999-12-31 00:00:00.000" if rng.random() < 0.3 else one() + " 00:00:00.000",
            "0000-00-00" if rng.random() < 0.02 else one(),
            f"{one()} {clock}",
            f"{rng.integers(1, 29):02d}-{month}-{rng.integers(10, 24)}",
            one() + (f" 10:00:00.{rng.integers(1000):03d}" if i % 2 else " 10:00:00"),
            f"{rng.integers(1, 13)}/{rng.integers(1, 29)}/20{rng.integers(10, 24)}",
            f"2024-W{rng.integers(1, 53):02d}",
            one() + "T10:00:00Z",
            one() if rng.random() > 0.01 else "2015",
        ]

    header = "valid_to zero minutes oracle mixed us2 week iso_week date_or_year"
    rows = [row(i) for i in range(1000)]
    uri = texts(tmp_path, header, rows)
    table, out, kinds = made(uri, rng)
    dates = ("valid_to", "minutes", "oracle", "mixed", "us2", "iso_week")
    assert [name for name, kind in kinds.items() if kind == "datetime"] == list(dates)
    within(out.select(dates), table)
    assert abs(out["valid_to"].to_pylist().count(dt.datetime(9999, 12, 31)) - 300) < 60
    notes = infer(table, Source.open(uri).doubts)[1]
    assert "but for '0000-00-00'" in notes["zero"] and "but for '2015'" in notes["date_or_year"]
    assert "mixed" not in notes
    for before, after in zip(rows, printed(tmp_path, table), strict=True):
        assert before == list(after.values())


def test_csv_signs(tmp_path, rng):
    """Amounts as SAP, as accountants, as a French and a Dutch Excel write them, and moments as Postgres and
    Python do."""

    def row() -> list[str]:
        amounts = [f"{abs(x):,.2f}" for x in rng.normal(0, 3000, 4)]
        below, swapped = (rng.random(5) < 0.3).tolist(), str.maketrans(",.", ".,")
        at = dt.datetime(2024, 1, 1) + dt.timedelta(microseconds=int(rng.integers(0, 10**13)))
        seconds = f"{at:%Y-%m-%d %H:%M:%S.%f}".rstrip("0").rstrip(".")
        whole = at.replace(microsecond=0 if rng.random() < 0.1 else at.microsecond)
        return [
            amounts[0].translate(swapped) + "-" * below[0],
            f"({amounts[1]})" if below[1] else amounts[1],
            "-" * below[2] + amounts[2].translate({44: "\u202f", 46: ","}) + "\u00a0€",
            "€ " + "-" * below[3] + amounts[3].translate(swapped),
            f"{rng.normal(0, 4):+.1f}%",
            seconds + "+00",
            whole.isoformat(),
        ]

    header = "sap account french dutch change postgres python"
    rows = [row() for _ in range(1200)]
    table, out, kinds = made(texts(tmp_path, header, rows, delimiter=";"), rng)
    assert list(kinds.values()) == ["numeric"] * 5 + ["datetime"] * 2
    assert not infer(table, Source.open(str(tmp_path / "t.csv")).doubts)[1]
    within(out, table)
    for before, after in zip(rows, printed(tmp_path, table), strict=True):
        assert before == list(after.values())


def test_csv_quote_all(tmp_path, rng):
    rows = [
        [
            rng.integers(18, 90) if rng.random() > 0.1 else "",
            f"{rng.gamma(2, 20000):.2f}" if rng.random() > 0.2 else "",
            f"20{rng.integers(10, 24)}-0{rng.integers(1, 10)}-1{rng.integers(0, 10)}"
            if rng.random() > 0.1
            else "",
            rng.choice(["Rome", "Oslo", ""]),
        ]
        for _ in range(1500)
    ]
    table, out, kinds = made(texts(tmp_path, "age income joined city", rows, quoting=csv.QUOTE_ALL), rng)
    assert list(kinds.values()) == ["numeric", "numeric", "datetime", "categorical"]
    within(out, table)
    assert min(column.null_count for column in out.columns) > 50


@pytest.mark.parametrize(("delimiter", "point"), [(";", ","), (";", "."), ("\t", "."), ("|", ".")])
def test_csv_semicolon(tmp_path, rng, delimiter, point):
    rows = [
        [a, s, f"{p:.2f}".replace(".", point)]
        for a, s, p in zip(
            rng.integers(18, 80, 600), rng.choice(["f", "m"], 600), rng.gamma(2, 1000, 600), strict=True
        )
    ]
    table, out, kinds = made(texts(tmp_path, "age sex pay", rows, delimiter=delimiter), rng)
    assert list(kinds.values()) == ["numeric", "categorical", "numeric"]
    within(out, table)


def test_csv_texts(tmp_path, rng):
    zips, countries = ["02116", "00501", "90210", "10001", "07030", "01234"], ["DE", "NA", "US", "FR"]

    def row() -> list[str]:
        day, month = rng.integers(1, 29), rng.integers(1, 13)
        return [
            zips[rng.integers(6)],
            countries[rng.choice(4, p=[0.3, 0.2, 0.3, 0.2])],
            str(rng.integers(18, 90)) if rng.random() > 0.03 else "None",
            f"{rng.normal(26, 4):.1f}" if rng.random() > 0.05 else ".",
            f"${rng.gamma(2, 20000):,.2f}",
            f"{rng.beta(2, 5) * 100:.1f}%",
            f"{day:02d}/{month:02d}/{rng.integers(1990, 2024)}",
            "True" if rng.random() < 0.7 else "False",
            f"2024-{month:02d}-{day:02d}T{rng.integers(0, 24):02d}:15:00+02:00",
            f"2024-{month:02d}-{day:02d} 08:{rng.integers(0, 60):02d}:00.250",
            f"0{rng.integers(10**8, 10**9)}",
            "Yes" if rng.random() < 0.5 else "No",
            f"{rng.integers(1, 20):03d}",
            str(rng.integers(0, 100)) if rng.random() > 0.1 else r"\N",
            "null" if rng.random() < 0.1 else "Smith",
        ]

    header = "zip country age bmi income growth birthday active at at_ms phone member icd visits surname"
    rows = [row() for _ in range(1200)]
    table, out, kinds = made(texts(tmp_path, header, rows), rng)
    assert kinds == dict(
        zip(
            header.split(),
            [
                *(
                    "categorical",
                    "categorical",
                    "numeric",
                    "numeric",
                    "numeric",
                    "numeric",
                    "datetime",
                    "boolean",
                ),
                *("datetime", "datetime", "drop", "categorical", "categorical", "numeric", "categorical"),
            ],
            strict=True,
        )
    )
    within(out, table)
    words = {"None": "", ".": "", r"\N": ""}
    for before, after in zip(rows, printed(tmp_path, table), strict=True):
        assert [words.get(text, text) for text in before] == list(after.values())
    assert set(out["zip"].to_pylist()) == set(zips) and set(out["country"].to_pylist()) == set(countries)
    assert set(out["surname"].to_pylist()) == {"Smith", "null"}


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


def test_evaluate(tmp_path, rng):
    """The same rows as Parquet and as CSV, by Arrow and by pandas, have the same values."""
    n = 400
    table = pa.table(
        {
            "zip": rng.choice(["02116", "00501", "90210"], n),
            "yes": rng.choice(["True", "False"], n),
            "grade": rng.choice(["1", "2", "3"], n),
            "flag": pa.array(rng.random(n) < 0.3, mask=rng.random(n) < 0.2),
            "born": pa.array(rng.integers(0, 15000, n).astype(np.int32), pa.date32()),
            "at": pa.array(
                1_600_000_000_000_000 + rng.integers(0, 10**13, n), pa.timestamp("us", "Europe/Berlin")
            ),
            "clock": pa.array(rng.integers(0, 86400, n).astype(np.int32), pa.time32("s")),
            "pay": pa.array(
                [decimal.Decimal(int(x)) / 100 for x in rng.gamma(2, 90000, n)], pa.decimal128(12, 2)
            ),
            "note": pa.array(rng.choice(["", "ok", "NA", "None"], n)),
            "k8": pa.array(rng.integers(0, 4, n).astype(np.int8), mask=rng.random(n) < 0.3),
            "x": rng.normal(size=n),
        }
    )
    pacsv.write_csv(table, tmp_path / "arrow.csv")
    table.to_pandas().to_csv(tmp_path / "pandas.csv", index=False)
    for name in ("arrow", "pandas"):
        again = Source.open(str(tmp_path / f"{name}.csv"), table.schema).head()
        for column in table.column_names:
            if (name, column) != ("pandas", "flag") and (name, column) != ("pandas", "note"):
                assert again[column].cast(table[column].type).equals(table[column]), (name, column)


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
