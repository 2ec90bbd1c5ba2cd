"""What is lost while rows are generated (an actor, a driver, a node, room on the disk, a file) changes
nothing in them."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from raygen.cluster import watch
from raygen.config_sections import GenerateSettings
from raygen.errors import GenerationError, OutputError
from raygen.generation import driver, request
from raygen.generation.actor import WriteShards
from tests.generation.ray.rows_of import generate, hashes, rows

pytestmark = pytest.mark.ray
# long enough to lose an actor, a node or a driver in a shard
LARGE = {"generate.rows": 384_000, "generate.rows_per_shard": 16_000, "generate.num_actors": 1}
LARGE_SHARDS = 24


@pytest.fixture(scope="module")
def large(trained, tmp_path_factory) -> Path:
    """The rows of LARGE, by two actors that nothing disturbed."""
    folder = tmp_path_factory.mktemp("large") / "out"
    generate(trained, folder, LARGE | {"generate.num_actors": 2})
    return folder


def test_a_full_disk_keeps_what_was_finished(trained, tmp_path, toml, run_cli, free_cpus):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], capture_output=True
    ).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        settings = {"generate.rows": 60_000, "generate.rows_per_shard": 10_000, "generate.num_actors": 1}
        config = toml(trained.config.override(settings))
        status, _, err = run_cli("generate", config, "--out", disk / "out")
        assert status == 2
        assert "OutputError" in err
        assert "No space left on device" in err
        free_cpus()  # the actor may finish a shard after the driver gave up
        kept = {name: digest for name, digest in hashes(disk / "out").items() if "_tmp-" not in name}
        finished = {name for name in kept if name.endswith(".parquet")}
        assert 1 <= len(finished) < 6
        parts = {f"_manifest/{i:08d}-{i:08d}.jsonl" for i in range(len(finished))}
        # the driver may have found the disk full before it wrote the parts of the last shards
        assert kept.keys() - finished - {"_run.json"} <= parts

        subprocess.run(["mount", "-o", "remount,size=10m", disk], check=True, capture_output=True)
        status, out, err = run_cli("generate", config, "--out", disk / "out")
        assert status == 0, err
        assert f"{len(finished)} of them were there before" in out
        assert rows(disk / "out").num_rows == 60_000
        assert kept.items() <= hashes(disk / "out").items()
    finally:
        subprocess.run(
            ["umount", "--lazy", disk], check=True, capture_output=True
        )  # Ray's tasks may have a file open still


def test_a_killed_actor_changes_nothing(trained, large, tmp_path, kill_one):
    killed, lines = [], []

    def say(line):
        lines.append(line)
        if "/384,000 rows" in line and not killed:
            killed.append(kill_one("MapWorker"))

    done = generate(trained, tmp_path / "out", LARGE, say)
    assert killed == [True]
    assert done.rows == LARGE["generate.rows"]
    assert lines[-1].lstrip().startswith("384,000/384,000")
    assert hashes(tmp_path / "out") == hashes(large)


class StopsItself(WriteShards):
    """One actor stops amid an item, one after its first: as a process does that waits for a dead disk, or
    whose machine stands still."""

    def _stop(self, when: str) -> None:
        with contextlib.suppress(FileExistsError):
            Path(f"{self.writer.folder} {when}").touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGSTOP)

    def _tell(self, event) -> None:
        super()._tell(event)
        self._stop("amid an item")

    def __call__(self, batch: dict) -> dict:
        done = super().__call__(batch)
        self._stop("after an item")
        return done


def test_stopped_actors_are_told_and_started_again(trained, large, tmp_path, monkeypatch):
    for name, seconds in (("EVERY", 1), ("SILENT", 10), ("LOST", 20)):
        monkeypatch.setattr(watch, f"{name}_SECONDS", seconds)
    monkeypatch.setattr(driver, "WriteShards", StopsItself)
    lines: list[str] = []

    done = generate(trained, tmp_path / "out", LARGE | {"generate.num_actors": 2}, lines.append)
    assert sorted(path.name for path in tmp_path.glob("out *")) == ["out after an item", "out amid an item"]
    assert done.rows == LARGE["generate.rows"]
    told = [line for line in lines if line.startswith("Warning: process ")]
    assert len(told) == 4 and all("on node" in line and "no sign of life for" in line for line in told)
    assert sum(line.endswith("it is started again after 20 s.") for line in told) == 2
    assert sum(line.endswith(": started again.") for line in told) == 2
    assert hashes(tmp_path / "out") == hashes(large)


def test_a_generation_that_lost_its_driver_twice_goes_on_where_it_was(
    trained, large, tmp_path, toml, raygen_command
):
    """Neither driver can come to the end before the signal: who reads a part of the manifest that is a pipe
    waits."""
    config = toml(trained.config.override(LARGE))
    out = tmp_path / "out"
    command = ["generate", config, "--out", str(out)]
    pipe = out / "_manifest" / f"{LARGE_SHARDS // 2:08d}-{LARGE_SHARDS // 2:08d}.jsonl"
    pipe.parent.mkdir(parents=True)
    os.mkfifo(pipe)

    interrupted = raygen_command(*command)
    interrupted.wait_for("/384,000 rows")
    interrupted.send(signal.SIGINT)
    assert interrupted.finish() == 130, interrupted.output
    assert f"to go on, run: raygen generate {config} --out {out}" in interrupted.output
    assert "Traceback" not in interrupted.output
    assert interrupted.wait_for_no_others() == []
    assert not (out / "_manifest.json").exists()

    killed = raygen_command(*command, "--set", "generate.num_actors=2")  # another number of actors
    killed.wait_for("/384,000 rows")
    killed.send(signal.SIGKILL)
    assert killed.finish() == -signal.SIGKILL
    assert killed.wait_for_no_others() == []
    assert not (out / "_manifest.json").exists()

    pipe.unlink()
    finished = raygen_command(*command)
    assert finished.finish() == 0, finished.output
    assert f"384,000 rows in {LARGE_SHARDS} shard(s)" in finished.output
    assert "were there before" in finished.output
    assert hashes(out) == hashes(large)


def test_two_drivers_on_one_folder_make_the_rows_of_one(trained, large, tmp_path, toml, raygen_command):
    config = toml(trained.config.override(LARGE))
    out = tmp_path / "out"
    both = [
        raygen_command("generate", config, "--out", str(out), "--set", f"generate.num_actors={actors}")
        for actors in (1, 2)
    ]
    for one in both:
        assert one.finish() == 0, one.output
    assert hashes(out) == hashes(large)


def test_a_temporary_file_that_another_driver_swept_away(trained, tmp_path):
    """It sweeps once all shards are there: then ours is. If it is not, somebody else deleted the file, and
    that is an error."""
    settings, ours = {"generate.rows": 400_000, "generate.rows_per_shard": 400_000}, tmp_path / "ours"
    generate(trained, tmp_path / "theirs", settings)
    swept = []

    def sweep(line, finished):
        if "/400,000 rows" in line and not swept:
            if finished:
                shutil.copy(tmp_path / "theirs" / "part-00000000.parquet", ours)
            swept.extend(path.unlink() for path in ours.glob("_tmp-*"))

    with pytest.raises(OutputError, match="cannot be written"):
        generate(trained, ours, settings, lambda line: sweep(line, finished=False))
    assert swept == [None]
    swept.clear()
    generate(trained, ours, settings, lambda line: sweep(line, finished=True))
    assert swept == [None]
    assert hashes(ours) == hashes(tmp_path / "theirs")


def test_a_lost_process_that_is_like_an_actors_is_followed_by_another(local_ray, tmp_path):
    def lost() -> None:
        (tmp_path / f"{os.getpid()}").touch()
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(GenerationError, match=f"{request.TRIES} processes"):
        request.like_an_actor(GenerateSettings(), lost)
    assert len(list(tmp_path.iterdir())) == request.TRIES


NODES = """
import os
import signal
import sys
import threading
import time
import ray
import raygen
from raygen.cluster import connection, resources
from ray.cluster_utils import Cluster

connection.prepare_environment(connection.ENVIRONMENT | connection.DRIVER_ENVIRONMENT)
config, out = sys.argv[1:]
memory = {"object_store_memory": 80_000_000}
nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, **memory})
lost, going = (nodes.add_node(num_cpus=1, **memory) for _ in range(2))
ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
killed = []

# a node that stands still, and goes while it is asked what it sees
os.kill(going.all_processes["raylet"][0].process.pid, signal.SIGSTOP)
threading.Timer(2, lambda: nodes.remove_node(going, allow_graceful=False)).start()
resources.check_shared(out, resources.resources())


def say(line):
    print(line, flush=True)
    if "/384,000 rows" in line and not killed:
        killed.append(nodes.remove_node(lost, allow_graceful=False))


done = raygen.generate(raygen.Config.load(config), out=out, say=say)
end = time.monotonic() + 60  # Ray may learn of it after the rows are done
while len([node for node in ray.nodes() if node["Alive"]]) > 1 and time.monotonic() < end:
    time.sleep(0.5)
print("lost a node:", len(killed), len([node for node in ray.nodes() if node["Alive"]]), flush=True)
ray.shutdown()
nodes.shutdown()
"""


def test_a_lost_node_changes_nothing(trained, large, tmp_path, toml, command):
    config = toml(trained.config.override(LARGE | {"generate.num_actors": 2}))
    cluster = command(sys.executable, "-c", NODES, config, str(tmp_path / "out"))
    assert cluster.finish() == 0, cluster.output
    assert "lost a node: 1 1" in cluster.output
    assert hashes(tmp_path / "out") == hashes(large)
