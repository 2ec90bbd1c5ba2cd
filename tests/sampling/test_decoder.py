"""Random streams, and draws of codes from a decoder whose probabilities are known."""

import numpy as np
import pytest
import tensorflow as tf

from raygen.latent import samplers as latent_samplers
from raygen.latent import streams
from raygen.latent.gaussians import Gaussians
from raygen.sampling.decoder import Decoder
from raygen.sampling.draws import latents
from raygen.sampling.row_blocks import BLOCK_ROWS
from tests.model.test_vae import SIZES, small_vae

pytestmark = pytest.mark.slow


def sampler(d=3):
    nothing = latent_samplers.Posteriors(*np.zeros((2, 10, d), np.float32))
    return latent_samplers.fit("normal", nothing, nothing)


@pytest.mark.parametrize("draw", [streams.normal, streams.uniform])
def test_a_slice_of_a_stream_needs_nothing_before_it(draw):
    key = streams.key(7, "test")
    whole = draw(key, (100, 8)).numpy()
    np.testing.assert_array_equal(draw(key, (40, 8), 60 * 8).numpy(), whole[60:])


def test_streams_of_other_lists_differ():
    assert streams.key(1, 23).numpy() != streams.key(12, 3).numpy()
    assert streams.key(0, "z").numpy() == streams.key(0, "z").numpy()


def test_codes_follow_the_softmaxes():
    """With the network's hidden layer switched off, each column's law is the softmax of its biases."""
    vae = small_vae()
    bias = np.random.default_rng(0).normal(0, 2, sum(SIZES)).astype(np.float32)
    vae.code_kernel.own.assign(vae.code_kernel.own * 0)
    vae.code_bias.assign(bias)
    decoder = Decoder(vae, sampler(), seed=5)
    blocks = 30
    codes = np.concatenate([decoder.block(i)[0] for i in range(blocks)])
    for column, start in enumerate(np.cumsum([0, *SIZES[:-1]])):
        law = np.exp(bias[start : start + SIZES[column]])
        law /= law.sum()
        seen = np.bincount(codes[:, column], minlength=SIZES[column]) / len(codes)
        assert np.abs(seen - law).max() < 5 * np.sqrt(0.25 / len(codes))
        assert codes[:, column].min() >= 0 and codes[:, column].max() < SIZES[column]


def test_positions_lie_in_the_unit_interval_and_blocks_repeat():
    decoder = Decoder(small_vae(), sampler(), seed=5)
    codes, position = decoder.block(3)
    assert (
        position.min() >= 0
        and position.max() < 1
        and codes.shape == position.shape == (BLOCK_ROWS, len(SIZES))
    )
    again = Decoder(small_vae(), sampler(), seed=5).block(3)
    np.testing.assert_array_equal(codes, again[0])
    np.testing.assert_array_equal(position, again[1])
    assert not np.array_equal(codes, Decoder(small_vae(), sampler(), seed=6).block(3)[0])


@pytest.mark.parametrize("full", [False, True])
def test_z_has_the_moments_of_its_sampler(full):
    rng = np.random.default_rng(0)
    means = rng.normal(size=(2, 3)).astype(np.float32) * 3
    factor = np.array([[1, 0, 0], [0.5, 1, 0], [-1, 0.2, 0.3]], np.float32)
    scales = np.stack([factor, 2 * factor]) if full else np.array([[1, 2, 0.5], [0.1, 1, 3]], np.float32)
    weights = np.array([0.3, 0.7], np.float32)
    graph = latents(Gaussians("mixture", weights, means, scales), seed=1)
    z = np.concatenate([graph(i * BLOCK_ROWS).numpy() for i in range(40)])
    parts = [s @ s.T if full else np.diag(s**2) for s in scales]
    mean = weights @ means
    covariance = sum(
        w * (p + np.outer(m - mean, m - mean)) for w, p, m in zip(weights, parts, means, strict=True)
    )
    np.testing.assert_allclose(z.mean(axis=0), mean, atol=0.08)
    np.testing.assert_allclose(np.cov(z.T), covariance, atol=0.25)


def test_decoding_z_by_itself_gives_the_same_rows():
    decoder, graph = Decoder(small_vae(), sampler(), seed=5), latents(sampler(), seed=5)
    first = tf.constant(3 * BLOCK_ROWS, tf.int64)
    for apart, together in zip(decoder.decode(graph(first), first), decoder.block(3), strict=True):
        np.testing.assert_array_equal(apart.numpy(), together)


def test_the_floor_counts_every_matrix_of_the_decoder():
    vae = small_vae(hidden=(8, 8))
    assert Decoder(vae, sampler(), 0).flops_per_row == 2 * (3 * 8 + 8 * 8 + 8 * 2 + 8 * sum(SIZES))
