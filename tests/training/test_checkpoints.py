"""Checkpoints on a real disk: damage is noticed, storage that is gone for seconds is waited for, a full disk
keeps what was there."""

import shutil
import subprocess
import threading

import numpy as np
import pytest

from raygen.errors import OutputError, StorageError, TrainingError
from raygen.training import checkpoints
from raygen.training.checkpoints import Checkpoints


def state(step: int) -> dict:
    return {"step": np.array(step), "weights/0": np.full(100, step, np.float32), "history": np.array("[]")}


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def three(tmp_path, lines) -> Checkpoints:
    """Checkpoints of steps 3, 6 and 9, of which two are kept."""
    kept = Checkpoints(str(tmp_path / "run"), lines.append)
    assert kept.load() is None
    for step in (3, 6, 9):
        kept.keep(state(step))
    return kept


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def damage(file, how: str) -> None:
    content = file.read_bytes()
    flipped = bytes([*content[:300], content[300] ^ 1, *content[301:]])
    file.write_bytes({"a bit": flipped, "its end": content[:-100], "all": b""}[how])


def test_the_last_two_are_kept_and_the_last_is_loaded(three, tmp_path, lines):
    assert names(tmp_path / "run") == ["step-000000006.npz", "step-000000009.npz"]
    again = Checkpoints(three.folder, lines.append)
    found = again.load()
    assert int(found["step"]) == 9 and np.array_equal(found["weights/0"], state(9)["weights/0"])
    again.keep(state(9))
    assert names(tmp_path / "run") == ["step-000000009.npz"], "the one it was loaded from, written anew"
    again.keep(state(12))
    assert names(tmp_path / "run") == ["step-000000009.npz", "step-000000012.npz"]
    assert lines == []


def test_one_that_cannot_be_deleted_stays_for_now(three, tmp_path, lines):
    old = tmp_path / "run" / "step-000000006.npz"
    if subprocess.run(["mount", "--bind", old, old], capture_output=True).returncode:
        pytest.skip("a file cannot be kept from being deleted here")
    try:
        three.keep(state(12))
    finally:
        subprocess.run(["umount", old], check=True)
    assert names(tmp_path / "run") == ["step-000000006.npz", "step-000000009.npz", "step-000000012.npz"]
    three.keep(state(15))
    assert names(tmp_path / "run") == ["step-000000012.npz", "step-000000015.npz"]
    assert lines == []


@pytest.mark.parametrize("how", ["a bit", "its end", "all"])
def test_a_damaged_one_is_noticed_and_the_one_before_it_is_taken(how, three, tmp_path, lines):
    damage(tmp_path / "run" / "step-000000009.npz", how)
    again = Checkpoints(three.folder, lines.append)
    assert int(again.load()["step"]) == 6
    assert lines == [
        "Warning: the checkpoint 'step-000000009.npz' is damaged; going on from 'step-000000006.npz', "
        "the one before it."
    ]
    with pytest.raises(StorageError, match=r"step-000000009\.npz' is damaged"):
        again.read("step-000000009.npz")
    again.keep(state(7))
    assert int(Checkpoints(three.folder, lines.append).load()["step"]) == 7
    again.keep(state(9))
    again.keep(state(12))
    assert names(tmp_path / "run") == ["step-000000009.npz", "step-000000012.npz"]
    assert int(Checkpoints(three.folder, lines.append).load()["step"]) == 12
    three.keep(state(9))
    assert names(tmp_path / "run") == ["step-000000009.npz", "step-000000012.npz"], (
        "a worker that was cut off deletes nothing later"
    )


def test_without_a_whole_one_there_is_an_error_that_says_what_to_do(three, tmp_path):
    for file in (tmp_path / "run").iterdir():
        damage(file, "a bit")
    with pytest.raises(
        TrainingError, match=r"every checkpoint in '.*' is damaged \(step-000000009.npz, step-000000006.npz\)"
    ) as caught:
        three.load()
    assert "delete that folder to train from the beginning" in caught.value.hint


@pytest.mark.slow
def test_storage_that_is_gone_for_seconds_is_waited_for(three, tmp_path, lines):
    (tmp_path / "run").rename(tmp_path / "away")
    back = threading.Timer(1.5, (tmp_path / "away").rename, [tmp_path / "run"])
    back.start()
    three.keep(state(12))
    back.join()
    assert names(tmp_path / "run") == ["step-000000009.npz", "step-000000012.npz"]
    assert len(lines) == 2 and all("step-000000012.npz' cannot be written" in line for line in lines)
    assert [line.rpartition(". ")[2] for line in lines] == ["Trying again in 1 s.", "Trying again in 2 s."]


def test_storage_that_stays_away_is_an_error_that_tells_where_the_rest_is(three, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "WAITS", (0.1,))
    (tmp_path / "run").rename(tmp_path / "away")
    with pytest.raises(OutputError, match="cannot be written: No such file or directory") as caught:
        three.keep(state(12))
    assert (
        f"the checkpoints before are kept in '{three.folder}': run the same command to resume"
        in caught.value.hint
    )
    assert not (tmp_path / "run").exists(), "nothing is written where a mount was"


def test_a_full_disk_is_an_error_at_once_and_keeps_what_was_there(three, tmp_path, lines):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True
    ).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        shutil.copytree(tmp_path / "run", disk / "run")
        kept = Checkpoints(str(disk / "run"), lines.append)
        kept.load()
        with pytest.raises(OSError, match="No space left"), (disk / "filler").open("wb") as filler:
            filler.write(bytes(1 << 20))
        with pytest.raises(OutputError, match="No space left on device") as caught:
            kept.keep(state(12))
        assert lines == [], "another attempt would have been told"
        assert "run the same command to resume" in caught.value.hint
        assert names(disk / "run") == ["step-000000006.npz", "step-000000009.npz"]
        (disk / "filler").unlink()
        kept.keep(state(12))
        assert int(Checkpoints(kept.folder, lines.append).load()["step"]) == 12
    finally:
        subprocess.run(["umount", disk], check=True, capture_output=True)
