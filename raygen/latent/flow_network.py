"""The network of a flow (see `flow`), in graph: its velocity, the density that it gives, and its training."""

import math
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from raygen.latent import loop, streams
from raygen.latent.gaussians import Gaussians

Weights = Mapping[str, np.ndarray | tf.Tensor | tf.Variable]  # by flow.NAMES
WIDTH = 128
WAVES = 8  # frequencies that the time is given to the network in
STEPS_PER_CHECK = 500
BATCH_ROWS = 1024
LEARNING_RATE = 3e-3
AVERAGE = 0.995  # of the running mean of the weights, which is what is kept
QUARTER = math.pi / 2
MOST_TIMES = 256  # for which there is room: one graph for all numbers of steps up to it


def velocity(arrays: Weights, u: tf.Tensor, t: tf.Tensor | float, place: Sequence[tf.Tensor]) -> tf.Tensor:
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


def places(base: Gaussians) -> tuple[np.ndarray, np.ndarray]:
    """What takes u to the place of z among all z, whitened: origins (components, latent_dim) and matrices
    (..., latent_dim, latent_dim)."""
    means, scales, weights = (
        base.means.astype(float),
        base.scales.astype(float),
        base.weights / base.weights.sum(),
    )
    away = means - weights @ means
    spread = np.einsum("k,kij,klj->il", weights, scales, scales) + away.T @ (away * weights[:, None])
    whiten = np.linalg.inv(np.linalg.cholesky(spread))
    return (away @ whiten.T).astype(np.float32), (whiten @ scales).astype(np.float32)


def gain(arrays: Weights, place: Sequence[tf.Tensor], u: tf.Tensor, steps: int) -> tf.Tensor:
    """log p_flow(u) - log N(u; 0, I), float32 of shape (rows,): back along the velocity, its exact divergence
    summed up (Chen et al. 2018, eq. 8)."""
    h, times = 1.0 / steps, np.zeros((max(steps, MOST_TIMES), 2))
    times[:steps] = [(1.0 - step * h, 1.0 - step * h - h) for step in range(steps)]
    numbers = (tf.constant(number, tf.float32) for number in (times, h, 0.5 * h))
    return _gain(arrays, place, u, tf.constant(steps), *numbers)


@tf.function(autograph=False)
def _gain(
    arrays: Weights,
    place: Sequence[tf.Tensor],
    u: tf.Tensor,
    steps: tf.Tensor,
    times: tf.Tensor,
    h: tf.Tensor,
    half: tf.Tensor,
) -> tf.Tensor:
    """As `gain`, in graph; `times` at both ends of each step of length `h`, and of none."""
    rows, d = tf.shape(u)[0], u.shape[1]
    wide = [tf.repeat(p, d, axis=0) for p in place]
    unit = tf.tile(tf.eye(d), [rows, 1])

    def both(u: tf.Tensor, t: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        repeated = tf.repeat(u, d, axis=0)
        with tf.autodiff.ForwardAccumulator(repeated, unit) as forward:
            v = velocity(arrays, repeated, t, wide)
        divergence = tf.reduce_sum(
            tf.reshape(tf.reduce_sum(forward.jvp(v) * unit, axis=1), [rows, d]), axis=1
        )
        return tf.reshape(v, [rows, d, d])[:, 0], divergence

    def back(step: tf.Tensor, now: tf.Tensor, change: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        v, divergence = both(now, times[step, 0])
        v_back, divergence_back = both(now - h * v, times[step, 1])
        return step + 1, now - half * (v + v_back), change + half * (divergence + divergence_back)

    _, now, change = tf.while_loop(lambda step, *_: step < steps, back, (tf.constant(0), u, tf.zeros([rows])))
    return 0.5 * tf.reduce_sum(u**2 - now**2, axis=1) - change


def start(
    base: Gaussians, rng: np.random.Generator
) -> tuple[dict[str, keras.Variable], dict[str, tf.Variable]]:
    """Weights of a network whose velocity is zero, and a copy of them for their running mean."""
    d, k = base.latent_dim, len(base.weights)
    arrays = {
        "input": rng.normal(size=(2 * d, WIDTH)) / math.sqrt(d),
        "time": rng.normal(size=(2 * WAVES, WIDTH)) / math.sqrt(WAVES),
        "component": rng.normal(size=(k, WIDTH)) * 0.3,
        "hidden": rng.normal(size=(WIDTH, WIDTH)) * math.sqrt(2 / WIDTH),
        "bias": np.zeros(WIDTH),
        "output": np.zeros((WIDTH, d)),
    }
    weights = {name: keras.Variable(value.astype(np.float32)) for name, value in arrays.items()}
    return weights, {name: tf.Variable(w.value) for name, w in weights.items()}


def trainer(
    base: Gaussians,
    rows: tuple[np.ndarray, np.ndarray],
    steps: int,
    seed: int,
    weights: dict[str, keras.Variable],
    mean: dict[str, tf.Variable],
) -> Callable[[tf.Tensor, tf.Tensor], None]:
    """A graph that takes the steps from one number to another."""
    z_mean, z_log_var = (tf.constant(np.asarray(r, np.float32)) for r in rows)
    count, d, k = len(rows[0]), base.latent_dim, len(base.weights)
    inverse = np.linalg.inv(base.scales.astype(float))
    unmix = tf.constant(inverse.transpose(2, 0, 1).reshape(d, k * d).astype(np.float32))
    shift = tf.constant(
        np.einsum("kij,kj->ki", inverse, base.means.astype(float)).reshape(-1).astype(np.float32)
    )
    log_det = np.log(np.diagonal(inverse, axis1=1, axis2=2)).sum(axis=1)
    prior = tf.constant((np.log(np.maximum(base.weights, 1e-30)) + log_det).astype(np.float32))
    keys = [
        streams.key(seed, "flow", purpose) for purpose in ("rows", "posterior", "component", "noise", "time")
    ]
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(steps, 200), alpha=0.01, warmup_target=LEARNING_RATE, warmup_steps=100
    )
    optimizer = keras.optimizers.Adam(schedule)
    optimizer.build(list(weights.values()))
    origin, turn = (tf.constant(p) for p in places(base))

    def train(step: tf.Tensor) -> None:
        at, wide = step * BATCH_ROWS, step * BATCH_ROWS * d
        chosen = tf.cast(streams.uniform(keys[0], (BATCH_ROWS,), at) * count, tf.int32)
        draw = streams.normal(keys[1], (BATCH_ROWS, d), wide)
        z = tf.gather(z_mean, chosen) + tf.exp(0.5 * tf.gather(z_log_var, chosen)) * draw
        local = tf.reshape(tf.matmul(z, unmix) - shift, [-1, k, d])
        share = tf.cumsum(tf.nn.softmax(prior - 0.5 * tf.reduce_sum(local**2, axis=2)), axis=1)
        below = tf.cast(share < streams.uniform(keys[2], (BATCH_ROWS, 1), at), tf.int32)
        component = tf.minimum(tf.reduce_sum(below, axis=1), k - 1)
        target, noise = (
            tf.gather(local, component, batch_dims=1),
            streams.normal(keys[3], (BATCH_ROWS, d), wide),
        )
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

    return loop.graph(train)
