"""Three Ray nodes with addresses of their own, in network namespaces of this machine, one of which falls
silent while it works."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import raygen

pytestmark = [pytest.mark.ray, pytest.mark.soak]
BIN = Path(sys.executable).parent
RAYGEN = ("-m", "raygen.cli")
GENERATE = {"generate.rows": 600_000, "generate.rows_per_shard": 50_000, "generate.num_actors": 2}
# Ray's own patience with a silent node is about a minute.
QUICK = {
    "RAY_health_check_initial_delay_ms": "2000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "4000",
    "RAY_health_check_failure_threshold": "3",
}


def ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


class Network:
    """Nodes 0 to 2, each in a namespace of its own, on one bridge, which is in another."""

    def __init__(self):
        self.name = f"rg{os.getpid()}"
        self.made = []

    def make(self) -> None:
        for name in (self.hub, *map(self.namespace, range(3))):
            ip("netns", "add", name)
            self.made.append(name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", self.hub, "link", "add", "bridge", "type", "bridge")
        ip("-n", self.hub, "link", "set", "bridge", "up")
        for number in range(3):
            node = self.namespace(number)
            ip(
                "link",
                "add",
                f"port{number}",
                "netns",
                self.hub,
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                node,
            )
            ip("-n", self.hub, "link", "set", f"port{number}", "master", "bridge", "up")
            ip("-n", node, "address", "add", f"{self.address(number)}/24", "dev", "eth0")
            ip("-n", node, "link", "set", "eth0", "up")
            ip(
                "-n", node, "route", "add", "default", "dev", "eth0"
            )  # by which Ray finds the node's own address

    @property
    def hub(self) -> str:
        return f"{self.name}hub"

    def namespace(self, number: int) -> str:
        return f"{self.name}n{number}"

    def address(self, number: int) -> str:
        return f"10.77.0.{number + 1}"

    def titles(self, number: int) -> list[str]:
        """Of the processes on a node."""
        return [
            Path(f"/proc/{pid}/cmdline").read_bytes().decode()
            for pid in ip("netns", "pids", self.namespace(number)).split()
        ]

    def cut(self, number: int) -> None:
        """Nothing comes from this node any more, nor to it; its processes live on."""
        ip("-n", self.hub, "link", "set", f"port{number}", "down")

    def hide(self, number: int, other: int) -> None:
        """What one node sends to another gets lost, as behind a firewall."""
        for a, b in ((number, other), (other, number)):
            ip(
                "-n",
                self.namespace(a),
                "neighbour",
                "replace",
                self.address(b),
                "lladdr",
                "02:00:00:00:00:01",
                "dev",
                "eth0",
            )

    def show(self, number: int, other: int) -> None:
        """They reach each other again."""
        for a, b in ((number, other), (other, number)):
            ip("-n", self.namespace(a), "neighbour", "delete", self.address(b), "dev", "eth0")

    def remove(self) -> None:
        for name in self.made:
            ip("netns", "delete", name)


@pytest.fixture(scope="module")
def nodes(command):
    """The network, and a way to run Python on its first node."""
    if not shutil.which("ip"):
        pytest.skip("network namespaces need ip (apt-get install iproute2)")
    network = Network()
    folder, started = tempfile.mkdtemp(prefix="rg", dir="/tmp"), []
    try:
        try:
            network.make()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces cannot be made here: {error.stderr.strip()}")
        head = f"{network.address(0)}:6379"
        environment = {
            "RAY_TMPDIR": folder,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_MODE": "disabled",
            **QUICK,
        }

        def on(number: int, *arguments, **more):
            started.append(
                command(
                    "ip",
                    "netns",
                    "exec",
                    network.namespace(number),
                    *map(str, arguments),
                    env=environment | more,
                )
            )
            return started[-1]

        for number in range(3):
            place = (
                ["--head", "--port=6379", "--include-dashboard=false"]
                if number == 0
                else [f"--address={head}"]
            )
            options = [
                f"--node-ip-address={network.address(number)}",
                "--num-cpus=1",
                "--object-store-memory=80000000",
                "--block",
            ]
            join = BIN / "ray", "start", *place, *options
            try:
                on(number, *join).wait_for("Ray runtime started")
            except AssertionError:  # Ray gives a node 30 s, too few on a very busy machine
                started[-1].clean_up()
                on(number, *join).wait_for("Ray runtime started")
        yield network, lambda *arguments: on(0, sys.executable, *arguments, RAY_ADDRESS=head)
    finally:
        for one in reversed(started):
            one.clean_up()
        network.remove()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def lost() -> list[int]:
    """Nodes that were cut off."""
    return []


def finish_without_one(command, network: Network, title: str, lost: list[int]) -> float:
    """Cut off one of the two nodes on which a process with this title works; seconds until the command ends
    well."""
    both = [
        number
        for number in range(3)
        if number not in lost and any(title in one for one in network.titles(number))
    ]
    assert len(both) == 2
    began = time.monotonic()
    lost.append(both[-1])
    network.cut(both[-1])
    assert command.finish() == 0, command.output
    return time.monotonic() - began


IMPATIENT = """
import sys
import ray
import raygen
from raygen.training import ray_train

ray_train.JOIN_SECONDS = 15
ray.cloudpickle.register_pickle_by_value(ray_train)  # as it is here
raygen.train(raygen.Config.load(sys.argv[1]))
"""


def test_workers_that_cannot_reach_each_other_are_told(nodes, trained, tiny, toml, tmp_path, seen):
    network, run = nodes
    config = toml(tiny(trained.fresh_run(tmp_path / "run"), {"train.num_workers": 3}))
    network.hide(1, 2)
    training = run("-c", IMPATIENT, config)
    assert training.finish() == 1
    network.show(1, 2)
    worker = r"worker \d on 10\.77\.0\.[23]"
    message = rf"raygen\.errors\.ClusterError: {worker} cannot reach {worker}: timed out"
    assert re.search(message, training.output)
    assert "Hint: let the nodes connect to each other on all TCP ports" in training.output
    seen("workers behind a firewall from each other", "an error that says so", "")


def test_training_goes_on_when_a_node_falls_silent(
    nodes, lost, undisturbed, long, trained, tiny, toml, tmp_path, seen
):
    network, run = nodes
    training = run(*RAYGEN, "train", toml(tiny(trained.fresh_run(tmp_path / "run"), long)))
    training.wait_for("step    300/")
    took = finish_without_one(training, network, "RayTrainWorker", lost)
    (resumed,) = (line.strip() for line in training.lines if line.startswith("Resuming at step"))
    assert f"({undisturbed(long)[1].fingerprint})" in training.output
    seen(
        "a node's network cut while it trained",
        f"on the nodes left, done {took:.0f} s later: {resumed}",
        "yes",
    )


def test_generation_goes_on_when_a_node_falls_silent(nodes, lost, trained, toml, tmp_path, seen):
    network, run = nodes
    config = trained.config.override(GENERATE)
    generation = run(*RAYGEN, "generate", toml(config), "--out", tmp_path / "out")
    generation.wait_for("/600,000 rows")
    took = finish_without_one(generation, network, "MapWorker", lost)
    raygen.generate(
        config.override({"generate.num_actors": 1}), out=str(tmp_path / "whole"), say=lambda line: None
    )
    headers = [json.loads((tmp_path / name / "_manifest.json").read_text()) for name in ("out", "whole")]
    assert headers[0] == headers[1] and headers[0]["rows"] == 600_000
    seen(
        "a node's network cut while it generated", f"on the nodes left, done {took:.0f} s later", "yes (rows)"
    )
