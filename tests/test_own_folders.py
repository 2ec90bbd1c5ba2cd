"""Folders that raygen empties are its own: a user's files of the same name stay, wherever they lie."""

from pathlib import Path

import pytest

from raygen import storage
from raygen.config import Config
from raygen.errors import OutputError
from raygen.notebook import given
from raygen.search.job import SearchJob
from raygen.search.log import SearchLog
from raygen.search.space import Space
from raygen.training.checkpoints import Checkpoints
from tests.training.test_checkpoints import names, state


def search(folder) -> None:
    from raygen.search import ray_tune  # and Ray Tune, which takes its time

    config = Config().override({"search.space": {"model.latent_dim": {"choice": [2, 4]}}})
    space = Space.of(config)
    job = SearchJob(config, space, {}, 1, 0, 1, str(folder), str(folder / "trials"))
    ray_tune.run(job, SearchLog(config, space, 10, 1, "", 0.0, []), str(folder / "search.json"), print)


def dataset(folder) -> None:
    given._of_dataset(None, str(folder), print)


PLACES = {"tune": search, "data/dataset": dataset}


@pytest.mark.parametrize(("name", "makes"), PLACES.items(), ids=PLACES)
def test_a_users_files_in_a_folder_of_that_name_stay(tmp_path, name, makes):
    (tmp_path / name).mkdir(parents=True)
    (tmp_path / name / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=f"{name}' is to be made anew, and holds files that may be") as no:
        makes(tmp_path)
    assert "move it away" in no.value.hint and (tmp_path / name / "notes.txt").read_text() == "mine"


def test_what_a_link_leads_to_stays(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / storage.MARK).write_bytes(storage.MARKED)
    (tmp_path / "tune").symlink_to(tmp_path / "theirs")
    with pytest.raises(OutputError, match="is a link"):
        storage.new_folder(str(tmp_path), "tune")
    assert names(tmp_path / "theirs") == [storage.MARK]


def test_a_folder_with_raygens_mark_is_made_anew_and_deleted(tmp_path):
    (tmp_path / "tune").mkdir()  # empty: nobody's
    for _ in range(2):
        place = storage.new_folder(str(tmp_path), "tune")
        assert names(Path(place)) == [storage.MARK]
        (tmp_path / "tune" / "trial").mkdir()
    storage.delete_folder(str(tmp_path), "tune")
    storage.delete_folder(str(tmp_path), "tune")
    assert not names(tmp_path)


def test_a_mark_that_says_something_else_is_none(tmp_path):
    (tmp_path / "tune").mkdir()
    for content in (b"", b"mine", storage.MARKED + b"x"):
        (tmp_path / "tune" / storage.MARK).write_bytes(content)
        with pytest.raises(OutputError, match="no mark of raygen's"):
            storage.delete_folder(str(tmp_path), "tune")
    assert (tmp_path / "tune" / storage.MARK).exists()


def test_a_users_file_named_like_a_checkpoint_stays(tmp_path):
    (tmp_path / "step-000000001.npz").write_bytes(b"mine")
    kept = Checkpoints(str(tmp_path), print)
    for step in (2, 3, 4, 5):
        kept.keep(state(step))
    left = ["step-000000001.npz", "step-000000004.npz", "step-000000005.npz"]
    assert names(tmp_path) == left
    again = Checkpoints(str(tmp_path), print)
    again.load()
    again.keep(state(6))  # what another process wrote is known by its digest
    assert names(tmp_path) == [left[0], left[2], "step-000000006.npz"]
