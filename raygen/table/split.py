"""Which rows are held out, which worker holds a row, and how many make a step: arithmetic on row numbers."""

import numpy as np
import pandas as pd

LANES = 8
MOST_HELD = 200_000  # rows held out: they tell nats to .01 and are scored twenty times in a run
COUNTED = 2**20  # rows at once


def held_out(rows: np.ndarray, num_rows: int, share: float, seed: int) -> np.ndarray:
    """bool for each row number of a table of `num_rows`: kept out of training. A function of the number and
    the seed alone, but for the share, which is less where it would be more than MOST_HELD rows."""
    hashed = pd.util.hash_array(pd.util.hash_array(rows.astype(np.uint64)) ^ np.uint64(seed))
    return hashed < np.uint64(min(share, MOST_HELD / max(1, num_rows)) * 2**64)


def num_held(num_rows: int, share: float, seed: int) -> int:
    """How many rows of a table are held out."""
    starts = range(0, num_rows, COUNTED)
    return sum(
        int(held_out(np.arange(a, min(a + COUNTED, num_rows)), num_rows, share, seed).sum()) for a in starts
    )


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
