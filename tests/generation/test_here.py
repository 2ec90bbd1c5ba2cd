"""Small generations, in this process and without Ray: the files that actors write, resumed after a kill, and
when a cluster is used all the same."""

import hashlib
import signal
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import raygen
from raygen import storage
from raygen.config_sections import GenerateSettings
from raygen.errors import ConfigError, OutputError
from raygen.generation import driver
from tests import processes, untrained

pytestmark = pytest.mark.slow

SHARDS = {"rows_per_shard": 5000}


def hashes(folder: Path) -> dict[str, str]:
    """Of every file but the one that tells times."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return untrained.save(tmp_path_factory.mktemp("run") / "model")


def test_its_rows_are_those_of_sample_and_ray_is_not_imported(model, tmp_path):
    program = (
        "import sys, raygen\n"
        f"done = raygen.generate({model!r}, 12_000, out={str(tmp_path / 'out')!r}, rows_per_shard=5000)\n"
        "assert 'ray' not in sys.modules\n"
        "print(done.rows, done.shards, done.kept)"
    )
    with processes.commands() as begin:
        done = begin(sys.executable, "-c", program)
        assert done.finish() == 0, done.output
    assert "Generating 12,000 rows in 3 shard(s) in this process." in done.output
    assert "12,000/12,000 rows" in done.output and "12000 3 0" in done.output
    made = pa.concat_tables(pq.read_table(p) for p in sorted((tmp_path / "out").glob("*.parquet")))
    assert made.equals(raygen.sample(model, 12_000))
    assert raygen.generate(model, 12_000, out=str(tmp_path / "out"), **SHARDS).kept == 3


def test_few_rows_are_verified_and_repaired_without_ray(model, tmp_path):
    out = tmp_path / "out"
    raygen.generate(model, 12_000, out=str(out), say=lambda line: None, **SHARDS)
    before = hashes(out)
    (out / "part-00000001.parquet").write_bytes(b"damaged")
    program = (
        "import sys, raygen\n"
        f"found = raygen.verify({str(out)!r}, say=print)\n"
        f"done = raygen.verify({str(out)!r}, repair=True, say=print)\n"
        "assert 'ray' not in sys.modules\n"
        "print(found.found, found.shards, done.passed, done.repaired, done.shards)"
    )
    with processes.commands() as begin:
        done = begin(sys.executable, "-c", program)
        assert done.finish() == 0, done.output
    assert "{'length': 1} 2 True 1 3" in done.output
    assert hashes(out) == before


def test_conditions_sizes_and_one_file(model, tmp_path):
    asked = {"where": "letter = 'letter 2' AND number < 9", "seed": 3}
    raygen.generate(model, 5000, out=str(tmp_path / "rows.jsonl"), say=lambda line: None, **asked)
    lines = (tmp_path / "rows.jsonl").read_text().splitlines()
    assert len(lines) == 5000 and all('"letter": "letter 2"' in line for line in lines)
    said: list[str] = []
    done = raygen.generate(model, 9000, out=str(tmp_path / "out"), shard_mib=0.05, say=said.append)
    assert done.shards > 1 and any(line.startswith("Shards of about 0.05 MiB") for line in said)
    with pytest.raises(ConfigError, match="where"):
        raygen.generate(model, 10, out=str(tmp_path / "none"), where="letter = 'letter 9'")


def test_a_killed_generation_goes_on(model, tmp_path, raygen_command):
    whole, out = tmp_path / "whole", tmp_path / "out"
    rows = {"rows": 400_000, "rows_per_shard": 20_000}
    raygen.generate(model, out=str(whole), say=lambda line: None, **rows)
    killed = raygen_command("generate", model, "--rows", 400_000, "--rows-per-shard", 20_000, "--out", out)
    while not list(out.glob("part-0000000[2-9].parquet")):
        assert killed.process.poll() is None, killed.output
        time.sleep(0.02)
    killed.send(signal.SIGKILL)
    assert killed.finish() == -signal.SIGKILL
    assert not (out / "_manifest.json").exists()
    done = raygen.generate(model, out=str(out), say=lambda line: None, **rows)
    assert 2 <= done.kept < 20
    assert hashes(out) == hashes(whole)


def test_what_stops_it_is_told(model, tmp_path):
    (tmp_path / "out").mkdir()
    raygen.generate(model, 100, out=str(tmp_path / "out"), say=lambda line: None)
    with pytest.raises(OutputError, match="holds"):
        raygen.generate(model, 100, out=str(tmp_path / "out"), seed=5, say=lambda line: None)
    assert storage.exists(str(tmp_path / "out" / "_manifest.json"))


@pytest.mark.parametrize(
    ("settings", "rows", "address", "here"),
    [
        ({}, 100, "", True),
        ({}, 1_000_000, "", True),
        ({}, 1_000_001, "", False),
        ({"num_actors": 1}, 100, "", False),
        ({"cpus_per_actor": 2}, 100, "", False),
        ({"gpus_per_actor": 0.5}, 100, "", False),
        ({}, 100, "127.0.0.1:6379", False),
    ],
)
def test_actors_and_clusters_that_are_asked_for_are_used(settings, rows, address, here, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert driver.runs_here(GenerateSettings(**settings), rows) == here
