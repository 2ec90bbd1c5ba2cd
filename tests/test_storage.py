"""Files on a local disk and on a filesystem that has no rename: whole or not there, with a clear error when
they cannot be written."""

import hashlib
import io
import resource
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raygen import filesystems, storage, uris
from raygen.errors import ConfigError, OutputError, StorageError
from tests import stores


@pytest.fixture(scope="module")
def store():
    with stores.serving() as found:
        yield found


@pytest.fixture(params=["local", "s3", "fsspec"])
def folder(request, tmp_path) -> str:
    if request.param == "s3":
        return request.getfixturevalue("store").uri(f"bucket/{uuid.uuid4().hex}")
    return str(tmp_path / "a b#c") if request.param == "local" else f"local://{tmp_path}/x"


def names(folder: str) -> list[str]:
    return [info.path.rpartition("/")[2] for info in storage.listing(folder)]


def test_write_and_read(folder):
    storage.write(storage.join(folder, "sub/x"), b"one")
    storage.write(storage.join(folder, "sub/x"), b"two")
    storage.write_json(storage.join(folder, "y.json"), {"a": [1, None, "\u00e4"]})
    assert storage.read(storage.join(folder, "sub/x")) == b"two"
    assert storage.read_json(storage.join(folder, "y.json")) == {"a": [1, None, "\u00e4"]}
    assert names(folder) == ["x", "y.json"]
    assert storage.exists(storage.join(folder, "sub"))
    assert not storage.exists(storage.join(folder, "sub", "z"))


def test_a_folder_that_was_made_is_deleted_with_all_that_is_in_it(folder):
    storage.write(storage.join(folder, "kept"), b"one")
    place = storage.new_folder(folder, "own")
    storage.write(storage.join(place, "sub/x"), b"two")
    storage.delete_folder(folder, "own")
    storage.delete_folder(folder, "own")  # not there: nothing to do
    assert names(folder) == ["kept"]
    storage.write(storage.join(folder, "other/x"), b"three")
    with pytest.raises(OutputError, match="no mark of raygen's"):
        storage.delete_folder(folder, "other")
    assert storage.read(storage.join(folder, "other/x")) == b"three"


def test_bytes_are_written_as_they_are_whatever_the_name(folder):
    storage.write(storage.join(folder, "x.gz"), b"x" * 1000)
    assert storage.read(storage.join(folder, "x.gz")) == b"x" * 1000
    assert [info.size for info in storage.listing(folder)] == [1000]
    assert storage.sha256(storage.join(folder, "x.gz")) == hashlib.sha256(b"x" * 1000).hexdigest()


@pytest.mark.parametrize("error", [ValueError("stop"), KeyboardInterrupt()])
def test_a_failed_write_leaves_no_file(folder, error):
    with pytest.raises(type(error)), storage.whole(storage.join(folder, "x")) as stream:
        stream.write(b"half")
        raise error
    assert names(folder) == []


def test_a_file_is_not_there_before_it_is_whole(tmp_path):
    storage.write(str(tmp_path / "x"), b"before")
    with pytest.raises(ValueError), storage.whole(str(tmp_path / "x")) as stream:
        stream.write(b"half")
        stream.flush()
        assert storage.read(str(tmp_path / "x")) == b"before"
        raise ValueError
    assert storage.read(str(tmp_path / "x")) == b"before"
    assert names(str(tmp_path)) == ["x"]


def test_parquet_through_a_hash(folder):
    table = pa.table({"a": range(1000)})
    with storage.whole(storage.join(folder, "t.parquet")) as stream:
        sink = storage.Hashing(stream)
        pq.write_table(table, pa.PythonFile(sink, mode="w"))
    content = storage.read(storage.join(folder, "t.parquet"))
    assert pq.read_table(io.BytesIO(content)).equals(table)
    assert (
        sink.hexdigest()
        == hashlib.sha256(content).hexdigest()
        == storage.sha256(storage.join(folder, "t.parquet"))
    )


def test_the_end_of_a_file(folder):
    storage.write(uri := storage.join(folder, "x"), b"0123456789")
    assert [storage.read_end(uri, size) for size in (0, 3, 10, 11)] == [
        b"",
        b"789",
        b"0123456789",
        b"0123456789",
    ]
    with pytest.raises(FileNotFoundError):
        storage.read_end(storage.join(folder, "y"), 3)


@pytest.mark.parametrize("text", ["abc", "0", "-1", "1.5"])
def test_a_wrong_number_of_attempts_is_refused_where_it_matters(tmp_path, monkeypatch, text):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", text)
    storage.write(str(tmp_path / "x"), b"x")
    assert storage.read(str(tmp_path / "x")) == b"x"
    with pytest.raises(ConfigError, match=f"AWS_MAX_ATTEMPTS = '{text}': expected a whole number"):
        storage.exists("s3://bucket/x?endpoint_override=http://127.0.0.1:9&region=us-east-1")


def test_make_folder_leaves_an_empty_folder(folder):
    storage.make_folder(storage.join(folder, "new/deep"))
    assert storage.exists(storage.join(folder, "new/deep"))
    assert names(folder) == []


def test_a_disk_that_takes_no_more(tmp_path):
    """A limit on the size of files stands for a full disk: the system refuses a write half way."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OutputError) as caught:
            storage.write(str(tmp_path / "x"), b"x" * 1_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.message == f"'{tmp_path / 'x'}' cannot be written: File too large."
    assert caught.value.hint == "free space there, or choose another folder."
    assert names(str(tmp_path)) == []


@pytest.mark.parametrize(
    "act", [storage.make_folder, lambda uri: storage.write(uri, b"x"), lambda uri: storage.write_json(uri, 1)]
)
def test_a_folder_that_cannot_be_made(tmp_path, act):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"file/x.*' cannot be written: .*[Nn]ot a directory"):
        act(str(tmp_path / "file" / "x" / "y"))


def test_a_folder_of_the_system():
    with pytest.raises(OutputError, match="'/proc/raygen' cannot be written"):
        storage.make_folder("/proc/raygen")


@pytest.mark.parametrize(
    ("uri", "message", "hint"),
    [
        (
            "nope://bucket/x",
            "names no filesystem that can be reached: Protocol not known: nope",
            "check the URI and its credentials.",
        ),
        ("", "'' names no filesystem that can be reached", "check the URI and its credentials."),
        (
            "s3://bucket/x?colour=red",
            "Unexpected query parameter in S3 URI: 'colour'",
            "check the URI and its credentials.",
        ),
        (
            "memory://x",
            "the memory of one process is out of the workers' reach",
            "check the URI and its credentials.",
        ),
        (
            "oss://bucket/x",
            "needs a package that is not installed: Install ossfs",
            "pip install ossfs on every node.",
        ),
        (
            "fsspec+dropbox://x",
            "needs a package that is not installed",
            "pip install dropboxdrivefs on every node.",
        ),
    ],
)
def test_no_filesystem_answers(uri, message, hint):
    with pytest.raises(StorageError) as caught:
        filesystems.resolve(uri)
    assert message in caught.value.message
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("uri", "kind", "path"),
    [
        ("gs://anonymous@bucket/a/b", "gcs", "bucket/a/b"),
        ("abfs://container@account.dfs.core.windows.net/a", "abfs", "container/a"),
        ("s3://bucket/a%20b/c?region=eu-west-1", "s3", "bucket/a b/c"),
        ("file:///a/b", "local", "/a/b"),
        ("local:///a/b", "py::fsspec+('file', 'local')", "/a/b"),
        ("dir::file:///a/b", "py::fsspec+('file', 'local')", "/a/b"),
    ],
)
def test_uris_of_pyarrow_and_fsspec(uri, kind, path):
    filesystem, found = filesystems.resolve(uri)
    assert (filesystem.type_name, found) == (kind, path)


def test_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.setenv("HOME", "/home/someone")
    for uri, expected in {
        "x/y": f"{tmp_path}/x/y",
        "x/../y/": f"{tmp_path}/y",
        "link/x": f"{tmp_path}/link/x",
        "/x": "/x",
        "~/x": "/home/someone/x",
        "s3://bucket/x/../y": "s3://bucket/x/../y",
        "": "",
    }.items():
        assert uris.absolute(uri) == expected


def test_listing_is_by_path_and_whole(tmp_path):
    for name in ("b/2", "a/3", "a/1", "c"):
        storage.write(str(tmp_path / name), b"")
    assert [Path(info.path).relative_to(tmp_path).as_posix() for info in storage.listing(str(tmp_path))] == [
        "a/1",
        "a/3",
        "b/2",
        "c",
    ]
    assert storage.listing(str(tmp_path / "nowhere")) == []
