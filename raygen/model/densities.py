"""Log densities of what lies inside a code, in graph."""

import tensorflow as tf
from keras import ops

from raygen.model.layers import LOG_2PI


def log_gaussian(value: tf.Tensor, centre: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """Log density of `value` under a Gaussian."""
    return -0.5 * (((value - centre) / scale) ** 2 + LOG_2PI) - ops.log(scale)


def truncated_logistic(
    score: tf.Tensor, low: tf.Tensor, high: tf.Tensor, centre: tf.Tensor, scale: tf.Tensor
) -> tf.Tensor:
    """Log density of `score`, relative to the uniform one on (low, high), under a logistic truncated to (low,
    high).

    With F the logistic function, T, A and B the standardised score and edges, log f(T) - log(F(B) - F(A)) is
    written with softplus alone, so that it stays finite far from the centre.
    """
    t, a, b = (score - centre) / scale, (low - centre) / scale, (high - centre) / scale
    width = ops.maximum(b - a, 1e-6)
    log_mass = b + ops.log(-ops.expm1(-width)) - ops.softplus(a) - ops.softplus(b)
    return t - 2 * ops.softplus(t) - log_mass + ops.log(width)
