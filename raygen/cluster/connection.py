"""Connecting to Ray: the user's cluster, or one started on this machine for the length of a verb."""

import contextlib
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from raygen.cluster.resources import CONNECT_SECONDS, Resources, resources
from raygen.errors import ClusterError

ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "TF_ENABLE_ONEDNN_OPTS": "0",  # whose default hangs on the processor, and rows on it
    "KERAS_BACKEND": "tensorflow",
}
DRIVER_ENVIRONMENT = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",  # a report waits for the next poll
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "900",  # an autoscaler's nodes install CUDA first
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # hides a harmless line for each actor pool (ray#53727)
}
ADDRESS_BYTES = 6 * 2**30  # of address space that a process takes with Ray and TensorFlow: 4.8 GB were seen
STARTS = 3  # of a Ray on this machine, before it is an error
OBJECT_STORE_BYTES = 300 * 2**20  # of a Ray on this machine: only small tables pass through it


@contextlib.contextmanager
def connected(dashboard: bool = False) -> Iterator[Resources]:
    """Ray, ready to use, and what it has.

    Uses the Ray that this process has already initialised, or the one that RAY_ADDRESS names; else starts one
    here and stops it.

    Args:
        dashboard: Ray's dashboard is needed: only through it does Ray Train free the resources of a run whose
            driver Ray Tune has stopped.

    Raises:
        ClusterError: If RAY_ADDRESS names no running cluster, or one without the dashboard; if no Ray starts
            here.
    """
    with environment_as_found():
        yield from _connected(dashboard)


def is_named() -> bool:
    """Whether this process has a Ray already, or RAY_ADDRESS names one."""
    ray = sys.modules.get("ray")
    return bool(os.environ.get("RAY_ADDRESS")) or (ray is not None and ray.is_initialized())


def stay_connected() -> None:
    """Ray, ready to use as `connected` makes it, for as long as this process runs.

    Raises:
        ClusterError: As `connected` does.
    """
    with environment_as_found():
        _connect(dashboard=False)


def _connected(dashboard: bool) -> Iterator[Resources]:
    ours, ours_alone = _connect(dashboard)
    import ray

    try:
        with _interruptible(), _quiet():
            if dashboard:
                _check_dashboard()
            yield resources()
    finally:
        if ours:
            ray.shutdown()
        if ours_alone:
            del os.environ["RAY_API_SERVER_ADDRESS"]


def _connect(dashboard: bool) -> tuple[bool, bool]:
    """Whether this process has connected to Ray just now, and whether the address of its dashboard is set for
    it."""
    prepare_environment(ENVIRONMENT | DRIVER_ENVIRONMENT)
    import ray
    from ray.util.client import ray as client

    _refuse_client(os.environ.get("RAY_ADDRESS", ""), client.is_connected())
    ours, ours_alone = not ray.is_initialized(), False
    if ours:
        address = os.environ.get("RAY_ADDRESS")
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if address:
            _check_reachable(address)
        else:
            _refuse_surroundings()
            options |= {"include_dashboard": dashboard, "object_store_memory": OBJECT_STORE_BYTES}
            if dashboard:
                options["dashboard_port"] = _free_port()
                os.environ["RAY_API_SERVER_ADDRESS"] = (
                    f"http://127.0.0.1:{options['dashboard_port']}"  # inherited by Ray's processes
                )
                ours_alone = True
        _start(address, options)
    return ours, ours_alone


def _start(address: str | None, options: dict[str, Any]) -> None:
    """Connect to the Ray at an address, or start one here: Ray gives a node 30 s to start, too few on a very
    busy machine, so another one is started where that was not enough."""
    import ray

    for left in reversed(range(STARTS)):
        try:
            with silent_stderr(), _own_terminated():
                ray.init(address or "local", **options)
            return
        except Exception as error:  # Ray raises no class of its own
            if address and isinstance(error, (ConnectionError, ValueError)):
                message = f"RAY_ADDRESS = '{address}' cannot be reached: {error}."
                raise ClusterError(message, "unset it to use this machine.") from None
            if address and not isinstance(error, OSError):
                raise
            ray.shutdown()
            if "timed out during startup" not in str(error):
                raise _no_ray(error) from error
            if not left:
                raise ClusterError(
                    f"Ray did not start on this machine, {STARTS} times in a row: {error}",
                    "end what keeps its CPUs busy, or set RAY_ADDRESS to a running cluster.",
                ) from None


def _no_ray(error: Exception) -> ClusterError:
    return ClusterError(
        f"Ray did not start on this machine: {type(error).__name__}: {error}.",
        f"see that what is named can be made: Ray's files lie below RAY_TMPDIR, here "
        f"'{os.environ.get('RAY_TMPDIR') or tempfile.gettempdir()}' (a short path), and below HOME.",
    )


def _refuse_surroundings() -> None:
    """Refuse to start a Ray where it would wait for ever, or start its processes again and again.

    Raises:
        ClusterError: If `ulimit -v` is too little, or RAY_TMPDIR a path from the working folder.
    """
    import resource

    place = os.environ.get("RAY_TMPDIR")
    if place is not None and not place.startswith("/"):
        message = f"RAY_TMPDIR = '{place}': expected a path that begins with '/'."
        raise ClusterError(message, "set it to a short one, or unset it.")
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY and most < ADDRESS_BYTES:
        raise ClusterError(
            f"a process may have no more than {most / 2**30:.1f} GiB of address space here (ulimit -v); "
            f"with Ray and TensorFlow it takes up to {ADDRESS_BYTES / 2**30:.0f}.",
            "run `ulimit -v unlimited`, then the same command again.",
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _check_dashboard() -> None:
    """Refuse a cluster whose state cannot be asked for, as Ray Train's cleaner of placement groups must."""
    import ray
    import requests
    from ray.exceptions import RayError
    from ray.util.state import list_nodes
    from ray.util.state.exception import RayStateApiException

    try:
        list_nodes(ray.get_runtime_context().gcs_address, limit=1, timeout=CONNECT_SECONDS)
    except (RayStateApiException, RayError, requests.RequestException, ConnectionError, ValueError) as error:
        message = (
            "a search with train.num_workers above 1 needs Ray's dashboard, which does not "
            f"answer: {str(error).splitlines()[0]}"
        )
        raise ClusterError(
            message, "start Ray with its dashboard (ray start --head), or set train.num_workers = 1."
        ) from None


def _check_reachable(address: str) -> None:
    """Refuse a `host:port` that nothing listens on: Ray itself would wait for minutes."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if not port.isdigit():
        return  # "auto" and the like
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        raise ClusterError(
            f"RAY_ADDRESS = '{address}' cannot be reached: {error}.",
            "start the cluster, or unset it to use this machine.",
        ) from None


def prepare_environment(variables: dict[str, str] = ENVIRONMENT) -> None:
    """Set the variables that the user has not set; to be called before TensorFlow is imported."""
    for key, value in variables.items():
        os.environ.setdefault(key, value)


@contextlib.contextmanager
def _own_terminated() -> Iterator[None]:
    """Keep what SIGTERM does: Ray puts a handler of its own in place that ends in SystemExit."""
    import signal
    import threading

    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Make Ctrl-C a KeyboardInterrupt: Ray Train puts a handler of its own in place that ends in SystemExit,
    and leaves it there."""
    import signal
    import threading

    main = threading.current_thread() is threading.main_thread()
    before, terminated = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    if main and callable(terminated):  # Ray's own, in C++, prints frames of its stack and aborts
        signal.signal(signal.SIGTERM, terminated)
    try:
        yield
    except SystemExit:
        raise KeyboardInterrupt from None
    finally:
        if main and before is not None:
            signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without Ray Data's notes about its own execution, which say nothing that a user of raygen can act on;
    what the user has set is so again afterwards."""
    import logging

    from ray.data import DataContext

    context, settings = DataContext.get_current(), ("enable_progress_bars", "print_on_execution_start")
    loggers = [logging.getLogger(name) for name in ("ray.data", "ray.train", "ray.tune")]
    before = [getattr(context, name) for name in settings], [logger.level for logger in loggers]
    try:
        for name in settings:
            setattr(context, name, False)
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for name, value in zip(settings, before[0], strict=True):
            setattr(context, name, value)
        for logger, level in zip(loggers, before[1], strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def environment_as_found() -> Iterator[None]:
    """What is set of the environment for the work of a driver is not left there."""
    before = {name: os.environ.get(name) for name in ENVIRONMENT | DRIVER_ENVIRONMENT}
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _refuse_client(address: str, connected: bool) -> None:
    """Refuse Ray Client, through which neither Ray Train nor raygen's actors are reached.

    Raises:
        ClusterError: If this process has it, or RAY_ADDRESS names it.
    """
    if connected or address.startswith("ray://"):
        named = "this process is connected by" if connected else f"RAY_ADDRESS = '{address}' is of"
        raise ClusterError(
            f"{named} Ray Client; raygen has to run inside the cluster.",
            "submit it as a job: ray job submit --address http://HEAD:8265 --working-dir . -- raygen train "
            "CONFIG.toml",
        )


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Drop what C++ code writes to stderr, such as TensorFlow's lines at import, which no setting turns
    off."""
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
