"""Hostile or damaged files end in one clear error, and nothing outside raygen's own is touched; at a small
size: `tests/bench/hostile.py` is the same at a large one."""

import hashlib
import json
from collections import Counter

import pytest

from raygen.errors import ModelError, StorageError
from raygen.model import folder as model_folder
from raygen.training import encoding
from tests import hostile, untrained
from tests.place import Place


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Place:
    return Place(tmp_path_factory.mktemp("place"))


@pytest.fixture(autouse=True)
def whole(place):
    yield
    place.restore()


def test_fuzzed_files_end_in_one_clear_error(tmp_path):
    tallies, touched = hostile.run(tmp_path, inputs=20, runs=6, models=4)
    assert not touched
    for tally in tallies.values():
        assert not tally.wrong, "\n".join(tally.wrong)
    ends = sum((tally.ends for tally in tallies.values()), Counter())
    assert ends["one clear error"] > ends["read"]


@pytest.mark.parametrize("name", ["raygen.json", "latent.json"])
@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b"1" * 5000, b"null", b""])
def test_a_model_that_is_no_json_names_its_file(name, content, place):
    (place.model / name).write_bytes(content)
    with pytest.raises(ModelError, match=f"is damaged: {name}"):
        place.read_model()


def test_a_report_is_held_against_its_hash(place):
    path = place.model / "latent.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chosen": "normal"}))
    with pytest.raises(ModelError, match=r"latent.json was truncated or edited"):
        model_folder.read_report(str(place.model))


def test_a_copy_takes_no_names_that_lead_elsewhere(place):
    path = place.model / "raygen.json"
    index = json.loads(path.read_text())
    index["files"]["../../mine/x"] = index["files"].pop("latent.json")
    index["checksum"] = model_folder._checksum(index)
    path.write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"raygen.json cannot be read"):
        model_folder.copy(str(place.model), str(place.run / "copy"))
    assert place.fingerprint() == place.outside


def test_a_copy_over_another_model_leaves_what_is_not_its_own(place):
    target = place.run / "copy"
    model_folder.copy(str(place.model), str(target))
    (target / "notes.txt").write_text("mine")
    index = json.loads((target / "raygen.json").read_text())
    (target / "old.html").write_text("of the model before")
    index["files"]["old.html"] = "0" * 64
    index["checksum"] = model_folder._checksum(index)
    (target / "raygen.json").write_text(json.dumps(index))
    model_folder.copy(str(place.model), str(target))
    assert (target / "notes.txt").read_text() == "mine" and not (target / "old.html").exists()
    assert model_folder.load(str(target)).fingerprint == model_folder.load(str(place.model)).fingerprint


def test_an_encoded_table_that_was_changed_is_noticed_before_training(place):
    (part,) = place.encoded.glob("part-*.rows")
    content = bytearray(part.read_bytes())
    for damaged in (content[:-1], content[:-10], bytes([content[0] ^ 1]) + content[1:]):
        part.write_bytes(damaged)
        with pytest.raises(StorageError, match="was cut short, or changed") as caught:
            encoding.check_parts(encoding.read_encoded(str(place.encoded)))
        assert "encoded anew" in caught.value.hint
    part.unlink()
    with pytest.raises(StorageError, match="is gone"):
        encoding.check_parts(encoding.read_encoded(str(place.encoded)))


def test_a_marker_that_was_edited_is_noticed(place):
    path = place.encoded / encoding.MARKER
    marker = json.loads(path.read_text())
    marker["codec"]["blocks"][0]["missing"] = 0.5
    path.write_text(json.dumps(marker))
    with pytest.raises(StorageError, match="it was edited"):
        encoding.read_encoded(str(place.encoded))


def test_weights_of_another_network_are_refused(place, tmp_path):
    other = untrained.save(tmp_path / "other", settings={"model.latent_dim": 3})
    content = (tmp_path / "other" / "vae.keras").read_bytes()
    (place.model / "vae.keras").write_bytes(content)
    path = place.model / "raygen.json"
    index = json.loads(path.read_text())
    index["files"]["vae.keras"] = hashlib.sha256(content).hexdigest()
    index["checksum"] = model_folder._checksum(index)
    path.write_text(json.dumps(index))
    with pytest.raises(ModelError, match="its network has another latent_dim"):
        model_folder.load(str(place.model)).network()
    assert model_folder.load(other).network() is not None
