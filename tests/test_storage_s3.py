"""An object store that is slow, full, wrong or away: whole objects or none, and an error that says why."""

import hashlib
import pickle
import time
import uuid

import pytest

from raygen import filesystems, storage
from raygen.errors import OutputError, StorageError
from tests import stores

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def store():
    with stores.serving() as found:
        yield found


def test_an_s3_object_is_not_there_before_it_is_whole(store):
    """Closing pyarrow's stream completes an upload, error or not: nothing may be sent before the content is
    whole."""
    uri = store.uri("bucket/whole/x")
    for before in ({}, {"x": b"before"}):
        with pytest.raises(ValueError), storage.whole(uri) as stream:
            stream.write(b"half" * 10_000_000)
            stream.flush()
            raise ValueError
        assert store.objects("bucket/whole") == before
        storage.write(uri, b"before")


BIG = b"0123456789abcdef" * (21 << 16)  # 21 MiB: three parts of an upload


@pytest.mark.parametrize(
    ("content", "fault", "method", "numbers"),
    [
        (b"{}", 503, "PUT", (1, 2)),
        (b"{}", 500, "POST", (1, 2)),
        (b"{}", "drop", "POST", (2,)),
        (b"{}", 503, "HEAD", (1, 3)),
        (b"{}", 503, "GET", (1, 3)),
        (b"{}", 500, "GET", (2, 3)),
        (b"{}", "drop", "GET", (1,)),
        (b"{}", "cut", "GET", (1, 3)),
        (BIG, 503, "PUT", (2,)),
        (BIG, "drop", "PUT", (1, 2)),
        (BIG, "drop", "POST", (2,)),
        (BIG, 503, "GET", (1, 3)),
        (BIG, "cut", "GET", (1, 3)),
    ],
    ids=lambda value: f"{len(value)}B" if isinstance(value, bytes) else str(value),
)
@pytest.mark.slow
def test_an_s3_server_that_fails_for_a_while(store, content, fault, method, numbers):
    uri = store.uri(f"bucket/{uuid.uuid4().hex}/x")
    with store.failing(fault, stores.nth(method, *numbers)) as hit:
        storage.write(uri, content)
        assert storage.read(uri) == content
        assert storage.sha256(uri) == hashlib.sha256(content).hexdigest()
    assert len(hit) == len(numbers)


@pytest.mark.parametrize(
    ("fault", "method", "numbers"),
    [
        (503, "PUT", ()),
        ("drop", "PUT", range(2, 99)),
        (500, "POST", ()),
        ("drop", "POST", ()),
        ("drop", "POST", range(2, 99)),
    ],
)
@pytest.mark.parametrize("before", [None, b"before"])
def test_an_s3_server_that_takes_no_more(store, monkeypatch, fault, method, numbers, before):
    """The object is not there, or as it was: neither empty nor with the parts that did arrive."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    folder = f"bucket/{uuid.uuid4().hex}"
    uri = store.uri(f"{folder}/x")
    kept = {"x": before} if before else {}
    if before:
        storage.write(uri, before)
    with store.failing(fault, stores.nth(method, *numbers)), pytest.raises(OutputError) as caught:
        storage.write(uri, BIG)
    assert f"'{uri}' cannot be written: When " in caught.value.message
    assert "run the same command again" in caught.value.hint or "check the network" in caught.value.hint
    assert store.objects(folder) == kept


@pytest.mark.slow
def test_a_server_that_never_answers_is_left(store, monkeypatch):
    monkeypatch.setattr(filesystems, "SILENT_SECONDS", 6)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    storage.write(store.uri("bucket/hangs"), b"x")
    began = time.monotonic()
    with store.failing("hang", stores.nth("GET")), pytest.raises(StorageError, match="cannot be read"):
        storage.read(store.uri("bucket/hangs"))
    assert time.monotonic() - began > 5


@pytest.mark.slow
def test_s3_stays_patient_in_another_process(monkeypatch, store):
    """pyarrow's own pickle forgets how often to try."""
    filesystem, path = filesystems.resolve(store.uri("bucket/patient"))
    storage.write(store.uri("bucket/patient"), b"x")
    again = pickle.loads(pickle.dumps(filesystem))
    assert stores.SECRET.encode() not in pickle.dumps(filesystem)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    hasty = pickle.loads(pickle.dumps(filesystem))
    monkeypatch.delenv("AWS_MAX_ATTEMPTS")
    for look in (lambda: again.get_file_info(path), lambda: storage.exists(store.uri("bucket/patient"))):
        with store.failing(503, stores.nth("HEAD", 1, 2)) as hit:
            assert look()
        assert len(hit) == 2
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for look in (lambda: hasty.get_file_info(path), lambda: storage.exists(store.uri("bucket/patient"))):
        with store.failing(503, stores.nth("HEAD", 1)), pytest.raises(OSError, match="503"):
            look()


def missing_bucket(store, monkeypatch):
    return store.uri("nowhere/x")


def wrong_keys(store, monkeypatch):
    store.check_keys(True)
    return store.uri("bucket/x")


def unreachable(store, monkeypatch):
    return "s3://bucket/x?endpoint_override=http://127.0.0.1:9"


def unreachable_by_the_environment(store, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    return "s3://bucket/x"


def unreachable_google(store, monkeypatch):
    return "gs://anonymous@bucket/x?endpoint_override=127.0.0.1:9&scheme=http&retry_limit_seconds=1"


@pytest.mark.parametrize(
    ("place", "hint"),
    [
        (missing_bucket, "create the bucket"),
        (wrong_keys, "check the credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        (unreachable, "AWS_ENDPOINT_URL or ?endpoint_override="),
        (unreachable_by_the_environment, "AWS_ENDPOINT_URL or ?endpoint_override="),
        (unreachable_google, "check the network"),
    ],
)
@pytest.mark.slow
def test_a_store_that_cannot_be_used(store, monkeypatch, place, hint):
    looks = {missing_bucket: (), unreachable_google: (storage.exists,)}
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    uri, began = place(store, monkeypatch), time.monotonic()
    try:
        with pytest.raises(OutputError) as caught:
            storage.make_folder(uri, "run.folder")
        assert caught.value.message.startswith(f"run.folder = '{uri}' cannot be written: ")
        assert hint in caught.value.hint
        for look in looks.get(place, (storage.exists, storage.listing, storage.read, storage.sha256)):
            with pytest.raises(StorageError) as caught:
                look(uri)
            assert f"'{uri}' cannot be read: " in caught.value.message
            assert hint in caught.value.hint
    finally:
        store.check_keys(False)
    assert time.monotonic() - began < 120, "on a busy machine: its waits are of seconds"
    assert stores.SECRET not in str(caught.value)


def test_what_is_not_there_in_a_store(store):
    for uri in (store.uri("bucket/nothing"), store.uri("nowhere/x")):
        assert not storage.exists(uri)
        assert storage.listing(uri) == []
        with pytest.raises(FileNotFoundError):
            storage.read(uri)
