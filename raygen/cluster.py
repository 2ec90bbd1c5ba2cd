"""Connecting to Ray: the user's cluster, or one started on this machine for the length of a verb."""

import contextlib
import os
import socket
import time
from dataclasses import dataclass
from typing import Any

from raygen import storage
from raygen.errors import ClusterError

ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
DRIVER_ENVIRONMENT = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",  # a report waits for the next poll
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "900",  # an autoscaler's nodes install CUDA first
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # hides a harmless line for each actor pool (ray#53727)
}
CONNECT_SECONDS = 10
AUTOSCALER_SECONDS = 60  # it looks every 5
OBJECT_STORE_BYTES = 300 * 2**20  # of a Ray on this machine: only small tables pass through it


@dataclass(frozen=True)
class Resources:
    """CPUs and GPUs of the cluster, in all and of each living node."""

    cpus: int
    gpus: float
    nodes: list[tuple[float, float]]

    def share(self, count: int, gpus: int = 0) -> int:
        """The most CPUs that each of `count` processes can have, each with `gpus` GPUs on one node; 1 if they do not fit at all."""
        most = int(max((cpus for cpus, _ in self.nodes), default=0))
        fits = (n for n in range(most, 0, -1) if sum(min(c // n, g // gpus if gpus else count) for c, g in self.nodes) >= count)
        return next(fits, 1)


@contextlib.contextmanager
def connected(dashboard: bool = False):
    """Ray, ready to use, and what it has.

    Uses the Ray that this process has already initialised, or the one that RAY_ADDRESS names; else starts one here and stops it.

    Args:
        dashboard: Ray's dashboard is needed: only through it does Ray Train free the resources of a run whose driver Ray Tune has stopped.

    Raises:
        ClusterError: If RAY_ADDRESS names no running cluster, or one without the dashboard.
    """
    prepare_environment(ENVIRONMENT | DRIVER_ENVIRONMENT)
    import ray

    ours, ours_alone = not ray.is_initialized(), False
    if ours:
        address = os.environ.get("RAY_ADDRESS")
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if address:
            _check_reachable(address)
        else:
            options |= {"include_dashboard": dashboard, "object_store_memory": OBJECT_STORE_BYTES}
            if dashboard:
                options["dashboard_port"] = _free_port()
                os.environ["RAY_API_SERVER_ADDRESS"] = f"http://127.0.0.1:{options['dashboard_port']}"  # inherited by Ray's processes
                ours_alone = True
        try:
            with silent_stderr():
                ray.init(address or "local", **options)
        except (ConnectionError, ValueError) as error:
            raise ClusterError(f"RAY_ADDRESS = '{address}' cannot be reached: {error}.", "unset it to use this machine.") from None
    try:
        with _interruptible():
            _quiet()
            if dashboard:
                _check_dashboard()
            yield resources()
    finally:
        if ours:
            ray.shutdown()
        if ours_alone:
            del os.environ["RAY_API_SERVER_ADDRESS"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _check_dashboard() -> None:
    """Refuse a cluster whose state cannot be asked for, as Ray Train's cleaner of placement groups must."""
    import requests
    from ray.util.state import list_nodes
    from ray.util.state.exception import RayStateApiException

    try:
        list_nodes(limit=1, timeout=CONNECT_SECONDS)
    except (RayStateApiException, requests.RequestException, ConnectionError) as error:
        message = f"a search with train.num_workers above 1 needs Ray's dashboard, which does not answer: {str(error).splitlines()[0]}"
        raise ClusterError(message, "start Ray with its dashboard (ray start --head), or set train.num_workers = 1.") from None


def check_shared(folder: str, available: Resources, setting: str = "run.folder") -> None:
    """Refuse a folder that some node of the cluster does not share with this one.

    Args:
        setting: What named the folder, for the error; empty if nothing did.

    Raises:
        ClusterError: Naming the node.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    filesystem, path = storage.resolve(folder)
    if len(available.nodes) < 2 or filesystem.type_name != "local":
        return
    mark = storage.join(path, f".raygen-{os.getpid()}")
    storage.write(mark, b"seen from other nodes?")
    try:
        for node in (n for n in ray.nodes() if n["Alive"]):
            place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            there = ray.remote(os.path.exists).options(num_cpus=0, scheduling_strategy=place)
            if not ray.get(there.remote(mark)):
                named = f"{setting} = " if setting else ""
                message = f"{named}'{folder}': node {node['NodeManagerAddress']} does not see what this one writes there."
                raise ClusterError(message, "set it to a mount that all nodes share, or to a URI such as s3://bucket/run.")
    finally:
        filesystem.delete_file(mark)


def _check_reachable(address: str) -> None:
    """Refuse a `host:port` that nothing listens on: Ray itself would wait for minutes."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if not port.isdigit():
        return  # "auto" and the like
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        raise ClusterError(f"RAY_ADDRESS = '{address}' cannot be reached: {error}.", "start the cluster, or unset it to use this machine.") from None


def prepare_environment(variables: dict[str, str] = ENVIRONMENT) -> None:
    """Set the variables that the user has not set; to be called before TensorFlow is imported."""
    for key, value in variables.items():
        os.environ.setdefault(key, value)


@contextlib.contextmanager
def _interruptible():
    """Make Ctrl-C a KeyboardInterrupt: Ray Train puts a handler of its own in place that ends in SystemExit, and leaves it there."""
    import signal
    import threading

    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        raise KeyboardInterrupt from None
    finally:
        if main and before is not None:
            signal.signal(signal.SIGINT, before)


def resources() -> Resources:
    """What the connected cluster has now."""
    import ray

    alive = [n["Resources"] for n in ray.nodes() if n["Alive"]]
    nodes = [(n.get("CPU", 0), n.get("GPU", 0)) for n in alive]
    return Resources(int(sum(c for c, _ in nodes)), sum(g for _, g in nodes), nodes)


def free_cpus() -> float:
    """CPUs that nobody uses now."""
    import ray

    return ray.available_resources().get("CPU", 0.0)


def require(setting: str, count: int, cpus: float, gpus: float, available: Resources) -> None:
    """Refuse what can never start: `count` processes of `cpus` and `gpus` each, each on one node.

    Where an autoscaler adds nodes, it is asked whether it would add enough.

    Raises:
        ClusterError: If the cluster is too small.
    """
    fits = sum(min(c // cpus if cpus else count, g // gpus if gpus else count) for c, g in available.nodes)
    if fits >= count or grows({"CPU": cpus, "GPU": gpus}, count):
        return
    needs = f"{count * cpus:g} CPUs" + (f" and {count * gpus:g} GPUs" if gpus else "")
    has = f"{available.cpus} CPUs and {available.gpus:g} GPUs on {len(available.nodes)} node{'s' * (len(available.nodes) != 1)}"
    message = f"{setting} = {count} with {cpus:g} CPUs and {gpus:g} GPUs each needs {needs}; the cluster has {has}."
    raise ClusterError(message, f"set {setting} = {int(fits)}, or add nodes in cluster.yaml." if fits else "lower what each needs, or add nodes.")


def grows(each: dict[str, float], count: int) -> bool:
    """Whether the cluster's autoscaler would add the nodes that `count` bundles need: it is asked for them, and tells which it cannot have.

    Ray's own answer from the config of the nodes (`get_max_resources_from_cluster_config`) is None on every cluster that `ray up` or
    KubeRay starts: in 2.60 nothing reports that config.
    """
    import ray
    from ray._raylet import GcsClient  # type: ignore[attr-defined]
    from ray.autoscaler.v2.utils import is_autoscaler_v2
    from ray.core.generated.autoscaler_pb2 import GetClusterStatusReply  # type: ignore[attr-defined]

    gcs = GcsClient(address=ray.get_runtime_context().gcs_address)
    if not is_autoscaler_v2(fetch_from_server=True, gcs_client=gcs):
        return False

    def status():
        reply = GetClusterStatusReply()
        reply.ParseFromString(gcs.get_cluster_status(timeout_s=CONNECT_SECONDS))
        return reply

    group = ray.util.placement_group([{name: value for name, value in each.items() if value}] * count)
    try:
        asked, end = status().cluster_resource_state.cluster_resource_state_version, time.monotonic() + AUTOSCALER_SECONDS
        while time.monotonic() < end:
            told = status().autoscaling_state
            if told.last_seen_cluster_resource_state_version >= asked:
                return not any(group.id.hex() in one.details for one in told.infeasible_gang_resource_requests)
            time.sleep(0.5)
        raise ClusterError(f"the cluster's autoscaler has not answered in {AUTOSCALER_SECONDS} s.", "look at it with: ray status")
    finally:
        ray.util.remove_placement_group(group)


def none_yet(setting: str, meaning: str, example: int) -> ClusterError:
    """The error of a setting left at 0 on a cluster whose nodes come only when they are asked for."""
    message = f"{setting} = 0 means {meaning}, and none of its nodes is there yet."
    return ClusterError(message, f"tell how many, as in {setting} = {example}: the autoscaler adds nodes for them.")


class Board:
    """An actor between workers and driver: what workers put on it, the error that starting them again cannot mend, and which actors are to end."""

    def __init__(self):
        self.waiting, self.error, self.members, self.closed = [], None, [], False

    def add(self, item):
        self.waiting.append(item)

    def add_unless_failed(self, item):
        if not self.error:
            self.add(item)

    def take(self):
        taken, self.waiting = self.waiting, []
        return taken

    def fail(self, error):
        self.error = error

    def failure(self):
        return self.error

    def enroll(self, actor) -> bool:
        """Note an actor that works for the driver; False if the driver wants no more of it."""
        self.members.append(actor)
        return not self.closed

    def close(self) -> list:
        """The actors noted so far; later ones are told to go."""
        self.closed = True
        return self.members


def new_board():
    """A Board on the driver's own node, so that it is lost with the driver only."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(num_cpus=0, scheduling_strategy=here)(Board).remote()


@contextlib.contextmanager
def following(board, take, every_seconds: float = 0.5):
    """Call `take` with what is put on the board, in a thread, until the block ends."""
    import threading

    import ray

    stop = threading.Event()

    def follow():
        while not stop.wait(every_seconds):
            take(ray.get(board.take.remote()))

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        take(ray.get(board.take.remote()))


def _quiet() -> None:
    """Ray Data's notes about its own execution say nothing that a user of raygen can act on."""
    import logging

    from ray.data import DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for name in ("ray.data", "ray.train", "ray.tune"):
        logging.getLogger(name).setLevel(logging.ERROR)


@contextlib.contextmanager
def silent_stderr():
    """Drop what C++ code writes to stderr, such as TensorFlow's lines at import, which no setting turns off."""
    import sys

    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
