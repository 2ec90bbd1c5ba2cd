"""Which filesystem a path or URI names, and how often its requests are tried."""

import functools
import os
import re

import pyarrow as pa
from pyarrow import fs as pafs

from raygen.errors import ConfigError, RaygenError, StorageError
from raygen.uris import NATIVE, absolute

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

CONNECT_SECONDS, SILENT_SECONDS = 5, 20
STORES = (
    "s3",
    "gcs",
    "abfs",
)  # of these, object stores: a file is there when its upload completes, and folders need not be made
ATTEMPTS = (
    5  # of a request, waiting at most 1, 2, 4, ... seconds between them; AWS_MAX_ATTEMPTS sets another number
)
GCS_RETRY_SECONDS = 30


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

    def __reduce__(self) -> tuple:
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


def local_path(uri: str) -> str | None:
    """The path of a file or folder of this machine's disks; None elsewhere, where there are no links."""
    filesystem, path = resolve(uri)
    if filesystem.type_name == "local":
        return path
    if not isinstance(filesystem, pafs.PyFileSystem):
        return None
    protocol = filesystem.handler.fs.protocol
    return path if {"file", "local"} & set([protocol] if isinstance(protocol, str) else protocol) else None


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
