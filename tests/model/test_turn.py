"""The decoder that draws columns in turn, against sums worked out column by column."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from raygen.model.turn import MOST_ALONE, Padded, context_width
from raygen.model.vae import VAE

SIZES = [3, 2, 4]


def network(sizes=SIZES, num_offsets=0, order=(), decoder="autoregressive", spoken=True) -> VAE:
    """A small VAE; `spoken`: its columns say something to one another."""
    ordered = [i < num_offsets for i in range(len(sizes))]
    model = VAE(sizes, ordered, num_offsets, 2, [8, 8], "normal", decoder=decoder, turn_width=8, order=order)
    rng = np.random.default_rng(5)
    model.score_low.assign(rng.normal(size=sum(sizes)) - 1)
    model.score_high.assign(model.score_low + 0.5)
    model.has_offset.assign(np.repeat(np.array(ordered, np.float32), sizes))
    model.code_bias.assign(rng.normal(size=sum(sizes)))
    if spoken:
        for weight in model.turn.weights:
            weight.assign(rng.normal(size=weight.shape) * 0.7)
    return model


def nats(model: VAE, z: np.ndarray, codes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """-log p(codes | z) of each row, from the logits."""
    logits = model.decode(z, codes, offsets)[0].numpy()
    out, at = np.zeros(len(codes)), 0
    for i, size in enumerate(model.settings["cardinalities"]):
        column = logits[:, at : at + size].astype(float)
        out -= column[np.arange(len(codes)), codes[:, i]] - np.log(np.exp(column).sum(axis=1))
        at += size
    return out


def test_training_starts_at_the_independent_decoder():
    codes = np.array(list(itertools.product(*map(range, SIZES))), np.int32)
    offsets, noise = np.zeros((len(codes), 0), np.float32), np.ones((len(codes), 2), np.float32)
    plain, turn = (network(decoder=kind, spoken=False) for kind in ("independent", "autoregressive"))
    for a, b in zip(plain.bound(codes, offsets, noise), turn.bound(codes, offsets, noise), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("order", [(), (2, 0, 1)])
def test_the_rows_of_a_table_have_a_mass_of_one_given_z(order):
    codes = np.array(list(itertools.product(*map(range, SIZES))), np.int32)
    z = np.tile(np.array([[0.3, -1.2]], np.float32), (len(codes), 1))
    model = network(order=order)
    offsets = np.zeros((len(codes), 0), np.float32)
    mass = np.exp(-nats(model, z, codes, offsets))
    assert mass.sum() == pytest.approx(1, abs=1e-5)
    first = mass.reshape(SIZES).sum(axis=(1, 2))
    assert np.ptp(mass.reshape(SIZES) / first[:, None, None], axis=0).max() > 0.01, "columns are tied"


@pytest.mark.parametrize("order", [(), (2, 0, 1)])
def test_a_column_depends_on_those_before_it_alone(order):
    model, z = network(order=order), np.array([[0.3, -1.2]], np.float32)
    offsets = np.zeros((1, 0), np.float32)
    logits = [
        model.decode(z, np.array([row], np.int32), offsets)[0].numpy()[0] for row in ([0, 0, 0], [2, 1, 3])
    ]
    same = [np.array_equal(*(one[a:b] for one in logits)) for a, b in ((0, 3), (3, 5), (5, 9))]
    first = (order or (0, 1, 2))[0]
    assert same == [i == first for i in range(3)]


@pytest.mark.parametrize("many", [False, True], ids=["each column alone", "padded groups"])
def test_logits_and_offsets_are_the_formula(many):
    """g_j = relu(A h + b_j + sum of E_k[code_k] + score_k v_k), by a loop over columns."""
    rng = np.random.default_rng(1)
    count = MOST_ALONE + 9 if many else 5
    sizes = [int(size) for size in rng.integers(1, 12, count)]
    order, num_offsets = [int(c) for c in rng.permutation(count)], 3
    model = network(sizes, num_offsets, order)
    rows = 4
    codes = np.stack([rng.integers(size, size=rows) for size in sizes], axis=1).astype(np.int32)
    offsets = rng.random((rows, num_offsets)).astype(np.float32)
    z = rng.normal(size=(rows, 2)).astype(np.float32)
    keep = (rng.random((rows, count)) < 0.5).astype(np.float32) * 2

    hidden = model.decoder(z)
    index = codes + model.starts
    scores = model._scores(index, offsets)

    @tf.function  # as in training and sampling
    def added(index, values, keep):
        gates = model.turn.gates(hidden, index, values, keep)
        return model.turn.logits(gates), *model.turn.offsets(gates)

    logits, centre, scale = (part.numpy() for part in added(index, scores[2] * scores[3], keep))

    turn, starts = model.turn, model.starts
    vectors, kernel = turn.embedding.table().numpy(), turn.kernel.table().numpy()
    context = hidden.numpy() @ turn.hidden_in.numpy()
    for j in order:
        gate = np.maximum(context + turn.bias.numpy()[j], 0)
        span = slice(starts[j], starts[j] + sizes[j])
        np.testing.assert_allclose(logits[:, span], gate @ kernel[span].T, rtol=1e-3, atol=1e-4)
        said = vectors[starts[j] + codes[:, j]]
        if j < num_offsets:
            both = gate @ turn.offset_kernel.numpy()[j]
            np.testing.assert_allclose(
                np.stack([centre[:, j], scale[:, j]], axis=1), both, rtol=1e-3, atol=1e-4
            )
            value = (scores[2] * scores[3]).numpy()[:, j : j + 1]
            said = said + value * turn.score_vectors.numpy()[j]
        context = context + said * keep[:, j : j + 1]


def test_a_model_is_kept_whole(tmp_path):
    model = network(num_offsets=1, order=(1, 0, 2))
    model.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras")
    z, codes = np.ones((2, 2), np.float32), np.array([[0, 1, 3], [2, 0, 0]], np.int32)
    offsets = np.full((2, 1), 0.3, np.float32)
    for a, b in zip(model.decode(z, codes, offsets), again.decode(z, codes, offsets), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize(("columns", "width"), [(15, 64), (375, 64), (1500, 16), (100_000, 8)])
def test_wide_tables_have_narrower_contexts(columns, width):
    assert context_width(64, columns) == width


@pytest.mark.parametrize("order", [(), (3, 0, 4, 1, 2)])
def test_padded_products_have_the_gradients_of_single_ones(order):
    """Codes of like size share products in wide tables; here they do so in a narrow one, too."""
    rng = np.random.default_rng(2)
    sizes, rows = [7, 2, 6, 13, 1], 6
    model = network(sizes, 2, order)
    codes = np.stack([rng.integers(size, size=rows) for size in sizes], axis=1).astype(np.int32)
    offsets, noise = rng.random((rows, 2)).astype(np.float32), rng.normal(size=(rows, 2)).astype(np.float32)
    keep = (rng.random((rows, 5)) < 0.7).astype(np.float32) * 2
    variables, found = [v.value for v in model.turn.trainable_variables], []
    for model.turn.padded in (None, Padded(sizes)):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model.bound(codes, offsets, noise, keep_context=keep)[0])
        found.append([tf.convert_to_tensor(g).numpy() for g in tape.gradient(loss, variables)])
    for alone, padded in zip(*found, strict=True):
        assert np.abs(alone).max() > 0
        np.testing.assert_allclose(padded, alone, rtol=1e-3, atol=1e-4)


def test_logits_in_turn_need_the_rows():
    with pytest.raises(ValueError, match="autoregressive decoder needs the codes and offsets"):
        network().decode(np.zeros((1, 2), np.float32))
