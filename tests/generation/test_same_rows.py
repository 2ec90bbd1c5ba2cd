"""Rows beside rows that were made with other libraries or on another processor: the same, or refused."""

import hashlib
import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import raygen
from raygen.cluster import surroundings
from raygen.errors import ClusterError, OutputError
from tests import untrained
from tests.generation.ray.rows_of import hashes, silent

pytestmark = pytest.mark.slow

SHARDS = {"rows_per_shard": 2000}
FORMATS = [{}, {"format": "csv", "compression": "gzip"}, {"format": "jsonl"}, {"partition_by": ["letter"]}]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return untrained.save(tmp_path_factory.mktemp("run") / "model")


def begun_elsewhere(folder: Path, **values: str) -> None:
    """Have the folder say that it was begun with something else, and not finished."""
    run = json.loads((folder / "_run.json").read_text())
    run["made_with"] |= values
    (folder / "_run.json").write_text(json.dumps(run))
    (folder / "_manifest.json").unlink()
    first = sorted(folder.rglob("part-00000000.*"))
    for path in first:
        path.unlink()


@pytest.mark.parametrize("settings", FORMATS, ids=str)
def test_rows_that_come_out_the_same_go_on(model, tmp_path, settings):
    out, said = tmp_path / "out", []
    raygen.generate(model, 5000, out=str(out), say=silent, **SHARDS, **settings)
    made = json.loads((out / "_manifest.json").read_text())["made_with"]
    assert made == surroundings.here() and {"tensorflow", "instructions", "device"} <= made.keys()
    whole = hashes(out)
    begun_elsewhere(out, numpy="1.0")
    done = raygen.generate(model, 5000, out=str(out), say=said.append, **SHARDS, **settings)
    assert done.kept == 2
    assert any("begun with numpy 1.0; now numpy" in line and "come out the same" in line for line in said)
    after = hashes(out)
    assert {n: h for n, h in after.items() if n[0] != "_"} == {n: h for n, h in whole.items() if n[0] != "_"}
    assert json.loads((out / "_run.json").read_text())["made_with"]["numpy"] == "1.0"


@pytest.mark.parametrize("settings", FORMATS, ids=str)
def test_rows_that_come_out_otherwise_are_refused(model, tmp_path, settings):
    out, other = tmp_path / "out", tmp_path / "other"
    raygen.generate(model, 5000, out=str(other), say=silent, seed=1, **SHARDS, **settings)
    raygen.generate(model, 5000, out=str(out), say=silent, **SHARDS, **settings)
    begun_elsewhere(out, instructions="another processor's")
    for path in sorted(other.rglob("part-00000001.*")):  # as another processor might have drawn them
        theirs = path.read_bytes()
        mine = out / path.relative_to(other)
        mine.write_bytes(theirs)
        _vouched(out, mine)
    before = hashes(out)
    told = "begun with instructions another processor's; with instructions"
    with pytest.raises(OutputError, match=told) as caught:
        raygen.generate(model, 9000, out=str(out), say=silent, **SHARDS, **settings)
    assert "empty folder" in caught.value.hint
    assert hashes(out) == before


def _vouched(folder: Path, file: Path) -> None:
    """Have the manifest say what the file is now."""
    for part in (folder / "_manifest").iterdir():
        lines = [json.loads(line) for line in part.read_text().splitlines()]
        for line in lines:
            if line["file"] == str(file.relative_to(folder)):
                line |= {
                    "bytes": file.stat().st_size,
                    "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
                }
                if file.suffix == ".parquet":
                    line["rows"] = pq.read_metadata(file).num_rows
        part.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize("settings", [{}, {"partition_by": ["letter"]}], ids=str)
def test_a_damaged_or_missing_file_is_not_what_rows_are_held_against(model, tmp_path, settings):
    """One file of shard 1 has other bytes, of the same length; shard 2 decides."""
    out = tmp_path / "out"
    raygen.generate(model, 5000, out=str(out), say=silent, **SHARDS, **settings)
    begun_elsewhere(out, numpy="1.0")
    damaged = sorted(out.rglob("part-00000001.*"))[-1]
    content = damaged.read_bytes()
    damaged.write_bytes(content[: len(content) // 3] + bytes(len(content) - len(content) // 3))
    said: list[str] = []
    raygen.generate(model, 5000, out=str(out), say=said.append, **SHARDS, **settings)
    assert any("come out the same" in line for line in said)
    damaged.unlink()
    (out / "_manifest.json").unlink()
    said.clear()
    raygen.generate(model, 5000, out=str(out), say=said.append, **SHARDS, **settings)
    assert any("come out the same" in line for line in said) and damaged.exists()


def test_a_folder_that_holds_no_rows_yet_is_begun_anew(model, tmp_path):
    out = tmp_path / "out"
    raygen.generate(model, 10, out=str(out), say=silent)
    begun_elsewhere(out, numpy="1.0")
    raygen.generate(model, 10, out=str(out), say=silent)
    assert json.loads((out / "_run.json").read_text())["made_with"] == surroundings.here()


@pytest.mark.parametrize(
    ("most", "expected"), [("SSE41", "SSE41"), ("AVX", "AVX"), ("ALL", None), ("AVX2_VNNI", "AVX2")]
)
def test_instructions_are_those_that_onednn_may_use(most, expected, monkeypatch):
    monkeypatch.delenv(surroundings.MOST, raising=False)
    own = surroundings.here()["instructions"]
    if own not in surroundings.INSTRUCTIONS:
        pytest.skip(f"{own} has no such sets")
    names = list(surroundings.INSTRUCTIONS)
    monkeypatch.setenv(surroundings.MOST, most)
    assert surroundings.here()["instructions"] == min(expected or own, own, key=names.index)


def test_a_process_is_kept_to_what_the_rows_are_made_with_or_refused(monkeypatch):
    for name in (*surroundings.SWITCHES, surroundings.MOST, "KERAS_BACKEND"):
        monkeypatch.setenv(name, "")
    own = surroundings.here()
    if own["instructions"] not in surroundings.INSTRUCTIONS:
        pytest.skip(f"{own['instructions']} has no such sets")
    surroundings.pin(own | {"instructions": "SSE41", "TF_ENABLE_ONEDNN_OPTS": "1"})
    assert (os.environ[surroundings.MOST], os.environ["TF_ENABLE_ONEDNN_OPTS"]) == ("SSE41", "1")
    assert surroundings.here()["instructions"] == "SSE41"
    with pytest.raises(
        ClusterError, match="instructions SSE41; the rows are made with instructions AVX512_CORE"
    ):
        surroundings.pin(own | {"instructions": "AVX512_CORE"})
    with pytest.raises(ClusterError, match=r"; the rows are made with .*tensorflow 2\.0\."):
        surroundings.pin(own | {"tensorflow": "2.0"})


def test_the_least_that_all_have():
    one, other = {"instructions": "AVX2"}, {"instructions": "AVX512_CORE"}
    assert surroundings.least_of(one, other) == surroundings.least_of(other, one) == one
    assert surroundings.least_of(one, one) == one
    assert surroundings.least_of(one, {"instructions": "aarch64"}) == one


def test_a_keras_of_another_backend_or_of_other_floats_makes_the_same_rows(model, tmp_path, raygen_command):
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "keras.json").write_text('{"floatx": "float64", "backend": "jax"}')
    for name, environment in (
        ("plain", {}),
        ("other", {"KERAS_HOME": str(tmp_path / "keras"), "KERAS_BACKEND": "jax"}),
    ):
        done = raygen_command("generate", model, "--rows", 3000, "--out", tmp_path / name, env=environment)
        assert done.finish() == 0, done.output
    assert hashes(tmp_path / "plain") == hashes(tmp_path / "other")
