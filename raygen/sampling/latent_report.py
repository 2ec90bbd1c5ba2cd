"""Where z should be drawn from, in figures: how far q(z) is from N(0, I) and why, and what each sampler does
to the table."""

import numpy as np
import tensorflow as tf

from raygen import rng
from raygen.latent.samplers import Posteriors, Sampler, SamplerScore
from raygen.metrics import fidelity
from raygen.report.latent.record import KL, Dimension, LatentReport, Picture, SamplerRecord
from raygen.sampling.draws import latents
from raygen.sampling.row_blocks import BLOCK_ROWS

KL_ROWS = 32_768  # rows whose posteriors make up q(z) in the exact KL
KL_DRAWS = 2048
CHUNK = 256
ACTIVE_VARIANCE = (
    0.01  # of z_mean, beyond which a unit is active (Burda, Grosse and Salakhutdinov 2016, sec. 5.2)
)
PICTURE_DRAWS = 4096
DIRECTIONS = 256
CELLS = 40


def describe(
    rows: Posteriors,
    held: Posteriors,
    samplers: dict[str, Sampler],
    scores: dict[str, SamplerScore],
    chosen: str,
    seed: int = 0,
    num_rows: int = 0,
) -> LatentReport:
    """All that can be said of z alone.

    Args:
        rows: Posteriors of training rows.
        held: Posteriors of held-out rows.
        samplers, scores: By name, as `latent.fit_all` and `latent.score` give them.
        chosen: Name of the sampler that is drawn from.
        seed: Of the draws.
        num_rows: Training rows in all, if `rows` are but some of them.
    """
    generator = rng.generator(seed, "latent report")
    each = _kl_by_dimension(rows)
    kl, some = kl_split(rows, generator)
    total = float(kl.total or 0.0)
    z = np.concatenate([held.draw(generator) for _ in range(-(-PICTURE_DRAWS // len(held.z_mean)))])
    every, part = max(num_rows, len(rows.z_mean)), min(len(rows.z_mean), KL_ROWS)
    unsettled = f"q(z) stands here on {part:,} of the {every:,} training rows."
    return LatentReport(
        chosen=chosen,
        unsettled=[unsettled] if part < every else [],
        rows=every,
        held_out_rows=len(held.z_mean),
        latent_dim=rows.z_mean.shape[1],
        rate=float(each.sum(axis=1).mean()),
        log_rows=float(np.log(every)),
        mutual_information=float(_kl_by_dimension(some).sum(axis=1).mean() - total),
        kl=kl,
        dimensions=_dimensions(rows, each),
        samplers={
            name: SamplerRecord(
                **scores[name]._asdict(),
                flops_per_row=sampler.flops_per_row,
                picture=picture(z[:PICTURE_DRAWS], draws(sampler, seed), generator),
            )
            for name, sampler in samplers.items()
        },
    )


def _dimensions(rows: Posteriors, kl: np.ndarray) -> list[Dimension]:
    """Each dimension of z; `kl` as of `_kl_by_dimension`."""
    spread, noise = rows.z_mean.astype(float).var(axis=0), np.exp(rows.z_log_var.astype(float)).mean(axis=0)
    columns = zip(kl.mean(axis=0).tolist(), spread.tolist(), noise.tolist(), strict=True)
    return [
        Dimension(
            kl=nats,
            mean_variance=moved,
            posterior_variance=blurred,
            variance=moved + blurred,
            active=moved > ACTIVE_VARIANCE,
        )
        for nats, moved, blurred in columns
    ]


def kl_split(rows: Posteriors, generator: np.random.Generator) -> tuple[KL, Posteriors]:
    """KL(q || N(0, I)) = scale + correlation + shape, in nats, and the rows that stood for q.

    With m and S the mean and the covariance of q, scale is KL(N(m, diag S) || N(0, I)), correlation KL(N(m,
    S) || N(m, diag S)), and shape KL(q || N(m, S)), what no Gaussian can have. The total is a mean over draws
    from q of log q(z), with its standard error, less E_q[log N(z; 0, I)], which the moments of q give
    exactly.
    """
    rows = rows.take(generator.permutation(len(rows.z_mean))[:KL_ROWS])
    mean, covariance = rows.z_mean.astype(float).mean(axis=0), rows.covariance
    variance = np.diag(covariance)
    z = rows.take(generator.integers(0, len(rows.z_mean), KL_DRAWS)).draw(generator).astype(float)
    log_q = log_posterior(rows, z)
    total = float(log_q.mean() + 0.5 * np.sum(variance + mean**2 + np.log(2 * np.pi)))
    scale = float(0.5 * np.sum(variance + mean**2 - 1 - np.log(variance)))
    correlation = float(0.5 * (np.log(variance).sum() - np.linalg.slogdet(covariance)[1]))
    error = float(log_q.std() / KL_DRAWS**0.5)
    shape = total - scale - correlation
    return KL(total=total, error=error, scale=scale, correlation=correlation, shape=shape), rows


def log_posterior(rows: Posteriors, z: np.ndarray) -> np.ndarray:
    """log q(z) of the aggregate posterior of `rows`, float64 of shape (draws,), for z of shape (draws,
    latent_dim)."""
    from scipy.special import logsumexp

    mean, log_var = rows.z_mean.astype(float), rows.z_log_var.astype(float)
    precision = np.exp(-log_var)
    constant = np.sum(mean**2 * precision + log_var, axis=1) + z.shape[1] * np.log(2 * np.pi)
    out = []
    for start in range(0, len(z), CHUNK):
        some = z[start : start + CHUNK]
        square = some**2 @ precision.T - 2 * some @ (mean * precision).T
        out.append(logsumexp(-0.5 * (square + constant), axis=1))
    return np.concatenate(out) - np.log(len(mean))


def picture(posterior: np.ndarray, sampler: np.ndarray, generator: np.random.Generator) -> Picture:
    """q(z) and a sampler in the two directions in which they differ most, as counts on one grid.

    The first direction is the one of the greatest Kolmogorov-Smirnov distance among axes, principal axes of
    both, and random ones; the second the same among those made orthogonal to it.

    Args:
        posterior, sampler: Draws, each of shape (draws, latent_dim).
    """
    d = posterior.shape[1]
    scale = posterior.std(axis=0) + 1e-9
    both = [np.cov((x / scale).T).reshape(d, d) for x in (posterior, sampler)]
    principal = [np.linalg.eigh(c)[1].T for c in (*both, both[0] - both[1])]
    candidates = np.concatenate([np.eye(d), *principal, generator.standard_normal((DIRECTIONS, d))]) / scale
    first, first_ks = _furthest(candidates, posterior, sampler)
    if d == 1:
        second, second_ks = np.zeros(1), 0.0
    else:
        second, second_ks = _furthest(candidates - np.outer(candidates @ first, first), posterior, sampler)
    plane = np.stack([first, second], axis=1)
    a, b = posterior @ plane, sampler @ plane
    ends = np.quantile(np.concatenate([a, b]), [0.002, 0.998], axis=0).T + np.array([-1e-6, 1e-6])
    counts = [
        np.histogram2d(x[:, 0], x[:, 1], bins=CELLS, range=ends.tolist())[0].astype(int).tolist()
        for x in (a, b)
    ]
    return Picture(
        directions=plane.T.tolist(),
        ks=[first_ks, second_ks],
        range=ends.tolist(),
        posterior=counts[0],
        sampler=counts[1],
    )


def draws(sampler: Sampler, seed: int) -> np.ndarray:
    """PICTURE_DRAWS of a sampler, float32 of shape (PICTURE_DRAWS, latent_dim)."""
    graph = latents(sampler, seed)
    return np.concatenate(
        [graph(tf.constant(first, tf.int64)).numpy() for first in range(0, PICTURE_DRAWS, BLOCK_ROWS)]
    )


def _kl_by_dimension(rows: Posteriors) -> np.ndarray:
    """KL of each row's posterior to N(0, I), float64 of shape (rows, latent_dim)."""
    mean, log_var = rows.z_mean.astype(float), rows.z_log_var.astype(float)
    return 0.5 * (mean**2 + np.exp(log_var) - 1 - log_var)


def _furthest(directions: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, float]:
    """The direction, of length 1, of the greatest Kolmogorov-Smirnov distance, and that distance."""
    length = np.linalg.norm(directions, axis=1)
    directions = directions[length > 1e-6 * length.max()] / length[length > 1e-6 * length.max(), None]
    best, furthest = directions[0], -1.0
    for direction in directions:
        distance = fidelity.ks(a @ direction, b @ direction)
        if distance > furthest:
            best, furthest = direction, distance
    return best, float(furthest)
