"""Checkpoints of a run: the last two, each with a digest that tells whether it is whole.

They are the same files whoever writes them, this process or worker 0 of Ray Train, so a run goes on in
either. Ray Train could keep them itself, but hands out the last one whole or not, and writes its list of them
in place: a disk that is full at that moment leaves a list that no later run can read.
"""

import contextlib
import errno
import hashlib
import io
import json
import re
import time
from collections.abc import Iterator

import numpy as np
from pydantic import Field

from raygen import filesystems, records, storage
from raygen.errors import OutputError, RaygenError, StorageError, TrainingError
from raygen.report.redrawn import Say

KEPT = 2
WAITS = (1, 2, 4, 8, 16)  # seconds between attempts to write
FINAL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}  # what no waiting mends
NAME = re.compile(r"step-\d+\.npz")
DIGEST_BYTES = 32


class State(records.Record):
    """What every checkpoint holds beside its weights."""

    step: int = Field(ge=0, lt=2**63)
    history: str
    part: str = "{}"


class Round(records.Record):
    """The figures of a round."""

    step: int = Field(ge=0, lt=2**63)
    round: int = Field(ge=1)
    seconds: float
    held_out_nats: float


class Checkpoints:
    """The checkpoints in a folder.

    Args:
        folder: A path or URI; made when it is first looked at.
        say: Called with a line for whatever is wrong with a checkpoint or the storage.
    """

    def __init__(self, folder: str, say: Say):
        self.folder, self.say = folder, say
        self.kept: list[str] = []

    def load(self) -> dict | None:
        """The state of the last whole checkpoint; None if there is none at all.

        Raises:
            TrainingError: If there are checkpoints and all of them are damaged.
        """
        return self.newest()[1]

    def save(self, state: dict, figures: dict) -> None:
        """Keep the state after a round, of which the figures are."""
        self.keep(state)

    def newest(self) -> tuple[str, dict | None]:
        """Name and state of the last whole checkpoint; an empty name and None if there is none at all. Raises
        as `load` does."""
        storage.make_folder(self.folder)
        damaged: list[str] = []
        for name in self._names():
            try:
                state = self.read(name)
            except StorageError as error:
                if not isinstance(error.__cause__, ValueError):
                    raise
                damaged.append(name)
                continue
            for one in damaged:
                self.say(
                    f"Warning: the checkpoint '{one}' is damaged; going on from '{name}', the one before it."
                )
            self.kept = [name]
            return name, state
        if damaged:
            message = f"every checkpoint in '{self.folder}' is damaged ({', '.join(damaged)})."
            raise TrainingError(
                message, "put back a copy of one of them, or delete that folder to train from the beginning."
            )
        return "", None

    def read(self, name: str) -> dict:
        """The state of one checkpoint.

        Raises:
            StorageError: If it cannot be read, or is damaged.
        """
        uri = storage.join(self.folder, name)
        try:
            return unpack(storage.read(uri))
        except ValueError as error:
            raise StorageError(
                f"'{uri}' is damaged: {error}.",
                "run the same command again: it goes on from the one before it.",
            ) from error

    def keep(self, state: dict) -> None:
        """Write a checkpoint, then delete those older than the one before it: never a later one, since this
        worker may have been replaced while it was cut off."""
        name, content = f"step-{int(state['step']):09d}.npz", pack(state)
        self.write(storage.join(self.folder, name), content)
        own = {*self.kept, name}
        self.kept = sorted(own)[-KEPT:]
        with contextlib.suppress(
            OSError
        ):  # of storage that is gone for a moment: what stays is deleted after the next one
            for other in self._names():
                if other < min(self.kept) and (other in own or self._is_whole(other)):
                    storage.delete(storage.join(self.folder, other))

    def write(self, uri: str, content: bytes) -> None:
        """Write a file whole, as soon as the storage takes it: one that is gone for seconds is waited for.

        Raises:
            OutputError: If the storage is full, may not be written, or stays away.
        """
        for wait in (*WAITS, None):
            try:
                self._check_there()
                return storage.write(uri, content)
            except OSError as error:
                reason = (
                    error.message
                    if isinstance(error, RaygenError)
                    else f"'{uri}' cannot be written: {filesystems.reason(error)}."
                )
                if wait is None or getattr(error.__cause__ or error, "errno", None) in FINAL:
                    hint = (
                        f"mend that; the checkpoints before are kept in '{self.folder}': run the "
                        "same command to resume."
                    )
                    raise OutputError(reason, hint) from error
                self.say(f"Warning: {reason} Trying again in {wait} s.")
                time.sleep(wait)

    @contextlib.contextmanager
    def resuming(self) -> Iterator[None]:
        """Turn what a state of another network makes Python raise into a TrainingError."""
        try:
            yield
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            message = f"the checkpoints in '{self.folder}' are of another network ({error})."
            raise TrainingError(message, "delete that folder to train from the beginning.") from error

    def _is_whole(self, name: str) -> bool:
        try:
            return bool(self.read(name))
        except StorageError:
            return False  # damaged, or a file of that name that raygen has not written

    def _check_there(self) -> None:
        """Raise if the folder is gone, as it is with a mount: writing would make it anew, beneath."""
        filesystem, path = filesystems.resolve(self.folder)
        if filesystem.type_name == "local" and not storage.exists(path):
            raise FileNotFoundError(errno.ENOENT, "it is gone", self.folder)

    def _names(self) -> list[str]:
        """Names of the checkpoints that are there, the last first."""
        files = {info.base_name for info in storage.listing(self.folder)}
        return sorted((name for name in files if NAME.fullmatch(name)), reverse=True)


def rounds_of(state: dict) -> list[dict]:
    """The figures of every round of a run, from its last checkpoint."""
    return json.loads(str(state["history"]))


def pack(state: dict) -> bytes:
    """Named arrays as NumPy's npz, and after it, where NumPy does not look, the SHA-256 of it."""
    packed = io.BytesIO()
    np.savez(packed, **state)
    return packed.getvalue() + hashlib.sha256(packed.getvalue()).digest()


def unpack(content: bytes) -> dict:
    """What `pack` has packed.

    Raises:
        ValueError: If it is not that, to the last bit.
    """
    packed, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    if hashlib.sha256(packed).digest() != digest:
        raise ValueError(f"its {len(content):,} bytes do not have the digest that they were written with")
    state = records.arrays(packed)
    records.checked(State, {name: state[name].tolist() for name in State.model_fields.keys() & state.keys()})
    rounds = records.parsed(str(state["history"]))
    if not isinstance(rounds, list) or not isinstance(records.parsed(str(state.get("part", "{}"))), dict):
        raise ValueError("it tells no rounds")
    for figures in rounds:
        records.checked(Round, figures)
    return state
