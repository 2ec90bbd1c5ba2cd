"""Statistics and codes by Ray Data: the same for any way to store and cut the table."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from raygen import codec, data
from raygen.config import Config
from raygen.errors import SchemaError
from raygen.schema import Schema

pytestmark = pytest.mark.ray


def config(source, folder, **settings) -> Config:
    return Config().override({"data.source": str(source), "run.folder": str(folder), "train.batch_size": 64} | settings)


def silent(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    n = 3000
    x = np.round(rng.normal(size=n), 2)
    text = [None if i % 7 == 0 else f'a "quoted",\n{i % 5} text' for i in range(n)]
    return pa.table({"x": x, "n": rng.integers(0, 9, n), "text": text, "flag": rng.uniform(size=n) < 0.3})


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
    pq.write_table(rows, folder / "t.parquet")
    return folder / "t.parquet"


@pytest.mark.parametrize(("form", "numeric"), [("parquet folder", "bars"), ("csv.gz", "bars"), ("parquet folder", "gaussian")])
def test_the_training_rows_do_not_depend_on_how_the_table_is_stored(form, numeric, rows, local_ray, tmp_path):
    loaded = []
    for name in ("one parquet file", form):
        made = config(stored(rows, tmp_path / name.replace(" ", "-"), name), tmp_path / f"run-{name[:3]}", **{"schema.numeric": numeric})
        encoded = data.encode(made, silent)
        assert encoded.num_rows == len(rows)
        loaded.append(data.load_rows(encoded, made)[:3])
    (train_a, held_a, first_a), (train_b, held_b, first_b) = loaded
    for a, b in zip((*train_a, *held_a), (*train_b, *held_b), strict=True):
        np.testing.assert_array_equal(a, b)
    assert first_a == first_b == 0 and abs(len(held_a[0]) - 300) < 60


def test_statistics_are_those_of_the_whole_table(rows, local_ray, tmp_path):
    made = config(stored(rows, tmp_path / "t", "parquet folder"), tmp_path / "run")
    source, schema, _ = data.describe(made)
    spread, whole = data.statistics(source, schema), codec.observe(schema, rows)
    for name in whole:
        assert spread[name].num_rows == len(rows) and spread[name].num_missing == whole[name].num_missing
    np.testing.assert_array_equal(spread["x"].values, whole["x"].values)
    assert spread["text"].counts == whole["text"].counts


def test_workers_share_the_rows_between_them(rows, local_ray, tmp_path):
    made = config(stored(rows, tmp_path / "t", "one"), tmp_path / "run")
    encoded = data.encode(made, silent)
    (whole, _), (held, _), _, _ = data.load_rows(encoded, made)
    shares = [data.load_rows(encoded, made, rank, 2) for rank in range(2)]
    together = np.concatenate([codes for (codes, _), _, _, _ in shares])
    np.testing.assert_array_equal(np.unique(together, axis=0), np.unique(whole, axis=0))
    assert len(together) == len(whole)
    np.testing.assert_array_equal(np.concatenate([h for _, (h, _), _, _ in shares]), held)


def test_the_encoded_table_is_reused_and_holds_codes_only(rows, local_ray, tmp_path):
    source = stored(rows, tmp_path / "t", "one")
    said = []
    first = data.encode(config(source, tmp_path / "run"), said.append)
    again = data.encode(config(source, tmp_path / "run"), said.append)
    assert len(said) == 2 and again.folder == first.folder
    for part in first.parts:
        kinds = set(pq.read_schema(f"{first.folder}/{part}").types)
        assert kinds <= {pa.uint8(), pa.uint16()}
    for other in ({"schema.bars": 16}, {"schema.numeric": "gaussian"}):
        assert data.encode(config(source, tmp_path / "run", **other), said.append).folder != first.folder


@pytest.mark.parametrize("count", [0, 1, 5])
def test_too_few_rows_are_refused(count, rows, local_ray, tmp_path):
    pq.write_table(rows.slice(0, count), tmp_path / "few.parquet")
    with pytest.raises(SchemaError, match=r"has no rows|at least 10 are needed"):
        data.encode(config(tmp_path / "few.parquet", tmp_path / "run"), silent)


def test_kinds_that_the_user_gave_are_kept(rows, local_ray, tmp_path):
    made = config(stored(rows, tmp_path / "t", "one"), tmp_path / "run")
    made = made.override({"schema.columns": {"x": "drop", "n": "categorical", "text": "categorical", "flag": "boolean"}})
    schema = data.encode(made, silent).codec.schema
    assert isinstance(schema, Schema) and schema.learned == ["n", "text", "flag"]
