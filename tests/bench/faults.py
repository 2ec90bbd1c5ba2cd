"""Let something stop while rows are generated or a model is trained, run the command again until it ends
well, and hold what it made against an undisturbed run.

    python -m tests.bench.faults [--runs 100] [--seed 0] [--kinds "train, node"]

The runs share a Ray of four nodes on this machine; each has two actors or workers, and one fault at a random
time: an actor, a worker, the driver or a node is killed or suspended, the disk is full, or the object store
(moto, behind a proxy) answers nothing for a while. Each kind comes as often as any other. Prints a line for
each run and one of JSON for each kind; exit status 1 if a run ended in other bytes, a traceback or a hang.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import psutil
import pyarrow.parquet as pq

from raygen.cluster import connection
from tests import stores
from tests.conftest import TINY
from tests.processes import Command, all_living, commands

GENERATE, TRAIN = "generate", "train"
BOTH = (
    "driver killed",
    "driver interrupted",
    "driver suspended",
    "node killed",
    "node suspended",
    "disk full",
)
KINDS = [
    *((GENERATE, what) for what in ("actor killed", "actor suspended", "store silent", *BOTH)),
    *((TRAIN, what) for what in ("worker killed", "worker suspended", *BOTH)),
]
ROWS, SHARD_ROWS = 1_600_000, 20_000
AT_WORK = {GENERATE: f"/{ROWS:,} rows", TRAIN: "step "}  # in a line of who has begun
SECONDS = {GENERATE: 3.0, TRAIN: 6.0}  # from there to the fault, at most
TABLE_ROWS, STEPS = 4000, 600
PAUSE_SECONDS = 20.0  # a driver or a store is suspended
HANG_SECONDS = 420.0  # a command that takes longer hangs
TRIES = 4
BAD = ("other bytes", "traceback", "hang", "other status")
STATUSES = (0, 1, 2, 130, 143, -signal.SIGKILL)
DISK = "40m"
MARK = f"RAYGEN_FAULTS={uuid.uuid4().hex}"  # in the environment of each process that this script starts
NODES = 3  # beside the head, each of one CPU
NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}
DRIVER = """
import sys
from raygen import cli
from raygen.cluster import watch

watch.EVERY_SECONDS, watch.SILENT_SECONDS, watch.LOST_SECONDS = 1.0, 15.0, 30.0
sys.exit(cli.main(sys.argv[1:]))
"""


class Nodes:
    """A Ray on this machine whose nodes may go, and are replaced."""

    def __init__(self) -> None:
        connection.prepare_environment(connection.ENVIRONMENT | connection.DRIVER_ENVIRONMENT)
        from ray.cluster_utils import Cluster

        head = NODE | {"include_dashboard": False, "num_cpus": 0}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.nodes: list = []
        self.complete()

    def complete(self) -> None:
        """Replace the nodes that are gone or stand still."""
        for node in [node for node in self.nodes if not _runs(self._raylet(node))]:
            self.nodes.remove(node)
            os.kill(self._raylet(node), signal.SIGCONT)
            self.cluster.remove_node(node, allow_graceful=False)
        while len(self.nodes) < NODES:
            self.nodes.append(self.cluster.add_node(**NODE))

    def raylets(self) -> list[int]:
        return [self._raylet(node) for node in self.nodes]

    def _raylet(self, node) -> int:
        return node.all_processes["raylet"][0].process.pid


def _runs(pid: int) -> bool:
    return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_STOPPED)


@dataclass(frozen=True)
class Place:
    """A folder on this machine, an object store, a Ray, and what starts a command."""

    folder: Path
    store: stores.Store
    nodes: Nodes
    commands: Callable[..., Command]

    def begin(self, command: list[str]) -> Command:
        return self.commands(*command, env={"RAY_ADDRESS": self.nodes.cluster.address})

    def command(self, verb: str, run: Path, *more: str) -> list[str]:
        settings = (TINY if verb == TRAIN else {}) | {
            "run.folder": str(run),
            "data.source": str(self.folder / "table.parquet"),
            "train.num_workers": 2,
            "train.max_failures": -1,
            "train.steps": STEPS,
            "generate.rows": ROWS,
            "generate.rows_per_shard": SHARD_ROWS,
            "generate.num_actors": 2,
        }
        file = self.folder / f"{verb}.toml"
        file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
        return [sys.executable, "-c", DRIVER, verb, str(file), *more]

    @contextlib.contextmanager
    def small_disk(self) -> Iterator[Path]:
        disk = self.folder / "disk"
        disk.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", disk], check=True)
        try:
            yield disk
        finally:
            subprocess.run(["umount", "--lazy", disk], check=True)


def main() -> int:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--runs", type=int, default=100)
    args.add_argument("--seed", type=int, default=0)
    args.add_argument("--kinds", default="", help="only those whose name holds this")
    a = args.parse_args()
    chance, kinds = random.Random(a.seed), [one for one in KINDS if a.kinds in ", ".join(one)]
    told: dict[tuple[str, str], Counter] = {kind: Counter() for kind in kinds}
    os.environ |= dict([MARK.split("=")])
    with (
        tempfile.TemporaryDirectory(prefix="faults") as folder,
        stores.serving() as store,
        commands() as begin,
    ):
        place = Place(Path(folder), store, Nodes(), begin)
        run, expected = undisturbed(place)
        for number in range(a.runs):
            verb, what = kinds[number % len(kinds)]
            began = time.monotonic()
            outcome = one_run(place, verb, what, chance, run, expected[verb])
            told[verb, what].update(outcome)
            print(
                f"{number + 1:3} {verb}, {what}: {dict(outcome)}, {time.monotonic() - began:.0f} s",
                flush=True,
            )
    for (verb, what), counts in told.items():
        print(json.dumps({"verb": verb, "fault": what, **counts}))
    bad = sum(counts[kind] for counts in told.values() for kind in BAD)
    return 1 if bad else 0


def undisturbed(place: Place) -> tuple[Path, dict[str, object]]:
    """The folder of the run, and what each verb makes."""
    adult = pq.read_table(resources.files("raygen") / "datasets" / "adult.parquet")
    pq.write_table(adult.slice(0, TABLE_ROWS), place.folder / "table.parquet")
    run, out = place.folder / "undisturbed", place.folder / "undisturbed-out"
    for command in place.command(TRAIN, run), place.command(GENERATE, run, "--out", str(out)):
        driver = place.begin(command)
        if driver.finish(HANG_SECONDS):
            raise SystemExit(driver.output)
        driver.clean_up()
    return run, {TRAIN: fingerprint(run), GENERATE: hashes(out)}


def one_run(
    place: Place, verb: str, what: str, chance: random.Random, kept: Path, expected: object
) -> Counter:
    """Begin, let the fault come, begin again until the command ends well; what was seen."""
    outcome, struck = Counter(runs=1), []
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, place.folder / "run", ignore_errors=True)
        stack.callback(shutil.rmtree, place.folder / "out", ignore_errors=True)
        disk = stack.enter_context(place.small_disk()) if what == "disk full" else place.folder
        run, out = disk / "run", disk / "out"
        if verb == TRAIN:
            shutil.copytree(kept / "encoded", run / "encoded")
            command = place.command(verb, run)
        else:
            to_store = what == "store silent"
            target = place.store.uri("bucket/out") if to_store else str(out)
            command = place.command(verb, kept, "--out", target)
        for _ in range(TRIES):
            outcome["starts"] += 1
            driver = place.begin(command)
            if not struck:
                strike(place, driver, verb, what, chance, struck)
            status = ended(driver)
            driver.clean_up()
            place.nodes.complete()
            (disk / "filler").unlink(missing_ok=True)
            bad = {"traceback": "Traceback" in driver.output, "hang": status is None}
            bad["other status"] = status not in (None, *STATUSES)
            outcome.update({name: 1 for name, seen in bad.items() if seen})
            if any(bad.values()):
                print(driver.output)
            if status == 0:
                break
        outcome["struck"] += len(struck)
        if verb == TRAIN:
            made: object = fingerprint(run)
        elif to_store:
            made = {name: digest(content) for name, content in place.store.objects("bucket/out").items()}
            place.store.direct.delete_dir_contents("bucket")
        else:
            made = hashes(out)
        outcome["other bytes"] += made != expected
    return +outcome


def ended(driver: Command) -> int | None:
    """The status; None if the command has to be ended."""
    try:
        return driver.finish(HANG_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def strike(place: Place, driver: Command, verb: str, what: str, chance: random.Random, struck: list) -> None:
    """Wait until the command is at work, and a random time more; then let the fault come."""
    try:
        driver.wait_for(AT_WORK[verb])
    except AssertionError:  # it has ended before: its status and output tell
        return
    time.sleep(chance.uniform(0, SECONDS[verb]))
    if driver.process.poll() is not None:
        return
    whom, how = what.split()
    if whom == "store":
        with place.store.failing("hang", lambda method, path, number: True) as hit:
            time.sleep(PAUSE_SECONDS)
            place.store.ends.set()
        place.store.ends = threading.Event()
        struck += hit[:1]
        return
    if whom == "disk":
        with contextlib.suppress(OSError), (place.folder / "disk" / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 20))
        struck.append(what)
        return
    number = {"killed": signal.SIGKILL, "interrupted": signal.SIGINT, "suspended": signal.SIGSTOP}[how]
    victims = [driver.process.pid] if whom == "driver" else others(place, whom)
    if not victims:
        return
    victim = chance.choice(victims)
    with contextlib.suppress(ProcessLookupError):
        os.kill(victim, number)
        struck.append(victim)
        if (whom, how) == ("driver", "suspended"):
            time.sleep(PAUSE_SECONDS)
            os.kill(victim, signal.SIGCONT)


def others(place: Place, whom: str) -> list[int]:
    """Ids of the processes of actors or workers, or of the nodes but the head."""
    if whom == "node":
        return place.nodes.raylets()
    title = {"actor": "ray::MapWorker", "worker": "ray::RayTrainWorker"}[whom]
    return [p.pid for p in all_living() if p.title.startswith(title) and MARK in p.environment]


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file, the manifest's among them."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): digest(path.read_bytes()) for path in files}


def fingerprint(run: Path) -> str:
    """Of the model: a hash of all that its rows depend on; "" if there is none."""
    index = run / "model" / "raygen.json"
    return json.loads(index.read_text())["fingerprint"] if index.exists() else ""


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
