"""SIGTERM, by which schedulers end a process, while Ray is at work: words, and no frames of Ray's stack."""

import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.ray
PROGRAM = """
import os, signal, sys, time
from raygen import cli
from raygen.cluster import connection

def wait(args):
    with connection.connected():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

cli.VERBS["help"] = wait
sys.exit(cli.main(["help"]))
"""


def test_a_terminated_command_says_how_to_go_on():
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300, env=environment
    )
    assert done.returncode == 128 + signal.SIGTERM, done.stderr
    assert "Terminated (SIGTERM). What was finished stays; to go on, run: raygen help" in done.stderr
    assert "***" not in done.stderr and "Traceback" not in done.stderr and "    @ " not in done.stderr
