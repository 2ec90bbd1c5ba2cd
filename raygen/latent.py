"""Latent samplers: the laws that z can be drawn from, fitted, scored on held-out rows, and chosen between.

The decoder was trained on the aggregate posterior q(z), the mean over rows of N(z_mean, diag exp z_log_var). By the law of total
variance its covariance is E[diag exp z_log_var] + Cov[z_mean]; every sampler here models q(z), with more or fewer parameters.
"""

import math
from dataclasses import dataclass

import numpy as np

LADDER = ("normal", "diagonal", "gaussian", "learned", "mixture")  # cheapest first
DRAWS = 4  # of each held-out row's posterior
CHUNK = 4096
NEGLIGIBLE_NATS = 0.01


@dataclass(frozen=True)
class Sampler:
    """A mixture of Gaussians over z; with one component, a Gaussian.

    Attributes:
        name: One of LADDER.
        weights: float32 of shape (components,), sum 1.
        means: float32 of shape (components, latent_dim).
        scales: Standard deviations of shape (components, latent_dim), or lower Cholesky factors of the covariances of shape
            (components, latent_dim, latent_dim).
    """

    name: str
    weights: np.ndarray
    means: np.ndarray
    scales: np.ndarray

    @property
    def latent_dim(self) -> int:
        return self.means.shape[1]

    @property
    def flops_per_row(self) -> int:
        """Multiplications and additions for one draw, without its random numbers."""
        return int(2 * self.scales[0].size)

    def log_prob(self, z: np.ndarray) -> np.ndarray:
        """log p(z), float64 of shape (rows,), for z of shape (rows, latent_dim)."""
        return np.concatenate([self._log_prob(z[i : i + CHUNK]) for i in range(0, len(z), CHUNK)])

    def _log_prob(self, z):
        from scipy.special import logsumexp

        means, scales = self.means.astype(float), self.scales.astype(float)
        if scales.ndim == 2:
            precision = scales**-2.0
            square = z**2 @ precision.T - 2 * z @ (means * precision).T + np.sum(means**2 * precision, axis=1)
            log_det = np.log(scales).sum(axis=1)
        else:
            inverse = np.linalg.inv(scales)
            square = np.stack([np.sum(((z - m) @ w.T) ** 2, axis=1) for m, w in zip(means, inverse, strict=True)], axis=1)
            log_det = np.log(np.diagonal(scales, axis1=1, axis2=2)).sum(axis=1)
        density = -0.5 * (square + self.latent_dim * math.log(2 * math.pi)) - log_det
        return logsumexp(density + np.log(np.maximum(self.weights.astype(float), 1e-300)), axis=1)

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"weights": self.weights, "means": self.means, "scales": self.scales}

    @classmethod
    def from_arrays(cls, name: str, arrays) -> "Sampler":
        return cls(name, *(np.asarray(arrays[k], np.float32) for k in ("weights", "means", "scales")))


def fit(name: str, z_mean: np.ndarray, z_log_var: np.ndarray, components: int = 128, seed: int = 0) -> Sampler:
    """Fit a sampler to the posteriors of training rows.

    Args:
        name: "normal", "diagonal", "gaussian" or "mixture"; "learned" comes from the network (see `learned`).
        z_mean, z_log_var: Of shape (rows, latent_dim).
        components: Of the mixture, at most; fewer for few rows (see `mixture.fit`).
        seed: Of the mixture's draws.
    """
    d = z_mean.shape[1]
    one = np.ones(1, np.float32)
    if name == "normal":
        return Sampler(name, one, np.zeros((1, d), np.float32), np.ones((1, d), np.float32))
    mean, variance = z_mean.mean(axis=0), np.exp(z_log_var).mean(axis=0)
    if name == "diagonal":
        return Sampler(name, one, _single(mean[None]), _single(np.sqrt(variance + z_mean.var(axis=0))[None]))
    if name == "gaussian":
        covariance = np.diag(variance) + np.cov(z_mean.T, bias=True).reshape(d, d)
        return Sampler(name, one, _single(mean[None]), _single(np.linalg.cholesky(covariance)[None]))
    if name == "mixture":
        from raygen import mixture

        return Sampler(name, *mixture.fit(z_mean, z_log_var, components, seed))
    raise ValueError(f"no sampler '{name}' is fitted after training")


def learned(logits: np.ndarray, means: np.ndarray, log_var: np.ndarray) -> Sampler:
    """The prior that was trained with the network, as a sampler."""
    weights = np.exp(logits - logits.max())
    return Sampler("learned", _single(weights / weights.sum()), _single(means), _single(np.exp(0.5 * np.clip(log_var, -12.0, 6.0))))


def score(samplers: list[Sampler], z_mean: np.ndarray, z_log_var: np.ndarray, seed: int = 0) -> dict[str, dict[str, float]]:
    """Held-out nats per row of each sampler: the mean of E_q(z|row)[log p(z) - log N(z; 0, I)], the gain of the ELBO over N(0, I).

    Args:
        samplers: All are scored on the same draws.
        z_mean, z_log_var: Of held-out rows, of shape (rows, latent_dim).

    Returns:
        By name: `nats`, their standard error `error`, and `behind`, `behind_error`: the paired difference to the best one.
    """
    noise = np.random.default_rng([seed, 2]).standard_normal((DRAWS, *z_mean.shape))
    z = (z_mean + np.exp(0.5 * z_log_var) * noise).reshape(-1, z_mean.shape[1])
    base = fit("normal", z_mean, z_log_var).log_prob(z)
    gain = {s.name: (s.log_prob(z) - base).reshape(DRAWS, -1).mean(axis=0) for s in samplers}
    best = max(gain.values(), key=np.mean)
    rows = math.sqrt(max(1, len(z_mean)))
    out = {}
    for name, nats in gain.items():
        behind = best - nats
        figures = {"nats": nats.mean(), "error": nats.std() / rows, "behind": behind.mean(), "behind_error": behind.std() / rows}
        out[name] = {k: float(v) for k, v in figures.items()}
    return out


def choose(scores: dict[str, dict[str, float]]) -> str:
    """The cheapest sampler within one standard error of the best (of their paired difference), or within a hundredth of a nat."""
    ladder = [name for name in LADDER if name in scores]
    return next(n for n in ladder if scores[n]["behind"] <= max(scores[n]["behind_error"], NEGLIGIBLE_NATS))


def _single(array) -> np.ndarray:
    return np.asarray(array, np.float32)
