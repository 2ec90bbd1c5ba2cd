"""Statistics and codes by Ray Data: the same for any way to store and cut the table."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.dataset as pads
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from raygen.codec import parts, row_hash
from raygen.config import Config
from raygen.errors import SchemaError, StorageError
from raygen.generation.formats import json_lines
from raygen.table.part import Part
from raygen.table.schema import Schema
from raygen.training import encoding
from raygen.training.statistics import TableRelations, statistics

pytestmark = pytest.mark.ray


def config(source, folder, **settings) -> Config:
    return Config().override(
        {"data.source": str(source), "run.folder": str(folder), "train.batch_size": 64} | settings
    )


def silent(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    n = 3000
    x = np.round(rng.normal(size=n), 2)
    text = [None if i % 7 == 0 else f'a "quoted",\n{i % 5} text' for i in range(n)]
    return pa.table({"x": x, "n": rng.integers(0, 9, n), "flag": rng.uniform(size=n) < 0.3, "text": text})


def stored(rows, folder, form):
    folder.mkdir()
    if form == "parquet folder":
        for i in range(0, len(rows), 700):
            pq.write_table(rows.slice(i, 700), folder / f"{i}.parquet", row_group_size=200)
        return folder
    if form == "csv.gz":
        with gzip.open(folder / "t.csv.gz", "wb") as file:
            pacsv.write_csv(rows, file)
        return folder / "t.csv.gz"
    if form == "json lines":
        for i in range(0, len(rows), 700):
            (folder / f"{i}.jsonl").write_bytes(json_lines(rows.slice(i, 700)))
        return folder
    if form == "hive folders":
        by_flag = pads.partitioning(pa.schema([("text", pa.string())]), flavor="hive")
        pads.write_dataset(rows, folder, format="parquet", partitioning=by_flag)
        return folder
    if form == "feather":
        feather.write_feather(rows, folder / "t.feather")
        return folder
    pq.write_table(rows, folder / "t.parquet")
    return folder / "t.parquet"


@pytest.mark.parametrize(
    ("form", "numeric"),
    [
        ("parquet folder", "bars"),
        ("csv.gz", "bars"),
        ("json lines", "bars"),
        ("feather", "bars"),
        ("hive folders", "bars"),
        ("parquet folder", "gaussian"),
    ],
)
def test_the_training_rows_do_not_depend_on_how_the_table_is_stored(form, numeric, rows, local_ray, tmp_path):
    loaded = []
    for name in ("one parquet file", form):
        made = config(
            stored(rows, tmp_path / name.replace(" ", "-"), name),
            tmp_path / f"run-{name[:3]}",
            **{"schema.numeric": numeric},
        )
        encoded = encoding.encode(made, silent)
        assert encoded.num_rows == len(rows)
        loaded.append((*encoded.rows(0, len(rows)), encoded.content))
    (codes_a, offsets_a, content_a), (codes_b, offsets_b, content_b) = loaded
    np.testing.assert_array_equal(codes_a, codes_b)
    np.testing.assert_array_equal(offsets_a, offsets_b)
    hashes = row_hash.content_hash(codes_a, offsets_a)
    assert np.all(hashes[1:] >= hashes[:-1]) and content_a == content_b == row_hash.content(hashes)


def test_text_that_is_not_utf8_is_told(local_ray, tmp_path):
    binary = pa.array([b"Meier", b"M\xfcller"] * 20, pa.binary())
    table = pa.table({"x": range(40), "name": pa.Array.from_buffers(pa.string(), 40, binary.buffers())})
    pq.write_table(table, tmp_path / "t.parquet")
    made = config(tmp_path / "t.parquet", tmp_path / "run", **{"schema.columns.x": "numeric"})
    with pytest.raises(SchemaError, match=r"t\.parquet' holds text in column 'name' that is not UTF-8"):
        encoding.encode(made.override({"schema.columns.name": "categorical"}), silent)


def test_statistics_are_those_of_the_whole_table(rows, local_ray, tmp_path):
    made = config(stored(rows, tmp_path / "t", "parquet folder"), tmp_path / "run")
    source, schema, _ = encoding.describe(made)
    dataset, nothing = encoding.read_dataset(source), TableRelations([], [])
    found, reduction = statistics(dataset, "t", source.head(), schema, nothing, silent)
    whole, spread = parts.observe(schema, rows), found.parts
    assert reduction.inner == schema and not found.explained
    for part in whole:
        assert spread[part].num_rows == len(rows) and spread[part].num_missing == whole[part].num_missing
    np.testing.assert_array_equal(spread[Part("x")].values, whole[Part("x")].values)
    assert spread[Part("text")].counts == whole[Part("text")].counts


def test_any_rows_of_a_table_that_ray_data_sorted_can_be_read(rows, local_ray, tmp_path, monkeypatch):
    here = encoding.encode(config(stored(rows, tmp_path / "one", "one"), tmp_path / "here"), silent)
    monkeypatch.setattr(encoding, "SORTED_HERE", 0)
    made = config(stored(rows, tmp_path / "t", "parquet folder"), tmp_path / "run")
    encoded = encoding.encode(made, silent)
    codes, offsets = encoded.rows(0, 3000)
    assert len(encoded.parts) > 1 == len(here.parts) and encoded.codec.num_offsets
    np.testing.assert_array_equal(codes, here.rows(0, 3000)[0])
    np.testing.assert_array_equal(offsets, here.rows(0, 3000)[1])
    for first, last in [
        (0, 0),
        (0, 1),
        (2999, 3000),
        (encoded.sizes[0] - 1, encoded.sizes[0] + 1),
        (17, 2900),
    ]:
        some_codes, some_offsets = encoded.rows(first, last)
        np.testing.assert_array_equal(some_codes, codes[first:last])
        np.testing.assert_array_equal(some_offsets, offsets[first:last])
    again, _ = encoded.codec.encode(rows)
    np.testing.assert_array_equal(np.unique(codes, axis=0), np.unique(again, axis=0))


def test_a_part_that_is_cut_short_is_told(rows, local_ray, tmp_path):
    encoded = encoding.encode(config(stored(rows, tmp_path / "t", "one"), tmp_path / "run"), silent)
    part = tmp_path / "run" / "encoded" / Path(encoded.folder).name / encoded.parts[-1]
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(StorageError, match="was cut short"):
        encoded.rows(0, 3000)


def test_the_encoded_table_is_reused_and_holds_codes_only(rows, local_ray, tmp_path):
    source = stored(rows, tmp_path / "t", "one")
    said = []
    first = encoding.encode(config(source, tmp_path / "run"), said.append)
    again = encoding.encode(config(source, tmp_path / "run"), said.append)
    assert len(said) == 2 and again.folder == first.folder
    kept = sum((Path(first.folder) / part).stat().st_size for part in first.parts)
    assert kept == 3000 * encoding.row_type(first.codec).itemsize < 3000 * 10
    for other in ({"schema.bars": 16}, {"schema.numeric": "gaussian"}):
        assert encoding.encode(config(source, tmp_path / "run", **other), said.append).folder != first.folder


@pytest.mark.parametrize("count", [0, 1, 5])
def test_too_few_rows_are_refused(count, rows, local_ray, tmp_path):
    pq.write_table(rows.slice(0, count), tmp_path / "few.parquet")
    with pytest.raises(SchemaError, match=r"has no rows|at least 10 are needed"):
        encoding.encode(config(tmp_path / "few.parquet", tmp_path / "run"), silent)


def test_kinds_that_the_user_gave_are_kept(rows, local_ray, tmp_path):
    made = config(stored(rows, tmp_path / "t", "one"), tmp_path / "run")
    made = made.override(
        {"schema.columns": {"x": "drop", "n": "categorical", "text": "categorical", "flag": "boolean"}}
    )
    schema = encoding.encode(made, silent).codec.schema
    assert isinstance(schema, Schema) and schema.learned == ["n", "flag", "text"]
