"""Files on any filesystem that pyarrow or fsspec knows, named by a path or a URI."""

import contextlib
import hashlib
import json
import math
import posixpath
import random
import stat
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import pyarrow as pa
from pyarrow import fs as pafs

from raygen.errors import OutputError, RaygenError, StorageError
from raygen.filesystems import STORES, attempts, hint, local_path, reason, resolve
from raygen.uris import inside as inside
from raygen.uris import join
from raygen.uris import name as name
from raygen.uris import parent as parent
from raygen.uris import split as split

Result = TypeVar("Result")
PIECE_BYTES = 1 << 23
MARK = "_raygen.txt"  # in a folder that is raygen's own to delete
MARKED = b"raygen made this folder, and deletes it with all that is in it.\n"


def exists(uri: str) -> bool:
    filesystem, path = resolve(uri)
    with reading(uri):
        return filesystem.get_file_info(path).type != pafs.FileType.NotFound


def own(folder: str, name: str) -> str:
    """A file or folder by the very name that it has below another one, to be written or deleted.

    Raises:
        OutputError: If the name leads out of the folder, or a link does.
    """
    parts = name.split("/")
    if {"", ".", ".."} & set(parts) or "\0" in name:
        raise OutputError(
            f"{name!r} names no file below it in '{folder}'.", "choose an empty folder with --out."
        )
    if place := local_path(folder):
        for depth in range(1, len(parts) + 1):
            if Path(place, *parts[:depth]).is_symlink():
                message = f"'{'/'.join(parts[:depth])}' in '{folder}' is a link, which may lead anywhere."
                raise OutputError(
                    message, "put what it leads to in its place, or choose an empty folder with --out."
                )
    return inside(folder, name)


def listing(uri: str) -> list[pafs.FileInfo]:
    """All files under a folder, by path; none if there is no such folder."""
    filesystem, path = resolve(uri)
    with reading(uri):
        infos = filesystem.get_file_info(pafs.FileSelector(path, recursive=True, allow_not_found=True))
    return sorted((i for i in infos if i.type == pafs.FileType.File), key=lambda i: i.path)


def entries(folder: str) -> list[pafs.FileInfo]:
    """Files and folders directly in a folder; none if there is no such folder."""
    filesystem, path = resolve(folder)
    with reading(folder):
        return filesystem.get_file_info(pafs.FileSelector(path, allow_not_found=True))


def make_folder(uri: str, setting: str = "") -> None:
    """Create a folder and show that it can be written.

    Args:
        uri: The folder.
        setting: What named it, for the error.

    Raises:
        OutputError: If it cannot.
    """
    filesystem, path = resolve(uri)
    probe = join(path, f"_probe-{uuid.uuid4().hex}")
    with writing(uri, setting):
        if filesystem.type_name not in STORES:
            filesystem.create_dir(path, recursive=True)
        with filesystem.open_output_stream(probe, compression=None) as stream:
            stream.write(b"raygen")
        filesystem.delete_file(probe)


def read(uri: str, most: int | None = None) -> bytes:
    """The content of a file.

    Args:
        most: Bytes that raygen itself would write there; then nothing but a file is read.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is longer, or no file.
        StorageError: If it cannot be read.
    """
    filesystem, path = resolve(uri)

    def whole_file() -> bytes:
        with filesystem.open_input_file(path) as file:
            size = file.size()
            if most is not None and size > most:
                raise ValueError(f"it has {size:,} bytes, more than the {most:,} that it may have")
            return file.read(size)  # without a size, pyarrow asks a store for 256 KiB at a time

    with reading(uri):
        place = local_path(uri) if most is not None else None
        if place and not stat.S_ISREG(Path(place).stat().st_mode):  # a pipe would be waited for
            raise ValueError("it is no file")
        return again(whole_file)


def read_end(uri: str, size: int) -> bytes:
    """The last `size` bytes of a file, all if it has fewer; raises as `read` does."""
    return _part(uri, lambda whole: (max(whole - size, 0), min(size, whole)))


def read_range(uri: str, start: int, size: int) -> bytes:
    """So many bytes of a file from number `start` on, fewer at its end; raises as `read` does."""
    return _part(uri, lambda whole: (start, size))


def _part(uri: str, span: Callable[[int], tuple[int, int]]) -> bytes:
    filesystem, path = resolve(uri)

    def part() -> bytes:
        with filesystem.open_input_file(path) as file:
            start, size = span(file.size())
            return file.read_at(size, start)

    with reading(uri):
        return again(part)


def read_json(uri: str) -> Any:
    return json.loads(read(uri))


def write(uri: str, content: bytes) -> None:
    """Write a file whole or not at all."""
    with whole(uri) as stream:
        stream.write(content)


def write_json(uri: str, value: object) -> None:
    write(uri, json.dumps(value, indent=1).encode())


@contextlib.contextmanager
def whole(uri: str) -> Iterator[pa.NativeFile]:
    """A stream that becomes the file `uri` when the block ends without an error; until then the file is not
    there, or as it was.

    An object store gets the bytes at the end, from memory, in one upload; elsewhere they go to a temporary
    name in the same folder that is renamed.

    Raises:
        OutputError: If the disk is full or read-only, or the store does not take it.
    """
    filesystem, path = resolve(uri)
    with writing(uri):
        if filesystem.type_name in STORES:
            content = pa.BufferOutputStream()
            yield content
            with filesystem.open_output_stream(path, compression=None) as stream:
                # In one call: closing the stream completes the upload even when an exception has ended the
                # block before all was written.
                stream.write(content.getvalue())
            return
        folder, name = posixpath.split(path)
        target = join(folder, f"_tmp-{uuid.uuid4().hex}-{name}")
        filesystem.create_dir(folder, recursive=True)
        try:
            with filesystem.open_output_stream(target, compression=None) as stream:
                yield stream
            filesystem.move(target, path)
        except BaseException:
            if filesystem.get_file_info(target).type == pafs.FileType.File:
                filesystem.delete_file(target)
            raise


@contextlib.contextmanager
def writing(uri: str, setting: str = "") -> Iterator[None]:
    """Turn the system's refusal to write into an OutputError that names the folder, and the setting that
    named it."""
    try:
        yield
    except RaygenError:
        raise
    except OSError as error:
        named = f"{setting} = " if setting else ""
        message = f"{named}'{uri}' cannot be written: {reason(error)}."
        raise OutputError(message, hint(error, "free space there, or choose another folder.")) from error


@contextlib.contextmanager
def reading(uri: str) -> Iterator[None]:
    """Turn the system's refusal to read into a StorageError; a file that is not there stays a
    FileNotFoundError."""
    try:
        yield
    except (RaygenError, FileNotFoundError):
        raise
    except OSError as error:
        raise StorageError(
            f"'{uri}' cannot be read: {reason(error)}.",
            hint(error, "check that it is there and may be read."),
        ) from error


def again(action: Callable[[], Result]) -> Result:
    """What `action` returns, tried again where pyarrow does not: it gives up at once when S3's "slow down" is
    longer than what it asked for."""
    tried = 0
    while True:
        try:
            return action()
        except OSError as error:
            tried += 1
            if "Failed to flush response stream" not in str(error) or tried >= attempts():
                raise
            time.sleep(random.uniform(0, 2 ** (tried - 1)))


class Hashing:
    """A file to write to that passes everything on to `stream` and keeps its SHA-256."""

    closed = False

    def __init__(self, stream: BinaryIO | pa.NativeFile):
        self.stream, self.digest = stream, hashlib.sha256()

    def write(self, content: bytes | pa.Buffer) -> int:
        self.digest.update(content)
        self.stream.write(content)
        return len(content)

    def flush(self) -> None:
        self.stream.flush()

    def close(self) -> None:
        """Leave the stream to whoever opened it."""

    def hexdigest(self) -> str:
        return self.digest.hexdigest()


def delete(uri: str) -> None:
    filesystem, path = resolve(uri)
    with writing(uri):
        filesystem.delete_file(path)


def new_folder(folder: str, name: str) -> str:
    """A folder below another one that is raygen's own to delete, empty but for the mark that says so; one
    that was made so before is deleted. Raises as `delete_folder` does."""
    delete_folder(folder, name)
    write(inside(place := own(folder, name), MARK), MARKED)
    return place


def delete_folder(folder: str, name: str) -> None:
    """Delete a folder that `new_folder` has made, with all that is in it; one that is not there is none.

    Raises:
        OutputError: If `new_folder` has not made it, and there is anything in it.
    """
    place = own(folder, name)
    if not entries(place):
        return
    if not _is_marked(place):
        raise OutputError(
            f"'{place}' is to be made anew, and holds files that may be yours: there is no mark of raygen's, "
            f"{MARK}, in it.",
            "move it away, or delete it if only an earlier raygen wrote there.",
        )
    filesystem, path = resolve(place)
    with writing(place):
        filesystem.delete_dir(path)


def _is_marked(folder: str) -> bool:
    try:
        return read(inside(folder, MARK), len(MARKED)) == MARKED
    except (FileNotFoundError, ValueError):
        return False


def sha256(uri: str) -> str:
    """SHA-256 of a file, read in pieces."""
    filesystem, path = resolve(uri)

    def digest() -> str:
        found = hashlib.sha256()
        with filesystem.open_input_stream(path, compression=None) as stream:
            while piece := stream.read(PIECE_BYTES):
                found.update(piece)
        return found.hexdigest()

    with reading(uri):
        return again(digest)


def size(uri: str) -> int:
    """Bytes of a file."""
    filesystem, path = resolve(uri)
    with reading(uri):
        return filesystem.get_file_info(path).size or 0


def plain(value: object) -> Any:
    """The same for JSON: plain numbers, None for those that it has no word for."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    value = value.item() if hasattr(value, "item") and not hasattr(value, "__len__") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
