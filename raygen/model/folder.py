"""The model folder: the only file that knows its layout.

    raygen.json   format, raygen's version, fingerprint, config, figures, and a hash of each other file
    schema.json   columns, kinds and Arrow types
    codec.json    blocks of codes
    vae.keras     the network, in Keras' own format
    latent.npz    every fitted sampler
    ratio.npz     the density ratio of real rows to drawn ones, if it was fitted
    proposal.npz  where z may lie of rows known in part, if it was trained
    latent.json   the latent report (see latent_report), and latent.html, the same to look at
No pickle, no code, no training row.
"""

import hashlib
import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from raygen import __version__, records, storage, uris
from raygen.codec.codec import Codec
from raygen.config import Config
from raygen.errors import ModelError, RaygenError
from raygen.latent import samplers as latent_samplers
from raygen.model import network_file
from raygen.model.density_ratio import Ratio
from raygen.model.index import Index, Made
from raygen.report.latent.record import LatentReport
from raygen.table.schema import Schema

if TYPE_CHECKING:
    from raygen.model.proposal import Proposal
    from raygen.model.vae import VAE

FORMAT = 6
FILES = (
    "schema.json",
    "codec.json",
    "vae.keras",
    "latent.npz",
)  # what a model needs; the rest is to be read by people
RATIO = "ratio.npz"
PROPOSAL = "proposal.npz"
INDEX = "raygen.json"
PACKED = ".tar"
MOST_BYTES = 2**33  # of a file
REPORT, PAGE = "latent.json", "latent.html"


@dataclass(frozen=True)
class Artifact:
    """A model as loaded.

    Attributes:
        uri: Its folder.
        config: The config that it was trained with.
        codec: Between tables and codes; `codec.schema` is the table's schema.
        samplers: Latent samplers by name.
        sampler: Name of the one to draw z from.
        metrics: Figures of the training, and of each sampler.
        ratio: What `generate.oversample` chooses rows by; None if it was not fitted.
        fingerprint: Hash of all that the generated rows depend on, but for their seed.
        content: The files themselves, for actors that load the network (see `network`).
    """

    uri: str
    config: Config
    codec: Codec
    samplers: dict[str, latent_samplers.Sampler]
    sampler: str
    metrics: dict
    ratio: Ratio | None
    fingerprint: str
    content: dict[str, bytes]

    def network(self) -> "VAE":
        """The Keras VAE, loaded in safe mode."""
        import keras

        import raygen.model.vae  # registers the classes

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "vae.keras"
            path.write_bytes(self.content["vae.keras"])
            try:
                tables, latent_dim = self.codec.tables(), self.samplers[self.sampler].latent_dim
                network_file.check(self.content["vae.keras"], tables, latent_dim)
                loaded = keras.saving.load_model(path, compile=False, safe_mode=True)
            except Exception as error:  # of Keras, h5py, TensorFlow: whatever a damaged file makes them raise
                raise damaged(self.uri, f"vae.keras cannot be loaded ({_said(error)})") from None
        if not isinstance(loaded, raygen.model.vae.VAE):
            raise damaged(self.uri, f"vae.keras holds a {type(loaded).__name__}")
        if not all(np.isfinite(weight).all() for weight in loaded.get_weights()):
            raise damaged(self.uri, "vae.keras holds weights that are no numbers")
        return loaded

    def proposal(self, network: "VAE") -> "Proposal | None":
        """Where z of a row known in part may lie; None if the model was trained without.

        Args:
            network: The model's own, as `network` gives it.
        """
        from raygen.model.proposal import Proposal

        if PROPOSAL not in self.content:
            return None
        try:
            found = Proposal.from_arrays(records.arrays(self.content[PROPOSAL]))
        except Exception as error:  # whatever a forged file makes NumPy raise
            raise damaged(self.uri, f"{PROPOSAL} cannot be read ({_said(error)})") from None
        if not found.fits(network):
            raise damaged(self.uri, f"{PROPOSAL} is of another network")
        return found


def save(
    uri: str,
    config: Config,
    codec: Codec,
    model: "VAE",
    samplers: dict[str, latent_samplers.Sampler],
    metrics: dict,
    report: LatentReport,
    ratio: Ratio | None = None,
    pages: dict[str, str] | None = None,
    proposal: "Proposal | None" = None,
) -> str:
    """Write a model folder, with HTML `pages` by their names and its index last, and return the
    fingerprint."""
    sampler = report.chosen
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vae.keras"
        model.save(path)
        content = {
            "schema.json": json.dumps(codec.schema.to_dict(), indent=1).encode(),
            "codec.json": json.dumps(codec.to_dict()).encode(),
            "vae.keras": path.read_bytes(),
            "latent.npz": _packed(
                {
                    f"{name}/{key}": array
                    for name, s in samplers.items()
                    for key, array in s.to_arrays().items()
                }
            ),
            REPORT: json.dumps(report.to_dict()).encode(),
        } | {name: html.encode() for name, html in (pages or {}).items()}
    if ratio:
        content[RATIO] = _packed(ratio.to_arrays())
    if proposal:
        content[PROPOSAL] = _packed(proposal.to_arrays())
    index: dict[str, Any] = {
        "format": FORMAT,
        "raygen": __version__,
        "fingerprint": _fingerprint(content, model, samplers, sampler, ratio),
        "sampler": sampler,
        "samplers": list(samplers),
        "files": {name: hashlib.sha256(content[name]).hexdigest() for name in content},
        "metrics": metrics,
        "config": config.to_dict(),
    }
    index["checksum"] = _checksum(index)
    if is_model(uri):
        storage.delete(
            storage.join(uri, INDEX)
        )  # of a model that is written once more: its files are about to change
    for name in content:
        storage.write(storage.join(uri, name), content[name])
    storage.write_json(storage.join(uri, INDEX), index)
    return index["fingerprint"]


def copy(source: str, target: str) -> None:
    """Copy a model folder over another; until the index is there again, last, `target` is no model. What else
    lies in it stays."""
    index = read_index(source)
    if is_model(target):
        before = read_index(target)["files"]
        storage.delete(storage.own(target, INDEX))
        for name in before.keys() - index["files"].keys():
            if storage.exists(storage.join(target, name)):
                storage.delete(storage.own(target, name))
    for name in index["files"]:
        storage.write(storage.own(target, name), _read(source, index, name))
    storage.write_json(storage.own(target, INDEX), index)


def leaving(uri: str) -> dict[str, bytes]:
    """The files of a model folder that its index names, and the index, without where the table lies.

    Raises:
        ModelError: If one is missing, truncated or edited.
    """
    index = read_index(uri)
    files = {name: _read(uri, index, name) for name in index["files"]}
    config = index["config"]
    config["data"]["source"] = storage.name(config["data"]["source"].rstrip("/"))
    config["run"]["folder"] = config["evaluate"]["holdout"] = ""
    index["checksum"] = _checksum(index)
    return files | {INDEX: json.dumps(index, indent=1).encode()}


def is_model(uri: str) -> bool:
    return storage.exists(storage.join(uri, INDEX))


def read_index(uri: str) -> dict:
    """The index of a model folder.

    Raises:
        ModelError: If there is none, it is damaged, or of a newer format.
    """
    if not storage.exists(uri):
        raise ModelError(
            f"there is no model '{uri}'.", "train one with raygen train CONFIG.toml, or check the path."
        )
    if not is_model(uri):
        hint = "name the folder that raygen train printed"
        if uri.endswith(PACKED):
            raise ModelError(f"'{uri}' is a packed model.", f"raygen unpack {uri} makes a folder of it.")
        if uri.endswith(".toml"):
            raise ModelError(f"'{uri}' is a config, and a model folder is wanted.", f"{hint}: RUN/model.")
        raise ModelError(f"'{uri}' is no model folder: it has no {INDEX}.", f"{hint}.")
    try:
        index = records.read(storage.join(uri, INDEX))
        made = records.checked(Made, index)
        if made.format == FORMAT:
            if made.checksum != _checksum(index):
                raise damaged(uri, f"{INDEX} was edited")
            records.checked(Index, index)
    except ModelError:
        raise
    except (ValueError, RecursionError) as error:
        raise damaged(uri, f"{INDEX} cannot be read ({error})") from None
    if made.format != FORMAT:
        message = (
            f"'{uri}' was made by raygen {made.raygen} (format {made.format}); this is "
            f"raygen {__version__} (format {FORMAT})."
        )
        again = "train again with this raygen, in another run.folder or after deleting this folder."
        raise ModelError(message, "pip install -U raygen" if made.format > FORMAT else again)
    return index


def load(uri: str) -> Artifact:
    """Read a model folder and check every file against the index.

    Raises:
        ModelError: If a file is missing, truncated or edited, or of the format of another release.
    """
    uri = uris.absolute(uri)
    index = read_index(uri)
    names = (*FILES, *({RATIO, PROPOSAL} & set(index["files"])))
    content = {name: _read(uri, index, name) for name in names}
    try:
        schema = Schema.from_dict(records.parsed(content["schema.json"]))
        codec = Codec.from_dict(schema, records.parsed(content["codec.json"]))
        arrays = records.arrays(content["latent.npz"])
        samplers = {name: latent_samplers.from_arrays(name, _of(name, arrays)) for name in index["samplers"]}
        ratio = Ratio.from_arrays(records.arrays(content[RATIO])) if RATIO in content else None
        if ratio and not ratio.fits(codec.tables().cardinalities):
            raise ValueError(f"{RATIO} is of other codes")
        config = Config.from_dict(index["config"])
        if {one.latent_dim for one in samplers.values()} != {samplers[index["sampler"]].latent_dim}:
            raise ValueError("latent.npz has samplers of different widths")
    except Exception as error:  # whatever a forged file makes Arrow, NumPy and Python raise
        raise damaged(uri, _said(error)) from error
    return Artifact(
        uri, config, codec, samplers, index["sampler"], index["metrics"], ratio, index["fingerprint"], content
    )


def _of(name: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of a sampler."""
    return {key.partition("/")[2]: one for key, one in arrays.items() if key.startswith(f"{name}/")}


def _read(uri: str, index: dict, name: str) -> bytes:
    """A file of a model, as its index says."""
    try:
        content = storage.read(storage.join(uri, name), MOST_BYTES)
    except FileNotFoundError:
        raise damaged(uri, f"{name} is missing") from None
    except ValueError as error:
        raise damaged(uri, f"{name} cannot be read ({error})") from None
    if hashlib.sha256(content).hexdigest() != index["files"].get(name):
        raise damaged(uri, f"{name} was truncated or edited ({len(content)} bytes)")
    return content


def read_report(uri: str) -> LatentReport | None:
    """The latent report of a model; None for a model of before raygen made them."""
    index = read_index(uri)
    if REPORT not in index["files"] and not storage.exists(storage.join(uri, REPORT)):
        return None
    content = _read(uri, index, REPORT)
    try:
        return LatentReport.model_validate_json(content)
    except ValidationError as error:
        raise damaged(uri, f"{REPORT} cannot be read ({records.mistake(error)})") from None


def _packed(arrays: dict[str, np.ndarray]) -> bytes:
    packed = io.BytesIO()
    np.savez(packed, **arrays)  # type: ignore[arg-type]
    return packed.getvalue()


def _fingerprint(
    content: dict[str, bytes],
    model: "VAE",
    samplers: dict[str, latent_samplers.Sampler],
    sampler: str,
    ratio: Ratio | None,
) -> str:
    digest = hashlib.sha256(content["schema.json"] + content["codec.json"])
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    for name in sorted(samplers):
        for array in samplers[name].to_arrays().values():
            digest.update(np.ascontiguousarray(array).tobytes())
    for array in ratio.to_arrays().values() if ratio else ():
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(sampler.encode())
    return digest.hexdigest()[:16]


def _checksum(index: dict) -> str:
    """Hash of all of the index but its checksum."""
    rest = {key: value for key, value in index.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _said(error: Exception) -> str:
    """What an error says, in a line."""
    said = error.message if isinstance(error, RaygenError) else str(error)
    text = " ".join(said.split())[:300].rstrip(".")
    return text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}"


def damaged(uri: str, reason: str) -> ModelError:
    return ModelError(
        f"model '{uri}' is damaged: {reason}.", "copy the folder again, or train the model again."
    )
