"""Rows drawn in turn, against the exact law of a small network."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from raygen.model.vae import VAE
from raygen.sampling.row_blocks import BLOCK_ROWS
from raygen.sampling.turn_columns import Columns, pick
from raygen.sampling.turn_decoder import TurnDecoder
from raygen.sampling.turn_loop import LoopedColumns
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


@pytest.mark.parametrize("temperature", [1.0, 0.5])
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
@pytest.mark.slow
def test_a_loop_draws_the_rows_that_sections_for_each_column_draw(order, temperature):
    """The same numbers summed in another order: a code differs where a uniform number lies that close."""
    model, rng = network([3, 40, 4], num_offsets=2, order=order), np.random.default_rng(3)
    z = tf.constant(rng.normal(size=(BLOCK_ROWS, 2)), tf.float32)
    uniforms = [list(tf.constant(rng.random((3, BLOCK_ROWS)), tf.float32)) for _ in range(2)]
    drawn = []
    for kind in (Columns, LoopedColumns):
        columns = kind(model, order, temperature)

        @tf.function(autograph=False)
        def draw(columns=columns):
            state = columns.start(z)
            columns.draw_all(state, *uniforms)
            return state.rows(range(3))

        drawn.append([part.numpy() for part in draw()])
    same = (drawn[0][0] == drawn[1][0]).all(axis=1)
    assert same.mean() > 0.995 and np.ptp(drawn[0][0], axis=0).min() > 0
    np.testing.assert_allclose(drawn[0][1][same], drawn[1][1][same], atol=1e-3)


def test_the_graph_of_many_columns_does_not_grow_with_them():
    graphs = []
    for count in (70, 140):
        model = network([2, 3] * (count // 2))
        decode = TurnDecoder(model, None, 1).decode
        graph = decode.get_concrete_function(tf.zeros((BLOCK_ROWS, 2)), tf.constant(0, tf.int64)).graph
        graphs.append(len(graph.get_operations()))
    assert graphs[0] == graphs[1] < 400


@pytest.mark.slow
def test_many_columns_of_numbers_are_drawn():
    """Block after block: TensorFlow optimises graphs of much memory in a way that may work once."""
    numbers = 80
    sizes = [100 + column % 160 for column in range(numbers)] + [2 + column % 40 for column in range(numbers)]
    ordered = [True] * numbers + [False] * numbers
    model = VAE(sizes, ordered, numbers, 2, [256, 256], "normal", decoder="autoregressive")
    model.score_high.assign(model.score_low + 0.5)
    model.has_offset.assign(np.repeat(np.array(ordered, np.float32), sizes))
    decoder, z = TurnDecoder(model, None, 1), tf.zeros((BLOCK_ROWS, 2))
    for block in range(2):
        codes, positions = decoder.decode(z, tf.constant(block * BLOCK_ROWS, tf.int64))
        assert (np.ptp(codes, axis=0) > np.array(sizes) * 0.9 - 1).all()
        assert np.ptp(positions[:, :numbers], axis=0).min() > 0.9


def test_columns_of_an_independent_decoder_have_no_turn():
    with pytest.raises(ValueError, match="have no turn"):
        TurnDecoder(network(decoder="independent", spoken=False), None, 7)
