"""Files on any filesystem that pyarrow or fsspec knows, named by a path or a URI."""

import contextlib
import hashlib
import json
import math
import os
import posixpath
import uuid

import pyarrow as pa
from pyarrow import fs as pafs

from raygen.errors import OutputError, RaygenError


def absolute(uri: str) -> str:
    """A path made absolute, so that workers in other directories find it; a URI stays as it is."""
    # not Path.resolve: it would follow links, which may lead elsewhere on other nodes
    return uri if "://" in uri or not uri else os.path.abspath(os.path.expanduser(uri))  # noqa: PTH100, PTH111


def join(*names: str) -> str:
    return posixpath.join(*names)


def resolve(uri: str) -> tuple[pafs.FileSystem, str]:
    """Filesystem and path inside it.

    Raises:
        RaygenError: If no filesystem answers to the URI.
    """
    try:
        return pafs.FileSystem.from_uri(absolute(uri))
    except (pa.ArrowException, OSError, ValueError, ImportError) as error:
        raise RaygenError(f"'{uri}' names no filesystem that can be reached: {error}.", "check the URI and its credentials.") from None


def exists(uri: str) -> bool:
    filesystem, path = resolve(uri)
    return filesystem.get_file_info(path).type != pafs.FileType.NotFound


def listing(uri: str) -> list[pafs.FileInfo]:
    """All files under a folder, by path; none if there is no such folder."""
    filesystem, path = resolve(uri)
    infos = filesystem.get_file_info(pafs.FileSelector(path, recursive=True, allow_not_found=True))
    return sorted((i for i in infos if i.type == pafs.FileType.File), key=lambda i: i.path)


def make_folder(uri: str) -> None:
    """Create a folder and show that it can be written.

    Raises:
        OutputError: If it cannot.
    """
    filesystem, path = resolve(uri)
    probe = join(path, f"_probe-{uuid.uuid4().hex}")
    with writing(uri):
        filesystem.create_dir(path, recursive=True)
        with filesystem.open_output_stream(probe) as stream:
            stream.write(b"raygen")
        filesystem.delete_file(probe)


def read(uri: str) -> bytes:
    filesystem, path = resolve(uri)
    with filesystem.open_input_stream(path) as stream:
        return stream.read()


def read_json(uri: str):
    return json.loads(read(uri))


def write(uri: str, content: bytes) -> None:
    """Write a file whole or not at all."""
    with whole(uri) as stream:
        stream.write(content)


def write_json(uri: str, value) -> None:
    write(uri, json.dumps(value, indent=1).encode())


@contextlib.contextmanager
def whole(uri: str):
    """A stream that becomes the file `uri` when it closes without an error; until then the file is not there.

    On a local disk the bytes go to a temporary name in the same folder that is renamed; elsewhere closing the upload is atomic, and
    what an upload that failed has left is deleted.

    Raises:
        OutputError: If the disk is full or read-only.
    """
    filesystem, path = resolve(uri)
    local = isinstance(filesystem, pafs.LocalFileSystem)
    folder, name = posixpath.split(path)
    target = join(folder, f"_tmp-{uuid.uuid4().hex}-{name}") if local else path
    with writing(uri):
        filesystem.create_dir(folder, recursive=True)
        try:
            with filesystem.open_output_stream(target) as stream:
                yield stream
            if local:
                filesystem.move(target, path)
        except BaseException:
            if filesystem.get_file_info(target).type == pafs.FileType.File:
                filesystem.delete_file(target)
            raise


@contextlib.contextmanager
def writing(uri: str):
    """Turn the system's refusal to write into an OutputError that names the folder."""
    try:
        yield
    except RaygenError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise OutputError(f"'{uri}' cannot be written: {reason}.", "free space there, or choose another folder.") from error


class Hashing:
    """A file to write to that passes everything on to `stream` and keeps its SHA-256."""

    closed = False

    def __init__(self, stream):
        self.stream, self.digest = stream, hashlib.sha256()

    def write(self, content) -> int:
        self.digest.update(content)
        self.stream.write(content)
        return len(content)

    def flush(self):
        self.stream.flush()

    def close(self):
        """Leave the stream to whoever opened it."""

    def hexdigest(self) -> str:
        return self.digest.hexdigest()


def delete_folder(uri: str) -> None:
    filesystem, path = resolve(uri)
    if filesystem.get_file_info(path).type == pafs.FileType.Directory:
        filesystem.delete_dir(path)


def sha256(uri: str) -> str:
    """SHA-256 of a file, read in pieces."""
    filesystem, path = resolve(uri)
    digest = hashlib.sha256()
    with filesystem.open_input_stream(path) as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def plain(value):
    """The same for JSON: plain numbers, None for those that it has no word for."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    value = value.item() if hasattr(value, "item") and not hasattr(value, "__len__") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
