"""The model folder: what is damaged, edited or of another format is refused with a hint, and nothing in it
can run code."""

import hashlib
import io
import json
import pickletools
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from raygen.errors import ModelError
from raygen.model import folder as model_folder

pytestmark = pytest.mark.ray  # the model is trained on a table that Ray Data reads
FILES = ["raygen.json", "schema.json", "codec.json", "vae.keras", "latent.npz"]


@pytest.fixture
def model(trained, tmp_path) -> Path:
    """A copy of the model, to be spoilt."""
    return shutil.copytree(trained.model, tmp_path / "model")


def refused(model, match: str) -> ModelError:
    with pytest.raises(ModelError, match=match) as caught:
        model_folder.load(str(model)).network()
    assert caught.value.hint
    assert str(model) in str(caught.value)
    return caught.value


def edit_index(model: Path, change, seal=True) -> None:
    """Change the index; with a checksum that fits, as an older or newer raygen would have written it."""
    index = json.loads((model / "raygen.json").read_text())
    change(index)
    if seal:
        index["checksum"] = model_folder._checksum(index)
    (model / "raygen.json").write_text(json.dumps(index))


def test_a_model_is_these_files_and_loads_as_it_was(trained):
    assert sorted(p.name for p in Path(trained.model).iterdir()) == sorted([*FILES, model_folder.REPORT])
    found = model_folder.load(trained.model)
    assert found.fingerprint == trained.training.fingerprint
    assert found.config.model == trained.config.model
    network = found.network()
    assert network.latent_dim == trained.config.model.latent_dim
    assert (
        model_folder._fingerprint(found.content, network, found.samplers, found.sampler, found.ratio)
        == found.fingerprint
    )


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(name, model):
    (model / name).unlink()
    refused(model, "is no model folder" if name == "raygen.json" else f"{name} is missing")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_refused(name, kept, model):
    whole = (model / name).read_bytes()
    (model / name).write_bytes(whole[: int(kept * len(whole))])
    refused(model, f"damaged: {name} (cannot be read|was truncated or edited)")


@pytest.mark.parametrize("name", FILES[1:])
def test_an_edited_file_is_refused(name, model):
    content = bytearray((model / name).read_bytes())
    content[len(content) // 2] ^= 1
    (model / name).write_bytes(content)
    refused(model, f"{name} was truncated or edited")


@pytest.mark.parametrize(
    "change",
    [
        lambda index: index.update(sampler=next(s for s in index["samplers"] if s != index["sampler"])),
        lambda index: index.update(fingerprint="0" * 16),
        lambda index: index["config"]["model"].update(latent_dim=5),
        lambda index: index["files"].pop("latent.npz"),
        lambda index: index.pop("metrics"),
    ],
)
def test_an_edited_index_is_refused(change, model):
    edit_index(model, change, seal=False)
    refused(model, r"raygen\.json was edited")


@pytest.mark.parametrize(
    "content", ["[]", "{}", "null", '"format"', '{"format": "new"}', "\xff\xfe", "{'format': 1}"]
)
def test_an_index_of_something_else_is_refused(content, model):
    (model / "raygen.json").write_bytes(content.encode("latin-1"))
    refused(model, r"raygen\.json cannot be read")


def test_a_newer_format_is_refused_by_name(model):
    edit_index(model, lambda index: index.update(format=99, raygen="9.1.0"))
    error = refused(model, r"was made by raygen 9\.1\.0 \(format 99\); this is raygen .* \(format 6\)")
    assert error.hint == "pip install -U raygen"


def test_a_model_of_the_release_before_is_refused_by_name(model):
    edit_index(model, lambda index: index.update(format=1, raygen="0.1.0"))
    error = refused(model, r"was made by raygen 0\.1\.0 \(format 1\); this is raygen .* \(format 6\)")
    assert error.hint == "train again with this raygen, in another run.folder or after deleting this folder."


def test_what_is_no_model_folder_is_refused(tmp_path, table):
    refused(tmp_path / "nowhere", "there is no model")
    refused(table, "is no model folder")
    refused(table / "a.parquet", "is no model folder")


@pytest.mark.parametrize("verb", ["generate", "inspect", "plan"])
def test_every_verb_refuses_a_damaged_model(verb, model, run_cli):
    (model / "codec.json").write_text("{}")
    status, _, err = run_cli(verb, model)
    assert status == 2
    assert err.startswith(
        f"ModelError: model '{model}' is damaged: codec.json was truncated or edited (2 bytes)."
    )
    assert "Hint: copy the folder again, or train the model again." in err


def members(path: Path) -> dict[str, bytes]:
    """The file, and what is packed in it."""
    found = {path.name: path.read_bytes()}
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            found |= {name: packed.read(name) for name in packed.namelist()}
    return found


def is_pickle(content: bytes) -> bool:
    try:
        return bool(list(pickletools.genops(content)))
    except Exception:
        return False


def test_nothing_in_the_folder_is_pickled(trained):
    assert is_pickle(b"\x80\x04K\x01.")
    for path in Path(trained.model).iterdir():
        for name, content in members(path).items():
            assert not content.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")), name
            assert not is_pickle(content), name
            if name.endswith(".npy"):
                assert np.load(io.BytesIO(content), allow_pickle=False).dtype == np.float32, name


def swap_network(model: Path, change) -> None:
    """Edit the configuration inside vae.keras."""
    path = model / "vae.keras"
    inside = members(path)
    del inside[path.name]
    config = json.loads(inside["config.json"])
    change(config)
    inside["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in inside.items():
            packed.writestr(name, content)


def seal(model: Path) -> None:
    """Make the hashes fit the edited files, as somebody with bad intent would."""
    digest = hashlib.sha256((model / "vae.keras").read_bytes()).hexdigest()
    edit_index(model, lambda index: index["files"].update({"vae.keras": digest}))


EVIL = {"module": "builtins", "class_name": "eval", "config": {"name": "x"}, "registered_name": None}
LAMBDA = {
    "module": "keras.layers",
    "class_name": "Lambda",
    "config": {
        "name": "x",
        "function": {
            "class_name": "__lambda__",
            "config": {"code": "4wAAAAA=", "defaults": None, "closure": None},
        },
    },
    "registered_name": None,
}
OTHER = {
    "module": "keras",
    "class_name": "Sequential",
    "config": {"name": "x", "trainable": True, "layers": []},
    "registered_name": None,
    "build_config": {"input_shape": None},
}


@pytest.mark.parametrize("other", [EVIL, LAMBDA, OTHER], ids=["eval", "lambda", "sequential"])
def test_a_network_of_another_class_is_refused_even_when_the_hashes_fit(other, model):
    def change(config):
        config.clear()
        config.update(other)

    swap_network(model, change)
    refused(model, "vae.keras was truncated or edited")
    seal(model)
    refused(model, "vae.keras (cannot be loaded|holds a Sequential)")
