"""The settings of a run: one TOML file, one frozen object, every default in one place."""

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from raygen.errors import ConfigError, did_you_mean

KINDS = ("numeric", "categorical", "boolean", "datetime", "id", "drop")


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Run(Section):
    folder: str = Field("", description="where everything of this run goes: a folder or URI that all nodes can reach")
    seed: int = Field(0, ge=0, lt=2**31, description="of weights, noise and held-out rows")


class Data(Section):
    source: str = Field("", description="Parquet or CSV (also .gz), one file or a folder of them, local or a URI")


class Schema(Section):
    bars: int = Field(128, ge=4, le=4096, description="bins of equal mass that a numeric column is cut into")
    max_categories: int = Field(256, ge=8, le=16384, description="categories modelled one by one; more are grouped")
    columns: dict[str, Literal[KINDS]] = Field(default_factory=dict, description="kind of each column; inferred if empty")


class Model(Section):
    latent_dim: int = Field(16, ge=1, le=1024, description="width of z")
    hidden_units: list[Annotated[int, Field(ge=1, le=65536)]] = Field(
        [256, 256], min_length=1, description="widths of the encoder's hidden layers; the decoder has them in reverse"
    )
    prior: Literal["mixture", "normal"] = Field("mixture", description="learned mixture of Gaussians, or N(0, I)")
    prior_components: int = Field(256, ge=1, le=65536, description="Gaussians in the learned prior")
    beta: float = Field(0.5, gt=0, le=100, description="weight of the KL term")


class Train(Section):
    num_workers: int = Field(1, ge=0, description="Ray Train workers; 0 trains in this process")
    use_gpu: bool = Field(False, description="one GPU for each worker")
    cpus_per_worker: int = Field(0, ge=0, description="0: an equal share of the cluster's CPUs")
    steps: int = Field(6000, ge=1, description="optimizer steps at most")
    batch_size: int = Field(0, ge=0, description="rows of one step, over all workers; 0: 512, or fewer for a small table")
    learning_rate: float = Field(2e-3, gt=0, lt=1, description="peak of the cosine schedule")
    holdout: float = Field(0.1, gt=0, lt=0.9, description="share of rows kept out of training, for scoring")
    patience: int = Field(6, ge=1, description="evaluations (20 in a run) without a better held-out bound before it stops")
    memory_gib: float = Field(4.0, gt=0, description="encoded rows that a worker may hold in memory")
    max_failures: int = Field(3, ge=-1, description="times that lost workers are replaced; -1: without end")


class Latent(Section):
    sampler: Literal["auto", "learned", "normal", "diagonal", "gaussian", "mixture"] = Field(
        "auto", description="where z is drawn from; auto: the cheapest within one standard error of the best"
    )
    mixture_components: int = Field(128, ge=1, le=4096, description="Gaussians of the mixture fitted after training")
    max_rows: int = Field(1_000_000, ge=100, description="training rows that samplers are fitted to")


class Generate(Section):
    rows: int = Field(100_000, ge=1, description="rows to write")
    seed: int = Field(0, ge=0, lt=2**31, description="other seeds give other rows")
    rows_per_shard: int = Field(1_000_000, ge=1, description="rows of one Parquet file")
    num_actors: int = Field(0, ge=0, description="0: as many as the cluster holds and the shards need")
    cpus_per_actor: int = Field(1, ge=1, description="CPUs, and TensorFlow threads, of a decode actor")
    gpus_per_actor: float = Field(0.0, ge=0, description="GPUs of a decode actor; may be a fraction")
    compression: Literal["zstd", "snappy", "gzip", "lz4", "none"] = Field("zstd", description="of the Parquet files")


class Config(Section):
    """All settings; sections are attributes: `config.model.latent_dim`."""

    run: Run = Run()
    data: Data = Data()
    schema_: Schema = Field(Schema(), alias="schema")
    model: Model = Model()
    train: Train = Train()
    latent: Latent = Latent()
    generate: Generate = Generate()

    @classmethod
    def from_dict(cls, settings: dict) -> "Config":
        """Check nested settings, as read from TOML or JSON.

        Raises:
            ConfigError: If a setting is unknown or has an impossible value.
        """
        try:
            return cls.model_validate(settings)
        except ValidationError as error:
            raise _first_mistake(error) from None

    @classmethod
    def load(cls, path: str, overrides: list[str] = ()) -> "Config":
        """Read a TOML file and apply `section.key=value` overrides.

        A relative `data.source` or `run.folder` is taken from the working directory, as on a command line.

        Raises:
            ConfigError: If the file is missing, is not TOML, or holds a wrong setting.
        """
        try:
            settings = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(f"config file '{path}' cannot be read: {reason}.", "raygen init DATA writes one.") from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"config file '{path}' is not valid TOML: {error}.", "mend that line.") from None
        return cls.from_dict(settings).override(dict(map(parse_override, overrides)))

    def override(self, settings: dict[str, Any]) -> "Config":
        """A copy with dotted settings replaced, as in `{"model.latent_dim": 8}`.

        Raises:
            ConfigError: If a setting is unknown or has an impossible value.
        """
        nested = self.to_dict()
        for key, value in settings.items():
            section, _, name = key.partition(".")
            if not name:
                raise ConfigError(f"unknown setting '{key}'.", "write it as section.key, such as train.steps=1000.")
            nested.setdefault(section, {})[name] = value
        return self.from_dict(nested)

    def to_dict(self) -> dict:
        return self.model_dump(by_alias=True)


def parse_override(text: str) -> tuple[str, Any]:
    """`"train.steps=100"` to `("train.steps", 100)`: the value is TOML, or a bare word."""
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"override '{text}' has no value.", "write --set section.key=value.")
    try:
        return key.strip(), tomllib.loads(f"x = {value}")["x"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()


def _first_mistake(error: ValidationError) -> ConfigError:
    mistake = error.errors()[0]
    *outer, name = mistake["loc"]
    dotted = ".".join(map(str, mistake["loc"]))
    if mistake["type"] == "extra_forbidden":
        model = Config if not outer else Config.model_fields[_field(outer[0])].annotation
        known = [f.alias or n for n, f in model.model_fields.items()]
        prefix = "".join(f"{o}." for o in outer)
        hint = did_you_mean(str(name), known).replace("mean '", f"mean '{prefix}")
        return ConfigError(f"unknown setting '{dotted}'.", hint)
    given = json.dumps(mistake["input"], default=str)
    expected = mistake["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return ConfigError(f"{dotted} = {given}: expected {expected}.", f"set {dotted} to a value that fits.")


def _field(section: str) -> str:
    return "schema_" if section == "schema" else section
