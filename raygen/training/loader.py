"""What a worker trains on: its rows of the encoded table, shuffled together within windows, read while it
trains on the rows before them."""

import itertools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from raygen import rng
from raygen.config import Config
from raygen.table.split import LANES, Batches, Split, num_lanes, spread

READ_ROWS = 2**15  # at once, from storage
READS = 8  # in a window, at least

Rows = tuple[np.ndarray, np.ndarray]  # codes, offsets


class Feed:
    """Training rows of one worker, step by step, and its share of the held-out rows.

    The table is read in pieces of neighbouring rows. Each of the worker's lanes takes its pieces in an order
    of their own in every epoch, as many at a time as fill its window, and shuffles the rows of a window; a
    thread reads the next window meanwhile. A lane that fits its window is read once and shuffled whole. The
    rows of a step are a function of the settings alone: they depend on no number of workers.

    Args:
        read: `read(first, last)` gives codes and offsets of rows [first, last) of the table, which lie in an
            order as good as random.
        num_rows: Of the table.
        config: Settled and sized: `train.batch_size`, `train.shuffle_rows`, `run.seed` and how the rows are
            split are looked at.
        rank, world_size: This worker, of how many.

    Attributes:
        held: Codes and offsets of this worker's share of the held-out rows.
        first_held: Number of the first of them.
        batches: Which rows of its lanes make a step.
    """

    def __init__(
        self,
        read: Callable[[int, int], Rows],
        num_rows: int,
        config: Config,
        rank: int = 0,
        world_size: int = 1,
    ):
        t, self.seed = config.train, config.run.seed
        split = Split.of(config, num_rows)
        self._read, self._kinds = read, {True: split.held, False: split.learned}
        self._edges = _edges(num_rows, t.shuffle_rows)
        pieces = [np.arange(a, b) for a, b in zip(self._edges, self._edges[1:], strict=False)]
        self._before = {
            held: np.cumsum([0, *(int(is_such(rows).sum()) for rows in pieces)])
            for held, is_such in self._kinds.items()
        }  # rows held out or learned, before each piece
        all_held, all_trained = (int(self._before[kind][-1]) for kind in (True, False))
        self.batches = Batches(
            all_trained,
            t.batch_size,
            num_lanes(t.batch_size, max(t.most_workers, world_size)),
            rank,
            world_size,
        )
        self.first_held, last_held = rank * all_held // world_size, (rank + 1) * all_held // world_size
        self.held = self._rows(self._pieces(self.first_held, last_held, True))
        window = max(1, t.shuffle_rows // self.batches.num_lanes)
        reader = ThreadPoolExecutor(1, "reading rows")
        self._lanes = [
            _Lane(self, lane, self._pieces(*self.batches.span(lane), False), window, reader)
            for lane in self.batches.lanes
        ]
        self._some: dict[int, Rows] = {}
        self._all_held: Rows | None = None

    def take(self, step: int, count: int) -> Rows:
        """Codes and offsets for steps [step, step + count), of shapes (count, rows, ...), the rows of this
        worker lane by lane."""
        taken = []
        while count:
            epoch, number = divmod(step, self.batches.steps_per_epoch)
            k = min(count, self.batches.steps_per_epoch - number)
            each = self.batches.per_lane
            lanes = [lane.rows(epoch, number * each, (number + k) * each) for lane in self._lanes]
            taken.append(
                [
                    np.concatenate([a.reshape(k, each, a.shape[1]) for a in arrays], axis=1)
                    for arrays in zip(*lanes, strict=True)
                ]
            )
            step, count = step + k, count - k
        codes, offsets = (np.concatenate(arrays) for arrays in zip(*taken, strict=True))
        return codes, offsets

    def some(self, most: int) -> Rows:
        """Codes and offsets of at most so many training rows of all workers, from all over them; kept, since
        they are asked for again."""
        if most not in self._some:
            wanted = spread(self.batches.num_rows, most)
            pieces = self._pieces(0, self.batches.num_rows, False)
            parts = [
                (piece, wanted[(wanted >= piece.first) & (wanted < piece.last)] - piece.first)
                for piece in pieces
            ]
            picked = [[a[rows] for a in self._rows([piece])] for piece, rows in parts if len(rows)]
            codes, offsets = (np.concatenate(arrays) for arrays in zip(*picked, strict=True))
            self._some[most] = codes, offsets
        return self._some[most]

    def all_held(self) -> Rows:
        """Codes and offsets of the held-out rows of all workers; kept, as those of `some`."""
        if self._all_held is None:
            self._all_held = self._rows(self._pieces(0, int(self._before[True][-1]), True))
        return self._all_held

    def _pieces(self, first: int, last: int, held: bool) -> list["_Piece"]:
        """Pieces of the table in which held-out rows (or training rows) of numbers [first, last) lie."""
        before = self._before[held]
        numbers = range(
            int(np.searchsorted(before, first, "right")) - 1, int(np.searchsorted(before, last, "left"))
        )
        return [
            _Piece(n, max(first, int(before[n])), min(last, int(before[n + 1])), held)
            for n in numbers
            if before[n] < before[n + 1]
        ]

    def _rows(self, pieces: list["_Piece"]) -> Rows:
        """The rows of some pieces, one after the other."""
        total, at = sum(piece.size for piece in pieces), 0
        codes, offsets = (np.empty((total, empty.shape[1]), empty.dtype) for empty in self._read(0, 0))
        for piece in pieces:
            numbers = np.arange(self._edges[piece.number], self._edges[piece.number + 1])
            keep = np.flatnonzero(self._kinds[piece.held](numbers))
            start = int(self._before[piece.held][piece.number])
            keep = keep[piece.first - start : piece.last - start]
            some_codes, some_offsets = self._read(int(numbers[0]), int(numbers[-1]) + 1)
            codes[at : at + piece.size], offsets[at : at + piece.size] = some_codes[keep], some_offsets[keep]
            at += piece.size
        return codes, offsets


@dataclass(frozen=True)
class _Piece:
    """Rows [first, last) of those that are held out (or of those that are learned), which lie in piece
    `number` of the table."""

    number: int
    first: int
    last: int
    held: bool

    @property
    def size(self) -> int:
        return self.last - self.first


@dataclass(frozen=True)
class _Window:
    """Rows in memory, and the order in which they are taken."""

    epoch: int
    number: int
    rows: Rows
    order: np.ndarray


class _Lane:
    """The training rows of one lane, window after window, in an order that is new in each epoch."""

    def __init__(self, feed: Feed, lane: int, pieces: list[_Piece], window: int, reader: ThreadPoolExecutor):
        self.feed, self.lane, self.pieces, self.window, self.reader = feed, lane, pieces, window, reader
        self.whole = sum(piece.size for piece in pieces) <= window
        self._epoch, self._ends = -1, np.zeros(0, np.int64)
        self._now: _Window | None = None
        self._next: tuple[tuple[int, int], Future] | None = None

    def rows(self, epoch: int, first: int, last: int) -> Rows:
        """Codes and offsets of rows [first, last) in the order of this epoch."""
        if epoch != self._epoch:
            self._epoch, self._ends = (
                epoch,
                np.cumsum([sum(piece.size for piece in pieces) for pieces in self._windows(epoch)]),
            )
        ends, taken = self._ends, []
        while first < last:
            number = int(np.searchsorted(ends, first, "right"))
            start, stop = int(ends[number - 1]) if number else 0, min(last, int(ends[number]))
            now = self._enter(epoch, number, len(ends))
            pick = now.order[first - start : stop - start]
            taken.append([a[pick] for a in now.rows])
            first = stop
        codes, offsets = (np.concatenate(arrays) for arrays in zip(*taken, strict=True))
        return codes, offsets

    def _windows(self, epoch: int) -> list[list[_Piece]]:
        """Pieces of each window of an epoch, in order."""
        if self.whole:
            return [self.pieces]
        order = rng.generator(self.feed.seed, "order of pieces", epoch, self.lane).permutation(
            len(self.pieces)
        )
        pieces = [self.pieces[i] for i in order]
        numbers = (np.cumsum([piece.size for piece in pieces]) - 1) // self.window
        numbered = itertools.groupby(zip(numbers, pieces, strict=True), key=lambda pair: pair[0])
        return [[piece for _, piece in pairs] for _, pairs in numbered]

    def _enter(self, epoch: int, number: int, count: int) -> _Window:
        """The window of that number, in memory; the one after it (of so many in an epoch) begins to be
        read."""
        if self._now is None or (self._now.epoch, self._now.number) != (epoch, number):
            coming, self._next = self._next, None
            self._now = (
                coming[1].result() if coming and coming[0] == (epoch, number) else self._load(epoch, number)
            )
            if not self.whole:
                after = (epoch, number + 1) if number + 1 < count else (epoch + 1, 0)
                self._next = after, self.reader.submit(self._load, *after)
        return self._now

    def _load(self, epoch: int, number: int) -> _Window:
        rows = self._now.rows if self.whole and self._now else self.feed._rows(self._windows(epoch)[number])
        order = rng.generator(self.feed.seed, "order in a window", epoch, self.lane, number).permutation(
            len(rows[0])
        )
        return _Window(epoch, number, rows, order.astype(np.int32))


def _edges(num_rows: int, shuffle_rows: int) -> np.ndarray:
    """Numbers of the rows at which the pieces of a table begin, and its end."""
    rows = max(1, min(READ_ROWS, shuffle_rows // LANES // READS))
    return np.append(np.arange(0, num_rows, rows), num_rows)
