"""A flow that starts from a Gaussian mixture and bends each of its components towards the aggregate
posterior.

In the coordinates u = L_k^-1 (z - m_k) of component k, noise u0 and target u1 are joined by u_t = cos(pi t /
2) u0 + sin(pi t / 2) u1, and a small network learns the mean velocity at (u_t, t, k) (stochastic
interpolants: Albergo and Vanden-Eijnden 2023, sec. 2; rectified flow: Liu, Gong and Liu 2023). Where the
component is Gaussian already that velocity is zero, so the flow starts as the mixture itself, its paths are
short, and few steps are enough. The network and its training are in `flow_network`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from raygen import rng
from raygen.latent.gaussians import Gaussians

if TYPE_CHECKING:
    import tensorflow as tf

CHUNK = 1024
CHECK_ROWS = 1024
HEUN_STEPS = (2, 4, 8, 16)  # of a draw: the fewest whose density is that of twice as many, to TOLERANCE
TOLERANCE = 0.01  # nats
MOST_STEPS = 1024
NAMES = ("input", "time", "component", "hidden", "bias", "output")


@dataclass(frozen=True)
class Flow:
    """Draws from `base`, moved along the learned velocity.

    Attributes:
        base: The mixture that it starts from, with full covariances.
        arrays: float32 weights of the network, by NAMES.
        steps: Heun steps of a draw, each of two evaluations of the network.
    """

    base: Gaussians
    arrays: dict[str, np.ndarray]
    steps: int
    name: str = "flow"

    @property
    def latent_dim(self) -> int:
        return self.base.latent_dim

    @property
    def weights(self) -> np.ndarray:
        """float32 of shape (components,), sum 1."""
        return self.base.weights

    def components(self, pick: "tf.Tensor") -> "tf.Tensor":
        """As those of the mixture that it starts from."""
        return self.base.components(pick)

    @property
    def flops_per_row(self) -> int:
        """Multiplications and additions for one draw, without its random numbers."""
        matrices = sum(self.arrays[k].size for k in ("input", "time", "hidden", "output"))
        return self.base.flops_per_row + 2 * self.steps * 2 * (matrices + self.latent_dim**2)

    def draw(self, pick: "tf.Tensor", noise: "tf.Tensor") -> "tf.Tensor":
        """z of shape (rows, latent_dim), in graph, from uniforms of shape (rows,) and normals of shape (rows,
        latent_dim)."""
        import tensorflow as tf

        from raygen.latent.flow_network import velocity

        k = self.base.components(pick)
        place, u, h = self._place(k), noise, 1.0 / self.steps
        for step in range(self.steps):
            v = velocity(self.arrays, u, step * h, place)
            u += 0.5 * h * (v + velocity(self.arrays, u + h * v, (step + 1) * h, place))
        return tf.gather(tf.constant(self.base.means), k) + tf.linalg.matvec(
            tf.gather(tf.constant(self.base.scales), k), u
        )

    def log_prob(self, z: np.ndarray) -> np.ndarray:
        """A bound from below on log p(z), float64 of shape (rows,), for z of shape (rows, latent_dim).

        log p(z) >= E_r(k|z)[log p_flow(u_k | k) - log N(u_k; 0, I)] + log p_base(z), r being the base's
        posterior over its components (Jensen); one k is drawn for each row, by a fixed seed. The velocity is
        followed back in twice as many steps as a draw takes.
        """
        import tensorflow as tf

        from raygen.latent.flow_network import gain

        arrays = {name: tf.constant(a) for name, a in self.arrays.items()}
        out = []
        for start in range(0, len(z), CHUNK):
            piece = z[start : start + CHUNK]
            joint = self.base.log_joint(piece)
            total = np.logaddexp.reduce(joint, axis=1)
            uniform = rng.generator(0, "flow component", start).random(len(piece))
            share = np.cumsum(np.exp(joint - total[:, None]), axis=1)
            k = np.minimum((share < uniform[:, None]).sum(axis=1), joint.shape[1] - 1)
            inverse = np.linalg.inv(self.base.scales.astype(float))[k]
            u = np.einsum("rij,rj->ri", inverse, piece - self.base.means[k]).astype(np.float32)
            out.append(total + gain(arrays, self._place(k), tf.constant(u), 2 * self.steps).numpy())
        return np.concatenate(out)

    def _place(self, k: "tf.Tensor | np.ndarray") -> "list[tf.Tensor]":
        import tensorflow as tf

        from raygen.latent.flow_network import places

        return [tf.gather(p, k) for p in (*places(self.base), self.arrays["component"])]

    def to_arrays(self) -> dict[str, np.ndarray]:
        return self.base.to_arrays() | self.arrays | {"steps": np.array(self.steps)}

    @classmethod
    def from_arrays(cls, name: str, arrays: Mapping[str, np.ndarray]) -> "Flow":
        base = Gaussians.from_arrays("mixture", arrays)
        own, d = {k: np.asarray(arrays[k], np.float32) for k in NAMES}, base.latent_dim
        width = own["bias"].size
        shapes = {"input": (2 * d, width), "time": (own["time"].shape[0], width), "bias": (width,)}
        shapes |= {"component": (len(base.weights), width), "hidden": (width, width), "output": (width, d)}
        steps = int(arrays["steps"])
        wrong = [k for k in NAMES if own[k].shape != shapes[k] or not np.isfinite(own[k]).all()]
        if wrong or base.scales.ndim != 3 or not 1 <= steps <= MOST_STEPS:
            raise ValueError(f"the arrays of '{name}' are none of a flow: {', '.join(wrong) or 'steps'}")
        return cls(base, own, steps, name)


def fit(
    base: Gaussians,
    rows: tuple[np.ndarray, np.ndarray],
    check: tuple[np.ndarray, np.ndarray],
    steps: int = 4000,
    seed: int = 0,
) -> Flow:
    """Train the flow on draws from the posteriors of `rows`, and stop when it no longer gains on those of
    `check`.

    Args:
        base: The mixture to start from.
        rows, check: z_mean and z_log_var of training rows and of held-out rows, each of shape (rows,
            latent_dim).
        steps: At most.
        seed: Of weights and draws.

    Returns:
        The flow of the best check; it starts as the mixture itself, so it is never worse on `check`.
    """
    import tensorflow as tf

    from raygen.latent import flow_network

    generator = rng.generator(seed, "flow start")
    weights, mean = flow_network.start(base, generator)
    train = flow_network.trainer(base, rows, steps, seed, weights, mean)
    z = check[0] + np.exp(0.5 * check[1]) * generator.standard_normal(check[0].shape)
    z = z[generator.permutation(len(z))[:CHECK_ROWS]].astype(np.float32)
    best = Flow(base, {name: w.numpy() for name, w in weights.items()}, HEUN_STEPS[0])
    highest = base.log_prob(z)
    for first in range(0, steps, flow_network.STEPS_PER_CHECK):
        train(
            tf.constant(first, tf.int64),
            tf.constant(min(first + flow_network.STEPS_PER_CHECK, steps), tf.int64),
        )
        now = _settled(Flow(base, {name: w.numpy() for name, w in mean.items()}, best.steps), z)
        found = now.log_prob(z)
        gain = found - highest
        if gain.mean() > 0:
            best, highest = now, found
        if gain.mean() < np.std(gain) / math.sqrt(len(z)) and first > 0:
            break
    return best


def _settled(flow: Flow, z: np.ndarray) -> Flow:
    """The flow with enough steps that twice as many give the same density of z."""
    nats = replace(flow, steps=flow.steps // 2).log_prob(z).mean()
    for steps in (s for s in HEUN_STEPS if s >= flow.steps):
        flow = replace(flow, steps=steps)
        finer = flow.log_prob(z).mean()
        if abs(finer - nats) < TOLERANCE:
            break
        nats = finer
    return flow
