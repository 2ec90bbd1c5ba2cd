"""`ray start --head` and `ray job submit`, as on a real cluster, with ports and a folder of their own."""

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
ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PORTS = ("port", "dashboard-port", "dashboard-agent-listen-port", "ray-client-server-port", "node-manager-port", "object-manager-port")


def free_ports(count: int) -> list[int]:
    with ExitStack() as opened:
        found = [opened.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]


@pytest.fixture(scope="module")
def submit(command):
    """Submit `python jobs/VERB.py ...` to a cluster of two CPUs; the finished command that followed it."""
    folder = tempfile.mkdtemp(prefix="rg", dir="/tmp")  # short: Ray's sockets lie below it
    secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}  # else a token of this user decides whether submitting works
    environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "RAY_TMPDIR": folder, "RAY_USAGE_STATS_ENABLED": "0", **secret}
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    options = ["--head", "--block", "--num-cpus=2", "--object-store-memory=150000000", "--node-ip-address=127.0.0.1"]
    head = command(f"{BIN}/ray", "start", *options, *(f"--{name}={port}" for name, port in ports.items()), env=environment)
    head.wait_for("Ray runtime started")

    def run(verb: str, *arguments: str):
        address = f"http://127.0.0.1:{ports['dashboard-port']}"
        job = ["job", "submit", "--address", address, "--working-dir", ".", "--", "python", f"jobs/{verb}.py", *map(str, arguments)]
        submitted = command(f"{BIN}/ray", *job, env=environment, cwd=ROOT)
        submitted.finish()
        return submitted

    yield run
    head.clean_up()
    shutil.rmtree(folder, ignore_errors=True)


def test_submitted_jobs_train_and_generate_and_tell_how_they_fail(submit, tiny, toml, tmp_path):
    settings = {"train.num_workers": 1, "generate.rows": 5000, "generate.rows_per_shard": 2000}
    config = toml(tiny(tmp_path / "run", settings))

    failed = submit("train", config, "--set", "trian.steps=3")
    assert failed.finish() != 0
    assert "ConfigError: unknown setting 'trian'." in failed.output
    assert "Hint: did you mean 'train'?" in failed.output
    assert "failed" in failed.output

    without_model = submit("generate", config)
    assert without_model.finish() != 0
    assert "ModelError: there is no model" in without_model.output

    trained = submit("train", config, "--json")
    assert trained.finish() == 0, trained.output
    assert "step     60/60" in trained.output
    assert "s left" in trained.output
    assert "succeeded" in trained.output

    generated = submit("generate", config)
    assert generated.finish() == 0, generated.output
    assert "5,000/5,000 rows" in generated.output
    assert "Wrote 5,000 rows in 3 shard(s)" in generated.output

    (told,) = (json.loads(line) for line in trained.lines if line.startswith("{"))
    header = json.loads((tmp_path / "run" / "synthetic" / "_manifest.json").read_text())
    assert header["fingerprint"] == told["fingerprint"]
    assert pq.ParquetDataset(tmp_path / "run" / "synthetic").read().num_rows == 5000
