"""Which rows are held out, and how workers share the others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raygen.table.split import MOST_HELD, Batches, Split, num_lanes, spread

patient = settings(deadline=None)  # the machine may be busy


@patient
@given(st.integers(1, 16), st.integers(1, 12), st.integers(0, 5000))
def test_workers_share_lanes_rows_and_steps(world_size, each, more):
    batch_size = world_size * 8 * each
    num_rows = batch_size + more
    all_workers = [
        Batches(num_rows, batch_size, num_lanes(batch_size, world_size), rank, world_size)
        for rank in range(world_size)
    ]
    lanes = [lane for one in all_workers for lane in one.lanes]
    assert lanes == list(range(num_lanes(batch_size, world_size)))
    assert [one.first for one in all_workers] == [
        sum(b.rows for b in all_workers[:rank]) for rank in range(world_size)
    ]
    assert sum(one.rows for one in all_workers) == batch_size
    assert min(one.rows for one in all_workers) > 0
    ends = [all_workers[0].span(lane) for lane in lanes]
    assert [a for a, _ in ends] + [num_rows] == [0] + [b for _, b in ends]
    assert (
        len({one.steps_per_epoch for one in all_workers}) == 1
    )  # a worker with a step more would wait for the others for ever
    assert all_workers[0].steps_per_epoch * all_workers[0].per_lane <= min(b - a for a, b in ends)
    assert num_rows - all_workers[0].steps_per_epoch * batch_size < batch_size + len(
        lanes
    )  # what is left would not fill a step evenly


@pytest.mark.parametrize(
    ("batch_size", "world_size", "lanes"),
    [(512, 1, 8), (512, 2, 8), (512, 8, 8), (512, 3, 8), (512, 7, 8), (512, 16, 16), (513, 3, 3), (12, 4, 4)],
)
def test_lanes(batch_size, world_size, lanes):
    assert num_lanes(batch_size, world_size) == lanes


@patient
@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=50), st.integers(0, 2**31 - 1))
def test_held_out_is_a_function_of_number_and_seed(rows, seed):
    rows = np.array(rows)
    split = Split(100, 0.3, 0.2, seed)
    for kind in (split.held, split.tested, split.learned):
        assert kind(rows).tolist() == [bool(kind(np.array([row]))[0]) for row in rows]
    # a larger share holds out the same rows and more
    assert np.all(split.held(rows) <= Split(100, 0.5, 0.0, seed).held(rows))


@pytest.mark.parametrize("test", [0.0, 0.05, 0.3])
def test_each_row_is_learned_held_out_or_kept_for_a_test(test):
    rows, split = np.arange(100_000), Split(100_000, 0.1, test, 3)
    kinds = [split.learned(rows), split.held(rows), split.tested(rows)]
    assert np.array_equal(np.sum(kinds, axis=0), np.ones(len(rows)))
    assert [kind.mean() for kind in kinds] == pytest.approx([0.9 - test, 0.1, test], abs=0.004)
    assert split.counts() == (kinds[0].sum(), kinds[1].sum())
    assert np.array_equal(kinds[1], Split(100_000, 0.1, 0.0, 3).held(rows))


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.89])
def test_share_of_held_out_rows(share):
    rows = np.arange(200_000)
    seeds = [Split(len(rows), share, 0.0, seed).held(rows) for seed in (0, 1)]
    for held in seeds:
        assert held.mean() == pytest.approx(share, abs=0.004)
    assert np.mean(seeds[0] & seeds[1]) == pytest.approx(share**2, abs=0.004)  # other seeds, other rows
    assert np.corrcoef(seeds[0][1:], seeds[0][:-1])[0, 1] == pytest.approx(0, abs=0.02)


def test_of_a_large_table_no_more_rows_are_held_out_than_scores_need():
    rows = 50_000_000
    held = Split(rows, 0.1, 0.0, 0).held(np.arange(0, rows, 50)).mean() * rows
    assert held == pytest.approx(MOST_HELD, rel=0.1)
    assert Split(3_000_000, 0.1, 0.0, 0).counts()[1] == pytest.approx(MOST_HELD, rel=0.02)


@given(count=st.integers(0, 10_000), most=st.integers(1, 500))
@patient
def test_some_rows_are_from_all_over(count, most):
    rows = spread(count, most)
    assert len(rows) == len(set(rows.tolist())) == min(count, most)
    edges = np.concatenate([[0], rows, [count]])
    assert np.diff(edges).max(initial=0) <= -(-count // max(1, len(rows)))
