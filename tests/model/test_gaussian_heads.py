"""The network's Gaussian heads, and draws from them."""

import keras
import numpy as np
import pytest
from scipy import stats

from raygen.config import Config
from raygen.latent import samplers as latent_samplers
from raygen.model.vae import VAE, positions
from raygen.sampling.decoder import Decoder
from raygen.sampling.draws import draw_gaussian
from raygen.table import arrow
from raygen.table.part import Part
from raygen.training.trainer import vae_settings
from tests.codec.test_gaussian import a_table, fitted


def settings_of(**more) -> Config:
    tiny = {
        "model.latent_dim": 2,
        "model.hidden_units": [64, 32, 8],
        "model.prior": "normal",
        "schema.numeric": "gaussian",
    }
    return Config().override(tiny | more)


def a_network():
    """A network of seed 0 with its offset head enlarged, rows of `a_table`, and noise for each."""
    table = a_table()
    built = fitted(table)
    model = VAE(**vae_settings(built, settings_of()))
    model.set_tables(built.tables(), built.frequencies())
    model.offset_head.kernel.assign(model.offset_head.kernel * 10)
    model.noise_log_var.assign(-1.5)
    codes, offsets = built.encode(table)
    return (
        model,
        built,
        codes.astype(np.int32),
        offsets,
        np.random.default_rng(1).standard_normal((500, 2)).astype(np.float32),
    )


def test_the_network_is_that_of_the_question():
    model, built, *_ = a_network()
    assert model.score_in.kernel.shape == (built.num_offsets, 64)
    assert [layer.kernel.shape for layer in model.encoder.layers] == [(64, 32), (32, 8)]
    assert model.mean_head.kernel.shape == model.log_var_head.kernel.shape == (8, 2)
    assert [layer.kernel.shape for layer in model.decoder.layers] == [(2, 8), (8, 32), (32, 64)]
    assert model.offset_head.kernel.shape == (64, built.num_offsets)  # one linear output for each column


def test_reconstruction_is_the_density_of_the_values_that_are_there_and_the_cross_entropy_of_the_codes():
    model, built, codes, offsets, noise = a_network()
    z_mean, z_log_var = (t.numpy() for t in model.encode(codes, offsets))
    logits, centre, scale = (
        t.numpy().astype(float) for t in model.decode(z_mean + np.exp(z_log_var / 2) * noise)
    )
    assert np.all(scale == pytest.approx(np.exp(-0.75)))
    expected, start = np.zeros(len(codes)), 0
    for i, block in enumerate(built.blocks.values()):
        own = logits[:, start : start + block.cardinality]
        expected -= own[np.arange(len(codes)), codes[:, i]] - np.log(np.exp(own).sum(axis=1))
        start += block.cardinality
        if i < built.num_offsets:
            expected -= np.where(
                codes[:, i] == 0, stats.norm(centre[:, i], np.exp(-0.75)).logpdf(offsets[:, i]), 0
            )
    reconstruction, _ = model.bound(codes, positions(keras.ops.convert_to_tensor(offsets)), noise)
    np.testing.assert_allclose(reconstruction.numpy(), expected, rtol=1e-4, atol=1e-4)


def test_a_missing_value_says_nothing():
    model, built, codes, offsets, noise = a_network()
    gone = np.flatnonzero((codes[:, : built.num_offsets] == 1).any(axis=1))
    column = int(np.argmax(codes[gone[0]] == 1))
    other = offsets.copy()
    other[gone[0], column] = 3.0
    for a, b in zip(model.bound(codes, offsets, noise), model.bound(codes, other, noise), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_the_network_survives_its_file_in_safe_mode(tmp_path):
    model, _, codes, offsets, _ = a_network()
    model.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras", safe_mode=True)
    assert again.gaussian and float(again.noise_log_var) == -1.5
    for a, b in zip(model((codes, offsets)), again((codes, offsets)), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_a_network_made_before_there_were_gaussian_heads_has_none():
    model = VAE([3], [True], 1, 2, [8])
    state = {k: v for k, v in model.get_config().items() if k != "gaussian"}
    assert VAE.from_config(state).gaussian is False
    assert [w.shape for w in VAE.from_config(state).weights] == [w.shape for w in model.weights]


def test_draws_are_around_the_mean_with_the_learned_variance():
    """A decoder that does not look at z: what is drawn of each column is a Gaussian of its own, codes come by
    their frequencies."""
    model, built, *_ = a_network()
    centre = np.linspace(-2, 2, built.num_offsets).astype(np.float32)
    model.offset_head.kernel.assign(model.offset_head.kernel * 0)
    model.offset_head.bias.assign(centre)
    model.code_kernel.own.assign(model.code_kernel.own * 0)
    nothing = latent_samplers.Posteriors(*np.zeros((2, 10, 2), np.float32))
    normal = latent_samplers.fit("normal", nothing, nothing)
    decoder = Decoder(model, normal, seed=3)
    drawn = [decoder.block(i) for i in range(10)]
    codes, position = (np.concatenate(part) for part in zip(*drawn, strict=True))
    for i in range(built.num_offsets):
        assert stats.kstest(position[:, i], stats.norm(centre[i], np.exp(-0.75)).cdf).pvalue > 1e-4
    assert np.abs(np.corrcoef(position[:, : built.num_offsets].T) - np.eye(built.num_offsets)).max() < 0.04
    price = built.parts.index(Part("price"))
    assert (codes[:, price] == 1).mean() == pytest.approx(built.blocks[Part("price")].missing, abs=0.02)
    again = Decoder(model, normal, seed=3).block(7)
    assert all(np.array_equal(a, b) for a, b in zip(drawn[7], again, strict=True))
    out = built.decode(codes, position)
    out.validate(full=True)
    assert np.nanstd(arrow.numbers(out["x"])) == pytest.approx(
        built.blocks[Part("x")].std * np.exp(-0.75), rel=0.03
    )


def test_the_first_and_the_last_uniform_are_drawn_alike():
    ends = draw_gaussian(
        keras.ops.convert_to_tensor(np.array([0, 0.5 - 2.0**-23, 0.5, 1 - 2.0**-23], np.float32)), 0.0, 2.0
    ).numpy()
    assert ends[0] == pytest.approx(2 * stats.norm.ppf(2.0**-24), rel=1e-4)
    np.testing.assert_allclose(ends, -ends[::-1], rtol=1e-4)
