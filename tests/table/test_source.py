"""Parquet and CSV as people have them: what is read, and the message for each file that cannot be."""

import gzip
import io
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from raygen.table.csv_dialect import CSV_BLOCK_BYTES
from raygen.table.source import HEAD_ROWS, Source


def parquet(table: pa.Table | dict, **options) -> bytes:
    file = io.BytesIO()
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), file, **options)
    return file.getvalue()


def folder_of(path: Path, files: dict[str, bytes]) -> str:
    for name, content in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return str(path)


def types(source: Source) -> dict[str, str]:
    return {field.name: str(field.type) for field in source.schema}


# name: content of one CSV file, its types, its last row
CSV = {
    "plain": (b"a,b\n1,x\n2,y\n", {"a": "int64", "b": "string"}, [2, "y"]),
    "no line feed at the end": (b"a,b\n1,x\n2,y", {"a": "int64", "b": "string"}, [2, "y"]),
    "Windows": (b"a,b\r\n1,x\r\n", {"a": "int64", "b": "string"}, [1, "x"]),
    "byte order mark": (b"\xef\xbb\xbfa,b\n1,x\n", {"a": "int64", "b": "string"}, [1, "x"]),
    "byte order mark and quotes": (b'\xef\xbb\xbf"a",b\n1,x\n', {"a": "int64", "b": "string"}, [1, "x"]),
    "blank lines first": (b"\n\na,b\n1,x\n", {"a": "int64", "b": "string"}, [1, "x"]),
    "line feeds and commas in quotes": (
        b'a,b\n1,"x\n""y"", z"\n',
        {"a": "int64", "b": "string"},
        [1, 'x\n"y", z'],
    ),
    "a line feed in a name": (b'"a\nz",b\n1,x\n', {"a\nz": "int64", "b": "string"}, [1, "x"]),
    "a column without a name": (b",b\n1,x\n", {"": "int64", "b": "string"}, [1, "x"]),
    "unicode": (
        "gr\u00f6\u00dfe,\U0001f600\n1,\u00e9t\u00e9\n".encode(),
        {"gr\u00f6\u00dfe": "int64", "\U0001f600": "string"},
        [1, "\u00e9t\u00e9"],
    ),
    "nulls": (b"a,b\n1,x\nNA,\n", {"a": "int64", "b": "string"}, [None, None]),
    "an empty text is no null": (b'a,b\n1,x\n2,""\n', {"a": "int64", "b": "string"}, [2, ""]),
    "no values": (b"a,b\n,x\n,y\n", {"a": "null", "b": "string"}, [None, "y"]),
    "dates and flags": (
        b"a,b\n2024-02-29,true\n",
        {"a": "date32[day]", "b": "bool"},
        [date(2024, 2, 29), True],
    ),
    "moments": (
        b"a,b\n2024-02-29 10:00:00,1.5\n",
        {"a": "timestamp[s]", "b": "double"},
        [datetime(2024, 2, 29, 10), 1.5],
    ),
    "header only": (b"a,b\n", {"a": "null", "b": "null"}, None),
}


@pytest.mark.parametrize("packed", [False, True], ids=["csv", "csv.gz"])
@pytest.mark.parametrize(("content", "expected", "last"), CSV.values(), ids=CSV)
def test_csv(tmp_path, content, expected, last, packed):
    name, content = ("t.csv.gz", gzip.compress(content)) if packed else ("t.csv", content)
    source = Source.open(folder_of(tmp_path, {name: content}) + f"/{name}")
    table = source.head()
    assert types(source) == expected
    assert table.schema.equals(source.schema)
    assert source.count_rows() == [table.num_rows]
    assert [column[-1] for column in table.to_pydict().values()] == last if last else table.num_rows == 0


# what the first rows of a column hold, what a later one holds, and the type that fits both
LATER = [
    ("1", "2.5", "double"),
    ("1", "x", "string"),
    ("1", "99999999999999999999", "double"),
    ("1.5", "x", "string"),
    ("2024-02-29", "x", "string"),
    ("2024-02-29", "2024-02-29 10:00:00", "timestamp[s]"),
    ("2024-02-29 10:00:00", "2024-02-29 10:00:00.25", "timestamp[us]"),
    ("2024-02-29 10:00:00.25", "2024-02-29", "timestamp[us]"),
    ("9999-12-31 00:00:00", "2024-02-29 10:00:00.25", "timestamp[us]"),
    ("2024-02-29T10:00:00Z", "x", "string"),
    ("12:30:00", "x", "string"),
    ("true", "2", "string"),
    ("x", "1", "string"),
    ("", "7", "int64"),
    ("", "2.5", "double"),
    ("", "2024-02-29", "date32[day]"),
    ("", "2024-02-29 10:00:00", "timestamp[s]"),
    ("", "true", "bool"),
    ("", '"a ""b"", c\nd"', "string"),
    ("", '""', "string"),
]


@pytest.mark.parametrize(("early", "late", "expected"), LATER)
def test_types_that_a_later_file_widens(tmp_path, early, late, expected):
    files = {"1.csv": f"c,d\n{early},x\n", "2.csv": f"c,d\n{late},x\n", "3.csv": f"c,d\n{early},x\n"}
    source = Source.open(folder_of(tmp_path, {name: text.encode() for name, text in files.items()}))
    assert types(source) == {"c": expected, "d": "string"}
    column = source.head()["c"]
    assert len(column) == 3
    assert column[0].as_py() == column[2].as_py()
    assert column[1].is_valid


@pytest.mark.parametrize(
    ("early", "late", "last", "expected"),
    [("1", "2.5", "x", "string"), ("", "3", "2.5", "double"), ("7", "", "8", "int64")],
)
def test_types_that_rows_far_down_widen(tmp_path, early, late, last, expected):
    """The types come from the first 16 MB; a table that goes on differently is still read whole."""
    text = '"' + "line\n" * 400 + '"'  # its line feeds fall on the edges of what is read at a time
    rows = [f"{early},{text}\n"] * (CSV_BLOCK_BYTES // 2000 + 100) + [f"{late},{text}\n", f"{last},{text}\n"]
    source = Source.open(folder_of(tmp_path, {"t.csv": "".join(["c,d\n", *rows]).encode()}))
    assert types(source) == {"c": expected, "d": "string"}
    assert source.count_rows() == [len(rows)]


def test_a_folder_of_csv(tmp_path):
    files = {
        "b.csv": b"a\n2\n",
        "a.csv.gz": gzip.compress(b"a\n1\n"),
        "sub/c.CSV": b"a\n3\n",
        "README.txt": b"hello",
        "_tmp.csv": b"junk,",
    }
    source = Source.open(folder_of(tmp_path, files))
    assert source.format == "csv"
    assert source.head()["a"].to_pylist() == [1, 2, 3]


PARQUET = {
    "one": ([{"a": [1], "b": ["x"]}], {"a": "int64", "b": "string"}, [{"a": 1, "b": "x"}]),
    "int32 and int64": (
        [{"a": pa.array([1], pa.int32())}, {"a": [2**40]}],
        {"a": "int64"},
        [{"a": 1}, {"a": 2**40}],
    ),
    "int and float": ([{"a": [1]}, {"a": [0.5]}], {"a": "double"}, [{"a": 1.0}, {"a": 0.5}]),
    "a column less": (
        [{"a": [1], "b": [2]}, {"a": [3]}],
        {"a": "int64", "b": "int64"},
        [{"a": 1, "b": 2}, {"a": 3, "b": None}],
    ),
    "a column more": (
        [{"a": [1]}, {"a": [3], "b": [2]}],
        {"a": "int64", "b": "int64"},
        [{"a": 1, "b": None}, {"a": 3, "b": 2}],
    ),
    "another order": (
        [{"a": [1], "b": [2]}, {"b": [4], "a": [3]}],
        {"a": "int64", "b": "int64"},
        [{"a": 1, "b": 2}, {"a": 3, "b": 4}],
    ),
    "all null in one": ([{"a": pa.nulls(1)}, {"a": ["x"]}], {"a": "string"}, [{"a": None}, {"a": "x"}]),
    "no rows": ([{"a": pa.array([], pa.int64())}], {"a": "int64"}, []),
}


@pytest.mark.parametrize(("tables", "expected", "rows"), PARQUET.values(), ids=PARQUET)
def test_folders_of_parquet(tmp_path, tables, expected, rows):
    source = Source.open(
        folder_of(tmp_path, {f"{i}.parquet": parquet(table) for i, table in enumerate(tables)})
    )
    assert source.format == "parquet"
    assert types(source) == expected
    assert source.head().to_pylist() == rows
    assert sum(source.count_rows()) == len(rows)


def test_hidden_files_are_left_out_and_hive_folders_read(tmp_path):
    good = {"year=2024/a.parquet": parquet({"a": [1]}), "year=2025/b.pq": parquet({"a": [2]})}
    hidden = dict.fromkeys(
        [
            "_SUCCESS",
            ".a.parquet.crc",
            "_tmp.parquet",
            "_delta_log/0.parquet",
            ".git/x.parquet",
            "year=2025/_c.parquet",
        ],
        b"junk",
    )
    source = Source.open(folder_of(tmp_path / ".cache" / "_data", good | hidden))
    assert source.head().to_pydict() == {"a": [1, 2], "year": [2024, 2025]}
    assert [Path(path).name for path in source.paths] == ["a.parquet", "b.pq"]


def test_identity_changes_with_the_files(tmp_path):
    folder = folder_of(tmp_path, {"a.csv": b"a\n1\n"})
    first = Source.open(folder).identity
    assert Source.open(folder).identity == first
    folder_of(tmp_path, {"a.csv": b"a\n1\n2\n"})
    assert Source.open(folder).identity != first


def test_head_is_the_first_rows_and_a_known_schema_is_taken(tmp_path):
    many = pa.table({"a": range(HEAD_ROWS + 5)})
    folder = folder_of(
        tmp_path, {"a.parquet": parquet(many, row_group_size=30_000), "b.parquet": parquet(many)}
    )
    source = Source.open(folder)
    assert source.head().equals(many.slice(0, HEAD_ROWS))
    assert source.head(3)["a"].to_pylist() == [0, 1, 2]
    assert source.count_rows() == [HEAD_ROWS + 5] * 2
    assert Source.open(folder, pa.schema({"a": pa.float64()})).head(2)["a"].to_pylist() == [0.0, 1.0]


def test_non_nullable_columns_and_no_metadata_but_that_of_pandas(tmp_path):
    schema = pa.schema([pa.field("a", pa.int64(), nullable=False)], {"pandas": "{}", "other": "x"})
    folder = folder_of(tmp_path, {"a.parquet": parquet(pa.table([[1]], schema=schema))})
    assert Source.open(folder).schema.equals(schema.with_metadata({"pandas": "{}"}), check_metadata=True)


def test_rows_from_all_over_a_table_are_of_every_part_of_it(tmp_path):
    table = pa.table({"x": pa.array(range(50_000))})
    pq.write_table(table.slice(0, 30_000), tmp_path / "a.parquet", row_group_size=1000)
    pq.write_table(table.slice(30_000), tmp_path / "b.parquet")
    rows = Source.open(str(tmp_path)).spread(400)["x"].to_numpy()
    assert 300 <= len(rows) <= 400 and len(set(rows)) == len(rows)
    assert (np.diff(rows) > 0).all() and rows[0] == 0 and rows[-1] == 49_999
    assert np.diff(rows).max() < 6000


def test_a_table_of_few_rows_is_spread_whole(tmp_path):
    table = pa.table({"x": [3, 1, 2]})
    pq.write_table(table, tmp_path / "t.parquet")
    assert Source.open(str(tmp_path / "t.parquet")).spread()["x"].to_pylist() == [3, 1, 2]
    pacsv.write_csv(table, tmp_path / "t.csv")
    assert Source.open(str(tmp_path / "t.csv")).spread(2)["x"].to_pylist() == [3, 1]


def test_pieces_of_large_files_hold_each_row_once(tmp_path, monkeypatch):
    rows = pa.table({"x": range(1000)})
    for place, groups in (("a=1/many", 10), ("a=2/one", 1000), ("a=2/some", 400)):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        pq.write_table(rows, tmp_path / f"{place}.parquet", row_group_size=groups)
    source = Source.open(str(tmp_path))
    assert source.pieces() == [(number, 0, 0) for number in range(3)], "small files are read whole"
    sizes = [size for _, size, _ in source.identity]
    monkeypatch.setattr("raygen.table.source.PIECE_BYTES", min(sizes) // 3)
    pieces = source.pieces()
    assert [piece[0] for piece in pieces].count(0) > 3 and [p for p in pieces if p[0] == 1] == [(1, 0, 1)]
    assert [p[1:] for p in pieces if p[0] == 2] == [(0, 1), (1, 2), (2, 3)]
    read = pa.Table.from_batches([batch for piece in pieces for batch in source.of_file(*piece)])
    assert read.equals(pa.Table.from_batches(list(source.batches()))) and read.num_rows == 3000
