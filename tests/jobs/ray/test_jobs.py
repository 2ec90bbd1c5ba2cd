"""`ray start --head` and `ray job submit`, as on the clusters of cluster.yaml and jobs/rayjob.yaml: a head
that takes no work, and Ray's autoscaler, which adds a node when one is asked for; with ports and a folder of
their own."""

import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.ray
ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
HEAD_ID = "f" * 51 + "00000"  # by which Ray's provider of nodes on this machine knows the head
PORTS = (
    "port",
    "dashboard-port",
    "dashboard-agent-listen-port",
    "ray-client-server-port",
    "node-manager-port",
    "object-manager-port",
)


def free_ports(count: int) -> list[int]:
    with ExitStack() as opened:
        found = [opened.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]


def autoscaling(address: str) -> dict:
    """A config as `ray up` leaves it on the head: nodes of two CPUs, one at most, started by Ray's own
    provider for tests."""
    provider = {
        "type": "external",
        "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
    }
    lists = ("initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray")
    worker = {
        "resources": {"CPU": 2, "object_store_memory": 150_000_000},
        "node_config": {},
        "min_workers": 0,
        "max_workers": 1,
    }
    return {
        "cluster_name": "test",
        "max_workers": 1,
        "idle_timeout_minutes": 5,
        "provider": provider | {"head_node_id": HEAD_ID, "gcs_address": address},
        "head_node_type": "ray.head.default",
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "cpu": worker,
        },
        **{f"{name}_commands": [] for name in lists},
        **{
            "auth": {},
            "docker": {},
            "file_mounts": {},
            "cluster_synced_files": [],
            "rsync_exclude": [],
            "rsync_filter": [],
        },
    }


@pytest.fixture(scope="module")
def submit(command):
    """Submit a command to a cluster whose one node comes when it is asked for; the finished command that
    followed it."""
    from ray.util import get_node_ip_address

    folder = tempfile.mkdtemp(prefix="rg", dir="/tmp")  # short: Ray's sockets lie below it
    secret = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }  # else a token of this user decides whether submitting works
    launched = {
        "RAY_FAKE_CLUSTER": "1",
        "RAY_enable_autoscaler_v2": "1",
        "RAY_CLOUD_INSTANCE_ID": HEAD_ID,
        "RAY_NODE_TYPE_NAME": "ray.head.default",
    }
    environment = {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "RAY_TMPDIR": folder,
        "RAY_USAGE_STATS_ENABLED": "0",
        **secret,
    }
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    scaling = Path(folder) / "cluster.json"  # JSON is YAML
    scaling.write_text(json.dumps(autoscaling(f"{get_node_ip_address()}:{ports['port']}")))
    options = [
        "--head",
        "--block",
        "--num-cpus=0",
        "--object-store-memory=150000000",
        f"--autoscaling-config={scaling}",
    ]
    head = command(
        f"{BIN}/ray",
        "start",
        *options,
        *(f"--{name}={port}" for name, port in ports.items()),
        env=environment | launched,
    )
    head.wait_for("Ray runtime started")

    def run(*arguments: str):
        address = f"http://127.0.0.1:{ports['dashboard-port']}"
        job = ["job", "submit", "--address", address, "--working-dir", ".", "--", *map(str, arguments)]
        submitted = command(f"{BIN}/ray", *job, env=environment, cwd=ROOT)
        submitted.finish()
        return submitted

    yield run
    head.clean_up()
    shutil.rmtree(folder, ignore_errors=True)


def test_jobs_on_a_cluster_without_a_node_get_one_and_tell_how_they_fail(submit, tiny, toml, tmp_path):
    settings = {
        "train.num_workers": 1,
        "generate.rows": 5000,
        "generate.rows_per_shard": 2000,
        "generate.num_actors": 1,
    }
    config = toml(tiny(tmp_path / "run", settings))

    too_many = submit("python", "jobs/train.py", config, "--set", "train.num_workers=3")
    assert too_many.finish() != 0
    assert (
        "ClusterError: train.num_workers = 3 with 1 CPUs and 0 GPUs each needs 3 CPUs; the cluster has 0 CPUs"
        in too_many.output
    )
    assert "Hint: " in too_many.output and "failed" in too_many.output

    done = submit(
        "bash", "-c", f"cd {ROOT} && python jobs/train.py {config} --json && python jobs/generate.py {config}"
    )  # as in rayjob.yaml
    assert done.finish() == 0, done.output
    assert "step     60/60" in done.output
    assert "s left" in done.output
    assert "5,000/5,000 rows" in done.output
    assert "Wrote 5,000 rows in 3 shard(s)" in done.output
    assert "succeeded" in done.output

    (told,) = (json.loads(line) for line in done.lines if line.startswith("{"))
    header = json.loads((tmp_path / "run" / "synthetic" / "_manifest.json").read_text())
    assert header["fingerprint"] == told["fingerprint"]
    assert pq.ParquetDataset(tmp_path / "run" / "synthetic").read().num_rows == 5000
