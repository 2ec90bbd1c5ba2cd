"""How a VAE's second output `o` is meant: whether the draw z = z_mean + std * eps has std exp(o) or exp(o /
2), and which of the two its KL has.

With two outputs nothing says so but the weights: training ends where no gradient is left. For squared error
or cross-entropy g and a weight w of the KL, an encoder with two linear heads and a decoder that begins
linearly are at rest only if, in every dimension i, in the mean over rows and eps, and with a = d log std /
do,

    a std_i eps_i dg/dz_i = -w dKL / do_i                            (the bias of the head of o: `noise` over
    `push`) -(z_mean_i - its mean) dg/dz_i = w Var z_mean_i                  (the scale of the head of z_mean:
    `mean` over its variance) a z_mean_i^2 = -dKL / do_i                                       (z scaled up,
    decoder scaled down: g does not change, w drops out)

with one w for all; that holds in the convention that the network was trained in alone. A convention's misfit
is the mean of three relative differences: of the dimensions' w by the first, of the two w in the median
dimension, of the two sides of the third. Over 45 trained networks, on which AHEAD was set, `read` named the
right convention for 43 and declined 2; over 12 new ones 11 and 1; none wrongly. (By the first line alone,
with w free, the smallest misfit was right for 15 of 27.) It declines where training has not come to rest, as
at a high constant rate.
"""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from raygen import rng

LAWS = {  # convention: d log std / do, d log variance in the KL / do
    "log_var": (0.5, 1.0),
    "log_sigma": (1.0, 2.0),
    "mixed": (1.0, 1.0),
}
Decode = Callable[[tf.Tensor], tf.Tensor]
ROWS = 4096
PAIRS = 8  # of draws of each row's posterior, +eps and -eps
ACTIVE_VARIANCE = 0.01
CLOSE, AHEAD = (
    0.25,
    1.75,
)  # misfit up to which a convention fits, and by how many times the next one's must be larger


def of_draws(z_mean: np.ndarray, o: np.ndarray, z: np.ndarray) -> tuple[str, float]:
    """The draw's reading of `o` from a third output z, and the nats per number that it is ahead of the other
    one.

    Args:
        z_mean, o, z: Each of shape (rows, latent_dim).

    Returns:
        "log_var" or "log_sigma"; "" if z is no draw, but a function of z_mean.
    """
    residual = (z - z_mean).astype(float)
    if np.abs(residual).max() <= 1e-5 * (np.abs(z_mean).max() + 1e-9):
        return "", 0.0
    nats = {
        name: float(np.mean(-0.5 * (residual * np.exp(-k * o)) ** 2 - k * o))
        for name, k in (("log_var", 0.5), ("log_sigma", 1.0))
    }
    best = max(nats, key=lambda name: nats[name])
    return best, nats[best] - min(nats.values())


def of_weights(
    x: np.ndarray, z_mean: np.ndarray, o: np.ndarray, decode: Decode, losses: Sequence[str], seed: int = 0
) -> dict[str, float]:
    """How badly each convention fits the network being at rest: 0 is exact, 1 is no fit at all.

    Args:
        x: Rows that the network was trained on, of shape (rows, columns); ROWS of them at most are used.
        z_mean, o: The encoder's two outputs, each of shape (rows, latent_dim).
        decode: The decoder, in graph.
        losses: Of "squared" and "crossentropy", those that the network may have been trained by.
        seed: Of the rows and the draws.

    Returns:
        By convention; empty if no dimension is active.
    """
    generator = rng.generator(seed, "log sigma")
    some = generator.permutation(len(x))[:ROWS]
    x, z_mean, o = (np.asarray(a, np.float32)[some] for a in (x, z_mean, o))
    active = z_mean.var(axis=0) > ACTIVE_VARIANCE
    if not active.any():
        return {}
    noise = [generator.standard_normal(o.shape).astype(np.float32) for _ in range(PAIRS)]
    slopes = {
        (k, loss): _slopes(decode, loss, x, z_mean, np.exp(k * o), noise)
        for k in (0.5, 1.0)
        for loss in losses
    }
    fits = {
        name: [_misfit(*slopes[law[0], loss], z_mean, o, *law, active) for loss in losses]
        for name, law in LAWS.items()
    }
    return {name: min(misfits) for name, misfits in fits.items()}


def read(misfits: dict[str, float], draw: str = "") -> str:
    """The convention that the misfits speak for; "" if they do not tell.

    Args:
        misfits: As `of_weights` returns them.
        draw: The draw's reading, if it is known already.
    """
    order = sorted((m, name) for name, m in misfits.items() if not draw or LAWS[name][0] == LAWS[draw][0])
    if not order or order[0][0] > CLOSE or (len(order) > 1 and order[1][0] < AHEAD * order[0][0]):
        return ""
    return order[0][1]


def _misfit(
    mean: np.ndarray,
    noise: np.ndarray,
    z_mean: np.ndarray,
    o: np.ndarray,
    draw: float,
    kl: float,
    active: np.ndarray,
) -> float:
    """Mean of the three relative differences that are zero for a network at rest, each in [0, 1]."""
    z_mean, o = z_mean[:, active].astype(float), o[:, active].astype(float)
    push = 0.5 * kl * (1 - np.exp(kl * o)).mean(axis=0)
    by_noise, by_mean = draw * noise[active] / _not_zero(push), mean[active] / z_mean.var(axis=0)
    w = np.median(by_noise)
    spread = _apart(by_noise, w).mean()
    return float(
        (spread + _apart(np.median(by_mean), w) + _apart(draw * (z_mean**2).mean(axis=0), push).mean()) / 3
    )


def _apart(a: np.ndarray, b: np.ndarray | np.floating) -> np.ndarray:
    """Relative difference: 0 if equal, 1 if of different sign."""
    return np.minimum(1.0, np.abs(a - b) / _not_zero(np.abs(a) + np.abs(b)))


def _not_zero(x: np.ndarray) -> np.ndarray:
    return np.where(x == 0, 1e-30, x)


def _slopes(
    decode: Decode, loss: str, x: np.ndarray, z_mean: np.ndarray, std: np.ndarray, noise: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Means over rows and draws of -(z_mean - its mean) dg/dz and of std eps dg/dz, each float64 of shape
    (latent_dim,)."""

    @tf.function(autograph=False)
    def slope(z: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(z)
            total = LOSSES[loss](tf.constant(x), decode(z))
        return tape.gradient(total, z)

    centred = z_mean - z_mean.mean(axis=0)
    along_mean, along_noise = np.zeros(z_mean.shape[1]), np.zeros(z_mean.shape[1])
    for eps in noise:
        for side in (eps, -eps):
            found = slope(tf.constant(z_mean + std * side)).numpy().astype(float)
            along_mean += (centred * found).mean(axis=0)
            along_noise += (std * side * found).mean(axis=0)
    return -along_mean / (2 * len(noise)), along_noise / (2 * len(noise))


def _squared(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum((x - y) ** 2)


def _crossentropy(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    y = tf.clip_by_value(y, 1e-7, 1 - 1e-7)
    return -tf.reduce_sum(x * tf.math.log(y) + (1 - x) * tf.math.log(1 - y))


LOSSES = {"squared": _squared, "crossentropy": _crossentropy}
