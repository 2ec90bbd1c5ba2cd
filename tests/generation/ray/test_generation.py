"""Generation on a real local Ray: the same rows and files for any actors, resumed after anything, never fewer
rows in silence."""

import hashlib
import json
import re
import shutil
import time
import urllib.request
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import raygen
from raygen.cluster import resources
from raygen.config import Config
from raygen.errors import ClusterError, GenerationError, OutputError
from raygen.generation import driver
from raygen.model import folder as model_folder
from raygen.report.latent.record import LatentReport
from raygen.sampling import rows as sampling
from tests.generation.ray.rows_of import ROWS, SHARD, generate, hashes, rows, silent

pytestmark = pytest.mark.ray


def saved(found, folder: str, config: Config, sampler: str) -> str:
    """Save a model once more, with another config or sampler; its fingerprint."""
    report = LatentReport(chosen=sampler)
    return model_folder.save(
        folder, config, found.codec, found.network(), found.samplers, found.metrics, report
    )


@pytest.fixture(scope="module")
def one_actor(trained, tmp_path_factory) -> Path:
    """5,000 rows in five shards, written by one actor."""
    folder = tmp_path_factory.mktemp("one") / "out"
    done = generate(trained, folder, {"generate.num_actors": 1})
    assert (done.rows, done.shards, done.kept) == (ROWS, 5, 0)
    return folder


def test_the_manifest_tells_rows_bytes_and_hash_of_each_file(one_actor, trained):
    header = json.loads((one_actor / "_manifest.json").read_text())
    parts = sorted((one_actor / "_manifest").iterdir())
    lines = [json.loads(line) for part in parts for line in part.read_text().splitlines()]
    assert [part.name for part in parts] == [f"{i:08d}-{i:08d}.jsonl" for i in range(5)]
    assert header["fingerprint"] == trained.training.fingerprint
    assert (header["rows"], header["seed"], header["shards"], header["parts"]) == (ROWS, 0, 5, 5)
    assert header["schema"]["age"] == "int64" and len(header["schema"]) == 15
    assert [line["shard"] for line in lines] == list(range(5))
    assert [line["rows"] for line in lines] == [1100, 1100, 1100, 1100, 600]
    for line in lines:
        content = (one_actor / line["file"]).read_bytes()
        assert len(content) == line["bytes"]
        assert hashlib.sha256(content).hexdigest() == line["sha256"]
        assert pq.read_metadata(one_actor / line["file"]).num_rows == line["rows"]
    assert header["bytes"] == sum(line["bytes"] for line in lines)
    whole = b"".join(part.read_bytes() for part in parts)
    assert (
        int(header["hash"], 16)
        == sum(int(hashlib.sha256(line).hexdigest(), 16) for line in whole.splitlines(keepends=True)) % 2**256
    )
    assert {p.name for p in one_actor.iterdir()} == {
        "_run.json",
        "_manifest.json",
        "_manifest",
        *(line["file"] for line in lines),
    }


def test_rows_have_the_columns_and_types_of_the_table(one_actor, table):
    made, real = rows(one_actor), pq.ParquetDataset(table).read()
    assert made.num_rows == ROWS
    assert made.schema.remove_metadata() == real.schema.remove_metadata()
    for name in real.column_names:
        known = set(real[name].to_pylist())
        if isinstance(real[name][0].as_py(), str):
            assert set(made[name].to_pylist()) <= known, name
        else:
            assert min(known) <= min(made[name].to_pylist()) < max(made[name].to_pylist()) <= max(known), name


def test_rows_do_not_depend_on_actors_shards_and_threads(trained, one_actor, tmp_path):
    """test_generation_faults.py compares the files of one actor and of two."""
    several = {"generate.num_actors": 2, "generate.cpus_per_actor": 2, "generate.rows_per_shard": 1777}
    generate(trained, tmp_path / "out", several)
    assert rows(tmp_path / "out").equals(rows(one_actor))


def test_this_process_writes_the_bytes_of_an_actor(trained, one_actor, toml, tmp_path, raygen_command):
    config = toml(
        trained.config.override(
            {"generate.rows": ROWS, "generate.rows_per_shard": SHARD, "generate.num_actors": 0}
        )
    )
    done = raygen_command("generate", config, "--out", tmp_path / "out")
    assert done.finish() == 0 and "shard(s) in this process." in done.output, done.output
    assert hashes(tmp_path / "out") == hashes(one_actor)


def test_any_rows_can_be_asked_for_alone(trained, one_actor):
    made = sampling.Rows(model_folder.load(trained.model), seed=0)
    for first, last in ((0, 1), (2047, 2049), (4999, 5000), (100, 4500)):
        assert made.table(first, last).equals(rows(one_actor).slice(first, last - first)), first


def test_what_is_gone_on_with_has_as_many_actors_as_shards_are_missing(trained, one_actor, tmp_path):
    out, lines = shutil.copytree(one_actor, tmp_path / "out"), []
    (out / "part-00000001.parquet").unlink()
    (out / "_manifest.json").unlink()
    done = generate(trained, out, {"generate.num_actors": 2}, lines.append)
    assert done.kept == 4 and hashes(out) == hashes(one_actor)
    assert any("in 5 shard(s) with 1 actor(s) of 1 CPU(s)" in line for line in lines), lines


@pytest.mark.parametrize(
    ("setting", "refused"), [({"generate.num_actors": 50}, False), ({"generate.gpus_per_actor": 99.0}, True)]
)
def test_a_repair_has_as_many_actors_as_there_are_bad_shards_or_deletes_nothing(
    setting, refused, trained, one_actor, tmp_path
):
    """Settings of the model's own config, not of the generation."""
    out, model = shutil.copytree(one_actor, tmp_path / "out"), str(tmp_path / "model")
    found = model_folder.load(trained.model)
    saved(found, model, found.config.override(setting), found.sampler)
    run = json.loads((out / "_run.json").read_text())
    (out / "_run.json").write_text(json.dumps(run | {"model": model}))
    (out / "part-00000000.parquet").write_bytes(b"damaged")
    if refused:
        with pytest.raises(ClusterError, match=r"generate\.num_actors = 1 with 1 CPUs and 99 GPUs"):
            raygen.verify(str(out), repair=True, say=silent)
        assert (out / "part-00000000.parquet").exists()
    else:
        lines: list[str] = []
        assert raygen.verify(str(out), repair=True, say=lines.append).passed
        assert any("in 5 shard(s) with 1 actor(s) of 1 CPU(s)" in line for line in lines), lines


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"generate.seed": 7}, r"seed 0\); this one has seed 7"),
        ({"generate.rows": 4999}, r"rows 5000\); this one has rows 4999"),
        ({"generate.rows_per_shard": 1000}, r"rows_per_shard 1100\); this one has rows_per_shard 1000"),
        ({"generate.compression": "gzip"}, r"compression zstd\); this one has compression gzip"),
    ],
)
def test_a_folder_of_another_generation_is_refused(change, difference, trained, one_actor):
    before = hashes(one_actor)
    with pytest.raises(OutputError, match=difference) as caught:
        generate(trained, one_actor, change)
    assert "--out" in caught.value.hint
    assert hashes(one_actor) == before


def test_the_folder_of_another_model_is_refused(trained, one_actor, tmp_path):
    found = model_folder.load(trained.model)
    other = next(name for name in found.samplers if name != found.sampler)
    model = str(tmp_path / "model")
    fingerprint = saved(found, model, found.config, other)
    assert fingerprint != found.fingerprint
    with pytest.raises(OutputError, match=f"fingerprint {found.fingerprint}.*fingerprint {fingerprint}"):
        raygen.generate(model, rows=ROWS, out=str(one_actor), say=silent)


def test_a_folder_with_other_parquet_files_or_a_damaged_mark_is_refused(trained, table, tmp_path):
    with pytest.raises(OutputError, match="Parquet files that raygen did not write"):
        generate(trained, table)
    (tmp_path / "_run.json").write_text('{"seed"')
    with pytest.raises(OutputError, match="damaged"):
        generate(trained, tmp_path)


@pytest.mark.parametrize("where", ["file", "file/below", "/proc/raygen"])
def test_a_folder_that_cannot_be_written_is_refused(where, trained, tmp_path, run_cli):
    (tmp_path / "file").write_text("in the way")
    status, _, err = run_cli("generate", trained.model, "--out", tmp_path / where)
    assert status == 2
    assert err.startswith(f"OutputError: '{tmp_path / where}'")
    assert "choose another folder" in err


def test_more_actors_than_the_cluster_holds_are_refused(trained, tmp_path):
    with pytest.raises(
        ClusterError,
        match=r"generate\.num_actors = 5 with 1 CPUs and 0 GPUs each needs 5 CPUs; the cluster has 4",
    ):
        generate(trained, tmp_path, {"generate.num_actors": 5})
    with pytest.raises(ClusterError, match=r"9\.5 GPUs each"):
        generate(trained, tmp_path, {"generate.gpus_per_actor": 9.5})


def test_a_gpu_that_tensorflow_does_not_find_is_an_error(gpus, trained, tmp_path):
    if gpus:
        pytest.skip("this machine has a GPU")
    message = r"generate\.gpus_per_actor = 1: TensorFlow finds no GPU on node "
    with pytest.raises(ClusterError, match=message):
        generate(trained, tmp_path / "out", {"generate.gpus_per_actor": 1.0})
    with pytest.raises(ClusterError, match=message):
        raygen.plan(trained.config.override({"generate.gpus_per_actor": 1.0}), say=lambda line: None)


@pytest.mark.gpu
def test_a_gpu_makes_the_rows_of_a_cpu(trained, tmp_path):
    """But for some whose draws lie within a rounding of another code."""
    tables = []
    for share in (0.0, 1.0):
        generate(trained, tmp_path / str(share), {"generate.gpus_per_actor": share})
        tables.append(rows(tmp_path / str(share)))
    same = [
        np.mean(one.to_numpy() == other.to_numpy())
        for one, other in zip(*(table.columns for table in tables), strict=True)
    ]
    assert min(same) > 0.99


def test_a_model_that_changes_on_the_way_is_an_error(trained, tmp_path):
    """The actors load a model of another fingerprint than the one that the driver checked."""
    model, other = shutil.copytree(trained.model, tmp_path / "model"), tmp_path / "other"
    found = model_folder.load(str(model))
    sampler = next(name for name in found.samplers if name != found.sampler)
    saved(found, str(other), found.config, sampler)

    def say(line):
        if line.startswith("Generating"):
            model.rename(tmp_path / "gone")
            other.rename(model)

    with pytest.raises(GenerationError, match="changed while rows were generated"):
        raygen.generate(str(model), rows=10, out=str(tmp_path / "out"), say=say)


def test_actors_that_wait_for_cpus_are_told(local_ray):
    import ray

    available, lines = resources.resources(), []
    settings = Config().override({"generate.cpus_per_actor": 2}).generate
    driver.tell_of_waiting(settings, available.cpus // 2, available, lines.append)
    assert not lines
    held = ray.util.placement_group([{"CPU": 1}])
    ray.get(held.ready())
    driver.tell_of_waiting(settings, available.cpus // 2, available, lines.append)
    ray.util.remove_placement_group(held)
    (line,) = lines
    assert line.startswith(
        f"Waiting for CPUs: {available.cpus - 1} of the cluster's {available.cpus} are free"
    )


def counted(kind: str) -> dict[str, float]:
    """A counter of raygen's as the port for Prometheus tells it: its value by its labels."""
    import ray

    (node,) = ray.nodes()
    text = (
        urllib.request.urlopen(
            f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics", timeout=10
        )
        .read()
        .decode()
    )
    return {
        labels: float(value)
        for labels, value in re.findall(
            rf"^ray_raygen_generated_{kind}_total{{(.*)}} (\S+)$", text, re.MULTILINE
        )
    }


def test_ray_counts_rows_and_bytes(trained, tmp_path):
    """The counters reach the port that Prometheus reads, which Ray fills now and then; earlier tests have
    counted too."""
    before = {kind: counted(kind) for kind in ("rows", "bytes")}
    done, more = generate(trained, tmp_path / "out"), {"rows": 0.0, "bytes": 0.0}
    end = time.monotonic() + 60
    while (more["rows"] < done.rows or more["bytes"] < done.bytes) and time.monotonic() < end:
        time.sleep(0.5)
        more = {
            kind: sum(value - before[kind].get(labels, 0) for labels, value in counted(kind).items())
            for kind in before
        }
    assert more["rows"] >= done.rows and more["bytes"] >= done.bytes
    run = Path(trained.config.run.folder).name
    now = counted("rows").items()
    new = [labels for labels, value in now if value > before["rows"].get(labels, 0)]
    assert new and all(f'run="{run}"' in labels for labels in new)
