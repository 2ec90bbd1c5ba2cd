"""A model as one file: what is in it, what refuses it, and rows of it that are those of the folder."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from raygen import records
from raygen.config import Config
from raygen.errors import ConfigError, ModelError, OutputError
from raygen.model import folder as model_folder
from raygen.model.packed import pack, unpack
from raygen.sampling.rows import Rows
from tests import untrained

PLACE = "/home/somebody/clients/acme"
WHERE = {"data.source": f"{PLACE}/people.parquet", "evaluate.holdout": f"{PLACE}/kept.parquet"}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A model folder, with what lies in and beside one besides."""
    run = tmp_path_factory.mktemp("run")
    model = Path(untrained.save(run / "model", settings=WHERE))
    (model / "notes.txt").write_text("a secret")
    for name in ("encoded", "checkpoints"):
        (run / name).mkdir()
        (run / name / "rows").write_text("a secret")
    return model


@pytest.fixture
def packed(model, tmp_path) -> Path:
    return Path(pack(str(model), str(tmp_path / "m.tar"), anyway=True).path)


def protected(model: Path, folder: Path, privacy: object) -> Path:
    """A copy of the model that says so of its training."""
    for path in model.iterdir():
        folder.mkdir(exist_ok=True)
        (folder / path.name).write_bytes(path.read_bytes())
    index = json.loads((folder / "raygen.json").read_bytes())
    index["config"]["privacy"] = privacy
    index["checksum"] = model_folder._checksum(index)
    (folder / "raygen.json").write_text(json.dumps(index))
    return folder


def test_it_holds_what_the_index_names_and_nothing_else(model, packed):
    with tarfile.open(packed) as tar:
        names, kinds = tar.getnames(), {member.isreg() for member in tar}
        owners = {(m.uid, m.gid, m.uname, m.gname, m.mtime, m.mode) for m in tar}
    index = model_folder.read_index(str(model))
    assert names == sorted([*index["files"], "raygen.json"]) and kinds == {True}
    assert owners == {(0, 0, "", "", 0, 0o644)}
    content = packed.read_bytes()
    assert (
        b"a secret" not in content
        and b"somebody" not in content
        and str(model.parent).encode() not in content
    )


def test_the_same_model_has_the_same_bytes(model, packed, tmp_path):
    assert (
        Path(pack(str(model) + "/", str(tmp_path / "n.tar"), True).path).read_bytes() == packed.read_bytes()
    )
    assert Path(pack(str(model), anyway=True).path) == model.parent / "model.tar"
    (model.parent / "model.tar").unlink()


def test_unpacked_it_makes_the_same_rows(model, packed, tmp_path):
    done = unpack(str(packed))
    assert done.path == str(tmp_path / "m")
    here, there = model_folder.load(str(model)), model_folder.load(done.path)
    assert here.fingerprint == there.fingerprint == done.fingerprint
    settings = Config().generate
    assert Rows.of(here, settings, None).table(0, 50).equals(Rows.of(there, settings, None).table(0, 50))
    assert there.config.data.source == "people.parquet" and there.config.run.folder == ""
    assert model_folder.leaving(done.path) == model_folder.leaving(str(model))
    assert unpack(str(packed), str(tmp_path / "other")).fingerprint == done.fingerprint


REVEALING = {
    "none": (None, "privacy.min_rows = off:"),
    "empty": ({}, "privacy.min_rows = off:"),
    "1": ({"min_rows": 1}, "privacy.min_rows = 1:"),
    "text": ({"min_rows": "8"}, "privacy.min_rows = off:"),
    "columns": (
        {"min_rows": 8, "columns": {"age": 20, "city": 7, "job": 1}},
        "with privacy.columns.city = 7; privacy.columns.job = 1:",
    ),
    "public": (
        {"min_rows": 8, "public": ["country", "icd10"]},
        "with privacy.public = ['country', 'icd10']:",
    ),
}


@pytest.mark.parametrize(("privacy", "named"), REVEALING.values(), ids=REVEALING)
def test_a_model_that_may_hold_values_of_few_rows_is_refused(model, tmp_path, privacy, named):
    odd = protected(model, tmp_path / "odd", privacy)
    with pytest.raises(ModelError) as caught:
        pack(str(odd), str(tmp_path / "m.tar"))
    assert named in caught.value.message and "--anyway" in caught.value.hint
    assert not (tmp_path / "m.tar").exists()


def test_a_protected_model_is_packed(model, tmp_path):
    kept = protected(model, tmp_path / "kept", {"min_rows": 8, "columns": {"age": 9}, "public": []})
    assert Path(pack(str(kept), str(tmp_path / "m.tar")).path).exists()


def test_what_is_there_is_not_written_over(model, packed, tmp_path):
    for out in (packed, packed.parent):
        with pytest.raises((OutputError, ConfigError)):
            pack(str(model), str(out), anyway=True)
    with pytest.raises(ConfigError, match=r"is no \.tar file"):
        pack(str(model), str(tmp_path / "m.zip"), anyway=True)
    with pytest.raises(OutputError, match="exists already"):
        unpack(str(packed), str(packed.parent))
    (tmp_path / "plain").write_text("x")
    with pytest.raises(ModelError, match="is no packed model"):
        unpack(str(tmp_path / "plain"), str(tmp_path / "new"))
    with pytest.raises(ModelError, match="there is no packed model"):
        unpack(str(tmp_path / "nothing.tar"))


def test_verbs_say_how_to_unpack(packed, run_cli):
    for verb in ("inspect", "generate", "plan", "pack", "evaluate"):
        status, _, error = run_cli(verb, packed)
        assert status == 2 and "is a packed model" in error and f"raygen unpack {packed}" in error


def test_from_the_command_line(model, tmp_path, run_cli):
    status, out, _ = run_cli("pack", model, "--out", tmp_path / "m.tar", "--anyway", "--json")
    assert status == 0 and json.loads(out.splitlines()[-1])["files"][0] == "codec.json"
    status, out, _ = run_cli("unpack", tmp_path / "m.tar", "--out", tmp_path / "m")
    assert status == 0 and "Next: raygen inspect" in out
    assert run_cli("inspect", tmp_path / "m")[0] == 0
    odd = protected(model, tmp_path / "odd", {"min_rows": 1})
    status, _, error = run_cli("pack", odd, "--out", tmp_path / "n.tar")
    assert status == 2 and "--anyway" in error


def rewritten(packed: Path, change) -> bytes:
    """The archive with its members changed."""
    out = io.BytesIO()
    with tarfile.open(packed) as tar, tarfile.open(fileobj=out, mode="w") as new:
        for member in tar:
            for info, content in change(member, tar.extractfile(member).read()):
                new.addfile(info, io.BytesIO(content))
    return out.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, link
    return info


def another(info: tarfile.TarInfo, content: bytes = b""):
    """The archive with one more member, behind the index."""
    return lambda m, c: [(m, c), *([(info, content)] if m.name == "raygen.json" else [])]


def edited(name: str, content: bytes):
    return lambda m, c: [(entry(name, size=len(content)), content) if m.name == name else (m, c)]


HOSTILE = {
    "a way up": another(entry("../evil")),
    "an absolute path": another(entry("/tmp/evil")),
    "a folder": another(entry("a/evil")),
    "a link": another(entry("evil", tarfile.SYMTYPE, link="/etc/passwd")),
    "a hard link": another(entry("evil", tarfile.LNKTYPE, link="raygen.json")),
    "a device": another(entry("evil", tarfile.CHRTYPE)),
    "a hidden file": another(entry(".evil")),
    "one more file": another(entry("evil.sh", size=1), b"x"),
    "a file twice": another(entry("codec.json", size=1), b"x"),
    "no index": lambda m, c: [(m, c)] if m.name != "raygen.json" else [],
    "no codec": lambda m, c: [(m, c)] if m.name != "codec.json" else [],
    "another codec": edited("codec.json", b"{}"),
    "another index": edited("raygen.json", b"{}"),
    "no json": edited("raygen.json", b"\x00"),
    "too many": lambda m, c: [(entry(f"{m.name}{i}"), b"") for i in range(50)],
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_hostile_archives_end_in_one_error(packed, tmp_path, change):
    (tmp_path / "h.tar").write_bytes(rewritten(packed, change))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ModelError) as caught:
        unpack(str(tmp_path / "h.tar"))
    assert str(tmp_path / "h.tar") in caught.value.message and caught.value.hint
    assert sorted(tmp_path.rglob("*")) == before and not Path("/tmp/evil").exists()


@pytest.mark.parametrize("keep", [0, 0.001, 511, 600, 0.5, 0.8])
def test_a_cut_archive_is_told(packed, tmp_path, keep):
    content = packed.read_bytes()
    (tmp_path / "h.tar").write_bytes(content[: int(keep if keep > 1 else keep * len(content))])
    with pytest.raises(ModelError):
        unpack(str(tmp_path / "h.tar"))
    assert not (tmp_path / "h").exists()


def test_a_sparse_file_is_refused(packed, tmp_path):
    """One that says that it is larger than the archive."""
    info = tarfile.TarInfo("zeros")
    info.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "zeros",
        "GNU.sparse.realsize": str(2**40),
    }
    content = b"0\n".ljust(512, b"\0")
    info.size = len(content)
    with tarfile.open(tmp_path / "h.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info, io.BytesIO(content))
    with pytest.raises(ModelError, match="is no file of a model"):
        unpack(str(tmp_path / "h.tar"))


def test_the_index_that_leaves_is_one(model):
    index = records.parsed(model_folder.leaving(str(model))["raygen.json"])
    assert index["checksum"] == model_folder._checksum(index)
    assert Config.from_dict(index["config"]).evaluate.holdout == ""
