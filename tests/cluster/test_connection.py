"""What is refused before Ray is asked, and what is left as the user had it."""

import logging
import os
import sys

import pytest

from raygen.cluster import connection
from raygen.errors import ClusterError
from tests import processes


def test_ray_client_is_refused(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    with pytest.raises(ClusterError) as caught, connection.connected():
        pass
    assert caught.value.message == (
        "RAY_ADDRESS = 'ray://head:10001' is of Ray Client; raygen has to run inside the cluster."
    )
    assert "ray job submit" in caught.value.hint
    with pytest.raises(ClusterError, match="this process is connected by Ray Client"):
        connection._refuse_client("", True)
    connection._refuse_client("head:6379", False)


def test_the_environment_is_left_as_it_was(monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    monkeypatch.delenv("RAY_BACKEND_LOG_LEVEL", raising=False)
    before = dict(os.environ)
    with connection.environment_as_found():
        connection.prepare_environment(connection.ENVIRONMENT | connection.DRIVER_ENVIRONMENT)
        assert os.environ["RAY_BACKEND_LOG_LEVEL"] == "fatal" and os.environ["RAY_USAGE_STATS_ENABLED"] == "1"
    assert dict(os.environ) == before


def test_rays_settings_and_loggers_are_left_as_they_were():
    from ray.data import DataContext

    context, logger = DataContext.get_current(), logging.getLogger("ray.train")
    before = context.enable_progress_bars, context.print_on_execution_start, logger.level
    try:
        context.enable_progress_bars, context.print_on_execution_start = True, False
        logger.setLevel(logging.DEBUG)
        with connection._quiet():
            assert not context.enable_progress_bars and logger.level == logging.ERROR
        assert (context.enable_progress_bars, context.print_on_execution_start) == (True, False)
        assert logger.level == logging.DEBUG
    finally:
        context.enable_progress_bars, context.print_on_execution_start = before[:2]
        logger.setLevel(before[2])


CONNECT = """
from raygen.cluster import connection
from raygen.errors import ClusterError

try:
    with connection.connected():
        pass
except ClusterError as error:
    print("refused:", error.message, error.hint)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "environment", "told"),
    [
        ("ulimit -v 3000000", {}, r"2.9 GiB of address space here (ulimit -v)"),
        (
            "",
            {"RAY_TMPDIR": ""},
            "RAY_TMPDIR = '': expected a path that begins with '/'. set it to a short one",
        ),
        (
            "",
            {"RAY_TMPDIR": "/dev/null"},
            "Ray did not start on this machine: NotADirectoryError: [Errno 20]",
        ),
        ("", {"RAY_TMPDIR": "/tmp/" + "x" * 90}, "AF_UNIX path length cannot exceed 107 bytes"),
        (
            "",
            {"HOME": "/proc/self/fd"},
            "FileNotFoundError: [Errno 2] No such file or directory: '/proc/self/fd",
        ),
    ],
    ids=["little address space", "no path", "a file", "a long path", "a home that cannot be written"],
)
def test_a_ray_that_cannot_start_is_told(limit, environment, told, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with processes.commands() as begin:
        done = begin("bash", "-c", f'{limit}\nexec "$0" -c "$1"', sys.executable, CONNECT, env=environment)
        assert done.finish() == 0, done.output
    (refused,) = (line for line in done.lines if line.startswith("refused: "))
    assert told in refused
    assert "RAY_TMPDIR" in refused or "ulimit -v unlimited" in refused
