"""Processes that tests start and end: a command with the lines that it prints, and all living processes."""

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
import uuid
from pathlib import Path
from typing import NamedTuple

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as where a script starts the tests with &
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Command:
    """A process in a session of its own, the lines that it prints (stderr among them), and all that it
    started."""

    def __init__(self, arguments: list[str], **options):
        self.mark = f"RAYGEN_TEST_COMMAND={uuid.uuid4().hex}"
        environment = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"} | dict(
            [self.mark.split("=")]
        )
        self.process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env=environment | options.pop("env", {}),
            **options,
        )
        self.lines, self._arriving = [], queue.Queue()
        self._reader = threading.Thread(
            target=lambda: [self._arriving.put(line) for line in self.process.stdout], daemon=True
        )
        self._reader.start()

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def wait_for(self, text: str, seconds: float = 480) -> None:
        """Read lines until one holds `text`; an error where the process ends before."""
        end = time.monotonic() + seconds
        while not (self.lines and text in self.lines[-1]):
            alive = self._reader.is_alive()
            try:
                self.lines.append(self._arriving.get(timeout=0.2))
            except queue.Empty:
                if not alive or time.monotonic() > end:
                    raise AssertionError(f"no line with {text!r} in {seconds} s:\n{self.output}") from None

    def send(self, number: int) -> None:
        """Send a signal to the process and all in its group, as a terminal does."""
        os.killpg(self.process.pid, number)

    def finish(self, seconds: float = 480) -> int:
        """Wait for its end, read what is left, and return its exit status."""
        status = self.process.wait(seconds)
        self._reader.join(10)
        while not self._arriving.empty():
            self.lines.append(self._arriving.get())
        return status

    def wait_for_no_others(self, seconds: float = 240) -> list[str]:
        """Titles of the processes that it started and that are still alive after so many seconds."""
        end = time.monotonic() + seconds
        while (left := self.living()) and time.monotonic() < end:
            time.sleep(0.2)
        return [process.title for process in left]

    def living(self) -> list["Process"]:
        """It and all that it started: what is in its session, or has its mark in the environment."""
        return [p for p in all_living() if p.session == self.process.pid or self.mark in p.environment]

    def clean_up(self) -> None:
        end = time.monotonic() + 20
        while (left := self.living()) and time.monotonic() < end:
            for process in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            self.process.poll()
            time.sleep(0.1)
        self.process.wait(10)
        self._reader.join(10)
        self.process.stdout.close()


class Process(NamedTuple):
    """A living process, as Linux tells of it."""

    pid: int
    parent: int
    session: int
    title: str
    environment: str


def all_living() -> list[Process]:
    """All living processes of this machine whose details this user may see."""
    alive = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            title, environment = (
                (folder / name).read_bytes().decode(errors="replace") for name in ("cmdline", "environ")
            )
        except OSError:
            continue
        if state != "Z":
            alive.append(
                Process(
                    int(folder.name), int(parent), int(session), title.replace("\0", " ").strip(), environment
                )
            )
    return alive


@contextlib.contextmanager
def commands():
    """Gives `begin(*arguments)`, which starts a `Command`; at the end all that was started is gone."""
    started = []

    def begin(*arguments: str, **options) -> Command:
        started.append(Command(list(arguments), **options))
        return started[-1]

    try:
        yield begin
    finally:
        for one in started:
            one.clean_up()
