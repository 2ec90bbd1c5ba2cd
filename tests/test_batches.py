"""Steps of training: the same rows in each step for any number of workers, each row once in an epoch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raygen.batches import Batches, held_out, num_lanes, spread

patient = settings(deadline=None)  # the machine may be busy


def steps(num_rows, batch_size, world_size, seed, count) -> list[list[np.ndarray]]:
    """Row numbers that each worker takes, by step and rank, as `data.load_rows` stores them."""
    taken = []
    for rank in range(world_size):
        batches = Batches(num_rows, batch_size, rank, world_size, seed)
        numbers = np.flatnonzero(batches.holds(np.arange(num_rows)))
        stored = numbers[batches.arrange(numbers)]
        taken.append(stored[batches.take(0, count)])
    return [list(step) for step in zip(*taken, strict=True)]


def together(step: list[np.ndarray]) -> list[int]:
    return sorted(np.concatenate(step).tolist())


def steps_per_epoch(num_rows, batch_size, world_size) -> int:
    found = {Batches(num_rows, batch_size, rank, world_size, 0).steps_per_epoch for rank in range(world_size)}
    assert len(found) == 1  # a worker with a step more would wait for the others for ever
    return found.pop()


@patient
@given(st.integers(1, 12), st.integers(16, 600), st.integers(0, 2**31 - 1))
def test_1_2_4_and_8_workers_take_the_same_rows_in_each_step(size, num_rows, seed):
    batch_size = 8 * min(size, num_rows // 8)
    alone = [together(step) for step in steps(num_rows, batch_size, 1, seed, 6)]
    for world_size in (2, 4, 8):
        shared = steps(num_rows, batch_size, world_size, seed, 6)
        assert [together(step) for step in shared] == alone
        assert {len(rows) for step in shared for rows in step} == {batch_size // world_size}
        assert steps_per_epoch(num_rows, batch_size, world_size) == steps_per_epoch(num_rows, batch_size, 1)


@patient
@given(st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 12, 16]), st.integers(1, 8), st.integers(0, 400))
def test_a_row_comes_at_most_once_in_an_epoch(world_size, each, more):
    batch_size = world_size * each
    num_rows = max(batch_size, 8) + more
    count = steps_per_epoch(num_rows, batch_size, world_size)
    assert count >= 1
    rows = [row for step in steps(num_rows, batch_size, world_size, 5, count) for row in together(step)]
    assert len(set(rows)) == len(rows) == count * batch_size
    lanes = num_lanes(batch_size, world_size)
    assert num_rows - len(rows) < batch_size + lanes  # what is left would not fill a step evenly


def test_workers_hold_each_row_once():
    for world_size in (1, 2, 3, 4, 5, 8, 16):
        held = [Batches(1000, 240, rank, world_size, 0).holds(np.arange(1000)) for rank in range(world_size)]
        assert np.array_equal(np.sum(held, axis=0), np.ones(1000))


def test_epochs_and_seeds_are_shuffled_anew():
    epoch = steps_per_epoch(800, 80, 2)
    taken = np.array([together(step) for step in steps(800, 80, 2, 7, 2 * epoch)])
    first, second = taken[:epoch], taken[epoch:]
    assert not np.array_equal(first, second)
    assert np.sort(first, axis=None).tolist() == np.sort(second, axis=None).tolist() == list(range(800))
    assert not np.array_equal(first, [together(step) for step in steps(800, 80, 2, 8, epoch)])


def test_steps_do_not_depend_on_how_they_are_asked_for():
    """A run that resumes at step 7 takes what one that came there takes."""
    whole = Batches(333, 24, 1, 2, 3).take(0, 40)
    resumed = Batches(333, 24, 1, 2, 3)
    assert np.array_equal(resumed.take(27, 13), whole[27:])
    assert np.array_equal(resumed.take(0, 5), whole[:5])
    assert whole.dtype == np.int32


@pytest.mark.parametrize(
    ("batch_size", "world_size", "lanes"), [(512, 1, 8), (512, 2, 8), (512, 8, 8), (512, 16, 16), (513, 3, 3), (510, 1, 1), (24, 3, 3), (12, 4, 4)]
)
def test_lanes(batch_size, world_size, lanes):
    assert num_lanes(batch_size, world_size) == lanes


@patient
@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=50), st.integers(0, 2**31 - 1))
def test_held_out_is_a_function_of_number_and_seed(rows, seed):
    rows = np.array(rows)
    alone = [bool(held_out(np.array([row]), 0.3, seed)[0]) for row in rows]
    assert held_out(rows, 0.3, seed).tolist() == alone
    assert np.all(held_out(rows, 0.3, seed) <= held_out(rows, 0.5, seed))  # a larger share holds out the same rows and more


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.89])
def test_share_of_held_out_rows(share):
    rows = np.arange(200_000)
    seeds = [held_out(rows, share, seed) for seed in (0, 1)]
    for held in seeds:
        assert held.mean() == pytest.approx(share, abs=0.004)
    assert np.mean(seeds[0] & seeds[1]) == pytest.approx(share**2, abs=0.004)  # other seeds, other rows
    assert np.corrcoef(seeds[0][1:], seeds[0][:-1])[0, 1] == pytest.approx(0, abs=0.02)


@given(count=st.integers(0, 10_000), most=st.integers(1, 500))
@patient
def test_some_rows_are_from_all_over(count, most):
    rows = spread(count, most)
    assert len(rows) == len(set(rows.tolist())) == min(count, most)
    edges = np.concatenate([[0], rows, [count]])
    assert np.diff(edges).max(initial=0) <= -(-count // max(1, len(rows)))
