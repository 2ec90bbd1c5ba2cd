"""Latent samplers against laws whose answers are known, and the conformance suite that every sampler
passes."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, stats

from raygen.latent import flow, gaussians
from raygen.latent import samplers as latent_samplers
from raygen.latent.samplers import Posteriors

ROWS = 6000
RING_KL = 1.54  # KL to N(0, I) of the ring below, in nats: ln(2 pi r sd sqrt(2 pi e)) taken from 1 + ln(2 pi)


def posteriors(draw, seed=0, rows=ROWS, log_var=-9.0):
    """Narrow posteriors around draws of a law: of training rows, and two halves of held-out rows."""
    rng = np.random.default_rng(seed)
    z = [draw(rng, n).astype(np.float32) for n in (rows, rows // 2, rows // 2)]
    return [Posteriors(each, np.full_like(each, log_var)) for each in z]


def mixture_of_eight(rng, rows):
    angle = 2 * np.pi * rng.integers(0, 8, rows) / 8
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.sqrt(2) * 0.98 + rng.normal(
        0, 0.2, (rows, 2)
    )


def ring(rng, rows):
    angle = rng.uniform(0, 2 * np.pi, rows)
    radius = np.sqrt(1.99) + rng.normal(0, 0.1, rows)  # E r^2 = 2: unit variance in each direction
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius[:, None]


def four_rings(rng, rows):
    """Four independent rings, turned together in eight dimensions: unit covariance, KL to N(0, I) four times
    that of one."""
    turn = stats.ortho_group.rvs(8, random_state=1)
    return np.concatenate([ring(rng, rows) for _ in range(4)], axis=1) @ turn.T


def checkerboard(rng, rows):
    cell = rng.integers(0, 4, (rows, 2))
    cell[:, 1] = 2 * (cell[:, 1] // 2) + cell[:, 0] % 2
    return (cell + rng.random((rows, 2)) - 2) * np.sqrt(12) / 4


def correlated(rng, rows):
    return rng.multivariate_normal([1.0, -1.0], [[1.0, 0.8], [0.8, 1.0]], rows)


def fitted(draw, names, components=16, flow_steps=0, **given):
    rows, check, held = posteriors(draw, **given)
    samplers, _ = latent_samplers.fit_all(names, rows, check, components, flow_steps)
    return samplers, latent_samplers.score(samplers, held)


GAUSSIAN = ("normal", "diagonal", "gaussian")
ALL = ("naive", *GAUSSIAN, "learned", "mixture", "flow")


@pytest.fixture(scope="module")
def everyone():
    """Every sampler for the mixture of eight, with posteriors wide enough to matter."""
    rows, check, _ = posteriors(mixture_of_eight, log_var=-4.0)
    samplers, _ = latent_samplers.fit_all([n for n in ALL if n != "learned"], rows, check, 8, 500)
    rng = np.random.default_rng(0)
    samplers["learned"] = latent_samplers.learned(
        rng.normal(size=5), rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    )
    return samplers


def drawn(sampler, rows, seed=0):
    graph = tf.random.Generator.from_seed(seed, alg="philox")
    pick, noise = graph.uniform((rows,)), graph.normal((rows, sampler.latent_dim))
    return sampler.draw(pick, noise).numpy(), pick, noise


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
class TestEverySampler:
    """The conformance suite: draw, log_prob, state and cost agree with one another."""

    def test_draws_are_a_function_of_their_random_numbers_row_by_row(self, everyone, name):
        z, pick, noise = drawn(everyone[name], 64)
        assert z.shape == (64, 2) and z.dtype == np.float32 and np.isfinite(z).all()
        np.testing.assert_allclose(
            everyone[name].draw(pick[10:20], noise[10:20]).numpy(), z[10:20], rtol=1e-4, atol=1e-5
        )

    def test_log_prob_is_the_density_of_the_draws(self, everyone, name):
        """It integrates to one, or below for a bound, and its mean over draws is minus their entropy: E_p[log
        p]."""
        sampler = everyone[name]
        steps = np.linspace(-6, 6, 241)
        grid = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.float32)
        density = np.exp(sampler.log_prob(grid)).reshape(241, 241)
        mass = integrate.simpson(integrate.simpson(density, x=steps), x=steps)
        assert 0.97 < mass < 1.01
        z = drawn(sampler, 20_000)[0]
        entropy = -np.sum(density * np.log(density + 1e-300)) * (steps[1] - steps[0]) ** 2
        assert np.mean(sampler.log_prob(z)) == pytest.approx(-entropy, abs=0.05)

    def test_state_survives_a_file_without_pickle(self, everyone, name, tmp_path):
        sampler = everyone[name]
        np.savez(tmp_path / "state.npz", **sampler.to_arrays())
        with np.load(tmp_path / "state.npz", allow_pickle=False) as arrays:
            again = latent_samplers.from_arrays(name, arrays)
        z, pick, noise = drawn(sampler, 50)
        assert again.name == sampler.name == name
        np.testing.assert_array_equal(again.draw(pick, noise).numpy(), z)
        np.testing.assert_array_equal(again.log_prob(z), sampler.log_prob(z))

    def test_it_states_its_cost(self, everyone, name):
        assert isinstance(everyone[name].flops_per_row, int) and everyone[name].flops_per_row > 0

    def test_it_is_scored(self, everyone, name):
        held = posteriors(mixture_of_eight, seed=4, rows=200)[2]
        figures = latent_samplers.score(everyone, held)[name]
        assert all(type(figure) is float and np.isfinite(figure) for figure in figures)


def test_moments_follow_the_law_of_total_variance():
    """Cov[z] = E[diag exp z_log_var] + Cov[z_mean]; `naive` drops the second term, and Jensen's inequality
    shrinks the first."""
    rng = np.random.default_rng(0)
    rows = Posteriors(correlated(rng, ROWS), rng.uniform(-2, 0, (ROWS, 2)))
    noise = np.exp(rows.z_log_var).mean(axis=0)
    expected = np.diag(noise) + np.cov(rows.z_mean.T, bias=True)
    full = latent_samplers.fit("gaussian", rows, rows).scales[0].astype(float)
    np.testing.assert_allclose(full @ full.T, expected, rtol=1e-4)
    np.testing.assert_allclose(
        latent_samplers.fit("diagonal", rows, rows).scales[0] ** 2, np.diag(expected), rtol=1e-4
    )
    naive = latent_samplers.fit("naive", rows, rows)
    np.testing.assert_allclose(naive.scales[0], np.exp(0.5 * rows.z_log_var.mean(axis=0)), rtol=1e-5)
    assert (naive.scales[0] ** 2 < noise).all()


def test_log_prob_of_full_and_diagonal_components():
    rng = np.random.default_rng(0)
    means, scales, weights = rng.normal(size=(3, 2)), rng.uniform(0.5, 2, (3, 2)), np.array([0.2, 0.5, 0.3])
    factors = np.array([np.linalg.cholesky(np.array([[1, 0.3], [0.3, 2]]) * (i + 1)) for i in range(3)])
    z = rng.normal(size=(20, 2))
    for s, covariances in ((scales, [np.diag(v**2) for v in scales]), (factors, [f @ f.T for f in factors])):
        sampler = gaussians.Gaussians("mixture", *(a.astype(np.float32) for a in (weights, means, s)))
        density = sum(
            w * stats.multivariate_normal(m, c).pdf(z)
            for w, m, c in zip(weights, means, covariances, strict=True)
        )
        np.testing.assert_allclose(sampler.log_prob(z), np.log(density), rtol=1e-4, atol=1e-4)


def test_a_gaussian_gains_what_theory_says():
    """KL(N(m, S) || N(0, I)) = (tr S + m'm - d - log det S) / 2."""
    _, scores = fitted(correlated, GAUSSIAN)
    exact = 0.5 * (2 + 2 - 2 - np.log(1 - 0.8**2))
    assert scores["gaussian"].nats == pytest.approx(exact, abs=0.06)
    assert scores["diagonal"].nats == pytest.approx(0.5 * 2, abs=0.06)
    assert scores["normal"].nats == 0.0
    assert latent_samplers.choose(scores) == "gaussian"


@pytest.mark.parametrize("draw", [ring, four_rings])
def test_no_gaussian_gains_on_rings_of_unit_covariance(draw):
    _, scores = fitted(draw, GAUSSIAN)
    assert abs(scores["gaussian"].nats) < 0.01
    assert latent_samplers.choose(scores) == "normal"


@pytest.mark.slow
def test_a_mixture_wins_on_a_mixture_and_the_flow_adds_nothing():
    _, scores = fitted(mixture_of_eight, (*GAUSSIAN, "mixture", "flow"), components=8, flow_steps=500)
    truth = posteriors(mixture_of_eight)[2].z_mean.astype(float)
    angles = 2 * np.pi * np.arange(8) / 8
    centres = np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.sqrt(2) * 0.98
    density = np.mean([stats.multivariate_normal(c, 0.04 * np.eye(2)).pdf(truth) for c in centres], axis=0)
    best = np.mean(np.log(density) - stats.multivariate_normal(np.zeros(2), np.eye(2)).logpdf(truth))
    assert scores["mixture"].nats > best - 0.06
    assert abs(scores["flow"].nats - scores["mixture"].nats) < 0.02
    assert latent_samplers.choose(scores) == "mixture"


@pytest.mark.slow
def test_held_out_rows_choose_the_number_of_components():
    """Eight clusters: two components are too few, and for a correlated Gaussian one is enough."""
    rows, check, _ = posteriors(mixture_of_eight)
    assert len(latent_samplers.fit("mixture", rows, check, 32).weights) >= 8
    rows, check, _ = posteriors(correlated, rows=600)
    assert len(latent_samplers.fit("mixture", rows, check, 16).weights) == 1


@pytest.mark.slow
def test_only_the_flow_claims_the_four_rings():
    """KL(q || N(0, I)) = 6.17 nats; a mixture must tile a four-dimensional torus."""
    _, scores = fitted(four_rings, ("gaussian", "mixture", "flow"), components=16, flow_steps=500, rows=8000)
    assert scores["mixture"].nats < 2.5
    assert scores["flow"].nats > scores["mixture"].nats + 1
    assert scores["flow"].nats < 4 * RING_KL + 0.1
    assert latent_samplers.choose(scores) == "flow"


@pytest.mark.slow
def test_a_flow_bends_a_gaussian_into_a_checkerboard():
    rows, check, held = posteriors(checkerboard)
    base = latent_samplers.fit("gaussian", rows, check)
    found = flow.fit(base, rows, check, steps=1500)
    scores = latent_samplers.score({"gaussian": base, "flow": found}, held)
    assert scores["gaussian"].nats == pytest.approx(0, abs=0.04)
    exact = 1 + np.log(2 * np.pi) - np.log(6)  # it covers an area of 6, and E |z|^2 = 2
    assert 0.5 * exact < scores["flow"].nats < exact
    z = drawn(found, 4000)[0] / (np.sqrt(12) / 4) + 2
    white = (np.floor(z[:, 0]) + np.floor(z[:, 1])) % 2 == 0
    assert white.mean() > 0.7


@pytest.mark.slow
def test_samplers_are_the_same_each_time_and_fit_few_rows():
    rows, check, _ = posteriors(mixture_of_eight, rows=2000)
    a, b = (latent_samplers.fit_all(["mixture", "flow"], rows, check, 4, 100, seed=3)[0] for _ in range(2))
    for name in ("mixture", "flow"):
        assert all(
            np.array_equal(x, y)
            for x, y in zip(a[name].to_arrays().values(), b[name].to_arrays().values(), strict=True)
        )
    few = rows.take(slice(0, 30))
    found, _ = latent_samplers.fit_all(["mixture", "flow"], few, few, 64, 100)
    assert len(found["mixture"].weights) == 1
    assert all(np.isfinite(s.log_prob(few.z_mean)).all() for s in found.values())


@pytest.mark.parametrize(
    ("behind", "slowest", "chosen"),
    [
        ({"normal": (0.5, 0.1), "gaussian": (0.05, 0.1), "mixture": (0.0, 0.0)}, 0, "gaussian"),
        ({"normal": (0.5, 0.1), "gaussian": (0.2, 0.1), "mixture": (0.0, 0.0)}, 0, "mixture"),
        ({"normal": (0.0, 0.0), "gaussian": (0.0, 0.0), "mixture": (0.1, 0.0)}, 0, "normal"),
        ({"naive": (0.0, 0.1), "normal": (0.5, 0.1), "flow": (0.0, 0.0)}, 0, "flow"),
        ({"normal": (0.5, 0.1), "mixture": (0.2, 0.1), "flow": (0.0, 0.0)}, 200, "mixture"),
        ({"normal": (0.5, 0.1), "mixture": (0.2, 0.1), "flow": (0.0, 0.0)}, 5000, "normal"),
    ],
)
def test_the_cheapest_within_one_standard_error_is_chosen(behind, slowest, chosen):
    rates = {"naive": 1000, "normal": 1000, "gaussian": 900, "mixture": 500, "flow": 100}
    scores = {n: latent_samplers.SamplerScore(-b, 0.1, b, e) for n, (b, e) in behind.items()}
    assert latent_samplers.choose(scores, rates, slowest) == chosen


@pytest.mark.parametrize("kind", ["complex64", "U4", "bool", "int8"])
def test_arrays_of_something_else_than_floats_are_refused(kind):
    arrays = {"weights": np.ones(1), "means": np.zeros((1, 2)), "scales": np.ones((1, 2))}
    assert latent_samplers.from_arrays("mixture-1", arrays).latent_dim == 2
    with pytest.raises(ValueError, match="hold something else than floats"):
        latent_samplers.from_arrays("mixture-1", arrays | {"means": arrays["means"].astype(kind)})
