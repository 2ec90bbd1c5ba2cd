"""Latent samplers against laws whose answers are known."""

import numpy as np
import pytest
from scipy import stats

from raygen import latent

ROWS = 6000


def posteriors(draw, seed=0, log_var=-9.0):
    """Narrow posteriors around draws of a law, for fitting and for scoring."""
    rng = np.random.default_rng(seed)
    train, held = (draw(rng, ROWS).astype(np.float32) for _ in range(2))
    return (train, np.full_like(train, log_var)), (held, np.full_like(held, log_var))


def mixture_of_eight(rng, rows):
    angle = 2 * np.pi * rng.integers(0, 8, rows) / 8
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.sqrt(2) * 0.98 + rng.normal(0, 0.2, (rows, 2))


def ring(rng, rows):
    angle = rng.uniform(0, 2 * np.pi, rows)
    radius = np.sqrt(1.99) + rng.normal(0, 0.1, rows)  # E r^2 = 2: unit variance in each direction
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius[:, None]


def correlated(rng, rows):
    return rng.multivariate_normal([1.0, -1.0], [[1.0, 0.8], [0.8, 1.0]], rows)


def score(draw, names, components=16):
    (z_mean, z_log_var), held = posteriors(draw)
    return latent.score([latent.fit(n, z_mean, z_log_var, components) for n in names], *held)


def test_moments_follow_the_law_of_total_variance():
    """Cov[z] = E[diag exp z_log_var] + Cov[z_mean]; dropping the second term is the question's mistake."""
    rng = np.random.default_rng(0)
    z_mean, z_log_var = correlated(rng, ROWS), rng.uniform(-2, 0, (ROWS, 2))
    expected = np.diag(np.exp(z_log_var).mean(axis=0)) + np.cov(z_mean.T, bias=True)
    full = latent.fit("gaussian", z_mean, z_log_var).scales[0].astype(float)
    np.testing.assert_allclose(full @ full.T, expected, rtol=1e-4)
    np.testing.assert_allclose(latent.fit("diagonal", z_mean, z_log_var).scales[0] ** 2, np.diag(expected), rtol=1e-4)


def test_log_prob_of_full_and_diagonal_components():
    rng = np.random.default_rng(0)
    means, scales, weights = rng.normal(size=(3, 2)), rng.uniform(0.5, 2, (3, 2)), np.array([0.2, 0.5, 0.3])
    factors = np.array([np.linalg.cholesky(np.array([[1, 0.3], [0.3, 2]]) * (i + 1)) for i in range(3)])
    z = rng.normal(size=(20, 2))
    for s, covariances in ((scales, [np.diag(v**2) for v in scales]), (factors, [f @ f.T for f in factors])):
        sampler = latent.Sampler("mixture", *(a.astype(np.float32) for a in (weights, means, s)))
        density = sum(w * stats.multivariate_normal(m, c).pdf(z) for w, m, c in zip(weights, means, covariances, strict=True))
        np.testing.assert_allclose(sampler.log_prob(z), np.log(density), rtol=1e-4, atol=1e-4)


def test_a_gaussian_gains_what_theory_says():
    """KL(N(m, S) || N(0, I)) = (tr S + m'm - d - log det S) / 2."""
    scores = score(correlated, ["normal", "diagonal", "gaussian"])
    exact = 0.5 * (2 + 2 - 2 - np.log(1 - 0.8**2))
    assert scores["gaussian"]["nats"] == pytest.approx(exact, abs=0.05)
    assert scores["diagonal"]["nats"] == pytest.approx(0.5 * 2, abs=0.05)
    assert scores["normal"]["nats"] == 0.0
    assert latent.choose(scores) == "gaussian"


def test_no_gaussian_gains_on_a_ring_of_unit_variance():
    scores = score(ring, ["normal", "diagonal", "gaussian"])
    assert abs(scores["gaussian"]["nats"]) < 0.01
    assert latent.choose(scores) == "normal"


def test_a_mixture_wins_on_a_mixture():
    scores = score(mixture_of_eight, (*latent.LADDER[:3], "mixture"), components=8)
    truth = posteriors(mixture_of_eight)[1][0].astype(float)
    angles = 2 * np.pi * np.arange(8) / 8
    centres = np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.sqrt(2) * 0.98
    density = np.mean([stats.multivariate_normal(c, 0.04 * np.eye(2)).pdf(truth) for c in centres], axis=0)
    best = np.mean(np.log(density) - stats.multivariate_normal(np.zeros(2), np.eye(2)).logpdf(truth))
    assert scores["mixture"]["nats"] > best - 0.05
    assert latent.choose(scores) == "mixture"


def test_the_mixture_is_the_same_each_time_and_fits_few_rows():
    z_mean, z_log_var = posteriors(ring)[0]
    a, b = (latent.fit("mixture", z_mean, z_log_var, 4, seed=3) for _ in range(2))
    assert all(np.array_equal(x, y) for x, y in zip(a.to_arrays().values(), b.to_arrays().values(), strict=True))
    few = latent.fit("mixture", z_mean[:30], z_log_var[:30], 64)
    assert len(few.weights) == 1 and np.isfinite(few.log_prob(z_mean[:30].astype(float))).all()


@pytest.mark.parametrize(
    ("behind", "chosen"),
    [
        ({"normal": (0.5, 0.1), "gaussian": (0.05, 0.1), "mixture": (0.0, 0.0)}, "gaussian"),
        ({"normal": (0.5, 0.1), "gaussian": (0.2, 0.1), "mixture": (0.0, 0.0)}, "mixture"),
        ({"normal": (0.0, 0.0), "gaussian": (0.0, 0.0), "mixture": (0.1, 0.0)}, "normal"),
    ],
)
def test_the_cheapest_within_one_standard_error_is_chosen(behind, chosen):
    assert latent.choose({n: {"behind": b, "behind_error": e} for n, (b, e) in behind.items()}) == chosen
