"""Distances between a handful of rows, by hand."""

import numpy as np
import pandas as pd

from raygen.metrics import nearest
from raygen.metrics.nearest import Rows
from tests.frames import OfFrames
from tests.metrics.test_fidelity import mixed

nearest = OfFrames(nearest)

KINDS = {"n": "numeric", "c": "categorical"}
REAL = pd.DataFrame({"n": [0.0, 10.0, 4.0], "c": ["a", "b", None]})


def test_numbers_are_in_units_of_the_real_range_and_levels_are_shared():
    real, other = nearest.embed(KINDS, REAL, pd.DataFrame({"n": [20.0, None], "c": ["b", "z"]}))
    np.testing.assert_array_equal(real.numbers, [[0], [1], [0.4]])
    np.testing.assert_array_equal(other.numbers, [[2], [-1]])
    assert other.codes[0] == real.codes[1] and len({*real.codes[:, 0], *other.codes[:, 0]}) == 4


def test_nearest_is_manhattan_or_squared_euclidean():
    real, other = nearest.embed(KINDS, REAL, pd.DataFrame({"n": [6.0, 1.0], "c": ["b", "b"]}))
    distances, which = nearest.nearest(other, real)
    np.testing.assert_allclose(
        distances, [0.4, 0.9]
    )  # 4 / 10 from the row with b; 9 / 10 from it, 1.1 from the row with a
    np.testing.assert_array_equal(which, [1, 1])
    np.testing.assert_allclose(nearest.nearest(other, real, squared=True)[0], [0.16, 0.81])
    np.testing.assert_allclose(nearest.nearest(other[:1], real[2:], squared=True)[0], [0.04 + 2])


def test_a_row_is_not_its_own_neighbor_where_asked():
    real = nearest.embed(KINDS, REAL)[0]
    assert not nearest.nearest(real, real)[0].any()
    distances, which = nearest.nearest(real, real, others_only=True)
    np.testing.assert_allclose(distances, [1.4, 1.6, 1.4])
    np.testing.assert_array_equal(which, [2, 2, 0])
    twice = real[[0, 0, 1]]
    np.testing.assert_allclose(nearest.nearest(twice, twice, others_only=True)[0], [0, 0, 2])
    assert np.isinf(nearest.nearest(real[:1], real[:1], others_only=True)[0])


def test_blocks_give_what_all_rows_at_once_give():
    (table, kinds), (among, _) = mixed(700, 0), mixed(300, 1)
    rows, points = nearest.embed(kinds, table, among)
    apart = np.abs(rows.numbers[:, None] - points.numbers).sum(2) + (rows.codes[:, None] != points.codes).sum(
        2
    )
    distances, which = nearest.nearest(rows, points)
    np.testing.assert_allclose(distances, apart.min(1))
    np.testing.assert_allclose(apart[np.arange(700), which], distances)
    squares = ((rows.numbers[:, None] - points.numbers) ** 2).sum(2) + 2 * (
        rows.codes[:, None] != points.codes
    ).sum(2)
    np.testing.assert_allclose(nearest.nearest(rows, points, squared=True)[0], squares.min(1))
    own = (
        np.abs(rows.numbers[:, None] - rows.numbers).sum(2)
        + (rows.codes[:, None] != rows.codes).sum(2)
        + np.diag(np.full(700, 99.0))
    )
    np.testing.assert_allclose(nearest.nearest(rows, rows, others_only=True)[0], own.min(1))


def test_constant_and_null_columns_are_left_out():
    real = pd.DataFrame({"one": [5.0, 5.0], "none": [None, None], "c": ["a", "b"]})
    kinds = {"one": "numeric", "none": "numeric", "c": "categorical"}
    points, other = nearest.embed(kinds, real, real.assign(one=9.0, none=3.0))
    assert points.numbers.shape == (2, 0)
    assert not nearest.nearest(other, points)[0].any()


def test_no_rows_and_no_columns():
    real, empty = nearest.embed(KINDS, REAL, REAL[:0])
    assert np.isinf(nearest.nearest(real, empty)[0]).all()
    assert nearest.nearest(empty, real)[0].shape == (0,)
    assert not nearest.nearest(*nearest.embed({}, REAL, REAL))[0].any()


def test_a_sample_is_drawn_from_all_rows():
    rows = Rows(np.arange(100.0)[:, None], np.zeros((100, 0)))
    drawn = rows.sample(50, np.random.default_rng(0))
    assert len(drawn) == 50 == len(set(drawn.numbers[:, 0])) and drawn.numbers.max() > 90
    assert len(rows.sample(1000, np.random.default_rng(0))) == 100
