"""Which rows are held out, which worker holds a row, and how many make a step: arithmetic on row numbers."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from raygen.config import Config

LANES = 8
MOST_HELD = 200_000  # rows held out: they tell nats to .01 and are scored twenty times in a run
COUNTED = 2**20  # rows at once


@dataclass(frozen=True)
class Split:
    """Which rows of a table are learned, which are held out to score and choose, and which are for a test
    that neither has seen: a function of a row's number and the seed alone, but for the share that is held
    out, which is less where it would be more than MOST_HELD rows.

    Attributes:
        num_rows: Of the table.
        holdout, test: Shares of the rows.
    """

    num_rows: int
    holdout: float
    test: float
    seed: int

    @classmethod
    def of(cls, config: Config, num_rows: int) -> "Split":
        """As a config asks for."""
        return cls(num_rows, config.train.holdout, config.data.test, config.run.seed)

    def held(self, rows: np.ndarray) -> np.ndarray:
        """bool for each row number: held out."""
        return self._hashes(rows) < np.uint64(min(self.holdout, MOST_HELD / max(1, self.num_rows)) * 2**64)

    def tested(self, rows: np.ndarray) -> np.ndarray:
        """bool for each row number: neither learned nor held out."""
        return self._hashes(rows) > ~np.uint64(self.test * 2**64)

    def learned(self, rows: np.ndarray) -> np.ndarray:
        """bool for each row number: training row."""
        return ~(self.held(rows) | self.tested(rows)) if self.test else ~self.held(rows)

    def counts(self) -> tuple[int, int]:
        """How many rows are learned, and how many are held out."""
        learned = held = 0
        for start in range(0, self.num_rows, COUNTED):
            rows = np.arange(start, min(start + COUNTED, self.num_rows))
            learned, held = learned + int(self.learned(rows).sum()), held + int(self.held(rows).sum())
        return learned, held

    def _hashes(self, rows: np.ndarray) -> np.ndarray:
        return pd.util.hash_array(pd.util.hash_array(rows.astype(np.uint64)) ^ np.uint64(self.seed))


def num_lanes(batch_size: int, most_workers: int) -> int:
    """Lanes that the training rows are dealt to: 8 where that divides the batch evenly, so that 1 to 8
    workers take the same steps."""
    return LANES if batch_size % LANES == 0 and most_workers <= LANES else most_workers


def spread(count: int, most: int) -> np.ndarray:
    """Numbers of at most `most` of `count` rows, at equal distances. Rows lie in the order of their hashes,
    equal ones side by side: the first ones would be some kinds of rows and no others."""
    return np.arange(count) if count <= most else np.linspace(0, count, most, endpoint=False).astype(np.int64)


class Batches:
    """The steps of one worker.

    Each lane has some neighbouring training rows, each worker some neighbouring lanes, and each step takes
    equally many rows of every lane. So what all workers take together in a step does not depend on their
    number, which need not divide that of the lanes.

    Args:
        num_rows: Training rows over all workers.
        batch_size: Rows of a step over all workers; a multiple of the number of lanes.
        num_lanes: As many as there are workers, or more.
        rank, world_size: This worker, of how many.

    Attributes:
        lanes: Of this worker.
        per_lane: Rows of a step that each lane gives.
        rows: Rows of a step that this worker takes.
        first: Rows of a step that the workers before it take.
        steps_per_epoch: The same for all workers.
    """

    def __init__(
        self, num_rows: int, batch_size: int, num_lanes: int = LANES, rank: int = 0, world_size: int = 1
    ):
        self.num_rows, self.num_lanes = num_rows, num_lanes
        self.lanes = range(rank * self.num_lanes // world_size, (rank + 1) * self.num_lanes // world_size)
        self.per_lane = batch_size // self.num_lanes
        self.rows, self.first = len(self.lanes) * self.per_lane, self.lanes.start * self.per_lane
        self.steps_per_epoch = (num_rows // self.num_lanes) // self.per_lane

    def span(self, lane: int) -> tuple[int, int]:
        """Numbers of a lane's first training row and of the first one after it."""
        return lane * self.num_rows // self.num_lanes, (lane + 1) * self.num_rows // self.num_lanes
