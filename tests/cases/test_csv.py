"""CSV files as people have them, through source, kinds and codec and back: every value that comes out is
one that could be in the table."""

import csv
import datetime as dt
import decimal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest

from raygen.generation.formats import Format
from raygen.table.schema import infer
from raygen.table.source import Source
from tests.cases.made import made, within


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
