"""A law of z made of Gaussians: one of them, or a mixture."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

CHUNK = 4096


@dataclass(frozen=True)
class Gaussians:
    """A mixture of Gaussians over z; with one component, a Gaussian.

    Attributes:
        name: Of the latent sampler that it is.
        weights: float32 of shape (components,), sum 1.
        means: float32 of shape (components, latent_dim).
        scales: Standard deviations of shape (components, latent_dim), or lower Cholesky factors of the
            covariances of shape (components, latent_dim, latent_dim).
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

    def draw(self, pick: "tf.Tensor", noise: "tf.Tensor") -> "tf.Tensor":
        """z of shape (rows, latent_dim), in graph, from uniforms of shape (rows,) and normals of shape (rows,
        latent_dim)."""
        import tensorflow as tf

        k = self.components(pick)
        scales = tf.gather(tf.constant(self.scales), k)
        return tf.gather(tf.constant(self.means), k) + (
            scales * noise if self.scales.ndim == 2 else tf.linalg.matvec(scales, noise)
        )

    def components(self, pick: "tf.Tensor") -> "tf.Tensor":
        """Component of each row, int32 of shape (rows,), in graph, from uniforms of the same shape."""
        import tensorflow as tf

        if len(self.weights) == 1:
            return tf.zeros_like(pick, tf.int32)
        upper = tf.constant(np.cumsum(self.weights.astype(float)).astype(np.float32))
        return tf.minimum(tf.searchsorted(upper, pick, side="right"), len(self.weights) - 1)

    def log_prob(self, z: np.ndarray) -> np.ndarray:
        """log p(z), float64 of shape (rows,), for z of shape (rows, latent_dim)."""
        from scipy.special import logsumexp

        return np.concatenate(
            [logsumexp(self.log_joint(z[i : i + CHUNK]), axis=1) for i in range(0, len(z), CHUNK)]
        )

    def log_joint(self, z: np.ndarray) -> np.ndarray:
        """log p(z, component), float64 of shape (rows, components)."""
        means, scales, z = self.means.astype(float), self.scales.astype(float), z.astype(float)
        if scales.ndim == 2:
            precision = scales**-2.0
            square = z**2 @ precision.T - 2 * z @ (means * precision).T + np.sum(means**2 * precision, axis=1)
            log_det = np.log(scales).sum(axis=1)
        else:
            inverse = np.linalg.inv(scales)
            square = np.stack(
                [np.sum(((z - m) @ w.T) ** 2, axis=1) for m, w in zip(means, inverse, strict=True)], axis=1
            )
            log_det = np.log(np.diagonal(scales, axis1=1, axis2=2)).sum(axis=1)
        density = -0.5 * (square + self.latent_dim * math.log(2 * math.pi)) - log_det
        return density + np.log(np.maximum(self.weights.astype(float), 1e-300))

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"weights": self.weights, "means": self.means, "scales": self.scales}

    @classmethod
    def from_arrays(cls, name: str, arrays: Mapping[str, np.ndarray]) -> "Gaussians":
        found = [np.asarray(arrays[k]) for k in ("weights", "means", "scales")]
        if any(one.dtype.kind != "f" for one in found):
            raise ValueError(f"the arrays of '{name}' hold something else than floats")
        weights, means, scales = (one.astype(np.float32) for one in found)
        k, d = means.shape if means.ndim == 2 else (0, 0)
        if not k * d or weights.shape != (k,) or scales.shape not in ((k, d), (k, d, d)):
            raise ValueError(
                f"the arrays of '{name}' have shapes {weights.shape}, {means.shape}, {scales.shape}"
            )
        if not all(np.isfinite(one).all() for one in (weights, means, scales)) or weights.min() < 0:
            raise ValueError(f"the arrays of '{name}' hold numbers that are none of a law")
        return cls(name, weights, means, scales)
