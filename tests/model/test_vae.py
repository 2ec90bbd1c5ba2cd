"""The VAE's loss terms against plain NumPy and SciPy, and its file."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from raygen.codec.tables import Tables
from raygen.model.layers import CodeTable, MixturePrior
from raygen.model.vae import VAE, truncated_logistic
from raygen.sampling.draws import draw_truncated_logistic

SIZES = [5, 3, 2, 40]
ORDERED = [True, False, False, True]


def small_vae(prior="mixture", hidden=(8, 8), num_offsets=1):
    vae = VAE(
        SIZES,
        ORDERED,
        num_offsets,
        latent_dim=3,
        hidden_units=list(hidden),
        prior=prior,
        prior_components=4,
        seed=1,
    )
    low = np.full(sum(SIZES), 0.5, np.float32)
    high = low.copy()
    low[:5], high[:5] = np.arange(5) / 5, np.arange(1, 6) / 5
    has_offset = np.arange(sum(SIZES)) < 4  # of the first block, the last code is an atom
    vae.set_tables(
        Tables(SIZES, ORDERED, num_offsets, low, high, has_offset),
        np.concatenate([np.full(n, 1 / n) for n in SIZES]),
    )
    return vae


def some_rows(rows=64, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.stack([rng.integers(0, n, rows) for n in SIZES], axis=1).astype(np.int32)
    return (
        codes,
        rng.uniform(size=(rows, 1)).astype(np.float32),
        rng.standard_normal((rows, 3)).astype(np.float32),
    )


def test_reconstruction_is_the_cross_entropy_of_each_column_and_the_density_inside_its_bar():
    vae, (codes, offsets, noise) = small_vae(), some_rows()
    z_mean, z_log_var = (t.numpy() for t in vae.encode(codes, offsets))
    logits, centre, scale = (t.numpy() for t in vae.decode(z_mean + np.exp(z_log_var / 2) * noise))
    expected = np.zeros(len(codes))
    for block, start in enumerate(np.cumsum([0, *SIZES[:-1]])):
        own = logits[:, start : start + SIZES[block]].astype(float)
        own -= np.log(np.exp(own).sum(axis=1, keepdims=True))
        expected -= own[np.arange(len(codes)), codes[:, block]]
    low, high = vae.score_low.numpy()[codes[:, 0]], vae.score_high.numpy()[codes[:, 0]]
    law = stats.logistic(centre[:, 0], scale[:, 0])
    score = low + (high - low) * offsets[:, 0]
    inside = law.logpdf(score) - np.log(law.cdf(high) - law.cdf(low)) + np.log(high - low)
    expected -= np.where(codes[:, 0] < 4, inside, 0.0)
    reconstruction, _ = vae.bound(codes, offsets, noise)
    np.testing.assert_allclose(reconstruction.numpy(), expected, rtol=1e-4, atol=1e-4)


def test_kl_to_the_normal_prior_is_the_closed_form():
    vae, (codes, offsets, noise) = small_vae("normal"), some_rows()
    z_mean, z_log_var = (t.numpy().astype(float) for t in vae.encode(codes, offsets))
    expected = 0.5 * np.sum(z_mean**2 + np.exp(z_log_var) - 1 - z_log_var, axis=1)
    np.testing.assert_allclose(vae.bound(codes, offsets, noise)[1].numpy(), expected, rtol=1e-5, atol=1e-5)


def test_kl_to_the_learned_prior_is_unbiased():
    """With one component at N(0, 1), the mean of its one-draw estimate is the closed form."""
    vae, (codes, offsets, _) = small_vae(), some_rows(1)
    vae.prior.mean.assign(np.zeros((4, 3)))
    codes, offsets = np.repeat(codes, 50_000, axis=0), np.repeat(offsets, 50_000, axis=0)
    noise = np.random.default_rng(1).standard_normal((50_000, 3)).astype(np.float32)
    z_mean, z_log_var = (t.numpy()[0].astype(float) for t in vae.encode(codes[:1], offsets[:1]))
    expected = 0.5 * np.sum(z_mean**2 + np.exp(z_log_var) - 1 - z_log_var)
    draws = vae.bound(codes, offsets, noise)[1].numpy()
    assert abs(draws.mean() - expected) < 5 * draws.std() / np.sqrt(len(draws)) + 1e-6


def test_log_prob_of_the_learned_prior():
    prior = MixturePrior(3, 2)
    mean, log_var, logits = (
        np.array([[0, 0], [3, 1], [-2, 4.0]]),
        np.array([[0, 1], [-1, 0.5], [2, -2.0]]),
        np.array([0.0, 1, -1]),
    )
    prior.mean.assign(mean), prior.log_var.assign(log_var), prior.logits.assign(logits)
    z = np.random.default_rng(0).standard_normal((50, 2)).astype(np.float32) * 3
    weights = np.exp(logits) / np.exp(logits).sum()
    density = sum(
        w * stats.multivariate_normal(m, np.diag(np.exp(v))).pdf(z)
        for w, m, v in zip(weights, mean, log_var, strict=True)
    )
    np.testing.assert_allclose(prior.log_prob(z).numpy(), np.log(density), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("centre", "scale"), [(0.0, 1.0), (0.4, 0.05), (-3.0, 0.3), (50.0, 0.02), (-50.0, 0.02)]
)
def test_the_density_inside_a_bar_integrates_to_one(centre, scale):
    low, high = -0.5, 1.0
    grid = np.linspace(low, high, 200_001)
    middle = ((grid[1:] + grid[:-1]) / 2).astype(np.float32)
    log_density = truncated_logistic(
        *(tf.constant(np.float32(v)) for v in (middle, low, high, centre, scale))
    ).numpy()
    assert np.isfinite(log_density).all()
    assert np.exp(log_density.astype(float)).mean() == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize(("centre", "scale"), [(0.0, 1.0), (0.4, 0.05), (-3.0, 0.3), (2.5, 0.4)])
def test_draws_inside_a_bar_follow_the_density(centre, scale):
    low, high = -0.5, 1.0
    pick = np.random.default_rng(0).uniform(size=20_000).astype(np.float32)
    place = draw_truncated_logistic(
        *(tf.constant(np.float32(v)) for v in (pick, low, high, centre, scale))
    ).numpy()
    law = stats.logistic(centre, scale)
    uniform = (law.cdf(low + (high - low) * place) - law.cdf(low)) / (law.cdf(high) - law.cdf(low))
    assert stats.kstest(uniform, "uniform").pvalue > 1e-3
    assert (place >= 0).all() and (place < 1).all()


@pytest.mark.parametrize(
    ("hidden", "num_offsets", "prior"),
    [((8, 8), 1, "mixture"), ((64, 32, 8), 0, "normal"), ((5,), 1, "mixture")],
)
def test_the_network_survives_its_file_in_safe_mode(tmp_path, hidden, num_offsets, prior):
    vae, (codes, offsets, _) = small_vae(prior, hidden, num_offsets), some_rows()
    vae.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras", safe_mode=True)
    assert isinstance(again, keras.Model)
    for a, b in zip(vae((codes, offsets)), again((codes, offsets)), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_weights_come_from_the_seed_alone():
    a, b = small_vae(), small_vae()
    assert all(np.array_equal(x, y) for x, y in zip(a.get_weights(), b.get_weights(), strict=True))


def test_neighbours_of_an_ordered_block_share_a_vector():
    table = CodeTable([5, 3, 18], [True, False, True], 2, 0.0)
    table.shared[0].assign(
        np.arange(16).reshape(8, 2)
    )  # groups of 4: two in the first block, one for the second, five in the third
    rows = table.table().numpy()[:, 0]
    np.testing.assert_array_equal(rows, [0, 0, 0, 0, 2, 4, 4, 4, *np.repeat([6, 8, 10, 12, 14], 4)[:18]])


def test_a_code_of_few_rows_has_less_of_a_vector_of_its_own():
    table = CodeTable([3, 2], [True, False], 2, 0.0)
    table.own.assign(np.ones((5, 2)))
    table.count_rows(np.array([400, 1200, 0, 20, 180]))
    np.testing.assert_allclose(table.table().numpy()[:, 0], [0.5, 0.75, 0, 0.5, 0.9])


def test_rows_are_counted_in_all_tables_of_codes():
    vae = VAE(SIZES, ORDERED, 1, latent_dim=3, hidden_units=[8, 8], decoder="autoregressive")
    frequencies = np.concatenate([np.full(n, 1 / n) for n in SIZES])
    vae.set_tables(Tables(SIZES, ORDERED, 1, *np.full((3, sum(SIZES)), 0.5)), frequencies, num_rows=4000)
    shares = [weight.numpy()[:, 0] for weight in vae.weights if weight.path.endswith("own_share")]
    assert len(shares) == 4
    for share in shares:
        np.testing.assert_allclose(share, np.repeat([2 / 3, 200 / 203, 100 / 101, 0.2], SIZES), rtol=1e-6)
