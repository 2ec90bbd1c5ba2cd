"""What `vae.keras` may hold: looked at before Keras builds a network of it, which takes the memory that the
file asks for."""

import io
import itertools
import zipfile
from typing import Annotated, Any, Literal

from pydantic import Field

from raygen.codec.tables import Tables
from raygen.records import Record, checked, parsed

MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
FLOAT_BYTES = 4
KERAS_OWN = {"name", "trainable", "dtype", "build_config"}


class Settings(Record):
    """The arguments of a `VAE`."""

    cardinalities: list[Annotated[int, Field(ge=1, le=65_536)]] = Field(min_length=1)
    ordered: list[bool]
    num_offsets: int = Field(ge=0)
    latent_dim: int = Field(ge=1, le=1024)
    hidden_units: list[Annotated[int, Field(ge=1, le=65_536)]] = Field(min_length=1, max_length=256)
    prior: Literal["mixture", "normal"]
    prior_components: int = Field(ge=1, le=65_536)
    seed: int = Field(ge=0, lt=2**31)
    gaussian: bool = False
    decoder: Literal["autoregressive", "independent"] = "independent"
    turn_width: int = Field(default=64, ge=1, le=4096)
    order: list[int] = Field(default_factory=list)

    @property
    def least_weights(self) -> int:
        """Weights that the network has, at least."""
        units = self.hidden_units
        prior = self.prior_components * self.latent_dim if self.prior == "mixture" else 0
        layers = sum(a * b for a, b in itertools.pairwise(units)) + units[-1] * self.latent_dim
        return sum(self.cardinalities) * units[0] + layers + prior


class Network(Record):
    """The network as Keras notes it."""

    class_name: Literal["VAE"]
    registered_name: Literal["raygen>VAE"]
    config: Settings


def check(content: bytes, tables: Tables, latent_dim: int) -> None:
    """Refuse a file that is not the network of these codes and of this width of z.

    Raises:
        ValueError: Saying what is wrong with it.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            if len(archive.infolist()) != len(MEMBERS) or sizes.keys() != MEMBERS:
                raise ValueError(f"it holds {', '.join(sorted(sizes))[:100]!r}")
            if sum(sizes.values()) > len(content):
                raise ValueError("it unpacks to more than its own size")
            described = parsed(archive.read("config.json"))
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"it is no archive: {error}") from None
    found = checked(Network, described).config
    strange = (found.model_extra or {}).keys() - KERAS_OWN
    if strange or not _is_plain(found.model_extra or {}):
        raise ValueError("its network has settings that raygen's have not")
    if found.least_weights * FLOAT_BYTES > len(content):
        raise ValueError(f"its network has {found.least_weights:,} weights or more, and the file too few")
    asked = {
        "cardinalities": tables.cardinalities,
        "ordered": tables.ordered,
        "num_offsets": tables.num_offsets,
        "gaussian": tables.gaussian,
        "latent_dim": latent_dim,
    }
    for name, value in asked.items():
        if getattr(found, name) != value:
            raise ValueError(f"its network has another {name} than the codes and samplers beside it")
    if found.order and sorted(found.order) != list(range(len(found.cardinalities))):
        raise ValueError("its network names its columns in no order")


def _is_plain(own: dict[str, Any]) -> bool:
    """Whether what Keras has noted for itself names no class but that of a policy of types."""
    kind = own.get("dtype", "float32")
    named = isinstance(kind, str) or (isinstance(kind, dict) and kind.get("class_name") == "DTypePolicy")
    return named and isinstance(own.get("name", ""), str) and isinstance(own.get("trainable", True), bool)
