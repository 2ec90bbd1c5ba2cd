"""Rows drawn in turn, against the exact law of a small network."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from raygen.codec.code_ranges import Pieces
from raygen.sampling.row_blocks import BLOCK_ROWS
from raygen.sampling.turn_decoder import TurnDecoder, pick
from tests.model.test_turn import SIZES, nats, network

BLOCKS = 20


def mass(model) -> np.ndarray:
    """Probability of every row at z = 0."""
    codes = np.array(list(itertools.product(*map(range, SIZES))), np.int32)
    z = np.zeros((len(codes), 2), np.float32)
    return np.exp(-nats(model, z, codes, np.zeros((len(codes), 0), np.float32))).reshape(SIZES)


def counted(codes: np.ndarray) -> np.ndarray:
    number = np.ravel_multi_index(tuple(codes.T), SIZES)
    return np.bincount(number, minlength=np.prod(SIZES)).reshape(SIZES) / len(codes)


@pytest.mark.parametrize("order", [(), (2, 0, 1)])
def test_drawn_rows_follow_the_law_of_the_network(order):
    model = network(order=order)
    decoder, z = TurnDecoder(model, None, 7), tf.zeros((BLOCK_ROWS, 2))
    codes = [decoder.decode(z, tf.constant(i * BLOCK_ROWS, tf.int64))[0].numpy() for i in range(BLOCKS)]
    expected = mass(model)
    error = np.sqrt(expected * (1 - expected) / (BLOCKS * BLOCK_ROWS))
    assert (np.abs(counted(np.concatenate(codes)) - expected) < 5 * error + 1e-5).all()
    again = TurnDecoder(model, None, 7).decode(z, tf.constant(BLOCK_ROWS, tf.int64))[0].numpy()
    assert np.array_equal(again, codes[1])


@pytest.mark.parametrize("order", [(), (2, 0, 1)])
def test_weights_are_the_mass_of_what_is_wanted(order):
    """Of column 0 the codes 1 and 2, of column 2 the code 3: their mean weight is the condition's probability,
    and rows resampled by weight follow the law given the condition."""
    model, first = network(order=order), tf.constant(0, tf.int64)
    whole = np.zeros(2, np.float32), np.ones(2, np.float32)
    pieces = {0: Pieces(np.array([1, 2]), *whole), 2: Pieces(np.array([3]), whole[0][:1], whole[1][:1])}
    decoder, z = TurnDecoder(model, None, 3, 1.0, pieces), tf.zeros((BLOCK_ROWS, 2))
    drawn = [decoder.weigh(z, first + i * BLOCK_ROWS) for i in range(BLOCKS)]
    codes = np.concatenate([one[0].numpy() for one in drawn])
    weights = np.exp(np.concatenate([one[2].numpy() for one in drawn]).astype(float))
    assert set(codes[:, 0]) == {1, 2} and set(codes[:, 2]) == {3}
    law = mass(model)[1:, :, 3:]
    assert weights.mean() == pytest.approx(law.sum(), rel=0.02)
    number = np.ravel_multi_index((codes[:, 0] - 1, codes[:, 1]), law.shape[:2])
    given = np.bincount(number, weights, law.size).reshape(law.shape) / weights.sum()
    np.testing.assert_allclose(given, law / law.sum(), atol=0.01)


def test_the_code_of_a_stratum_is_given():
    model = network()
    decoder, z = TurnDecoder(model, None, 3, 1.0, None, 1), tf.zeros((BLOCK_ROWS, 2))
    stratum = tf.constant(1), tf.constant(0.0), tf.constant(1.0)
    drawn = [decoder.weigh(z, tf.constant(i * BLOCK_ROWS, tf.int64), *stratum) for i in range(BLOCKS)]
    assert all(set(one[0].numpy()[:, 1]) == {1} for one in drawn)
    weights = np.exp(np.concatenate([one[2].numpy() for one in drawn]).astype(float))
    assert weights.mean() == pytest.approx(mass(model)[:, 1].sum(), rel=0.02)


def test_positions_lie_inside_their_bins_and_are_said_to_later_columns():
    model = network(num_offsets=2)
    decoder, z = TurnDecoder(model, None, 1), tf.zeros((BLOCK_ROWS, 2))
    codes, positions = (part.numpy() for part in decoder.decode(z, tf.constant(0, tf.int64)))
    assert codes.shape == positions.shape == (BLOCK_ROWS, 3)
    assert (positions >= 0).all() and (positions < 1).all() and np.ptp(positions[:, :2], axis=0).min() > 0.5


@pytest.mark.parametrize("size", [1, 2, 31, 33, 200])
def test_a_code_is_drawn_by_its_mass(size):
    rng = np.random.default_rng(size)
    weights = rng.random(size).astype(np.float32) * (rng.random(size) < 0.7)
    weights[0] = 0.5
    uniform = ((np.arange(2000) + 0.5) / 2000).astype(np.float32)
    codes = pick(tf.constant(np.tile(weights, (2000, 1))), tf.constant(uniform)).numpy()
    shares = np.bincount(codes, minlength=size) / 2000
    np.testing.assert_allclose(shares, weights / weights.sum(), atol=2e-3)
    assert (np.diff(codes) >= 0).all() and not shares[weights == 0].any()
