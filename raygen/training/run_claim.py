"""One writer of a run folder: a file that says who holds it, as long as its time is renewed."""

import contextlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from raygen import records, storage
from raygen.errors import OutputError

CLAIM = "_claim.json"
BEAT_SECONDS = 10.0
STALE_SECONDS = 60.0  # without a beat, of a holder on another node
SETTLE_SECONDS = 0.3  # in which another one that began at the same moment has written too
_HELD: set[str] = set()  # by this process


class Claim(records.Record):
    """Who holds a run folder."""

    id: str = Field(max_length=64)
    host: str = Field(max_length=1000)
    process: int = Field(ge=0, lt=2**31)
    beat: float  # seconds since 1970

    @property
    def is_live(self) -> bool:
        """Whether its holder is at work: one of this node is looked for, any other one has renewed it."""
        if self.host == socket.gethostname():
            if self.process == os.getpid():
                return self.id in _HELD
            if Path("/proc/self").exists() and not Path(f"/proc/{self.process}").exists():
                return False
        return abs(time.time() - self.beat) < STALE_SECONDS


@contextlib.contextmanager
def held(folder: str) -> Iterator[None]:
    """Hold a run folder while the block runs, so that no other training or search writes there.

    Raises:
        OutputError: If another one holds it.
    """
    mine, ended = uuid.uuid4().hex, threading.Event()
    _refuse(folder, _read(folder), mine)
    _HELD.add(mine)
    try:
        _write(folder, mine)
        time.sleep(SETTLE_SECONDS)
        _refuse(folder, _read(folder), mine)
        beats = threading.Thread(target=_beat, args=(folder, mine, ended), daemon=True)
        beats.start()
        try:
            yield
        finally:
            ended.set()
            beats.join()
    finally:
        _HELD.discard(mine)
        with contextlib.suppress(OSError):  # of storage that is gone: the claim grows stale
            found = _read(folder)
            if found and found.id == mine:
                storage.delete(storage.own(folder, CLAIM))


def _refuse(folder: str, found: Claim | None, mine: str) -> None:
    if found and found.id != mine and found.is_live:
        ago = max(0, round(time.time() - found.beat))
        message = (
            f"'{folder}' is held by process {found.process} of {found.host}, which trains or searches there "
            f"(seen {ago} s ago)."
        )
        hint = "wait for its end, or choose another run.folder; a holder that is gone is forgotten after "
        raise OutputError(message, f"{hint}{STALE_SECONDS:g} s.")


def _read(folder: str) -> Claim | None:
    """The claim that is there; None if there is none, or none that raygen wrote."""
    uri = storage.join(folder, CLAIM)
    try:
        return records.checked(Claim, records.read(uri)) if storage.exists(uri) else None
    except (ValueError, FileNotFoundError):
        return None


def _write(folder: str, mine: str) -> None:
    value = {"id": mine, "host": socket.gethostname(), "process": os.getpid(), "beat": time.time()}
    storage.write_json(storage.own(folder, CLAIM), value)


def _beat(folder: str, mine: str, ended: threading.Event) -> None:
    while not ended.wait(BEAT_SECONDS):
        with contextlib.suppress(OSError):  # of storage that is gone for a moment
            found = _read(folder)
            if found and found.id == mine:  # a folder that is away for a moment is not made anew
                _write(folder, mine)
