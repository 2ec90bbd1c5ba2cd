"""What `_run.json`, `_manifest.json` and a line of the manifest may hold."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from raygen.config_sections import MOST_ROWS
from raygen.records import Record

RUN, HEADER, PARTS = "_run.json", "_manifest.json", "_manifest"
MOST_FILES = 10**7  # of a generation
MOST_PARTITIONS = 1000  # files of a shard
Text = Annotated[str, StringConstraints(max_length=1 << 16)]
Rows = Annotated[int, Field(ge=1, le=MOST_ROWS)]


class Run(Record):
    """The generation that a folder belongs to."""

    fingerprint: Text
    seed: int = Field(ge=0, lt=2**31)
    rows: Rows
    rows_per_shard: Rows
    model: Text
    schema_: dict[str, Text] = Field(alias="schema", max_length=10**5)
    first_row: int = Field(default=0, ge=0, le=10**13)
    format: Literal["parquet", "csv", "jsonl"] = "parquet"
    compression: Literal["zstd", "snappy", "gzip", "lz4", "none"] = "zstd"
    row_group_rows: int = Field(default=1, ge=1, le=2**32)
    partition_by: list[Text] = Field(default=[], max_length=64)
    partitions: list[Text] = Field(default=[""], min_length=1, max_length=MOST_PARTITIONS)
    shard_mib: float = Field(default=0.0, ge=0, le=65536)
    sampler: Text = "chosen"
    temperature: float = Field(default=1.0, ge=0.01, le=100)
    where: Text = ""
    per: Text = ""
    oversample: int = Field(default=1, ge=1, le=16)
    csv_safe: bool = False
    made_with: dict[str, Text] = Field(default={}, max_length=64)

    @model_validator(mode="after")
    def _names(self) -> "Run":
        """Folders are those that `partition_by` makes, below the one that they are named in."""
        for folder in self.partitions:
            names = folder.split("/") if folder or self.partition_by else []
            if len(names) != len(self.partition_by) or "\0" in folder:
                raise ValueError(f"partitions: {folder!r} is no folder of {self.partition_by}")
            for name, column in zip(names, self.partition_by, strict=True):
                if not name.startswith(f"{column}=") or column.startswith("."):
                    raise ValueError(f"partitions: {folder!r} is no folder of {self.partition_by}")
        if len(set(self.partitions)) != len(self.partitions):
            raise ValueError("partitions: one stands there twice")
        if -(-self.rows // self.rows_per_shard) * len(self.partitions) > MOST_FILES:
            raise ValueError(f"rows and rows_per_shard make more than {MOST_FILES:,} files")
        return self


class Header(Run):
    """A generation that has finished."""

    shards: int = Field(ge=1, le=MOST_FILES)
    bytes: int = Field(ge=0, lt=2**80)
    hash: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    parts: int = Field(ge=1, le=MOST_FILES)


class Line(Record):
    """What vouches for a file of a shard."""

    shard: int = Field(ge=0, lt=2**63)
    file: Text
    rows: int = Field(ge=0, lt=2**63)
    bytes: int = Field(ge=0, lt=2**63)
    sha256: Text
