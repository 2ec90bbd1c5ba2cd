"""A flow that starts from a Gaussian mixture and bends each of its components towards the aggregate posterior.

In the coordinates u = L_k^-1 (z - m_k) of component k, noise u0 and target u1 are joined by u_t = cos(pi t / 2) u0 + sin(pi t / 2) u1, and
a small network learns the mean velocity at (u_t, t, k) (stochastic interpolants: Albergo and Vanden-Eijnden 2023, sec. 2; rectified flow:
Liu, Gong and Liu 2023). Where the component is Gaussian already that velocity is zero, so the flow starts as the mixture itself, its paths are
short, and few steps are enough.
"""

import math
from dataclasses import dataclass, replace

import keras
import numpy as np
import tensorflow as tf

from raygen import streams
from raygen.gaussians import Gaussians

WIDTH = 128
WAVES = 8  # frequencies that the time is given to the network in
HEUN_STEPS = (2, 4, 8, 16)  # of a draw: the fewest whose density is that of twice as many, to TOLERANCE
TOLERANCE = 0.01  # nats
STEPS_PER_CHECK = 500
BATCH_ROWS = 1024
LEARNING_RATE = 3e-3
AVERAGE = 0.995  # of the running mean of the weights, which is what is kept
CHUNK = 1024
CHECK_ROWS = 1024
NAMES = ("input", "time", "component", "hidden", "bias", "output")
QUARTER = math.pi / 2


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
    def flops_per_row(self) -> int:
        """Multiplications and additions for one draw, without its random numbers."""
        matrices = sum(self.arrays[k].size for k in ("input", "time", "hidden", "output"))
        return self.base.flops_per_row + 2 * self.steps * 2 * (matrices + self.latent_dim**2)

    def draw(self, pick, noise):
        """z of shape (rows, latent_dim), in graph, from uniforms of shape (rows,) and normals of shape (rows, latent_dim)."""
        k = self.base.components(pick)
        place, u, h = self._place(k), noise, 1.0 / self.steps
        for step in range(self.steps):
            v = velocity(self.arrays, u, step * h, place)
            u += 0.5 * h * (v + velocity(self.arrays, u + h * v, (step + 1) * h, place))
        return tf.gather(tf.constant(self.base.means), k) + tf.linalg.matvec(tf.gather(tf.constant(self.base.scales), k), u)

    def log_prob(self, z: np.ndarray) -> np.ndarray:
        """A bound from below on log p(z), float64 of shape (rows,), for z of shape (rows, latent_dim).

        log p(z) >= E_r(k|z)[log p_flow(u_k | k) - log N(u_k; 0, I)] + log p_base(z), r being the base's posterior over its components
        (Jensen); one k is drawn for each row, by a fixed seed. The velocity is followed back in twice as many steps as a draw takes.
        """
        arrays = {name: tf.constant(a) for name, a in self.arrays.items()}
        out = []
        for start in range(0, len(z), CHUNK):
            piece = z[start : start + CHUNK]
            joint = self.base.log_joint(piece)
            total = np.logaddexp.reduce(joint, axis=1)
            uniform = np.random.default_rng([start, 4]).random(len(piece))
            share = np.cumsum(np.exp(joint - total[:, None]), axis=1)
            k = np.minimum((share < uniform[:, None]).sum(axis=1), joint.shape[1] - 1)
            inverse = np.linalg.inv(self.base.scales.astype(float))[k]
            u = np.einsum("rij,rj->ri", inverse, piece - self.base.means[k]).astype(np.float32)
            out.append(total + _gain(arrays, self._place(k), tf.constant(u), 2 * self.steps).numpy())
        return np.concatenate(out)

    def _place(self, k):
        return [tf.gather(p, k) for p in (*places(self.base), self.arrays["component"])]

    def to_arrays(self) -> dict[str, np.ndarray]:
        return self.base.to_arrays() | self.arrays | {"steps": np.array(self.steps)}

    @classmethod
    def from_arrays(cls, name: str, arrays) -> "Flow":
        return cls(Gaussians.from_arrays("mixture", arrays), {k: np.asarray(arrays[k], np.float32) for k in NAMES}, int(arrays["steps"]), name)


def velocity(arrays, u, t, place):
    """Velocity of u at time t, of shape (rows, latent_dim), in graph.

    Args:
        arrays: Weights of the network, by NAMES.
        u: Of shape (rows, latent_dim).
        t: In [0, 1], a number or one for each row.
        place: Of each row's component (see `places`).
    """
    origin, turn, component = place
    angle = tf.reshape(tf.cast(t, tf.float32), [-1, 1]) * (QUARTER * tf.range(1, WAVES + 1, dtype=tf.float32))
    time = tf.matmul(tf.concat([tf.cos(angle), tf.sin(angle)], 1), arrays["time"])
    x = tf.concat([u, origin + tf.linalg.matvec(turn, u)], 1)
    x = tf.nn.silu(tf.matmul(x, arrays["input"]) + time + component)
    x += tf.nn.silu(tf.matmul(x, arrays["hidden"]) + arrays["bias"])
    return tf.matmul(x, arrays["output"])


def places(base: Gaussians):
    """What takes u to the place of z among all z, whitened: origins (components, latent_dim) and matrices (..., latent_dim, latent_dim)."""
    means, scales, weights = base.means.astype(float), base.scales.astype(float), base.weights / base.weights.sum()
    away = means - weights @ means
    spread = np.einsum("k,kij,klj->il", weights, scales, scales) + away.T @ (away * weights[:, None])
    whiten = np.linalg.inv(np.linalg.cholesky(spread))
    return (away @ whiten.T).astype(np.float32), (whiten @ scales).astype(np.float32)


def fit(base: Gaussians, rows, check, steps: int = 4000, seed: int = 0) -> Flow:
    """Train the flow on draws from the posteriors of `rows`, and stop when it no longer gains on those of `check`.

    Args:
        base: The mixture to start from.
        rows, check: z_mean and z_log_var of training rows and of held-out rows, each of shape (rows, latent_dim).
        steps: At most.
        seed: Of weights and draws.

    Returns:
        The flow of the best check; it starts as the mixture itself, so it is never worse on `check`.
    """
    d, k = base.latent_dim, len(base.weights)
    rng = np.random.default_rng([seed, 5])
    start = {
        "input": rng.normal(size=(2 * d, WIDTH)) / math.sqrt(d),
        "time": rng.normal(size=(2 * WAVES, WIDTH)) / math.sqrt(WAVES),
        "component": rng.normal(size=(k, WIDTH)) * 0.3,
        "hidden": rng.normal(size=(WIDTH, WIDTH)) * math.sqrt(2 / WIDTH),
        "bias": np.zeros(WIDTH),
        "output": np.zeros((WIDTH, d)),
    }
    weights = {name: keras.Variable(value.astype(np.float32)) for name, value in start.items()}
    mean = {name: tf.Variable(w.value) for name, w in weights.items()}
    train = _trainer(base, rows, steps, seed, weights, mean)
    z = check[0] + np.exp(0.5 * check[1]) * rng.standard_normal(check[0].shape)
    z = z[rng.permutation(len(z))[:CHECK_ROWS]].astype(np.float32)
    best = Flow(base, {name: w.numpy() for name, w in weights.items()}, HEUN_STEPS[0])
    highest = base.log_prob(z)
    for first in range(0, steps, STEPS_PER_CHECK):
        train(tf.constant(first, tf.int64))
        now = _settled(Flow(base, {name: w.numpy() for name, w in mean.items()}, best.steps), z)
        found = now.log_prob(z)
        gain = found - highest
        if gain.mean() > 0:
            best, highest = now, found
        if gain.mean() < np.std(gain) / math.sqrt(len(z)) and first >= STEPS_PER_CHECK:
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


def _trainer(base: Gaussians, rows, steps: int, seed: int, weights, mean):
    """A graph that takes STEPS_PER_CHECK steps from a given one."""
    z_mean, z_log_var = (tf.constant(np.asarray(r, np.float32)) for r in rows)
    count, d, k = len(rows[0]), base.latent_dim, len(base.weights)
    inverse = np.linalg.inv(base.scales.astype(float))
    unmix = tf.constant(inverse.transpose(2, 0, 1).reshape(d, k * d).astype(np.float32))
    shift = tf.constant(np.einsum("kij,kj->ki", inverse, base.means.astype(float)).reshape(-1).astype(np.float32))
    log_det = np.log(np.diagonal(inverse, axis1=1, axis2=2)).sum(axis=1)
    prior = tf.constant((np.log(np.maximum(base.weights, 1e-30)) + log_det).astype(np.float32))
    keys = [streams.key(seed, "flow", purpose) for purpose in ("rows", "posterior", "component", "noise", "time")]
    schedule = keras.optimizers.schedules.CosineDecay(0.0, max(steps, 200), alpha=0.01, warmup_target=LEARNING_RATE, warmup_steps=100)
    optimizer = keras.optimizers.Adam(schedule)
    optimizer.build(list(weights.values()))
    origin, turn = (tf.constant(p) for p in places(base))

    @tf.function
    def train(first):
        for step in tf.range(first, first + STEPS_PER_CHECK):
            at, wide = step * BATCH_ROWS, step * BATCH_ROWS * d
            chosen = tf.cast(streams.uniform(keys[0], (BATCH_ROWS,), at) * count, tf.int32)
            draw = streams.normal(keys[1], (BATCH_ROWS, d), wide)
            z = tf.gather(z_mean, chosen) + tf.exp(0.5 * tf.gather(z_log_var, chosen)) * draw
            local = tf.reshape(tf.matmul(z, unmix) - shift, [-1, k, d])
            share = tf.cumsum(tf.nn.softmax(prior - 0.5 * tf.reduce_sum(local**2, axis=2)), axis=1)
            below = tf.cast(share < streams.uniform(keys[2], (BATCH_ROWS, 1), at), tf.int32)
            component = tf.minimum(tf.reduce_sum(below, axis=1), k - 1)
            target, noise = tf.gather(local, component, batch_dims=1), streams.normal(keys[3], (BATCH_ROWS, d), wide)
            t = streams.uniform(keys[4], (BATCH_ROWS,), at)
            cos, sin = tf.cos(QUARTER * t)[:, None], tf.sin(QUARTER * t)[:, None]
            with tf.GradientTape() as tape:
                place = [tf.gather(p, component) for p in (origin, turn, weights["component"].value)]
                v = velocity({name: w.value for name, w in weights.items()}, cos * noise + sin * target, t, place)
                loss = tf.reduce_mean(tf.reduce_sum((v - QUARTER * (cos * target - sin * noise)) ** 2, axis=1))
            gradients = tape.gradient(loss, [w.value for w in weights.values()])
            optimizer.apply([tf.convert_to_tensor(g) for g in gradients])
            for name, w in weights.items():
                mean[name].assign(AVERAGE * mean[name] + (1 - AVERAGE) * w.value)

    return train


@tf.function
def _gain(arrays, place, u, steps: int):
    """log p_flow(u) - log N(u; 0, I), float32 of shape (rows,): back along the velocity, its exact divergence summed up (Chen et al. 2018, eq. 8)."""
    rows, d = tf.shape(u)[0], u.shape[1]
    wide = [tf.repeat(p, d, axis=0) for p in place]
    unit = tf.tile(tf.eye(d), [rows, 1])
    h, now, change = 1.0 / steps, u, tf.zeros([rows])

    def both(u, t):
        repeated = tf.repeat(u, d, axis=0)
        with tf.autodiff.ForwardAccumulator(repeated, unit) as forward:
            v = velocity(arrays, repeated, t, wide)
        divergence = tf.reduce_sum(tf.reshape(tf.reduce_sum(forward.jvp(v) * unit, axis=1), [rows, d]), axis=1)
        return tf.reshape(v, [rows, d, d])[:, 0], divergence

    for step in range(steps):
        t = 1.0 - step * h
        v, divergence = both(now, t)
        v_back, divergence_back = both(now - h * v, t - h)
        now -= 0.5 * h * (v + v_back)
        change += 0.5 * h * (divergence + divergence_back)
    return 0.5 * tf.reduce_sum(u**2 - now**2, axis=1) - change
