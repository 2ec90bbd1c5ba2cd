"""Latent samplers: the laws that z can be drawn from, fitted, scored on held-out rows, and chosen between.

The decoder was trained on the aggregate posterior q(z), the mean over rows of N(z_mean, diag exp z_log_var).
By the law of total variance its covariance is E[diag exp z_log_var] + Cov[z_mean]; every sampler of the
ladder models q(z), with more or fewer parameters. `naive` does not: it averages z_mean and z_log_var, drops
Cov[z_mean], and is kept to show what that does.
"""

import math
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from raygen import rng
from raygen.latent import flow
from raygen.latent.gaussians import Gaussians
from raygen.report.redrawn import Say
from raygen.sampler_catalogue import LADDER, NAIVE, NEGLIGIBLE_NATS

Sampler = Gaussians | flow.Flow
DRAWS = 2  # of each held-out row's posterior
SCORED_ROWS = 2048
COARSER = (16, 4, 1)  # the mixture's components are tried divided by these
FLOW_LATENT_DIM = 64  # beyond it the flow's density costs more than it can tell


class Posteriors(NamedTuple):
    """z_mean and z_log_var of some rows, each float32 of shape (rows, latent_dim)."""

    z_mean: np.ndarray
    z_log_var: np.ndarray

    def take(self, rows: np.ndarray | slice) -> "Posteriors":
        return Posteriors(self.z_mean[rows], self.z_log_var[rows])

    def draw(self, generator: np.random.Generator) -> np.ndarray:
        """One z of each row, float32 of shape (rows, latent_dim)."""
        return _single(
            self.z_mean + np.exp(0.5 * self.z_log_var) * generator.standard_normal(self.z_mean.shape)
        )

    @property
    def covariance(self) -> np.ndarray:
        """Of the aggregate posterior, by the law of total variance, float64 of shape (latent_dim,
        latent_dim)."""
        d = self.z_mean.shape[1]
        return np.diag(np.exp(self.z_log_var.astype(float)).mean(axis=0)) + np.cov(
            self.z_mean.T.astype(float), bias=True
        ).reshape(d, d)


class SamplerScore(NamedTuple):
    """Held-out nats per row of a sampler, the gain of the ELBO over N(0, I), with their standard error; and
    the paired difference to the best of the ladder, with its own."""

    nats: float
    error: float
    behind: float
    behind_error: float


def halves(held: Posteriors) -> tuple[Posteriors, Posteriors]:
    """Held-out rows in two: one half to stop and size samplers by, the other to score them on."""
    return held.take(slice(0, None, 2)), held.take(slice(1, None, 2) if len(held.z_mean) > 1 else slice(0, 1))


def fit(
    name: str,
    rows: Posteriors,
    check: Posteriors,
    components: int = 128,
    flow_steps: int = 4000,
    seed: int = 0,
    base: Gaussians | None = None,
) -> Sampler:
    """Fit a sampler to the posteriors of training rows.

    Args:
        name: One of LADDER or "naive", but for "learned", which comes from the network (see `learned`).
        rows: Posteriors of training rows.
        check: Posteriors of held-out rows, by which the components of a mixture and the steps of a flow are
            chosen.
        components: Of the mixture, at most; fewer for few rows (see `latent.mixture.fit`).
        flow_steps: Training steps of a flow, at most.
        seed: Of the draws of mixture and flow.
        base: The mixture that a flow starts from.
    """
    d = rows.z_mean.shape[1]
    mean, covariance = rows.z_mean.mean(axis=0), rows.covariance
    if name == "normal":
        return _one(name, np.zeros(d), np.ones(d))
    if name == NAIVE:
        return _one(name, mean, np.exp(0.5 * rows.z_log_var.mean(axis=0)))
    if name == "diagonal":
        return _one(name, mean, np.sqrt(np.diag(covariance)))
    if name == "gaussian":
        return _one(name, mean, np.linalg.cholesky(covariance))
    if name == "mixture":
        return _mixture(rows, check, components, seed)
    if name == "flow" and base is not None:
        return flow.fit(base, rows, check, flow_steps, seed)
    raise ValueError(f"no sampler '{name}' is fitted after training")


def fit_all(
    names: Sequence[str],
    rows: Posteriors,
    check: Posteriors,
    components: int,
    flow_steps: int,
    seed: int = 0,
    say: Say = lambda line: None,
) -> tuple[dict[str, Sampler], dict[str, float]]:
    """Each named sampler (see `fit`), and the seconds that its own fit took; `say` hears which one is
    next."""
    samplers: dict[str, Sampler] = {}
    seconds: dict[str, float] = {}
    for number, name in enumerate(names, 1):
        say(f"Fitting latent sampler {number} of {len(names)}: {name} ...")
        began = time.perf_counter()
        mixture = samplers.get("mixture")
        base = mixture if isinstance(mixture, Gaussians) else None
        samplers[name] = fit(name, rows, check, components, flow_steps, seed, base)
        seconds[name] = time.perf_counter() - began
    return samplers, seconds


def learned(logits: np.ndarray, means: np.ndarray, log_var: np.ndarray) -> Gaussians:
    """The prior that was trained with the network, as a sampler."""
    weights = np.exp(logits - logits.max())
    return Gaussians(
        "learned",
        _single(weights / weights.sum()),
        _single(means),
        _single(np.exp(0.5 * np.clip(log_var, -12.0, 6.0))),
    )


def from_arrays(name: str, arrays: Mapping[str, np.ndarray]) -> Sampler:
    """The sampler whose `to_arrays` gave these arrays."""
    if name == "flow":
        return flow.Flow.from_arrays(name, arrays)
    return Gaussians.from_arrays(name, arrays)


def score(samplers: Mapping[str, Sampler], held: Posteriors, seed: int = 0) -> dict[str, SamplerScore]:
    """Score of each sampler by its name, of the mean over rows of E_q(z|row)[log p(z) - log N(z; 0, I)].

    Args:
        samplers: By name; all are scored on the same draws.
        held: Posteriors of rows that neither the network nor the samplers have seen; SCORED_ROWS of them at
            most.
    """
    generator = rng.generator(seed, "sampler scores")
    held = held.take(np.sort(generator.permutation(len(held.z_mean))[:SCORED_ROWS]))
    z = np.concatenate([held.draw(generator) for _ in range(DRAWS)])
    base = fit("normal", held, held).log_prob(z)
    gain = {name: (s.log_prob(z) - base).reshape(DRAWS, -1).mean(axis=0) for name, s in samplers.items()}
    best = max((nats for name, nats in gain.items() if name != NAIVE), key=np.mean)
    rows = math.sqrt(max(1, len(held.z_mean)))
    scores = {}
    for name, nats in gain.items():
        behind = best - nats
        figures = nats.mean(), nats.std() / rows, behind.mean(), behind.std() / rows
        scores[name] = SamplerScore(*map(float, figures))
    return scores


def choose(
    scores: Mapping[str, SamplerScore], speeds: Mapping[str, float] | None = None, slowest: float = 0.0
) -> str:
    """The cheapest sampler within one standard error of the best (of their paired difference), or within a
    hundredth of a nat.

    Args:
        scores: As `score` returns them.
        speeds: Rows/s of each; needed with `slowest`.
        slowest: Only samplers of at least so many rows/s count; 0: all. If none is as fast, the fastest one
            is it.
    """
    ladder = [name for name in LADDER if name in scores]
    if slowest and speeds:
        ladder = [n for n in ladder if speeds[n] >= slowest] or [max(ladder, key=speeds.__getitem__)]
    limit = min(scores[n].behind for n in ladder)
    return next(n for n in ladder if scores[n].behind - limit <= max(scores[n].behind_error, NEGLIGIBLE_NATS))


def _mixture(rows: Posteriors, check: Posteriors, components: int, seed: int) -> Gaussians:
    """The mixture of the number of components that is best on `check`."""
    from raygen.latent import mixture

    z = np.concatenate([check.draw(rng.generator(seed, "mixture check", i)) for i in range(DRAWS)])
    count, d = rows.z_mean.shape
    numbers = {mixture.most(count, d, max(1, components // c)) for c in COARSER}
    fitted = [Gaussians("mixture", *mixture.fit(*rows, k, seed)) for k in sorted(numbers)]
    return max(fitted, key=lambda law: law.log_prob(z).mean())


def _one(name: str, mean: np.ndarray, scale: np.ndarray) -> Gaussians:
    return Gaussians(name, np.ones(1, np.float32), _single(mean)[None], _single(scale)[None])


def _single(array: np.ndarray) -> np.ndarray:
    return np.asarray(array, np.float32)
