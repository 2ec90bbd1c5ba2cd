"""How fast a training would be, from some steps that are taken on some rows of the table."""

import time
from dataclasses import dataclass

import numpy as np

from raygen.codec.codec import Codec
from raygen.config import Config
from raygen.fakes import pools
from raygen.relations.counts import Counts
from raygen.relations.reduction import Reduction
from raygen.relations.uses import uses
from raygen.table import split
from raygen.table.protection import UNPROTECTED
from raygen.table.schema import Schema
from raygen.table.source import Source
from raygen.training.encoding import ways
from raygen.training.loader import Feed, Rows
from raygen.training.rounds import ROUNDS
from raygen.training.statistics import TableStatistics, relations_of

SAMPLED_ROWS = 20_000
STEPS = 5  # of one call
MEASURED_SECONDS = 2.0


@dataclass(frozen=True)
class Speed:
    """Of one worker.

    Attributes:
        start_seconds: Until the first steps were taken, which traces them.
        steps_per_second: Of its share of the batch.
        held_rows_per_second: Of scores.
        steps: That were measured.
    """

    start_seconds: float
    steps_per_second: float
    held_rows_per_second: float
    steps: int

    def seconds(self, config: Config, num_rows: int) -> float:
        """Of a training to its last step, without what precedes and follows the steps.

        Args:
            config: Sized.
            num_rows: Of the table.
        """
        t = config.train
        held = split.Split.of(config, num_rows).counts()[1] / t.most_workers
        scored = min(ROUNDS, t.steps) * held / self.held_rows_per_second
        return self.start_seconds + t.steps / self.steps_per_second + scored


def sample(config: Config, source: Source, schema: Schema) -> tuple[Codec, Rows]:
    """A codec made of some rows of a table, and these encoded; values that privacy hides are learned too."""
    rows = source.spread(SAMPLED_ROWS).cast(schema.arrow)
    tied = relations_of(config, source, schema, UNPROTECTED)
    kept, counts = tied.kept(rows), Counts(tied.relations)
    counts.observe(kept)
    numeric = config.schema_.numeric
    reduction = Reduction(schema, uses(counts.verified(), counts.counts, schema, numeric=numeric))
    seen = TableStatistics.of(rows, tied, reduction)
    fakes = pools.make(schema, config.schema_.fake, config.schema_.locale, config.run.seed)
    told = ways(config) | {"reduction": reduction, "fakes": fakes}
    codec = Codec.fit(schema, seen.parts, **told, explained=seen.explained, given=seen.levels)
    return codec, codec.encode(kept)


def measure(config: Config, codec: Codec, rows: Rows) -> Speed:
    """Take steps of one worker's share of the batch for some seconds, on the rows over and over.

    Args:
        config: Sized.
        codec: Of the rows.
        rows: Codes and offsets.
    """
    from raygen.model.vae import VAE
    from raygen.training.trainer import Loop, vae_settings

    t = config.train
    share = -(-t.batch_size // t.most_workers)
    own = config.override({"train.batch_size": share, "train.num_workers": 0})
    count = max(len(rows[0]), int(4 * share / (1 - t.holdout - config.data.test)))

    def read(first: int, last: int) -> Rows:
        numbers = np.arange(first, last) % len(rows[0])
        return rows[0][numbers], rows[1][numbers]

    began = time.perf_counter()
    model = VAE(**vae_settings(codec, own))
    model.set_tables(codec.tables(), codec.frequencies(), count)
    loop = Loop(model, own, Feed(read, count, own))
    loop.run(STEPS)
    started = time.perf_counter()
    while time.perf_counter() - started < MEASURED_SECONDS:
        loop.run(STEPS)
    steps = loop.step - STEPS
    per_second = steps / (time.perf_counter() - started)
    loop.score()
    scored, held = time.perf_counter(), len(loop.feed.held[0])
    loop.score()
    return Speed(started - began, per_second, held / (time.perf_counter() - scored), steps)
