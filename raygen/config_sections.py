"""The sections of a config, their settings and defaults."""

from typing import Annotated, Literal

from pydantic import Field

from raygen.config_types import AutoSampler, ChosenSampler, Kind, Section, Uri, Workers

MOST_ROWS = 10**13  # of a generation


class RunSettings(Section):
    folder: Uri = Field(
        default="", description="where everything of this run goes: a folder or URI that all nodes can reach"
    )
    seed: int = Field(default=0, ge=0, lt=2**31, description="of weights, noise and held-out rows")


class DataSettings(Section):
    source: Uri = Field(
        default="",
        description="Parquet, CSV, JSON Lines or Feather, one file or a folder of them, local or a URI",
    )
    test: float = Field(
        default=0.0,
        ge=0,
        lt=0.9,
        description="share of rows that no step and no choice sees, for raygen evaluate; without it, the "
        "held-out rows are taken, which have stopped the training",
    )


class RelationSettings(Section):
    column: str = Field(description="the column that the others say something of")
    is_: str = Field(alias="is", description="what it is, such as price + tax (see raygen help relations)")
    holds: Literal["always", "often"] = Field(
        default="always", description="in every row, or in a share of them that is learned"
    )
    enforce: bool = Field(default=False, description="leave out of training the rows that break it")


class SchemaSettings(Section):
    bars: int = Field(
        default=128, ge=4, le=4096, description="bins of equal mass that a numeric column is cut into"
    )
    max_categories: int = Field(
        default=256, ge=8, le=16384, description="categories modelled one by one; more are grouped"
    )
    limits: dict[str, Annotated[int, Field(ge=8, le=16384)]] = Field(
        default_factory=dict, description="max_categories of single columns, such as { city = 1000 }"
    )
    numeric: Literal["bars", "gaussian"] = Field(
        default="bars",
        description="bars: any shape, within the observed range; gaussian: squared error, drawn "
        "beyond that range too",
    )
    find_relations: bool = Field(
        default=True, description="look for what ties columns, where [[schema.relations]] says nothing"
    )
    columns: dict[str, Kind] = Field(
        default_factory=dict, description="kind of each column; inferred if empty"
    )
    fake: dict[str, str] = Field(
        default_factory=dict, description="what columns of kind fake hold, such as { mail = 'email' }"
    )
    locale: str = Field(default="en_US", description="language and country of what they hold")
    relations: list[RelationSettings] | None = Field(
        default=None, description="what ties columns; [] for nothing, left out: found in the table"
    )


class ModelSettings(Section):
    latent_dim: int = Field(default=16, ge=1, le=1024, description="width of z")
    hidden_units: list[Annotated[int, Field(ge=1, le=65536)]] = Field(
        default=[256, 256],
        min_length=1,
        description="widths of the encoder's hidden layers; the decoder has them in reverse",
    )
    prior: Literal["mixture", "normal"] = Field(
        default="mixture", description="learned mixture of Gaussians, or N(0, I)"
    )
    prior_components: int = Field(default=256, ge=1, le=65536, description="Gaussians in the learned prior")
    beta: float = Field(default=0.85, gt=0, le=100, description="weight of the KL term")
    decoder: Literal["autoregressive", "independent"] = Field(
        default="autoregressive",
        description="whether a column depends on z and on the columns before it, or on z alone",
    )
    turn_width: int = Field(
        default=64,
        ge=8,
        le=4096,
        description="width of what an autoregressive decoder says of earlier columns",
    )
    dropout: float = Field(
        default=0.35, ge=0, lt=1, description="share of the hidden units that each row is trained without"
    )
    context_dropout: float = Field(
        default=0.3, ge=0, lt=1, description="share of the earlier columns that each row is trained without"
    )


class TrainSettings(Section):
    num_workers: Workers = Field(
        default=1,
        description="Ray Train workers; 0 trains in this process; [1, 4]: as many of 1 to 4 as the "
        "cluster holds, and again when it changes",
    )
    use_gpu: bool = Field(default=False, description="one GPU for each worker")
    cpus_per_worker: int = Field(default=0, ge=0, description="0: an equal share of the cluster's CPUs")
    steps: int = Field(
        default=0, ge=0, description="optimizer steps at most; 0: 4,500, up to 9,000 on large tables"
    )
    epochs: int = Field(
        default=300, ge=1, description="times that a row is seen at most; limits the steps on a small table"
    )
    batch_size: int = Field(
        default=0, ge=0, description="rows of one step, over all workers; 0: 512, or fewer for a small table"
    )
    micro_batch_size: int = Field(
        default=0,
        ge=0,
        description="rows of a step that a worker computes at a time, adding up their gradients, to "
        "use less memory; 0: all of its",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="of the factors in the large matrix products; bfloat16 is faster where the "
        "processor knows it",
    )
    learning_rate: float = Field(
        default=4e-3, gt=0, lt=1, description="step size of Adam; it rises over 100 steps and stays"
    )
    holdout: float = Field(
        default=0.1, gt=0, lt=0.9, description="share of rows kept out of training, for scoring"
    )
    patience: int = Field(
        default=2,
        ge=0,
        description="of 20 evaluations, those in a row that are clearly worse than the best one, after which "
        "training stops; 0: never",
    )
    shuffle_rows: int = Field(
        default=2**22,
        ge=64,
        description="training rows that are shuffled together, over all workers; more are read as "
        "they are needed",
    )
    memory_gib: float = Field(default=4.0, gt=0, description="encoded rows that a worker may hold in memory")
    max_failures: int = Field(
        default=3, ge=-1, description="times that lost workers are replaced; -1: without end"
    )

    @property
    def elastic(self) -> bool:
        return isinstance(self.num_workers, list)

    @property
    def fewest_workers(self) -> int:
        """Workers at least, 1 for a training in this process."""
        return self.num_workers[0] if isinstance(self.num_workers, list) else max(1, self.num_workers)

    @property
    def most_workers(self) -> int:
        """Workers at most, 1 for a training in this process."""
        return self.num_workers[1] if isinstance(self.num_workers, list) else max(1, self.num_workers)


class LatentSettings(Section):
    sampler: AutoSampler = Field(
        default="auto",
        description="where z is drawn from; auto: the cheapest within one standard error of the best "
        "on held-out rows",
    )
    min_rows_per_second: float = Field(
        default=0.0,
        ge=0,
        description="auto leaves out samplers slower than this (z and decoding, one worker)",
    )
    mixture_components: int = Field(
        default=128, ge=1, le=4096, description="Gaussians of the mixture at most; held-out rows choose"
    )
    flow_steps: int = Field(
        default=4000,
        ge=0,
        description="training steps of the flow at most; held-out rows stop it; 0: no flow",
    )
    report: bool = Field(
        default=True,
        description="compare what each sampler does to the table, and draw it: model/latent.html",
    )
    max_rows: int = Field(default=262_144, ge=100, description="training rows that samplers are fitted to")
    proposal_steps: int = Field(
        default=1000, ge=0, description="training steps of what raygen complete finds z by; 0: it has none"
    )
    density_ratio: bool = Field(default=True, description="fit what generate.oversample chooses rows by")


class GenerateSettings(Section):
    rows: int = Field(default=100_000, ge=1, le=MOST_ROWS, description="rows to write")
    seed: int = Field(default=0, ge=0, lt=2**31, description="other seeds give other rows")
    sampler: ChosenSampler = Field(
        default="chosen", description="latent sampler to draw from; chosen: the model's own choice"
    )
    first_row: int = Field(
        default=0,
        ge=0,
        le=10**13,
        description="number of the first row: rows from the middle of a longer generation",
    )
    format: Literal["parquet", "csv", "jsonl"] = Field(
        default="parquet", description="of the files; csv and jsonl are larger and slower"
    )
    rows_per_shard: int = Field(
        default=1_000_000, ge=1, le=MOST_ROWS, description="rows of one shard, a file"
    )
    shard_mib: float = Field(
        default=0.0, ge=0, le=65536, description="size of one shard in MiB, about; 0: rows_per_shard counts"
    )
    row_group_rows: int = Field(
        default=131_072,
        ge=1,
        le=2**31,
        description="rows of a row group of Parquet; rounded up to whole blocks of 2,048",
    )
    num_actors: int = Field(
        default=0,
        ge=0,
        description="0: as many as the cluster holds and the shards need, or none for up to a million rows "
        "where no cluster is named",
    )
    cpus_per_actor: int = Field(
        default=1, ge=1, description="CPUs, and TensorFlow threads, of a decode actor"
    )
    gpus_per_actor: float = Field(default=0.0, ge=0, description="GPUs of a decode actor; may be a fraction")
    temperature: float = Field(
        default=1.0,
        ge=0.01,
        le=100,
        description="the codes' logits are divided by it: below 1, likely values more often; z, and "
        "the place inside a bar, are drawn as ever",
    )
    where: str = Field(
        default="",
        description="conditions that every row satisfies, such as income = '>50K' AND age BETWEEN 30 "
        "AND 40; empty: none",
    )
    per: str = Field(
        default="",
        description="exactly so many rows of each category of a column, such as income=10000, in "
        "place of rows; empty: no",
    )
    oversample: int = Field(
        default=1,
        ge=1,
        le=16,
        description="draw so many rows for each that is kept, chosen by their density ratio, none "
        "twice; 1: keep all",
    )
    partition_by: list[str] = Field(
        default_factory=list,
        description="categorical or boolean columns to cut each shard by, into Hive folders such as "
        "income=%3E50K/",
    )
    compression: Literal["auto", "zstd", "snappy", "gzip", "lz4", "none"] = Field(
        default="auto",
        description="of the files; auto: zstd for Parquet, none for csv and jsonl, which may also be "
        "gzip or zstd",
    )
    csv_safe: bool = Field(
        default=False,
        description="in CSV, an apostrophe before text that begins with =, +, - or @, which spreadsheets "
        "take for formulas; never before numbers",
    )


class EvaluateSettings(Section):
    sample_rows: int = Field(
        default=10_000,
        ge=100,
        description="rows of each table that C2ST sees once more where it is not 10,000, the number by which "
        "verdict and gate go",
    )
    target: str = Field(
        default="",
        description="column to predict by a model of the synthetic rows (machine-learning "
        "efficiency); empty: none",
    )
    holdout: Uri = Field(
        default="",
        description="real rows that the synthetic ones were made without; empty: those that training "
        "held out",
    )
    seed: int = Field(default=0, ge=0, lt=2**31, description="of samples, folds and trees")
