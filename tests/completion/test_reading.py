"""Rows of files by their numbers: files that nobody asks for are not read."""

import pickle

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest

from raygen.completion.reading import CountedSource, RowReader
from raygen.errors import SchemaError

ROWS = pa.table({"number": [n / 4 for n in range(300)], "letter": [f"letter {n % 5}" for n in range(300)]})


def write(rows: pa.Table, path) -> None:
    if path.suffix == ".csv":
        csv.write_csv(rows, path)
    elif path.suffix == ".parquet":
        pq.write_table(rows, path, row_group_size=70)
    else:
        rows.to_pandas().to_json(path, orient="records", lines=True)


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_rows_are_read_by_their_numbers(tmp_path, ending):
    write(ROWS, tmp_path / f"rows.{ending}")
    table = CountedSource.open(str(tmp_path), ROWS.schema)
    read, whole = RowReader(table), table.source.head()
    for first, last in [(0, 10), (10, 75), (69, 71), (200, 300), (5, 6), (290, 300), (300, 300)]:
        assert read(first, last).equals(whole.slice(first, last - first)), (first, last)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_files_of_other_rows_are_neither_read_nor_counted_again(tmp_path, ending):
    """An actor gets the driver's count: what lies in the files before its rows is nothing to it."""
    for number in range(6):
        write(ROWS.slice(50 * number, 50), tmp_path / f"{number}.{ending}")
    opened = CountedSource.open(str(tmp_path), ROWS.schema)
    whole = opened.source.head()
    assert opened.counts == [50] * 6 and opened.rows == 300 and opened.as_now().identity == opened.identity
    for number in (0, 1, 3):
        (tmp_path / f"{number}.{ending}").unlink()
    assert opened.as_now().identity != opened.identity
    read = RowReader(pickle.loads(pickle.dumps(opened)))
    assert read(110, 130).equals(whole.slice(110, 20))
    assert read(205, 210).equals(whole.slice(205, 5)), "file 3 lies between the two"
    assert read(240, 260).equals(whole.slice(240, 20)), "files that follow one another"
    with pytest.raises(SchemaError, match="cannot be read"):
        read(40, 60)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_one_file_of_text_is_read_once_however_many_blocks_are_asked_for(tmp_path, ending):
    """It is taken away after the first block, so that nobody can begin at its beginning again."""
    rows = pa.concat_tables([ROWS] * 100)
    write(rows, tmp_path / f"rows.{ending}")
    read = RowReader(CountedSource.open(str(tmp_path), ROWS.schema))
    assert read(0, 64).num_rows == 64
    (tmp_path / f"rows.{ending}").unlink()
    for first in range(0, rows.num_rows, 6000):  # as for an actor: some blocks, then those of others
        for begin in range(first, first + 640, 64):
            assert read(begin, begin + 64).equals(rows.slice(begin, 64).cast(read.source.schema))
