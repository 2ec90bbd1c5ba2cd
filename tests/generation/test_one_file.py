"""A generation that is one file: where its manifest lies, and what is refused."""

import pytest

from raygen import storage, uris
from raygen.errors import ConfigError, OutputError
from raygen.generation import manifest, one_file
from raygen.generation.shards import Plan
from raygen.generation.verification import surplus

NOTHING = {"format": None, "shard_mib": None, "partition_by": None}


@pytest.mark.parametrize(
    ("name", "format", "compression"),
    [
        ("x.csv", "csv", "none"),
        ("x.CSV.gz", "csv", "gzip"),
        ("x.jsonl.zst", "jsonl", "zstd"),
        ("a b.parquet", "parquet", "auto"),
    ],
)
def test_a_name_with_an_ending_is_a_file(tmp_path, name, format, compression):
    folder, file = one_file.place(f"{tmp_path}/{name}")
    assert (folder, file) == (f"{tmp_path}/{name}.manifest", name)
    wanted = one_file.settings(file, NOTHING)
    assert (wanted["format"], wanted["compression"]) == (format, compression)
    plan = Plan(100, one_file.MOST_ROWS, suffix="." + format, file=file)
    assert (
        plan.files(0) == [f"../{name}"] and storage.inside(folder, plan.files(0)[0]).endswith(f"/{name}")
    ) or "%" in name
    assert list(plan.all_folders()) == [".."]


def test_other_names_are_folders(tmp_path):
    (tmp_path / "old.csv").mkdir()
    for out in ("rows", "x.csv/", "x.tar", "old.csv"):
        assert one_file.place(f"{tmp_path}/{out}") == (f"{tmp_path}/{out}", "")


def test_a_store_has_files_too():
    assert uris.inside("s3://bucket/x.csv.manifest?region=eu", "../x.csv") == "s3://bucket/x.csv?region=eu"
    assert uris.inside("s3://bucket/x.csv.manifest", "..") == "s3://bucket"


def test_a_file_that_raygen_did_not_write_is_kept(tmp_path):
    (tmp_path / "x.csv").write_text("mine")
    with pytest.raises(OutputError) as caught:
        one_file.place(f"{tmp_path}/x.csv")
    assert caught.value.message == f"'{tmp_path}/x.csv' exists, and raygen did not write it."
    (tmp_path / "x.csv.manifest").mkdir()
    assert one_file.place(f"{tmp_path}/x.csv")[1] == "x.csv"
    assert one_file.beside(f"{tmp_path}/x.csv") == f"{tmp_path}/x.csv.manifest"
    assert one_file.beside(f"{tmp_path}/y.csv") == f"{tmp_path}/y.csv"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"format": "jsonl"}, "--format jsonl and --out 'x.csv' name two formats."),
        ({"shard_mib": 5}, "--shard-mib and --out 'x.csv' contradict each other: one file is not cut."),
        ({"partition_by": ["a"]}, "--partition-by and --out 'x.csv' contradict each other"),
    ],
)
def test_settings_that_one_file_cannot_have(given, message):
    with pytest.raises(ConfigError) as caught:
        one_file.settings("x.csv", NOTHING | given)
    assert message in caught.value.message
    assert one_file.settings("x.csv", NOTHING | {"format": "csv"})["format"] == "csv"


def test_more_rows_than_one_process_should_write():
    one_file.check_rows(one_file.MOST_ROWS, "x.csv")
    with pytest.raises(ConfigError) as caught:
        one_file.check_rows(one_file.MOST_ROWS + 1, "x.csv")
    assert "10,000,001 are too many for one file, 'x.csv'; at most 10,000,000 are." in caught.value.message
    assert "name a folder with --out" in caught.value.hint


def test_what_lies_beside_the_file_is_left_alone(tmp_path):
    folder = f"{tmp_path}/x.csv.manifest"
    plan = Plan(100, 1000, suffix=".csv", file="x.csv")
    identity = {"fingerprint": "f", "seed": 1, "rows": 100, "rows_per_shard": 1000, "format": "csv"}
    told = {"model": "m", "schema": {"a": "int64"}, "file": "x.csv"}
    manifest.claim(folder, identity, told)
    for name in ("other.csv", "_tmp-" + "0" * 32 + "-y.csv", "_tmp-" + "0" * 32 + "-x.csv"):
        (tmp_path / name).write_text("a\n")
    (tmp_path / "x.csv").write_bytes(b"12345")
    lines = [manifest.line(0, "../x.csv", 100, 5, "0" * 64)]
    manifest.write_part(folder, plan, 0, lines)
    assert manifest.read_part(folder, manifest.plan_of(manifest.read_run(folder)), 0) == lines
    assert manifest.sizes(folder, plan, range(1), {})["../x.csv"] == 5
    manifest.finish(folder, plan, identity, told, manifest.Totals.of(lines))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "_tmp-" + "0" * 32 + "-y.csv",
        "other.csv",
        "x.csv",
        "x.csv.manifest",
    ]
    assert surplus(folder, plan, range(1)) == []
