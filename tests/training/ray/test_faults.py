"""Faults while a model is trained: each ends in the model of no fault, or in a clear error that keeps what
was there; the output ends in a table."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import raygen
from raygen.cluster import watch

pytestmark = pytest.mark.ray


def silent(line: str) -> None:
    pass


def written(folder) -> list[dict]:
    """The lines of a run folder's history."""
    return [json.loads(line) for line in (Path(folder) / "history.jsonl").read_text().splitlines()]


def learned(history: list[dict]) -> list[dict]:
    """Rounds without what a clock has told."""
    return [
        {k: v for k, v in h.items() if k not in ("seconds", "rows_per_second", "wait_share")} for h in history
    ]


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 16 MiB and what fills it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], capture_output=True
    ).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True, capture_output=True)


def test_a_killed_worker_of_two(undisturbed, trained, tiny, tmp_path, kill_one, seen):
    settings = {"train.num_workers": 2, "train.steps": 120, "train.patience": 0}
    expected, killed, lines = undisturbed(settings)[1], [], []

    def say(line):
        lines.append(line)
        if line.startswith("step     36") and not killed:
            killed.append(kill_one("RayTrainWorker"))

    done = raygen.train(tiny(trained.fresh_run(tmp_path), settings), say)
    assert killed == [True]
    (resumed,) = (line for line in lines if line.startswith("Resuming at step"))
    assert done.fingerprint == expected.fingerprint
    assert learned(done.metrics["history"]) == learned(expected.metrics["history"])
    assert written(tmp_path) == done.metrics["history"], "no round twice"
    seen("a worker of two killed (SIGKILL)", resumed, "yes")


def test_a_driver_killed_and_its_last_checkpoint_damaged(trained, tiny, tmp_path, toml, raygen_command, seen):
    config = toml(tiny(trained.fresh_run(tmp_path), {"train.num_workers": 1}))

    interrupted = raygen_command("train", config)
    interrupted.wait_for("step     12/60")
    interrupted.send(signal.SIGINT)
    assert interrupted.finish() == 130
    assert f"to go on, run: raygen train {config}" in interrupted.output
    assert interrupted.wait_for_no_others() == []

    killed = raygen_command("train", config)
    killed.wait_for("Resuming at step")
    killed.wait_for("step     36/60")
    killed.send(signal.SIGKILL)
    assert killed.finish() == -signal.SIGKILL
    assert killed.wait_for_no_others() == []

    before, last = sorted(tmp_path.glob("checkpoints/*/step-*.npz"))
    content = last.read_bytes()
    last.write_bytes(content[: len(content) // 2])

    finished = raygen_command("train", config, "--set", "train.num_workers=0")  # by the driver alone
    assert finished.finish() == 0, finished.output
    warning = (
        f"Warning: the checkpoint '{last.name}' is damaged; going on from '{before.name}', the one before it."
    )
    assert warning in finished.output
    (resumed,) = re.findall(r"Resuming at step \d+ of 60\.", finished.output)
    assert int(before.stem.removeprefix("step-")) == int(resumed.split()[3])
    assert "step     12/60" not in finished.output
    assert f"({trained.training.fingerprint})" in finished.output
    seen("the driver interrupted (Ctrl-C), then killed", "the same command goes on", "yes")
    seen("the last checkpoint cut in half", f"the one before it: {resumed}", "yes")


def test_a_full_disk_and_then_a_worker_that_is_stopped(
    trained, tiny, small_disk, toml, run_cli, kill_one, seen, monkeypatch
):
    for name, seconds in (("EVERY", 1), ("SILENT", 20), ("LOST", 40)):
        monkeypatch.setattr(watch, f"{name}_SECONDS", seconds)
    folder = trained.fresh_run(small_disk / "run")
    config = tiny(folder, {"train.num_workers": 1, "train.max_failures": -1})
    filler, began = small_disk / "filler", []

    def say(line):
        if line.startswith("step     15") and not began:
            began.append(time.monotonic())
            with pytest.raises(OSError, match="No space left"), filler.open("wb") as file:
                file.write(bytes(32 << 20))

    with pytest.raises(raygen.RaygenError, match="No space left on device") as caught:
        raygen.train(config, say)
    took = time.monotonic() - began[0]
    assert f"the checkpoints before are kept in '{folder}/checkpoints/run-" in caught.value.hint
    kept = sorted(folder.glob("checkpoints/*/*"))
    assert [path.name.partition("-")[0] for path in kept if path.is_file() and path.suffix == ".npz"] == [
        "step",
        "step",
    ]

    status, _, err = run_cli("train", toml(config))
    assert status == 2 and "No space left on device" in err and "Traceback" not in err
    filler.unlink()
    lines, stopped = [], []

    def stop(line):
        lines.append(line)
        if line.startswith("step     45") and not stopped:
            stopped.append(kill_one("RayTrainWorker", signal.SIGSTOP))

    assert raygen.train(config, stop).fingerprint == trained.training.fingerprint
    _, again = (line for line in lines if line.startswith("Resuming at step"))
    told = [line for line in lines if line.startswith("Warning: process ")]
    assert stopped == [True] and len(told) == 2 and "on node" in told[0]
    assert told[0].endswith("it is started again after 40 s.") and told[1].endswith(": started again.")
    seen(
        "a full disk at a checkpoint",
        f"{type(caught.value).__name__} after {took:.0f} s; with space, the same command goes on",
        "yes",
    )
    seen("a worker stopped (SIGSTOP)", f"told, then started again: {again}", "yes")


def test_storage_that_vanishes_for_a_while(trained, tiny, tmp_path, seen):
    folder, away, warnings = trained.fresh_run(tmp_path / "run"), tmp_path / "away", []

    def say(line):
        if line.startswith("step     15"):
            folder.rename(away)
        if line.startswith("Warning: "):
            warnings.append(line)
            if len(warnings) == 2:
                away.rename(folder)

    done = raygen.train(tiny(folder), say)
    assert len(warnings) == 2
    assert all("cannot be written" in line and "Trying again in" in line for line in warnings)
    assert done.fingerprint == trained.training.fingerprint
    assert written(folder) == done.metrics["history"]
    seen("storage gone for two attempts", f"{len(warnings)} warnings, and on", "yes")


NODES = """
import subprocess
import sys
import time
import ray
import raygen
from raygen.cluster import connection
from ray._raylet import GcsClient
from ray.cluster_utils import Cluster
from ray.core.generated.autoscaler_pb2 import DrainNodeReason

connection.prepare_environment(connection.ENVIRONMENT | connection.DRIVER_ENVIRONMENT)
memory = {"object_store_memory": 80_000_000}
nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **memory})
added = [nodes.add_node(num_cpus=1, **memory) for _ in range(3)]
ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
lost, started = [], []
config, ray_command = sys.argv[1:]


def of_a_worker():
    groups = [group for group in ray.util.placement_group_table().values() if group["state"] == "CREATED"]
    return groups[0]["bundles_to_node_id"][1]


def say(line):
    print(line, flush=True)
    if line.startswith("step    225") and not lost:
        lost.append(of_a_worker())
        nodes.remove_node(next(node for node in added if node.node_id == lost[0]), allow_graceful=False)
    if line.startswith("step    750") and len(lost) == 1:
        lost.append(of_a_worker())
        deadline = int((time.time() + 4) * 1000)
        gcs = GcsClient(address=ray.get_runtime_context().gcs_address)
        reason = DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
        accepted, why = gcs.drain_node(lost[1], reason, "spot", deadline)
        print("drained:", accepted, why, flush=True)
    if line.startswith("A node is about to be taken away") and len(started) == 0:
        options = ["--num-cpus=1", f"--object-store-memory={memory['object_store_memory']}", "--block"]
        another = [ray_command, "start", f"--address={nodes.address}", *options]
        started.append(subprocess.Popen(another, stdout=subprocess.DEVNULL))


done = raygen.train(raygen.Config.load(config), say=say)
print("fingerprint:", done.fingerprint, flush=True)
ray.shutdown()
started[0].terminate()
started[0].wait()
nodes.shutdown()
"""


@pytest.mark.soak
def test_a_node_lost_and_another_with_notice(undisturbed, long, trained, tiny, tmp_path, toml, command, seen):
    expected_folder, expected = undisturbed(long)
    config = toml(tiny(trained.fresh_run(tmp_path), long))
    run = command(
        sys.executable,
        "-c",
        NODES,
        config,
        str(Path(sys.executable).with_name("ray")),
        env={"RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S": "0.5"},
    )
    assert run.finish(400) == 0, run.output
    assert "drained: True" in run.output
    first, second = (
        int(step) for step in re.findall(r"Resuming at step ([\d,]+) of", run.output.replace(",", ""))
    )
    told = [
        int(step) for step in re.findall(r"taken away: checkpoint at step (\d+)", run.output.replace(",", ""))
    ]
    assert first % 75 == 0 and told and told[0] % 75 and told[0] > 750
    assert second >= told[0]
    assert f"fingerprint: {expected.fingerprint}" in run.output
    assert learned(written(tmp_path)) == learned(written(expected_folder))
    seen("a node of a cluster lost", f"on the nodes left: Resuming at step {first}", "yes")
    seen(
        "a node drained (spot notice)",
        f"checkpoint at step {told[0]}; once a node came: Resuming at step {second}",
        "yes",
    )


ELASTIC = """
import subprocess
import sys
from pathlib import Path
import ray
import raygen
from raygen.cluster import connection
from raygen.training import ray_train
from ray.cluster_utils import Cluster

ray_train.RESIZE_SECONDS, ray_train.ELASTIC_START_SECONDS = 2.0, 15
connection.prepare_environment(connection.ENVIRONMENT | connection.DRIVER_ENVIRONMENT)
memory = {"object_store_memory": 80_000_000}
nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, **memory})
added = nodes.add_node(num_cpus=1, **memory)
ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
options = ["--num-cpus=1", "--object-store-memory=80000000", "--block"]
another = [Path(sys.executable).parent / "ray", "start", f"--address={nodes.address}", *options]
lost, came = [], []


def say(line):
    print(line, flush=True)
    if line.startswith("step    250/") and not lost:
        lost.append(True)
        nodes.remove_node(added, allow_graceful=False)
    if line.startswith("1 of 2 worker(s)"):
        came.append(subprocess.Popen(another, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))


raygen.train(raygen.Config.load(sys.argv[1]), say=say)
ray.shutdown()
for node in came:
    node.terminate()
    node.wait()
nodes.shutdown()
"""


@pytest.mark.soak
def test_workers_that_come_and_go(trained, tiny, tmp_path, toml, command, seen):
    """Two workers, then one, then two again follow the losses of this process alone, on the same batches."""
    steps = {
        "train.steps": 2500,
        "train.epochs": 5000,
        "train.batch_size": 1024,
        "train.learning_rate": 2e-4,
        "train.patience": 0,
    }
    config = toml(tiny(trained.fresh_run(tmp_path / "elastic"), {**steps, "train.num_workers": [1, 2]}))
    run = command(sys.executable, "-c", ELASTIC, config)
    alone = raygen.train(tiny(trained.fresh_run(tmp_path / "alone"), steps), silent).metrics["history"]
    assert run.finish() == 0, run.output
    there = re.findall(r"(\d) of 2 worker\(s\) are there", run.output)
    assert there == ["2", "1", "2"]
    together = written(tmp_path / "elastic")
    assert [h["step"] for h in together] == [h["step"] for h in alone]
    for figure in ("held_out_nats", "held_out_reconstruction", "reconstruction"):
        for a, b in zip(together, alone, strict=True):
            assert a[figure] == pytest.approx(b[figure], abs=0.1), (figure, a["step"])
    resumed = [int(step.replace(",", "")) for step in re.findall(r"Resuming at step ([\d,]+) of", run.output)]
    assert len(resumed) == 2 and resumed[0] % 125 == resumed[1] % 125 == 0
    seen(
        "a node of two lost, another one comes (elastic)",
        f"{' -> '.join(there)} workers, resuming at steps {resumed[0]} and {resumed[1]}",
        "same losses",
    )
