"""What `raygen.json` of a model folder may hold."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from raygen import sampler_catalogue
from raygen.records import Record

Text = Annotated[str, StringConstraints(max_length=1 << 16)]
File = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$")]
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, lt=2**63)]


class Made(Record):
    """What a model folder of any release says of itself."""

    format: int = Field(ge=0, lt=2**31)
    raygen: Text
    checksum: Text = ""


class Round(Record):
    """A round of training."""

    step: Count
    epoch: float
    held_out_reconstruction: float
    held_out_kl: float
    rows_per_second: float = Field(gt=0)


class Metrics(Record):
    """Figures of the training."""

    rows: Count
    steps: Count
    kept_step: Count
    training_seconds: float = Field(ge=0)
    history: list[Round] = Field(max_length=10**5)
    content: Text = ""
    encoded: Text = ""
    held_out_nats: float = 0.0
    sampler_seconds: float = 0.0


class Index(Made):
    """The index of a model folder."""

    fingerprint: Text
    sampler: Text
    samplers: list[Literal[sampler_catalogue.NAMES]] = Field(min_length=1)  # type: ignore[valid-type]
    files: dict[File, Hash] = Field(max_length=1000)
    metrics: Metrics
    config: dict[str, Any]

    @model_validator(mode="after")
    def _chosen(self) -> "Index":
        if self.sampler not in self.samplers:
            raise ValueError(f"sampler = {self.sampler!r} is none of its samplers")
        return self
