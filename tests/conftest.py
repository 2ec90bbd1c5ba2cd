"""What many tests share: a small real table, one Ray on this machine, a tiny trained model, and `raygen` as a
process of its own; and which tests are quick."""

import gc
import json
import os
import pickle
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from filelock import FileLock
from xdist.scheduler import LoadScopeScheduling

from tests import processes

ROWS = 2000
GPUS = len(list(Path("/dev").glob("nvidia[0-9]*")))
TINY = {
    "model.latent_dim": 4,
    "model.hidden_units": [32, 32],
    "model.prior_components": 16,
    "model.beta": 0.5,
    "model.dropout": 0.0,
    "train.num_workers": 0,
    "train.cpus_per_worker": 1,
    "train.steps": 60,
    "train.batch_size": 64,
    "train.patience": 0,
    "train.learning_rate": 2e-3,
    "latent.mixture_components": 4,
    "latent.flow_steps": 0,
    "latent.report": False,
    "latent.density_ratio": False,
    "latent.proposal_steps": 0,
    "generate.num_actors": 1,  # each one imports TensorFlow, which takes longer than the rows of these tests
}
# Ray's workers give way to all other processes otherwise, and to the tests that run beside theirs
os.environ.setdefault("RAY_worker_niceness", "0")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # as raygen imports TensorFlow; some tests do too
# Threads of OpenMP wait in a busy loop, many times slower where two processes each have one for every CPU.
# Arrow reads by one CPU then, too: a test for which that matters sets its number.
os.environ.setdefault("OMP_NUM_THREADS", "1")
RAY = {"first": "ray", "training": "ray: training", "model": "ray: training", "search": "ray: search"}
NOT_QUICK = ("ray", "slow", "browser", "gpu")


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the quick tests, skip those of GPUs where there are too few, and put what takes long first:
    pytest-xdist hands out files in this order, so that both processes are busy to the end."""
    ranks: dict[Path, list[bool]] = {}  # Ray or processes of its own, a slow test
    for item in items:
        if item.path.name == "test_page.py":  # a page takes a second to draw, and its tests draw many
            item.add_marker(pytest.mark.slow)
        if not any(map(item.get_closest_marker, NOT_QUICK)):
            item.add_marker(pytest.mark.quick)
        gpu = item.get_closest_marker("gpu")
        needed = gpu.args[0] if gpu and gpu.args else 1
        if gpu and needed > GPUS:
            item.add_marker(pytest.mark.skip(reason=f"this machine has {GPUS} GPU(s), not {needed}"))
        starts = {"command", "raygen_command"} & set(getattr(item, "fixturenames", ()))
        needs = [bool(starts or item.get_closest_marker("ray")), bool(item.get_closest_marker("slow"))]
        ranks[item.path] = max(needs, ranks.get(item.path, needs))
    turn = {RAY["first"]: 0, RAY["training"]: 2, RAY["search"]: 3}

    def when(item: pytest.Item) -> list:
        needs = ranks[item.path]
        return [turn.get(scope(item.path), 1 if any(needs) else 4), *(not need for need in needs)]

    items.sort(key=when)
    gc.freeze()  # what was imported stays to the end: looking through it took a tenth of the quick tests


def scope(file: Path) -> str:
    """What pytest-xdist hands to one process: a file, or one of three groups of the folders of tests on Ray.
    One process begins with the first group; the others come when the other one has done the files that take
    long: two Rays that start at once on two cores may take longer than Ray allows them."""
    if file.parent.name != "ray":
        return str(file)
    return RAY.get(file.parts[-3], RAY["first"])


class Groups(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return scope(Path(nodeid.split("::")[0]))


def pytest_xdist_make_scheduler(config: pytest.Config, log) -> Groups:
    return Groups(config, log)


@pytest.fixture(scope="session")
def table(tmp_path_factory) -> Path:
    """A folder with 2,000 rows of UCI Adult in two Parquet files."""
    folder = tmp_path_factory.mktemp("table")
    rows = pq.read_table(resources.files("raygen") / "datasets" / "adult.parquet").slice(0, ROWS)
    pq.write_table(rows.slice(0, 1100), folder / "a.parquet")
    pq.write_table(rows.slice(1100), folder / "b.parquet")
    return folder


@pytest.fixture(scope="module", autouse=True)
def no_ray(request):
    """Outside of folders named ray, tests start none, and none is seen that others left in this process."""
    if request.path.parent.name == "ray":
        yield
        return
    from raygen.cluster import connection

    def initialised() -> bool:
        return "ray" in sys.modules and sys.modules["ray"].is_initialized()

    left = initialised()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "is_named", lambda: bool(os.environ.get("RAY_ADDRESS")))
        yield
    assert initialised() == left, "tests that start Ray belong in a folder named ray"


@pytest.fixture(scope="session")
def gpus() -> int:
    """GPUs of this machine."""
    return GPUS


@pytest.fixture(scope="session")
def local_ray():
    """One Ray for all tests in this process, of four CPUs and of a GPU even where there is none; raygen uses
    a Ray that is initialised already."""
    from raygen.cluster import connection

    connection.prepare_environment(connection.ENVIRONMENT | connection.DRIVER_ENVIRONMENT)
    import ray

    has = {"num_cpus": 4, "num_gpus": max(1, GPUS), "object_store_memory": 150_000_000}
    quickly = {"metrics_report_interval_ms": 1000}  # ten seconds otherwise, for which tests would wait
    options = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    for left in (2, 1, 0):
        try:
            ray.init("local", _system_config=quickly, **options, **has)
            break
        except Exception as error:  # Ray gives a node 30 s to start, too few on a very busy machine
            if not left or "timed out" not in str(error):
                raise
            ray.shutdown()
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def tiny(table):
    """Make a config of a very small model: `tiny(folder, {"train.steps": 40})`."""
    from raygen.config import Config

    def make(folder, settings=None) -> Config:
        return Config().override(
            {"run.folder": str(folder), "data.source": str(table), **TINY, **(settings or {})}
        )

    return make


@dataclass(frozen=True)
class Trained:
    """A model, the config it was trained with, and what `train` returned and said."""

    model: str
    config: object
    training: object
    lines: list[str]

    def fresh_run(self, folder: Path) -> Path:
        """A run folder that holds the encoded table and nothing else, to save its encoding."""
        shutil.copytree(Path(self.config.run.folder) / "encoded", folder / "encoded")
        return folder


@pytest.fixture(scope="session")
def trained(local_ray, tiny, tmp_path_factory) -> Trained:
    """A tiny model, trained in this process."""
    import raygen

    config, lines = tiny(tmp_path_factory.mktemp("run")), []
    training = raygen.train(config, lines.append)
    return Trained(training.model, config, training, lines)


@pytest.fixture(scope="module")
def here():
    """Rows are made in this process where one actor would make them: for tests of other things than actors,
    each of which imports TensorFlow. Those that ask for two get two."""
    from raygen.generation import driver

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            driver, "runs_here", lambda settings, rows: max(settings.num_actors, settings.cpus_per_actor) < 2
        )
        yield


@pytest.fixture
def toml(tmp_path):
    """Write a Config as a TOML file and return its path."""

    def write(config, name="config.toml") -> str:
        lines = []
        for section, settings in config.to_dict().items():
            lines.append(f"[{section}]")
            lines += [
                f"{key} = {json.dumps(value)}"
                for key, value in settings.items()
                if key not in ("columns", "space", "relations")
            ]
            if (relations := settings.get("relations")) is not None:
                tables = [", ".join(f"{k} = {json.dumps(v)}" for k, v in one.items()) for one in relations]
                lines.append(f"relations = [{', '.join(f'{{ {table} }}' for table in tables)}]")
            for key, domain in settings.get("space", {}).items():
                rule = ", ".join(f"{kind} = {json.dumps(values)}" for kind, values in domain.items())
                lines.append(f'space."{key}" = {{ {rule} }}')
        path = tmp_path / name
        path.write_text("\n".join(lines))
        return str(path)

    return write


@pytest.fixture
def kill_one():
    """Kill (SIGKILL, or another signal) one process that this one started, directly or not, whose title holds
    `text`; True if there was one."""

    def kill(text: str, number: int = signal.SIGKILL) -> bool:
        everyone, ours = processes.all_living(), {os.getpid()}
        while more := {p.pid for p in everyone if p.parent in ours} - ours:
            ours |= more
        found = [p.pid for p in everyone if p.pid in ours - {os.getpid()} and text in p.title]
        if found:
            os.kill(max(found), number)
        return bool(found)

    return kill


@pytest.fixture(scope="module")
def command():
    """Start a command; it and all that it started are gone when the module's tests have ended."""
    with processes.commands() as begin:
        yield begin


@pytest.fixture
def raygen_command():
    """Start `raygen VERB ...` as a process of its own, which starts a Ray of its own where it needs one; it
    is gone when the test ends."""
    with processes.commands() as begin:
        yield lambda *arguments, **options: begin(
            sys.executable, "-m", "raygen.cli", *map(str, arguments), **options
        )


@pytest.fixture
def run_cli(capsys):
    """Run `raygen VERB ...` in this process: exit status, standard output, standard error."""
    from raygen import cli

    def run(*arguments: str):
        capsys.readouterr()
        try:
            status = cli.main([str(a) for a in arguments])
        except SystemExit as ending:  # argparse
            status = ending.code
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture(autouse=True)
def free_cpus(request):
    """After a test on Ray, until nobody uses a CPU of the Ray that these tests share: else a later one waits
    for ever. A test may wait for that itself: `free_cpus()`."""

    def wait() -> None:
        import ray
        from ray._private import state

        end = time.monotonic() + 60
        while ray.is_initialized() and ray.available_resources().get("CPU") != ray.cluster_resources()["CPU"]:
            left = [actor["ActorClassName"] for actor in state.actors().values() if actor["State"] != "DEAD"]
            free = ray.available_resources().get("CPU")
            assert time.monotonic() < end, f"{free} CPUs are free; alive: {left}"
            time.sleep(0.1)

    yield wait
    if request.path.parent.name == "ray":
        wait()


@pytest.fixture(scope="session")
def long() -> dict:
    """Settings of two workers whose rounds, of 75 steps, are long enough to ask for notices within them."""
    return {"train.num_workers": 2, "train.steps": 1500, "train.patience": 0}


@pytest.fixture(scope="session")
def undisturbed(trained, tiny, tmp_path_factory, worker_id):
    """A run with some settings, `undisturbed({"train.steps": 300})`, trained by the first process of tests
    that needs it: its run folder, and what `train` returned."""
    import raygen

    base = tmp_path_factory.getbasetemp()

    def make(settings: dict) -> tuple:
        name = f"undisturbed-{settings['train.steps']}.pickle"
        kept = (base if worker_id == "master" else base.parent) / name
        with FileLock(f"{kept}.lock"):
            if not kept.exists():
                folder = trained.fresh_run(tmp_path_factory.mktemp("undisturbed"))
                done = raygen.train(tiny(folder, settings), lambda line: None)
                kept.write_bytes(pickle.dumps((folder, done)))
        return pickle.loads(kept.read_bytes())

    return make


@pytest.fixture
def seen(request):
    """Note what a fault came to: `seen(fault, outcome, "yes")`, the last of them being whether the model (or
    the rows) are those of no fault."""
    return lambda fault, outcome, same: request.node.user_properties.append(("fault", [fault, outcome, same]))


def pytest_terminal_summary(terminalreporter):
    """A table of the faults that tests have `seen`."""
    calls = [report for report in terminalreporter.getreports("passed") if report.when == "call"]
    if rows := [row for report in calls for name, row in report.user_properties if name == "fault"]:
        table = [("fault", "outcome", "same model"), *rows]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        terminalreporter.section("faults")
        for row in table:
            terminalreporter.line(
                " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
            )
