"""Files on a local disk and on a filesystem that has no rename: whole or not there, with a clear error when they cannot be written."""

import hashlib
import io
import resource
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raygen import storage
from raygen.errors import OutputError, RaygenError


@pytest.fixture(params=["local", "memory"])
def folder(request, tmp_path) -> str:
    return str(tmp_path / "a b#c") if request.param == "local" else f"fsspec+memory://test/{uuid.uuid4().hex}"


def names(folder: str) -> list[str]:
    return [info.path.rpartition("/")[2] for info in storage.listing(folder)]


def test_write_and_read(folder):
    storage.write(f"{folder}/sub/x", b"one")
    storage.write(f"{folder}/sub/x", b"two")
    storage.write_json(f"{folder}/y.json", {"a": [1, None, "\u00e4"]})
    assert storage.read(f"{folder}/sub/x") == b"two"
    assert storage.read_json(f"{folder}/y.json") == {"a": [1, None, "\u00e4"]}
    assert names(folder) == ["x", "y.json"]
    assert storage.exists(f"{folder}/sub")
    assert not storage.exists(f"{folder}/sub/z")
    storage.delete_folder(folder)
    storage.delete_folder(folder)  # not there: nothing to do
    assert names(folder) == []


@pytest.mark.parametrize("error", [ValueError("stop"), KeyboardInterrupt()])
def test_a_failed_write_leaves_no_file(folder, error):
    with pytest.raises(type(error)), storage.whole(f"{folder}/x") as stream:
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
    with storage.whole(f"{folder}/t.parquet") as stream:
        sink = storage.Hashing(stream)
        pq.write_table(table, pa.PythonFile(sink, mode="w"))
    content = storage.read(f"{folder}/t.parquet")
    assert pq.read_table(io.BytesIO(content)).equals(table)
    assert sink.hexdigest() == hashlib.sha256(content).hexdigest() == storage.sha256(f"{folder}/t.parquet")


def test_make_folder_leaves_an_empty_folder(folder):
    storage.make_folder(f"{folder}/new/deep")
    assert storage.exists(f"{folder}/new/deep")
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


@pytest.mark.parametrize("act", [storage.make_folder, lambda uri: storage.write(uri, b"x"), lambda uri: storage.write_json(uri, 1)])
def test_a_folder_that_cannot_be_made(tmp_path, act):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"file/x.*' cannot be written: .*[Nn]ot a directory"):
        act(str(tmp_path / "file" / "x" / "y"))


def test_a_folder_of_the_system():
    with pytest.raises(OutputError, match="'/proc/raygen' cannot be written"):
        storage.make_folder("/proc/raygen")


@pytest.mark.parametrize("uri", ["nope://bucket/x", "http://example.com/x", ""])
def test_no_filesystem_answers(uri):
    with pytest.raises(RaygenError, match=f"'{uri}' names no filesystem that can be reached") as caught:
        storage.resolve(uri)
    assert caught.value.hint == "check the URI and its credentials."


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
        assert storage.absolute(uri) == expected


def test_listing_is_by_path_and_whole(tmp_path):
    for name in ("b/2", "a/3", "a/1", "c"):
        storage.write(str(tmp_path / name), b"")
    assert [Path(info.path).relative_to(tmp_path).as_posix() for info in storage.listing(str(tmp_path))] == ["a/1", "a/3", "b/2", "c"]
    assert storage.listing(str(tmp_path / "nowhere")) == []
