"""A table whose best linear VAE is known in closed form: the bound, the KL of each latent, the noise and the
aggregate posterior.

For covariance S with eigenvalues l and k latents, probabilistic PCA (Tipping and Bishop 1999, sec. 3.2) has
noise variance s2 = mean of the other eigenvalues, loadings U (L - s2)^.5 and the exact posterior N(L^-1 (L -
s2)^.5 U'x, s2 L^-1), which an encoder with a diagonal covariance can have. So the bound is tight: it is the
log-likelihood, -(5 log 2 pi + log 4 + log 2 + 3 log s2 + 5) / 2 nats per row.
"""

import numpy as np
import pytest
from scipy import stats

from raygen.codec import codec
from raygen.codec.codec import Codec, Tables
from raygen.config import Config
from raygen.latent import samplers as latent_samplers
from raygen.model.vae import VAE
from raygen.sampling.decoder import Decoder
from raygen.table.schema import Schema
from raygen.training.loader import Feed
from raygen.training.trainer import Loop, vae_settings

EIGENVALUES = np.array([4, 2, 1, 0.5, 0.5])
ELBO = -7.52622
KL = (0.8959, 0.5493)
NOISE = 2 / 3
D, K = 5, 2


@pytest.fixture(scope="module")
def covariance() -> np.ndarray:
    """One with the same variance, 8/5, in every column, so that a codec's scaling turns it into a multiple of
    itself."""
    return 1.6 * stats.random_correlation.rvs(EIGENVALUES / 1.6, random_state=0)


def exact(rows: int, covariance: np.ndarray, seed: int) -> np.ndarray:
    """Normal rows whose sample mean is 0 and whose sample covariance is `covariance`, exactly."""
    x = np.random.default_rng(seed).standard_normal((rows, len(covariance)))
    x = np.linalg.qr(x - x.mean(axis=0))[0] * np.sqrt(rows)
    return x @ np.linalg.cholesky(covariance).T


@pytest.fixture(scope="module")
def optimum(covariance) -> VAE:
    """raygen's network with the closed-form weights; a pair of relus of x and -x lets each hidden layer pass
    x on as it is."""
    values, vectors = np.linalg.eigh(covariance)
    top, axes = values[::-1][:K], vectors[:, ::-1][:, :K]
    loadings = axes * np.sqrt(top - NOISE)
    inference = loadings / top
    vae = VAE([1] * D, [False] * D, D, K, [2 * D], prior="normal", gaussian=True)
    half = np.full(D, 0.5, np.float32)
    vae.set_tables(Tables([1] * D, [False] * D, D, half, half, np.ones(D, bool), True), np.ones(D))
    vae.embedding.own.assign(np.zeros((D, 2 * D)))
    vae.score_in.set_weights([np.hstack([np.eye(D), -np.eye(D)]), np.zeros(2 * D)])
    vae.mean_head.set_weights([np.vstack([inference, -inference]), np.zeros(K)])
    vae.log_var_head.set_weights([np.zeros((2 * D, K)), np.log(NOISE / top)])
    pair = np.zeros((K, 2 * D))
    pair[:, : 2 * K] = np.hstack([np.eye(K), -np.eye(K)])
    vae.decoder.layers[0].set_weights([pair, np.zeros(2 * D)])
    head = np.zeros((2 * D, D))
    head[: 2 * K] = np.vstack([loadings.T, -loadings.T])
    vae.offset_head.set_weights([head, np.zeros(D)])
    vae.noise_log_var.assign(np.log(NOISE))
    return vae


@pytest.fixture(scope="module")
def rows(covariance) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes, values and noise of 20,000 rows. Noise and values have exact moments together, so that means of
    squares are expectations."""
    together = np.zeros((D + K, D + K))
    together[:D, :D], together[D:, D:] = covariance, np.eye(K)
    drawn = exact(20_000, together, 1).astype(np.float32)
    return np.zeros((20_000, D), np.int32), drawn[:, :D], drawn[:, D:]


def model_law(optimum):
    """What the network's rows follow: N(0, loadings loadings' + NOISE I)."""
    loadings = optimum.offset_head.kernel.numpy()[:K].T.astype(float)
    return stats.multivariate_normal(np.zeros(D), loadings @ loadings.T + NOISE * np.eye(D))


def test_the_bound_is_the_log_likelihood(optimum, rows, covariance):
    reconstruction, kl = (t.numpy().astype(float).mean() for t in optimum.bound(*rows))
    others = EIGENVALUES[K:].mean()
    assert others == pytest.approx(NOISE)
    closed = -0.5 * (D * np.log(2 * np.pi) + np.log(EIGENVALUES[:K]).sum() + 3 * np.log(others) + D)
    assert closed == pytest.approx(ELBO, abs=1e-5)
    assert -(reconstruction + kl) == pytest.approx(ELBO, abs=1e-4)
    assert kl == pytest.approx(sum(KL), abs=1e-4)


def test_the_kl_of_each_latent(optimum, rows):
    z_mean, z_log_var = (t.numpy().astype(float) for t in optimum.encode(*rows[:2]))
    each = 0.5 * (z_mean**2 + np.exp(z_log_var) - 1 - z_log_var).mean(axis=0)
    np.testing.assert_allclose(each, KL, atol=1e-4)
    np.testing.assert_allclose(each, 0.5 * np.log(EIGENVALUES[:K] / NOISE), atol=1e-4)


def test_importance_weights_are_the_likelihood_of_the_row_whatever_z_is(optimum, rows):
    codes, values, noise = (part[:500] for part in rows)
    expected = model_law(optimum).logpdf(values)
    z_mean, z_log_var = (t.numpy().astype(float) for t in optimum.encode(codes, values))
    for scale in (0.0, 1.0, -2.0):
        reconstruction, _ = optimum.bound(codes, values, scale * noise)
        z = z_mean + np.exp(z_log_var / 2) * scale * noise
        log_prior = stats.norm.logpdf(z).sum(axis=1)
        log_q = stats.norm(z_mean, np.exp(z_log_var / 2)).logpdf(z).sum(axis=1)
        np.testing.assert_allclose(-reconstruction.numpy() + log_prior - log_q, expected, atol=2e-4)


@pytest.mark.slow
def test_the_aggregate_posterior_is_the_prior_so_every_sampler_is(optimum, rows):
    z_mean, z_log_var = (t.numpy() for t in optimum.encode(*rows[:2]))
    covariance = np.diag(np.exp(z_log_var).mean(axis=0)) + np.cov(z_mean.T, bias=True)
    np.testing.assert_allclose(covariance, np.eye(K), atol=1e-4)
    rows = latent_samplers.Posteriors(z_mean, z_log_var)
    samplers, _ = latent_samplers.fit_all(
        ("normal", "diagonal", "gaussian", "mixture", "flow"), rows, rows, components=2, flow_steps=500
    )
    scores = latent_samplers.score(samplers, rows)
    assert all(abs(score.nats) < 0.002 for score in scores.values())
    assert latent_samplers.choose(scores) == "normal"


def test_drawn_rows_have_the_covariance_of_the_table_and_not_of_the_mean_alone(optimum, rows):
    posteriors = latent_samplers.Posteriors(*(t.numpy() for t in optimum.encode(*rows[:2])))
    decoder = Decoder(optimum, latent_samplers.fit("normal", posteriors, posteriors), seed=0)
    drawn = np.concatenate([decoder.block(i)[1] for i in range(40)])
    np.testing.assert_allclose(np.cov(drawn.T), model_law(optimum).cov, atol=0.04)


@pytest.mark.slow
def test_training_finds_the_bound(rows, covariance):
    """The codec's offsets are the rows divided by the columns' standard deviation, so the rows' own bound
    lies its log, per column, lower."""
    import pyarrow as pa

    table = pa.table(list(exact(24_000, covariance, 2).T), names=list("abcde"))
    schema = Schema.of(table.schema, dict.fromkeys("abcde", "numeric"), "here")
    built = Codec.fit(schema, codec.observe(schema, table), 128, 256, "gaussian")
    units = sum(np.log(block.std) for block in built.blocks.values())
    assert units == pytest.approx(D / 2 * np.log(1.6))
    settings = {
        "model.latent_dim": K,
        "model.hidden_units": [20],
        "model.prior": "normal",
        "model.beta": 1.0,
        "model.dropout": 0.0,
        "schema.numeric": "gaussian",
    }
    config = Config().override(
        settings
        | {"train.steps": 1500, "train.batch_size": 256, "train.learning_rate": 0.01, "train.holdout": 0.17}
    )
    codes, offsets = built.encode(table)
    model = VAE(**vae_settings(built, config))
    model.set_tables(built.tables(), built.frequencies())
    loop = Loop(
        model, config, Feed(lambda first, last: (codes[first:last], offsets[first:last]), 24_000, config)
    )
    loop.run(1500)
    loop.keep_best()
    loop.restore_best()
    _, values, noise = rows
    reconstruction, kl = (
        t.numpy().astype(float).mean()
        for t in model.bound(np.zeros((len(values), D), np.int32), values / np.sqrt(1.6), noise)
    )
    elbo = -(reconstruction + kl + units)
    assert ELBO - 0.02 < elbo < ELBO + 0.002
    assert -(loop.score()["held_out_nats"] + units) == pytest.approx(
        ELBO, abs=0.04
    )  # 4,000 rows, one draw of z each
    assert 1.6 * np.exp(float(model.noise_log_var)) == pytest.approx(NOISE, rel=0.03)
    z_mean, z_log_var = loop.posterior(codes, offsets)
    each = 0.5 * (z_mean**2 + np.exp(z_log_var) - 1 - z_log_var).mean(axis=0)
    np.testing.assert_allclose(np.sort(each)[::-1], KL, atol=0.04)
    rows = latent_samplers.Posteriors(z_mean, z_log_var)
    scores = latent_samplers.score(
        {name: latent_samplers.fit(name, rows, rows) for name in ("normal", "gaussian")}, rows
    )
    assert latent_samplers.choose(scores) == "normal"
