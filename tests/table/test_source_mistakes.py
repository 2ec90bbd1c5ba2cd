"""The message for each table that cannot be read."""

from pathlib import Path

import pyarrow as pa
import pytest

from raygen.errors import SchemaError
from raygen.table.source import Source
from tests.table.test_source import folder_of, parquet

TRUNCATED = parquet({"a": list(range(10_000))})[:-500]
LATIN = "convert it, as in: iconv -f latin1 -t utf-8"
WHOLE = "check that the files are whole and of one table."
LINE = "mend that line; a field that holds ',' or a quote belongs in quotes."
MISTAKES = {
    "an empty CSV": ({"a.csv": b""}, "Empty CSV file", WHOLE),
    "blank lines": ({"a.csv": b"\n\n\n"}, "Empty CSV", WHOLE),
    "a row too short": ({"a.csv": b"a,b\n1,2\n\n3\n"}, "has 1 field in line 4; its header has 2.", LINE),
    "a row too long": (
        {"a.csv": b'a,b\n1,"2\n"\n3,4,5\n'},
        "has 3 fields in line 4; its header has 2.",
        LINE,
    ),
    "a quote that is never closed": (
        {"a.csv": b'a,b\n1,"x\ny"\n2,"3\n4,5\n6,7\n'},
        "a.csv' has a quote in line 4 that is never closed",
        "close it; a quote",
    ),
    "such a quote behind a field of two lines": (
        {"a.csv": b'a,b\n"x\ny","z\n4,5\n'},
        "a quote in line 3 that is never closed",
        "close it; a quote",
    ),
    "such a quote, rows too short": (
        {"a.csv": b'a,b,c\n1,x,2\n3,"y,4\n5,z,6\n'},
        "a quote in line 3 that is never closed",
        "close it; a quote",
    ),
    "such a quote in the header": (
        {"a.csv": b'a,"b\n1,2\n'},
        "a quote in line 1 that is never closed",
        "close it; a quote",
    ),
    "no gzip": ({"a.csv.gz": b"a,b\n1,2\n"}, "incorrect header check", WHOLE),
    "UTF-16": ({"a.csv": "a,b\n1,2\n".encode("utf-16")}, "is text in UTF-16", "iconv -f utf-16 -t utf-8"),
    "latin-1 text": (
        {"a.csv": b"a,b\n1,\xe9t\xe9\n"},
        "a.csv' holds text in column 'b' that is not UTF-8",
        LATIN,
    ),
    "latin-1 text later": (
        {"a.csv": b"a,b\n1,x\n", "b.csv": b"a,b\n\xe9t\xe9,x\n"},
        "b.csv' holds text in column 'a' that is not UTF-8 (line 2).",
        LATIN,
    ),
    "latin-1 text after text": (
        {"a.csv": b"a\nx\n", "b.csv": b"a\n\xe9t\xe9\n"},
        "b.csv' holds text in column 'a' that is not UTF-8",
        LATIN,
    ),
    "latin-1 text after nulls": (
        {"a.csv": b"a,b\n,x\n", "b.csv": b"a,b\n\xe9t\xe9,x\n"},
        "column 'a' that is not UTF-8",
        LATIN,
    ),
    "a latin-1 name": ({"a.csv": b"\xe9,b\n1,2\n"}, "can't decode byte 0xe9", LATIN),
    "a name twice, CSV": (
        {"a.csv": b"a,b,a\n1,2,3\n"},
        "a.csv' has more than one column 'a'",
        "rename one of them.",
    ),
    "no name twice, CSV": ({"a.csv": b",b,\n1,2,3\n"}, "more than one column ''", "rename one of them."),
    "two headers": (
        {"a.csv": b"a,b\n1,2\n", "b.csv": b"a,c\n1,2\n"},
        "b.csv' has the columns a, c; the files before it have a, b",
        "one header",
    ),
    "another order, CSV": (
        {"a.csv": b"a,b\n1,2\n", "b.csv": b"b,a\n1,2\n"},
        "b.csv' has the columns b, a",
        "one header",
    ),
    "a name twice, Parquet": (
        {"a.parquet": parquet(pa.Table.from_arrays([pa.array([1])] * 2, names=["a", "a"]))},
        "a.parquet' has more than one column 'a'",
        "rename one of them.",
    ),
    "no columns": ({"a.parquet": parquet(pa.table({}))}, "has no columns", "check data.source"),
    "text in place of Parquet": ({"a.parquet": b"hello\n" * 10}, "Parquet magic bytes not found", WHOLE),
    "a truncated Parquet": ({"a.parquet": TRUNCATED}, "Parquet magic bytes not found", WHOLE),
    "an empty Parquet": (
        {"a.parquet": parquet({"a": [1]}), "b.parquet": b""},
        "Parquet file size is 0 bytes",
        WHOLE,
    ),
    "types that do not mix": (
        {"a.parquet": parquet({"a": [1]}), "b.parquet": parquet({"a": ["x"]})},
        "incompatible types: int64 vs string",
        WHOLE,
    ),
    "both formats": (
        {"a.parquet": parquet({"a": [1]}), "b.csv": b"a\n1\n"},
        "holds both Parquet and CSV files",
        "name a .parquet, .csv,",
    ),
    "another format": (
        {"a.xml": b"<a/>", "b.txt": b"x"},
        "holds no Parquet, CSV, JSON Lines or Feather file",
        "name a .parquet, .csv,",
    ),
    "nothing but hidden files": (
        {"_a.parquet": b"x", ".b.csv": b"x"},
        "does not exist, or holds no file",
        "check data.source.",
    ),
}


@pytest.mark.parametrize(("files", "message", "hint"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(tmp_path, files, message, hint):
    with pytest.raises(SchemaError) as caught:
        Source.open(folder_of(tmp_path, files))
    assert message in caught.value.message
    assert str(tmp_path) in caught.value.message
    assert hint in caught.value.hint


def test_a_file_that_is_damaged_inside(tmp_path):
    content = bytearray(parquet({"a": list(range(10_000))}))
    content[200:400] = b"\xff" * 200
    source = Source.open(folder_of(tmp_path, {"a.parquet": bytes(content)}))
    with pytest.raises(SchemaError, match="cannot be read: Corrupt snappy compressed data"):
        source.head()


@pytest.mark.parametrize(
    ("uri", "message", "hint"),
    [
        (
            "",
            "data.source is not set.",
            "set it to a Parquet, CSV, JSON Lines or Feather file, or a folder of them.",
        ),
        (
            "/nowhere/at/all.parquet",
            "source '/nowhere/at/all.parquet' does not exist, or holds no file.",
            "check data.source.",
        ),
        (
            "nope://bucket/x",
            "names no filesystem that can be reached: Protocol not known: nope",
            "check the URI and its credentials.",
        ),
    ],
)
def test_sources_that_are_not_there(uri, message, hint):
    with pytest.raises(SchemaError) as caught:
        Source.open(uri)
    assert message in caught.value.message
    assert caught.value.hint == hint


def test_an_empty_folder_and_a_path_below_a_file(tmp_path):
    file = Path(folder_of(tmp_path, {"full/a.csv": b"a\n1\n"})) / "full" / "a.csv"
    (tmp_path / "empty").mkdir()
    for uri in (tmp_path / "empty", file / "b.csv"):
        with pytest.raises(SchemaError, match="does not exist, or holds no file"):
            Source.open(str(uri))
