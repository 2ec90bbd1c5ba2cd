"""What rows of CSV behind the first MiB tell: it counts as much as what the first ones do, or is told."""

import pyarrow as pa
import pytest
from pyarrow import fs as pafs

from raygen.errors import SchemaError
from raygen.table import csv_rows
from raygen.table.csv_dialect import CSV_BLOCK_BYTES, HEAD_BYTES
from raygen.table.source import Source

ROWS = 40_000  # the first ones fill more than the first MiB
LATE = ROWS + 2  # the line of the row after them
COLUMNS = {"number": "12", "country": "DE", "pay": "10.50", "money": "$1.50", "day": "2024-02-29", "age": "7"}


def opened(tmp_path, *rows: dict[str, str]) -> Source:
    """Of many equal rows, and some that differ behind them."""
    lines = [COLUMNS | row for row in ({},) * ROWS + rows + ({},)]
    text = "\n".join([",".join(COLUMNS), *(",".join(one.values()) for one in lines)]) + "\n"
    assert len(text) > HEAD_BYTES
    (tmp_path / "t.csv").write_text(text)
    return Source.open(str(tmp_path / "t.csv"))


def test_equal_rows_are_read_as_the_first_ones(tmp_path):
    source = opened(tmp_path, {})
    types = [pa.int64(), pa.string(), pa.float64(), pa.float64(), pa.date32(), pa.int64()]
    assert source.schema.types == types and not source.doubts


@pytest.mark.parametrize(
    ("column", "value", "kind", "doubt"),
    [
        ("number", "02116", pa.string(), "text, since line {}, as a number, would lose the zero of '02116'"),
        ("number", "x", pa.string(), "text, since line {} has 'x'"),
        ("age", '"3,5"', pa.string(), "text, since line {} has '3,5'"),
        ("pay", "3.125", pa.float64(), "not all are written alike: line {} has '3.125'"),
        ("pay", "much", pa.string(), "not all are written alike: line {} has 'much'"),
        ("money", "EUR 3", pa.string(), "text, since line {} has 'EUR 3'"),
        ("day", "0000-00-00", pa.string(), "text, since line {} has '0000-00-00'"),
    ],
)
@pytest.mark.slow
def test_a_late_value_tells_what_its_column_is(tmp_path, column, value, kind, doubt):
    source = opened(tmp_path, {column: value})
    assert source.schema.field(column).type == kind
    assert source.doubts == {column: doubt.format(f"{LATE:,} of '{source.paths[0]}'")}
    read = source.head(ROWS + 1)[column]
    assert str(read[-1].as_py()) == value.strip('"') and read.null_count == 0


def test_a_late_word_is_missing_where_numbers_use_it_and_text_elsewhere(tmp_path):
    source = opened(tmp_path, {"country": "NA", "age": "None"}, {"country": "None"})
    late = source.head(ROWS + 2).slice(ROWS).to_pydict()
    assert late["country"] == ["NA", "None"] and late["age"] == [None, 7]
    assert "'None' is a value here" in source.doubts["country"]


@pytest.mark.parametrize("cpus", [1, 2])
def test_late_rows_of_another_width_or_encoding_are_told_with_their_line(tmp_path, cpus, cpu_count):
    cpu_count(cpus)
    with pytest.raises(SchemaError, match=f"has 7 fields in line {LATE:,}; its header has 6"):
        opened(tmp_path, {"age": "7,8"})
    folder = tmp_path / "latin"
    folder.mkdir()
    text = b"a,b\n" + b"1,some words of it\n" * 70_000 + b"2,\xe9t\xe9\n"
    (folder / "t.csv").write_bytes(text)
    with pytest.raises(SchemaError, match=r"not UTF-8 \(line 70,002\)"):
        Source.open(str(folder))


LONG = "z" * 200_000  # Python's csv reads 128 KiB of a field where nobody tells it more


def test_a_long_text_does_not_hide_the_line_of_what_comes_behind_it(tmp_path):
    source = opened(tmp_path, {"country": LONG}, {"age": "x"})
    assert source.doubts == {"age": f"text, since line {LATE + 1:,} of '{source.paths[0]}' has 'x'"}
    with pytest.raises(SchemaError, match=f"has 7 fields in line {LATE + 1:,}; its header has 6"):
        opened(tmp_path, {"country": LONG}, {"age": "7,8"})


def test_a_long_text_does_not_hide_a_code_behind_it(tmp_path):
    (tmp_path / "t.csv").write_text(f"zip,{LONG}\n12345,{LONG}\n02116,x\n")
    table = Source.open(str(tmp_path / "t.csv")).head()
    assert table.to_pydict() == {"zip": ["12345", "02116"], LONG: [LONG, "x"]}


def test_a_field_without_an_end_is_told_with_its_line(tmp_path):
    (tmp_path / "t.csv").write_text('a,b\n1,x\n2,"' + "z" * (CSV_BLOCK_BYTES + 1))
    with pytest.raises(SchemaError, match="field in line 3 that has no end within 16,777,216") as caught:
        csv_rows.line_of(pafs.LocalFileSystem(), str(tmp_path / "t.csv"), ",", lambda row: False)
    assert "quote" in caught.value.hint


def test_a_quote_that_takes_more_than_arrow_reads_at_once_is_told_with_its_line(tmp_path):
    (tmp_path / "t.csv").write_text('a,b\n1,x\n2,"' + "3,y\n" * (CSV_BLOCK_BYTES // 3))
    with pytest.raises(SchemaError, match="field in line 3 that has no end within 16,777,216"):
        Source.open(str(tmp_path / "t.csv"))


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_a_last_field_of_several_lines_is_one_value(tmp_path, end):
    (tmp_path / "t.csv").write_text('a,b\n1,"x\n""y"", z\n"' + end)
    assert Source.open(str(tmp_path / "t.csv")).head().to_pydict() == {"a": [1], "b": ['x\n"y", z\n']}


@pytest.fixture
def cpu_count():
    """Set the CPUs that Arrow reads by, for a test."""
    before = pa.cpu_count()
    yield pa.set_cpu_count
    pa.set_cpu_count(before)


def test_a_zero_in_a_second_file_makes_the_column_text(tmp_path):
    (tmp_path / "a.csv").write_text("zip;share\n12345;1,5\n")
    (tmp_path / "b.csv").write_text("zip;share\n01234;2,5\n")
    source = Source.open(str(tmp_path))
    assert source.head().to_pydict() == {"zip": ["12345", "01234"], "share": [1.5, 2.5]}
    assert "line 2 of" in source.doubts["zip"]
