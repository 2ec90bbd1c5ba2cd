"""Rows of each step: the same for any number of workers and from wherever a run goes on, each once in an
epoch, in bounded memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raygen.config import Config
from raygen.table.split import Split
from raygen.training.loader import Feed

pytestmark = pytest.mark.slow

patient = settings(deadline=None, max_examples=40)  # the machine may be busy


def config(batch_size, **settings):
    return Config().override({"train.batch_size": batch_size, "train.holdout": 0.1} | settings)


class Table:
    """Rows whose first code is their number, and how many rows were read at once."""

    def __init__(self, num_rows):
        numbers = np.arange(num_rows)
        self.codes = np.stack([numbers % 50_000, numbers // 50_000], axis=1).astype(np.uint16)
        self.offsets = (numbers % 256).astype(np.uint8)[:, None]
        self.reads: list[tuple[int, int]] = []

    def read(self, first, last):
        if first < last:
            self.reads.append((first, last))
        return self.codes[first:last], self.offsets[first:last]

    def feed(self, made, rank=0, world_size=1) -> Feed:
        return Feed(self.read, len(self.codes), made, rank, world_size)


def numbers(rows) -> np.ndarray:
    codes, offsets = rows
    found = codes[..., 0].astype(int) + 50_000 * codes[..., 1]
    assert np.array_equal(found % 256, offsets[..., 0])
    return found


@patient
@given(
    st.sampled_from([2, 3, 4, 8]),
    st.integers(1, 6),
    st.integers(100, 3000),
    st.sampled_from([64, 200, 100_000]),
    st.integers(0, 2**31 - 1),
)
def test_any_number_of_workers_takes_the_same_rows_in_each_step(
    world_size, each, num_rows, shuffle_rows, seed
):
    table, made = Table(num_rows), config(8 * each, **{"train.shuffle_rows": shuffle_rows, "run.seed": seed})
    alone = numbers(table.feed(made).take(3, 40))
    shared = [numbers(table.feed(made, rank, world_size).take(3, 40)) for rank in range(world_size)]
    assert np.array_equal(np.concatenate(shared, axis=1), alone)


@pytest.mark.parametrize("shuffle_rows", [64, 1000, 100_000])
@pytest.mark.parametrize(("world_size", "test"), [(1, 0.0), (3, 0.2), (4, 0.0)])
def test_an_epoch_has_each_training_row_once_and_no_other(shuffle_rows, world_size, test):
    table = Table(5000)
    made = config(48, **{"train.shuffle_rows": shuffle_rows, "data.test": test})
    feeds = [table.feed(made, rank, world_size) for rank in range(world_size)]
    steps = feeds[0].batches.steps_per_epoch
    split = Split(5000, 0.1, test, 0)
    held, tested = (np.flatnonzero(kind(np.arange(5000))) for kind in (split.held, split.tested))
    epochs = [
        np.concatenate([numbers(feed.take(epoch * steps, steps)) for feed in feeds], axis=1)
        for epoch in (0, 1, 2)
    ]
    for rows in epochs:
        assert len(np.unique(rows)) == rows.size == steps * 48
        assert not np.isin(rows, [*held, *tested]).any()
        assert 5000 - len(held) - len(tested) - rows.size < 48 + 8
    assert not np.array_equal(epochs[0], epochs[1]) and not np.array_equal(
        np.sort(epochs[1]), np.sort(epochs[2])
    )
    assert np.array_equal(np.concatenate([numbers(feed.held) for feed in feeds]), held)
    assert [feed.first_held for feed in feeds] == np.cumsum([0, *(len(feed.held[0]) for feed in feeds)])[
        :-1
    ].tolist()


@pytest.mark.parametrize("shuffle_rows", [128, 100_000])
def test_a_run_that_goes_on_at_a_step_takes_what_one_that_came_there_takes(shuffle_rows):
    made = config(40, **{"train.shuffle_rows": shuffle_rows})
    whole = numbers(Table(1111).feed(made, 1, 2).take(0, 90))
    resumed = Table(1111).feed(made, 1, 2)
    assert np.array_equal(numbers(resumed.take(61, 29)), whole[61:])
    assert np.array_equal(numbers(resumed.take(0, 7)), whole[:7])
    assert not np.array_equal(
        whole,
        numbers(
            Table(1111)
            .feed(config(40, **{"train.shuffle_rows": shuffle_rows, "run.seed": 1}), 1, 2)
            .take(0, 90)
        ),
    )


def test_a_table_that_fits_is_read_once_and_a_larger_one_as_it_is_needed():
    made = config(80, **{"train.shuffle_rows": 8000})
    small, large = Table(8000), Table(64_000)
    feed = small.feed(made)
    feed.take(0, 5 * feed.batches.steps_per_epoch)
    covered = np.bincount(np.concatenate([np.arange(a, b) for a, b in small.reads]), minlength=8000)
    assert covered.max() <= 1 + 2  # for the held-out rows, and for the two lanes that a piece may lie in

    feed = large.feed(made)
    large.reads.clear()
    feed.take(0, 1)
    feed._lanes[-1]._next[1].result()
    assert sum(b - a for a, b in large.reads) < 2.5 * 8000  # a window in use and the next one, of all lanes
    assert max(b - a for a, b in large.reads) <= 8000 // 8 // 8


def test_windows_mix_rows_from_all_over_the_lane():
    made = config(80, **{"train.shuffle_rows": 8000})
    first = numbers(
        Table(80_000).feed(made).take(0, 80)
    )  # most of the first window: 6,400 of 8,000 rows, 800 of each lane of 10,000
    for lane in range(8):
        rows = first[:, 10 * lane : 10 * lane + 10] - 10_000 * lane
        assert rows.min() < 2500 and rows.max() > 7500
        assert abs(np.corrcoef(np.arange(rows.size), rows.ravel())[0, 1]) < 0.1


@pytest.mark.parametrize("most", [1, 10, 999, 10_000])
def test_some_rows_and_all_held_ones_are_the_same_on_each_worker(most):
    made = config(80, **{"train.shuffle_rows": 400})
    feeds = [Table(4000).feed(made, rank, 2) for rank in range(2)]
    held = Split(4000, 0.1, 0.0, 0).held(np.arange(4000))
    rows, others = (numbers(feed.some(most)) for feed in feeds)
    assert np.array_equal(rows, others) and len(np.unique(rows)) == len(rows) == min(most, 4000 - held.sum())
    assert not held[rows].any()
    assert np.diff(np.concatenate([[0], rows, [4000]])).max() < 20 + 4200 / most
    assert np.array_equal(numbers(feeds[0].all_held()), np.flatnonzero(held))
    assert np.array_equal(np.concatenate([numbers(feed.held) for feed in feeds]), np.flatnonzero(held))


def test_elastic_workers_take_the_same_rows_however_many_they_are():
    made = config(48, **{"train.num_workers": [1, 12]})
    alone = numbers(Table(3000).feed(made).take(0, 70))
    for world_size in (2, 5, 12):
        shared = [numbers(Table(3000).feed(made, rank, world_size).take(0, 70)) for rank in range(world_size)]
        assert np.array_equal(np.concatenate(shared, axis=1), alone)
