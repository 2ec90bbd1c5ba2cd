"""JSON Lines, Feather, Hive folders and Parquet of other writers: what is read, and the message for what
cannot be."""

import gzip
import io
import pickle
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from raygen.errors import SchemaError
from raygen.generation.formats import Format
from raygen.table import json_lines, spelling
from raygen.table.source import Source


def folder_of(path: Path, files: dict[str, bytes]) -> str:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return str(path)


def ipc(table: dict | pa.Table, **options) -> bytes:
    file = io.BytesIO()
    feather.write_feather(table if isinstance(table, pa.Table) else pa.table(table), file, **options)
    return file.getvalue()


def parquet(table: dict | pa.Table, **options) -> bytes:
    file = io.BytesIO()
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), file, **options)
    return file.getvalue()


# content of files of JSON Lines, types, rows
LINES = {
    "plain": (
        [b'{"a": 1, "b": "x"}\n{"a": 2, "b": null}\n'],
        {"a": "int64", "b": "string"},
        [{"a": 1, "b": "x"}, {"a": 2, "b": None}],
    ),
    "no line feed at the end, blank lines": (
        [b'\n{"a": true}\n\n{"a": false}'],
        {"a": "bool"},
        [{"a": True}, {"a": False}],
    ),
    "a column less": (
        [b'{"a": 1}\n{"b": 2}\n'],
        {"a": "int64", "b": "int64"},
        [{"a": 1, "b": None}, {"a": None, "b": 2}],
    ),
    "files of different columns": (
        [b'{"a": 1}\n', b'{"b": "x", "a": 2.5}\n'],
        {"a": "double", "b": "string"},
        [{"a": 1.0, "b": None}, {"a": 2.5, "b": "x"}],
    ),
    "no values at first": ([b'{"a": null}\n', b'{"a": 1}\n'], {"a": "int64"}, [{"a": None}, {"a": 1}]),
    "dates": ([b'{"a": "2024-02-29"}\n'], {"a": "date32[day]"}, [{"a": date(2024, 2, 29)}]),
    "moments": (
        [b'{"a": "2024-02-29T10:00:00"}\n'],
        {"a": "timestamp[s]"},
        [{"a": datetime(2024, 2, 29, 10)}],
    ),
    "dates, and then a word": (
        [b'{"a": "2024-02-29"}\n', b'{"a": "never"}\n'],
        {"a": "string"},
        [{"a": "2024-02-29"}, {"a": "never"}],
    ),
    "digits in quotes are text": ([b'{"a": "02116", "b": "12"}\n'], {"a": "string", "b": "string"}, None),
    "money": ([b'{"a": "$1,200.50"}\n'], {"a": "double"}, [{"a": 1200.5}]),
    "objects and lists": ([b'{"a": {"x": 1}, "b": [1]}\n'], {"a": "struct<x: int64>", "b": None}, None),
}


@pytest.mark.parametrize(("files", "types", "rows"), LINES.values(), ids=LINES)
def test_json_lines(tmp_path, files, types, rows):
    source = Source.open(folder_of(tmp_path, {f"{i}.jsonl": text for i, text in enumerate(files)}))
    found = {field.name: str(field.type) for field in source.schema}
    assert found.keys() == types.keys()
    assert all(found[name] == kind for name, kind in types.items() if kind)
    table = source.head()
    assert table.schema.equals(source.schema) and sum(source.count_rows()) == table.num_rows
    assert rows is None or table.to_pylist() == rows


@pytest.mark.parametrize("name", ["t.jsonl", "t.ndjson", "t.json", "t.jsonl.gz"])
def test_names_of_json_lines(tmp_path, name):
    content = b'{"a": 1}\n{"a": 2}\n'
    uri = folder_of(tmp_path, {name: gzip.compress(content) if name.endswith("gz") else content})
    assert Source.open(uri).head()["a"].to_pylist() == [1, 2]
    folder_of(tmp_path, {"x.parquet": parquet({"b": [1]})})
    if name == "t.json":  # something else than the table
        assert Source.open(uri).schema.names == ["b"]


def test_json_lines_are_read_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(json_lines, "PIECE_BYTES", 7)
    uri = folder_of(tmp_path, {"t.jsonl": b'{"a": 1}\n{"a": 2.5}\n{"a": null, "b": "x"}'})
    assert Source.open(uri).head().to_pydict() == {"a": [1.0, 2.5, None], "b": [None, None, "x"]}


def test_whole_numbers_of_64_bits_keep_their_digits(tmp_path):
    lines = {"a.jsonl": b'{"a": 1, "b": 1}\n', "b.jsonl": b'{"a": 18446744073709551615, "b": 1e30}\n'}
    table = Source.open(folder_of(tmp_path, lines)).head()
    assert table.schema.types == [pa.uint64(), pa.float64()] and table["a"].to_pylist() == [1, 2**64 - 1]


def test_what_a_table_like_another_holds_comes_back_from_text(tmp_path):
    """Moments in a zone, each with its offset; text that looks like something else; half floats; decimals."""
    zone = pa.timestamp("us", "Europe/Berlin")
    columns = {
        "at": pa.array([950_464_646_463_696, 963_500_646_000_000, None], zone),
        "day": pa.array(["2024-01-31", "2024-02-01", None]),
        "truth": pa.array(["True", "False", None]),
        "half": pa.array(np.array([0.5, 1.25, -2]), pa.float64()).cast(pa.float16()),
        "pay": pa.array([Decimal("48.680"), Decimal("-22.029"), None], pa.decimal128(12, 3)),
    }
    real = pa.table(columns)
    for name in ("csv", "jsonl"):
        with (tmp_path / f"t.{name}").open("wb") as stream:
            Format(name, "none").write(stream, real.schema, [real])
        again = Source.open(str(tmp_path / f"t.{name}"), real.schema).head()
        types = [pa.float32() if pa.types.is_float16(kind) else kind for kind in real.schema.types]
        assert again.schema.types == types and again.cast(real.schema).equals(real)


def test_a_table_like_another_has_its_numbers(tmp_path):
    uri = folder_of(tmp_path, {"t.jsonl": b'{"a": 1, "b": 2, "c": "x"}\n'})
    like = pa.schema([("a", pa.float32()), ("b", pa.decimal128(9, 2)), ("c", pa.int64())])
    assert Source.open(uri, like).head().schema.types == [pa.float32(), pa.decimal128(9, 2), pa.string()]


TABLE = pa.table({"a": [1, 2, None], "b": ["x", "y", "x"]})
FEATHER = {
    "feather": ("t.feather", ipc(TABLE)),
    "arrow": ("t.arrow", ipc(TABLE, compression="uncompressed")),
    "zstd": ("t.ipc", ipc(TABLE, compression="zstd")),
}


@pytest.mark.parametrize(("name", "content"), FEATHER.values(), ids=FEATHER)
def test_feather(tmp_path, name, content):
    source = Source.open(folder_of(tmp_path, {name: content}) + f"/{name}")
    assert source.head().equals(TABLE) and source.count_rows() == [3]


def test_feather_keeps_dictionaries_and_takes_files_together(tmp_path):
    sizes = pa.DictionaryArray.from_arrays(pa.array([1, 0], pa.int8()), ["S", "M", "L"], ordered=True)
    files = {"a.feather": ipc({"size": sizes}), "b.feather": ipc({"size": sizes, "n": [1, 2]})}
    source = Source.open(folder_of(tmp_path, files))
    assert source.schema.field("size").type.ordered
    assert source.levels() == {"size": ["S", "M", "L"]}
    assert source.head()["n"].to_pylist() == [None, None, 1, 2]


WHOLE = "check that the files are whole and of one table."
MISTAKES = {
    "an empty JSON": ({"a.jsonl": b""}, "a.jsonl' holds no line of JSON", WHOLE[:30]),
    "torn JSON": (
        {"a.jsonl": b'{"a": 1}\n{"a": '},
        "a.jsonl' cannot be read",
        "one JSON object in each line",
    ),
    "no JSON": ({"a.jsonl": b"a,b\n1,2\n"}, "a.jsonl' cannot be read", "one JSON object in each line"),
    "a line that is null": ({"a.jsonl": b' null\n{"a": 1}\n'}, "a line that is null", "no JSON object"),
    "a JSON array": ({"a.json": b'[{"a": 1}]'}, "is one JSON array", "jq -c '.[]' OLD.json > NEW.jsonl"),
    "types that do not mix": (
        {"a.jsonl": b'{"a": 1}\n{"a": "x"}\n'},
        "a.jsonl' has numbers and strings in column 'a'",
        "values of one type in a column",
    ),
    "types of two files that do not mix": (
        {"a.jsonl": b'{"a": 1}\n', "b.jsonl": b'{"a": "x"}\n'},
        "b.jsonl' has a column 'a' of type string; before it was int64",
        "values of one type",
    ),
    "JSON in Latin-1": (
        {"a.jsonl": b'{"a": "x"}\n{"a": "\xe9"}\n'},
        "a.jsonl' holds text that is not UTF-8 (line 2)",
        "iconv -f latin1",
    ),
    "no gzip": ({"a.jsonl.gz": b'{"a": 1}\n'}, "cannot be read", WHOLE),
    "an empty Feather": ({"a.feather": b""}, "cannot be read", WHOLE),
    "a torn Feather": ({"a.feather": ipc(TABLE)[:-50]}, "cannot be read", WHOLE),
    "text in place of Feather": ({"a.arrow": b"hello" * 9}, "cannot be read", WHOLE),
    "Feather that does not mix": (
        {"a.feather": ipc({"a": [1]}), "b.feather": ipc({"a": ["x"]})},
        "incompatible types: int64 vs string",
        WHOLE,
    ),
    "two formats": (
        {"a.feather": ipc(TABLE), "b.jsonl": b'{"a": 1}\n'},
        "holds both JSON Lines and Feather files",
        "a folder of one of them",
    ),
    "other folders": (
        {"x=1/a.parquet": parquet({"a": [1]}), "y=1/b.parquet": parquet({"a": [1]})},
        "y=1/b.parquet' lies in folders of y; the files before it in those of x",
        "the same Hive folders",
    ),
}


@pytest.mark.parametrize(("files", "message", "hint"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(tmp_path, files, message, hint):
    with pytest.raises(SchemaError) as caught:
        Source.open(folder_of(tmp_path, files)).head()
    assert message in caught.value.message
    assert str(tmp_path) in caught.value.message
    assert hint in caught.value.hint


def test_hive_folders_hold_columns(tmp_path):
    table = pa.table({"x": [1, 2, 3, 4], "city": [">50K", "a b", None, "a b"], "zip": ["01", "2", "01", "2"]})
    parts = pads.partitioning(pa.schema([("city", pa.string()), ("zip", pa.string())]), flavor="hive")
    pads.write_dataset(table, tmp_path, format="parquet", partitioning=parts)
    source = Source.open(str(tmp_path))
    assert not source.is_plain
    assert source.schema.equals(table.schema)
    assert source.head().sort_by("x").equals(table)
    assert sum(source.count_rows()) == 4


def test_a_column_of_the_files_goes_before_that_of_the_folders(tmp_path):
    source = Source.open(folder_of(tmp_path, {"a=9/x.parquet": parquet({"a": [1]})}))
    assert source.is_plain and source.head().to_pydict() == {"a": [1]}


def test_a_file_named_alone_has_no_folders(tmp_path):
    uri = folder_of(tmp_path, {"a=9/x.parquet": parquet({"b": [1]})})
    assert Source.open(f"{uri}/a=9/x.parquet").schema.names == ["b"]


def test_moments_in_96_bits_reach_beyond_2262(tmp_path):
    moments = pa.array([datetime(9999, 12, 31), datetime(2020, 1, 1, 0, 0, 0, 5)], pa.timestamp("us"))
    content = parquet({"a": moments}, use_deprecated_int96_timestamps=True)
    source = Source.open(folder_of(tmp_path, {"t.parquet": content}))
    assert source.head()["a"].combine_chunks().equals(moments)
    assert not source.is_plain


def test_text_in_parquet_that_is_not_utf8_is_told(tmp_path):
    binary = pa.array([b"Meier", b"M\xfcller"], pa.binary())
    content = parquet({"x": [1, 2], "name": pa.Array.from_buffers(pa.string(), 2, binary.buffers())})
    source = Source.open(folder_of(tmp_path, {"t.parquet": content}))
    with pytest.raises(SchemaError) as caught:
        source.head()
    assert caught.value.message == (
        f"file '{tmp_path}/t.parquet' holds text in column 'name' that is not UTF-8."
    )
    assert "write the column again as text" in caught.value.hint


def test_what_fields_say_of_themselves_is_kept(tmp_path):
    field = pa.field("a", pa.int64(), metadata={"unit": "EUR"})
    content = parquet(pa.table([[1, 2]], schema=pa.schema([field])))
    source = Source.open(folder_of(tmp_path, {"t.parquet": content}))
    assert source.schema.field("a").metadata[b"unit"] == b"EUR"


def test_a_source_goes_to_other_processes(tmp_path):
    (tmp_path / "t.csv").write_text("day,x\n13/01/2020,1\n14/01/2020,2\n")
    source = Source.open(str(tmp_path / "t.csv"))
    again = pickle.loads(pickle.dumps(source))
    assert pa.Table.from_batches(again.of_file(0)).equals(source.head())
    assert spelling.of_field(again.schema.field("day")) == spelling.Moments("%d/%m/%Y")
