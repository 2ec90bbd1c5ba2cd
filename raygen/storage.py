"""Files on any filesystem that pyarrow or fsspec knows, named by a path or a URI."""

import contextlib
import functools
import hashlib
import itertools
import json
import math
import os
import posixpath
import random
import re
import time
import uuid

import pyarrow as pa
from pyarrow import fs as pafs

from raygen.errors import ConfigError, OutputError, RaygenError, StorageError
from raygen.uris import NATIVE, absolute, join
from raygen.uris import inside as inside
from raygen.uris import name as name
from raygen.uris import parent as parent
from raygen.uris import split as split

STORES = (
    "s3",
    "gcs",
    "abfs",
)  # of these, object stores: a file is there when its upload completes, and folders need not be made
ATTEMPTS = (
    5  # of a request, waiting at most 1, 2, 4, ... seconds between them; AWS_MAX_ATTEMPTS sets another number
)
PIECE_BYTES = 1 << 23
CONNECT_SECONDS, SILENT_SECONDS = 5, 20
GCS_RETRY_SECONDS = 30
CAUSES = {
    r"NO_SUCH_BUCKET|Bucket '.*' not found|bucket does not exist": "create the bucket, or correct its name.",
    r"ACCESS_DENIED|INVALID_ACCESS|INVALID_CLIENT_TOKEN|SIGNATURE|EXPIRED|HTTP status "
    r"40[013]|UNAUTHENTICATED|PERMISSION_DENIED": "check the "
    "credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the role, for s3) and what they may "
    "do there.",
    r"NETWORK_CONNECTION|curlCode|CURL error|UNAVAILABLE|resolv": "check the network, and AWS_ENDPOINT_URL "
    "or "
    "?endpoint_override= if they are set.",
    r"SLOW_DOWN|INTERNAL_FAILURE|HTTP status 5": "run the same command again when the store answers, "
    "or set AWS_MAX_ATTEMPTS higher.",
}


class S3(pafs.S3FileSystem):
    """S3 that gives up in time, also where another process has unpickled it.

    Args:
        options: Of pyarrow's S3FileSystem.
    """

    def __init__(self, options: dict):
        # Parts are sent in the background, so that one that fails keeps the stream's close() from completing
        # the upload without it; and an upload begins when the stream is opened, else one that could not begin
        # is completed as an empty object.
        safe = {"background_writes": True, "allow_delayed_open": False}
        waits = {"connect_timeout": CONNECT_SECONDS, "request_timeout": SILENT_SECONDS}
        super().__init__(
            **{**options, **safe, **waits},
            retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=attempts()),
        )

    def __reduce__(self):
        return S3, super().__reduce__()[1]


def attempts() -> int:
    """How often a request to S3 is tried.

    Raises:
        ConfigError: If AWS_MAX_ATTEMPTS is no such number.
    """
    text = os.environ.get("AWS_MAX_ATTEMPTS") or str(ATTEMPTS)
    if not text.isdecimal() or not int(text):
        raise ConfigError(
            f"AWS_MAX_ATTEMPTS = {text!r}: expected a whole number of at least 1.",
            f"unset it for {ATTEMPTS}.",
        )
    return int(text)


def resolve(uri: str) -> tuple[pafs.FileSystem, str]:
    """Filesystem and path inside it.

    Raises:
        StorageError: If no filesystem answers to the URI.
        ConfigError: If it holds credentials, or AWS_MAX_ATTEMPTS is no number.
    """
    uri = absolute(uri)
    try:
        return _resolved(uri)
    except RaygenError:
        raise
    except ImportError as error:
        package = getattr(error.__cause__ or error, "name", None) or "what it names"
        raise StorageError(
            f"'{uri}' needs a package that is not installed: {error}.",
            f"pip install {package} on every node.",
        ) from None
    except (pa.ArrowException, OSError, ValueError) as error:
        message = f"'{uri}' names no filesystem that can be reached: {reason(error)}."
        raise StorageError(message, hint(error, "check the URI and its credentials.")) from None


def _resolved(uri: str) -> tuple[pafs.FileSystem, str]:
    scheme = uri.partition("://")[0] if "://" in uri else "file"
    if scheme not in NATIVE:
        return _by_fsspec(uri.removeprefix("fsspec+"))
    if scheme in ("gs", "gcs") and "retry_limit_seconds=" not in uri:
        # the default is 15 minutes
        uri += f"{'&' if '?' in uri else '?'}retry_limit_seconds={GCS_RETRY_SECONDS}"
    filesystem, path = pafs.FileSystem.from_uri(uri)
    if filesystem.type_name == "s3":
        options = tuple(
            (key, value)
            for key, value in filesystem.__reduce__()[1][0].items()
            if value and not isinstance(value, dict)
        )
        filesystem = _s3(
            options, tuple((key, value) for key, value in os.environ.items() if key.startswith("AWS_"))
        )
    return filesystem, path


@functools.lru_cache(maxsize=16)
def _s3(options: tuple, environment: tuple) -> S3:
    """One filesystem, with its open connections, for all files of a bucket; another one when the environment
    changes."""
    return S3(dict(options))


def _by_fsspec(uri: str) -> tuple[pafs.FileSystem, str]:
    import fsspec

    filesystem, path = fsspec.core.url_to_fs(uri)
    protocols = (
        filesystem.protocol if isinstance(filesystem.protocol, tuple | list) else (filesystem.protocol,)
    )
    if "memory" in protocols:
        raise ValueError("the memory of one process is out of the workers' reach")
    if "dir" in protocols:  # what it names is its root, and the path inside it once more
        filesystem, path = filesystem.fs, filesystem.path
    filesystem.invalidate_cache()  # others may have written since it last looked
    return pafs.PyFileSystem(pafs.FSSpecHandler(filesystem)), path


def exists(uri: str) -> bool:
    filesystem, path = resolve(uri)
    with reading(uri):
        return filesystem.get_file_info(path).type != pafs.FileType.NotFound


def listing(uri: str) -> list[pafs.FileInfo]:
    """All files under a folder, by path; none if there is no such folder."""
    filesystem, path = resolve(uri)
    with reading(uri):
        infos = filesystem.get_file_info(pafs.FileSelector(path, recursive=True, allow_not_found=True))
    return sorted((i for i in infos if i.type == pafs.FileType.File), key=lambda i: i.path)


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


def read(uri: str) -> bytes:
    """The content of a file.

    Raises:
        FileNotFoundError: If there is none.
        StorageError: If it cannot be read.
    """
    filesystem, path = resolve(uri)

    def whole_file() -> bytes:
        with filesystem.open_input_file(path) as file:
            return file.read(file.size())  # without a size, pyarrow asks a store for 256 KiB at a time

    with reading(uri):
        return again(whole_file)


def read_end(uri: str, size: int) -> bytes:
    """The last `size` bytes of a file, all if it has fewer; raises as `read` does."""
    return _part(uri, lambda whole: (max(whole - size, 0), min(size, whole)))


def read_range(uri: str, start: int, size: int) -> bytes:
    """So many bytes of a file from number `start` on, fewer at its end; raises as `read` does."""
    return _part(uri, lambda whole: (start, size))


def _part(uri: str, span) -> bytes:
    filesystem, path = resolve(uri)

    def part() -> bytes:
        with filesystem.open_input_file(path) as file:
            start, size = span(file.size())
            return file.read_at(size, start)

    with reading(uri):
        return again(part)


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
def writing(uri: str, setting: str = ""):
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
def reading(uri: str):
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


def reason(error: Exception) -> str:
    """What the system says, in one line."""
    number = getattr(error, "errno", None)
    said = (
        os.strerror(number)
        if isinstance(number, int)
        else next(reversed(str(error).strip().splitlines()), type(error).__name__)
    )
    return said[:300].rstrip(".")


def hint(error: Exception, otherwise: str) -> str:
    """What mends the error of an object store; `otherwise` for any other."""
    said = str(error)
    return next((mends for cause, mends in CAUSES.items() if re.search(cause, said)), otherwise)


def again(action):
    """What `action` returns, tried again where pyarrow does not: it gives up at once when S3's "slow down" is
    longer than what it asked for."""
    for attempt in itertools.count(1):
        try:
            return action()
        except OSError as error:
            if "Failed to flush response stream" not in str(error) or attempt >= attempts():
                raise
            time.sleep(random.uniform(0, 2 ** (attempt - 1)))


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


def delete(uri: str) -> None:
    filesystem, path = resolve(uri)
    with writing(uri):
        filesystem.delete_file(path)


def delete_folder(uri: str) -> None:
    filesystem, path = resolve(uri)
    with writing(uri):
        if filesystem.get_file_info(path).type == pafs.FileType.Directory:
            filesystem.delete_dir(path)


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


def plain(value):
    """The same for JSON: plain numbers, None for those that it has no word for."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    value = value.item() if hasattr(value, "item") and not hasattr(value, "__len__") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
