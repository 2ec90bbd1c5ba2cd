"""The whole way on an S3 server that fails now and then: the model and rows of a local disk, nothing half
written, no credentials anywhere."""

import hashlib
import json
import signal
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

import raygen
from raygen import storage
from raygen.commands import inspect_model, plan
from raygen.errors import OutputError, StorageError
from raygen.evaluation import driver as evaluation
from raygen.table.source import Source
from tests import stores

pytestmark = pytest.mark.ray
GENERATE = {
    "generate.rows": 5000,
    "generate.rows_per_shard": 1100,
    "generate.num_actors": 1,
    "evaluate.sample_rows": 200,
}
FAULTS = [503, "drop", 500, "cut"]
PARTS = [f"_manifest/{i:08d}-{i:08d}.jsonl" for i in range(5)]


def now_and_then(method: str, path: str, number: int) -> bool:
    return number % 13 == 0


def silent(line: str) -> None:
    pass


def hashes(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


@pytest.fixture(scope="module")
def store(table):
    """An S3 server that has the table as two objects under `bucket/table`."""
    with stores.serving() as found:
        for file in Path(table).iterdir():
            with found.direct.open_output_stream(f"bucket/table/{file.name}") as stream:
                stream.write(file.read_bytes())
        yield found


@pytest.fixture(scope="module")
def local(trained, tmp_path_factory) -> dict[str, str]:
    """Hashes of the shards that a local disk gets."""
    folder = tmp_path_factory.mktemp("local") / "out"
    raygen.generate(trained.config.override(GENERATE), out=str(folder), say=silent)
    return hashes({p.name: p.read_bytes() for p in folder.glob("*.parquet")})


@pytest.fixture(scope="module")
def run(store, tiny, local_ray):
    """The config of a run that was trained in this process from objects to objects, while requests failed,
    and what `train` returned."""
    config = tiny(store.uri("bucket/run"), {"data.source": store.uri("bucket/table/"), **GENERATE})
    with store.failing(FAULTS, now_and_then) as hit:
        done = raygen.train(config, silent)
    assert len(hit) > 5
    return config, done


@pytest.fixture(scope="module")
def generated(store, run):
    """The same run with its rows, after a store that took no second shard, a shard that was deleted, and
    requests that failed."""
    config, _ = run
    with store.failing(503, stores.nth("POST", path="part-00000002")), pytest.raises(OutputError) as refused:
        raygen.generate(config, say=silent)
    left = store.objects("bucket/run/synthetic")
    store.direct.delete_file("bucket/run/synthetic/part-00000000.parquet")
    with store.failing(FAULTS, now_and_then) as hit:
        done = raygen.generate(config, say=silent)
    assert len(hit) > 2
    return refused.value, left, done


def test_training_makes_the_model_that_a_local_disk_gets(store, run, trained):
    config, done = run
    assert done.fingerprint == trained.training.fingerprint
    assert done.model == store.uri("bucket/run/model")
    assert raygen.train(config, silent).finished_before
    names = store.objects("bucket/run").keys()
    assert {name.partition("/")[0] for name in names} == {"encoded", "checkpoints", "history.jsonl", "model"}
    assert {name for name in names if name.startswith("model/")} == {
        f"model/{p.name}" for p in Path(trained.model).iterdir()
    }
    assert not [name for name in names if "_tmp" in name or "_probe" in name]


def test_a_store_that_takes_no_more_ends_in_an_error_and_holds_whole_shards_only(store, generated, local):
    refused, left, _ = generated
    assert "part-00000002.parquet" in refused.message and "SLOW_DOWN" in refused.message
    assert "run the same command again" in refused.hint
    shards = {name: digest for name, digest in hashes(left).items() if name.endswith(".parquet")}
    assert (
        shards.keys() == {"part-00000000.parquet", "part-00000001.parquet"}
        and shards.items() <= local.items()
    )
    assert left.keys() - shards.keys() == {"_run.json", *PARTS[:2]}


def test_generation_goes_on_to_the_rows_that_a_local_disk_gets(store, generated, local):
    _, _, done = generated
    there = store.objects("bucket/run/synthetic")
    assert (done.rows, done.shards) == (5000, 5)
    assert done.folder == store.uri("bucket/run/synthetic")
    assert there.keys() == {"_run.json", "_manifest.json", *PARTS, *local}
    assert {name: digest for name, digest in hashes(there).items() if name in local} == local
    lines = [json.loads(line) for part in PARTS for line in there[part].decode().splitlines()]
    assert {line["file"]: line["sha256"] for line in lines} == local
    assert 1 <= done.kept <= 3, (
        "neither the shard that was deleted nor the one that was refused; the actor may have gone on"
    )


def test_a_shard_that_cannot_be_read_is_not_deleted(store, generated):
    folder, before = generated[2].folder, store.objects("bucket/run/synthetic")
    for fault in (403, 503):
        with (
            store.failing(fault, stores.nth("GET", path="part-00000003")),
            pytest.raises(StorageError, match=r"part-00000003\.parquet.*cannot be read"),
        ):
            raygen.verify(folder, repair=True, say=silent)
    assert store.objects("bucket/run/synthetic") == before
    assert raygen.verify(folder, say=silent).passed


def test_evaluation_plan_and_inspection(store, run, generated):
    config, trained_there = run
    with store.failing(FAULTS, now_and_then):
        done = evaluation.evaluate(config, say=silent)
    (scored,) = done.report.runs
    assert (scored.name, scored.rows, scored.problems) == ("synthetic", 5000, [])
    assert scored.latent and done.report.holdout.rows > 0
    assert store.objects("bucket/run/report").keys() == {"index.html", "report.json"}
    assert evaluation.of_model(trained_there.model).run.folder == store.uri("bucket/run")
    lines = []
    answer = plan.plan(config, say=lines.append)
    assert answer["train"]["rows"] == 2000 and answer["generate"]["bytes"] > 0
    assert (
        inspect_model.inspect(trained_there.model, lines.append)["fingerprint"] == trained_there.fingerprint
    )


@pytest.mark.soak
def test_a_worker_of_ray_train_goes_on_from_a_checkpoint_in_the_store(
    store, tiny, trained, toml, raygen_command
):
    """The endpoint comes from the environment, and the driver is killed on the way."""
    config = toml(
        tiny("s3://bucket/ray", {"data.source": "s3://bucket/table/a.parquet", "train.num_workers": 1})
    )
    environment = {"AWS_ENDPOINT_URL": store.url}
    killed = raygen_command("train", config, env=environment)
    killed.wait_for("step     36/60")
    killed.send(signal.SIGKILL)
    killed.finish()
    assert killed.wait_for_no_others() == []
    assert "model/raygen.json" not in store.objects("bucket/ray")

    finished = raygen_command("train", config, env=environment)
    assert finished.finish() == 0, finished.output
    assert "Resuming at step" in finished.output and "step     12/60" not in finished.output
    assert any(
        name.startswith("checkpoints/run-") and name.endswith(".npz") for name in store.objects("bucket/ray")
    )
    found = json.loads(store.objects("bucket/ray/model")["raygen.json"])
    assert found["config"]["run"]["folder"] == "s3://bucket/ray"
    assert found["metrics"]["rows"] == 1100
    for text in (killed.output, finished.output):
        assert stores.SECRET not in text


def test_credentials_are_in_no_object_and_in_no_file_of_ray(store, generated):
    import ray

    for name, content in store.objects("bucket").items():
        assert stores.SECRET.encode() not in content, name
    logs = Path(ray._private.worker._global_node.get_session_dir_path()) / "logs"
    files = [file for file in logs.rglob("*") if file.is_file()]
    assert len(files) > 5
    for file in files:
        assert stores.SECRET.encode() not in file.read_bytes(), file


@pytest.mark.parametrize("place", ["bucket/csv", "bucket/csv/a.csv.gz"])
def test_csv_objects(store, table, place):
    rows = pq.read_table(Path(table) / "a.parquet")
    for name in ("csv/a.csv.gz", "csv/b.csv.gz", "csv/_hidden.csv"):
        with (
            storage.whole(store.uri(f"bucket/{name}")) as stream,
            pa.CompressedOutputStream(stream, "gzip") as packed,
        ):
            pacsv.write_csv(rows, packed)
    source = Source.open(store.uri(place))
    assert source.format == "csv"
    assert sum(source.count_rows()) == (1100 if place.endswith("gz") else 2200)
    assert source.head(5).column("age").to_pylist() == rows.column("age").to_pylist()[:5]


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        (
            {"run.folder": "s3://nowhere/run{here}"},
            "OutputError: run.folder = 's3://nowhere/run",
            "create the bucket",
        ),
        (
            {"data.source": "s3://nowhere/table{here}"},
            "SchemaError: source 's3://nowhere/table",
            "check data.source",
        ),
        (
            {"data.source": "s3://bucket/none.parquet{here}"},
            "does not exist, or holds no file",
            "check data.source",
        ),
        (
            {"run.folder": "s3://bucket/run{nowhere}"},
            "StorageError: 's3://bucket/run/model/raygen.json",
            "?endpoint_override=",
        ),
        (
            {"data.source": "s3://bucket/table{nowhere}"},
            "SchemaError: source 's3://bucket/table",
            "?endpoint_override=",
        ),
        (
            {"run.folder": "s3://KEY:HIDDEN@bucket/run"},
            "run.folder = 's3://***@bucket/run' has credentials in it",
            "AWS_ACCESS_KEY_ID",
        ),
        ({"data.source": "ftp+ssl://x"}, "names no filesystem", "check the URI"),
        ({"data.source": "oss://bucket/x"}, "needs a package that is not installed", "pip install ossfs"),
    ],
)
def test_a_mistake_ends_with_message_and_hint(
    store, tiny, tmp_path, toml, run_cli, monkeypatch, settings, message, hint
):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    config = toml(tiny(tmp_path / "run"))
    ends = {"here": f"?endpoint_override={store.url}", "nowhere": "?endpoint_override=http://127.0.0.1:9"}
    given = [f"{key}={value.format(**ends)}" for key, value in settings.items()]
    status, out, err = run_cli("train", config, "--set", *given)
    assert status == 2
    assert message in err
    assert hint in err.partition("Hint: ")[2]
    assert "HIDDEN" not in out + err and "Traceback" not in err
    assert "Training on" not in out


def test_wrong_credentials(store, tiny, toml, run_cli, tmp_path):
    config = toml(tiny(store.uri("bucket/closed")))
    store.check_keys(True)
    try:
        status, _, err = run_cli("train", config)
    finally:
        store.check_keys(False)
    assert status == 2
    assert "AWS Error" in err and "check the credentials (AWS_ACCESS_KEY_ID" in err
    assert stores.SECRET not in err
