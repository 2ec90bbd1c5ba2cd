"""Which rows are held out, which worker holds a row, and which rows make a step: arithmetic on row numbers."""

import numpy as np
import pandas as pd

LANES = 8


def held_out(rows: np.ndarray, share: float, seed: int) -> np.ndarray:
    """bool for each row number (uint64): kept out of training; a function of the number and the seed alone."""
    hashed = pd.util.hash_array(pd.util.hash_array(rows.astype(np.uint64)) ^ np.uint64(seed))
    return hashed < np.uint64(share * 2**64)


def num_lanes(batch_size: int, world_size: int) -> int:
    """Lanes that the training rows are dealt to: 8 where that divides evenly, so that 1, 2, 4 and 8 workers take the same steps."""
    return LANES if batch_size % LANES == 0 and LANES % world_size == 0 else world_size


def spread(count: int, most: int) -> np.ndarray:
    """Numbers of at most `most` of `count` rows, at equal distances. Rows lie in the order of their hashes, equal ones side by side: the first
    ones would be some kinds of rows and no others."""
    return np.arange(count) if count <= most else np.linspace(0, count, most, endpoint=False).astype(np.int64)


class Batches:
    """The steps of one worker.

    Training row i lies in lane i % lanes, each worker holds some neighbouring lanes, and each step takes equally many rows of
    every lane, shuffled anew in every epoch. So what all workers take together in a step does not depend on their number.

    Args:
        num_rows: Training rows over all workers.
        batch_size: Rows of a step over all workers; a multiple of the number of lanes.
        rank, world_size: This worker, of how many.
        seed: Of the shuffles.
    """

    def __init__(self, num_rows: int, batch_size: int, rank: int, world_size: int, seed: int):
        lanes = num_lanes(batch_size, world_size)
        mine = lanes // world_size
        self.lanes = range(rank * mine, (rank + 1) * mine)
        self.per_lane = batch_size // lanes
        self.sizes = [len(range(lane, num_rows, lanes)) for lane in self.lanes]
        self.starts = np.cumsum([0, *self.sizes])
        self.steps_per_epoch = (num_rows // lanes) // self.per_lane
        self.num_rows, self.num_lanes, self.seed = num_rows, lanes, seed
        self._epoch = -1
        self._order: list[np.ndarray] = []

    def holds(self, rows: np.ndarray) -> np.ndarray:
        """bool for each training row number: this worker holds it."""
        lane = rows % self.num_lanes
        return (lane >= self.lanes.start) & (lane < self.lanes.stop)

    def arrange(self, rows: np.ndarray) -> np.ndarray:
        """Order in which the held training row numbers must be stored: lane by lane."""
        return np.argsort(rows % self.num_lanes, kind="stable")

    def take(self, step: int, count: int) -> np.ndarray:
        """Positions among the stored rows, int32 of shape (count, local batch), for steps [step, step + count)."""
        return np.stack([self._step(s) for s in range(step, step + count)])

    def _step(self, step: int) -> np.ndarray:
        epoch, number = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            shuffles = [np.random.default_rng([self.seed, epoch, lane]) for lane in self.lanes]
            self._order = [start + rng.permutation(size) for start, size, rng in zip(self.starts[:-1], self.sizes, shuffles, strict=True)]
            self._epoch = epoch
        piece = slice(number * self.per_lane, (number + 1) * self.per_lane)
        return np.concatenate([order[piece] for order in self._order]).astype(np.int32)
