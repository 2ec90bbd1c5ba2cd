"""A model as one file that may leave the house: the files of its folder and nothing else, in a tar archive of
the same bytes for the same model."""

import io
import re
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raygen import storage, uris
from raygen.config_privacy import PrivacySettings
from raygen.errors import ConfigError, ModelError, OutputError
from raygen.model import folder as model_folder
from raygen.model.folder import INDEX, MOST_BYTES, PACKED

MOST_FILES = 100
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True)
class Packed:
    """A packed model: its file, or the folder that it was unpacked to; its fingerprint, files and bytes."""

    path: str
    fingerprint: str
    files: list[str]
    bytes: int


def pack(model: str, out: str = "", anyway: bool = False) -> Packed:
    """Write a model folder as one file.

    Args:
        model: The folder.
        out: A new file; empty: beside the folder, by its name.
        anyway: Even if values of fewer rows than by default may be in it.

    Raises:
        ModelError: If the folder is damaged, or `[privacy]` lets more into it than by default.
        OutputError: If `out` is there already, or cannot be written.
    """
    model = uris.absolute(model).rstrip("/")
    index = model_folder.read_index(model)
    out = uris.absolute(out or storage.join(storage.parent(model), storage.name(model) + PACKED))
    if not storage.name(out).endswith(PACKED):
        raise ConfigError(f"--out '{out}' is no {PACKED} file.", f"write it as {storage.name(out)}{PACKED}.")
    if storage.exists(out):
        raise OutputError(f"'{out}' exists already.", "delete it, or choose another file with --out.")
    privacy = index["config"].get("privacy") or {}
    if not anyway and (found := revealing(privacy)):
        raise ModelError(
            f"model '{model}' was trained with {'; '.join(found)}: it may hold values of fewer rows than "
            f"privacy.min_rows = {PrivacySettings().min_rows} keeps to.",
            "train it again without that, or, where these values are no secret, pack it with --anyway.",
        )
    content = model_folder.leaving(model)
    form = tarfile.USTAR_FORMAT
    with storage.whole(out) as stream, tarfile.open(fileobj=stream, mode="w|", format=form) as tar:
        for name in sorted(content):
            entry = tarfile.TarInfo(name)  # of nobody, at no time
            entry.size, entry.mode = len(content[name]), 0o644
            tar.addfile(entry, io.BytesIO(content[name]))
    return Packed(out, index["fingerprint"], sorted(content), storage.size(out))


def unpack(file: str, out: str = "") -> Packed:
    """Make a model folder of a packed model; nothing is written before all of it is checked.

    Args:
        file: What `pack` wrote.
        out: A folder that is empty or not there; empty: beside the file, by its name.

    Raises:
        ModelError: If it holds anything but a model, or is damaged.
        OutputError: If the folder is not empty, or cannot be written.
    """
    file = uris.absolute(file)
    out = uris.absolute(out or storage.join(storage.parent(file), storage.name(file).removesuffix(PACKED)))
    if storage.exists(out) and (out == file or storage.entries(out)):
        raise OutputError(f"'{out}' exists already.", "choose an empty folder with --out.")
    try:
        content = _files(storage.read(file, MOST_BYTES))
    except FileNotFoundError:
        raise ModelError(f"there is no packed model '{file}'.", "check the path.") from None
    except (ValueError, tarfile.TarError, EOFError, OverflowError) as error:
        raise model_folder.damaged(file, f"it is no packed model ({error})") from None
    with tempfile.TemporaryDirectory() as folder:
        for name, one in content.items():
            Path(folder, name).write_bytes(one)
        try:
            fingerprint = model_folder.load(folder).fingerprint
            named = {INDEX, *model_folder.read_index(folder)["files"]}
            if others := sorted(content.keys() - named):
                raise model_folder.damaged(file, f"it holds '{others[0]}', which its index does not name")
            model_folder.copy(folder, out)
        except ModelError as error:
            raise ModelError(error.message.replace(folder, file), error.hint) from None
    return Packed(out, fingerprint, sorted(content), sum(map(len, content.values())))


def revealing(privacy: dict[str, Any]) -> list[str]:
    """The settings of `[privacy]`, as a model's index has them, that let values of fewer rows into it than
    the defaults do."""
    usual, found = PrivacySettings().min_rows, []
    rows, columns, public = (privacy.get(name) for name in ("min_rows", "columns", "public"))
    if not isinstance(rows, int) or rows < usual:
        found.append(f"privacy.min_rows = {rows if isinstance(rows, int) else 'off'}")
    for name, few in (columns if isinstance(columns, dict) else {}).items():
        if not isinstance(few, int) or few < usual:
            found.append(f"privacy.columns.{name} = {few}")
    return [*found, f"privacy.public = {public}"] if public else found


def _files(content: bytes) -> dict[str, bytes]:
    """The files of an archive that holds plain files in no folder.

    Raises:
        ValueError: If there is anything else in it.
    """
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
        for entry in tar:
            plain = entry.type == tarfile.REGTYPE and entry.size <= len(content)
            if not plain or not NAME.fullmatch(entry.name):
                raise ValueError(f"{entry.name!r:.120} in it is no file of a model")
            if entry.name in found or len(found) == MOST_FILES:
                raise ValueError(f"{entry.name!r} in it is one file too many")
            stream = tar.extractfile(entry)
            found[entry.name] = stream.read() if stream else b""
            if len(found[entry.name]) != entry.size:
                raise ValueError(f"{entry.name!r} in it was cut short")
    return found
