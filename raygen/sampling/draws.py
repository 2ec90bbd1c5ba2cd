"""Draws and masses that both decoders need: z, positions inside bins, and shares of codes."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from raygen.codec.code_ranges import Pieces, whole
from raygen.latent import streams
from raygen.latent.samplers import Sampler
from raygen.model.vae import VAE
from raygen.sampling.row_blocks import BLOCK_ROWS

Offset = tuple[tf.Tensor, ...]  # its centre and its scale; empty where a column has none


def scores(model: VAE, block: int, pieces: Pieces) -> tuple[np.ndarray, np.ndarray]:
    """Normal scores at the two ends of each piece of a block with offsets."""
    low, high = (
        score.numpy()[pieces.codes + model.starts[block]].astype(float)
        for score in (model.score_low, model.score_high)
    )
    inside = pieces.low.astype(float)
    return (low + (high - low) * inside).astype(np.float32), (
        low + (high - low) * (inside + pieces.share)
    ).astype(np.float32)


def log_share(model: VAE, block: int, pieces: Pieces) -> Callable[[Offset], tf.Tensor]:
    """A function of the centre and the scale of the block's offset, each of shape (rows, 1): log of the part
    of its code's mass that lies in each piece, of shape (rows or 1, pieces)."""
    share = pieces.share
    cut = np.flatnonzero(share < 1)
    if block >= model.num_offsets or model.gaussian or not len(cut):
        constant = tf.constant(np.log(share)[None], tf.float32)
        return lambda law: constant
    parts = Pieces(*(array[cut] for array in (pieces.codes, pieces.low, pieces.high)))
    bar_low, bar_high = scores(model, block, whole(parts.codes))
    low = scores(model, block, parts)[0]
    width, spread = (
        (bar_high - bar_low) * share[cut].astype(np.float32),
        np.eye(len(share), dtype=np.float32)[cut],
    )

    def of_law(law: Offset) -> tf.Tensor:
        centre, scale = law
        part = log_logistic_mass((low - centre) / scale, width / scale)
        return tf.matmul(
            tf.clip_by_value(
                part - log_logistic_mass((bar_low - centre) / scale, (bar_high - bar_low) / scale), -80.0, 0.0
            ),
            spread,
        )

    return of_law


def log_logistic_mass(start: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Log of the mass of the logistic between `start` and `start + width`."""
    width = tf.maximum(width, 1e-12)
    return tf.math.log_sigmoid(start + width) + tf.math.log(-tf.math.expm1(-width)) - tf.nn.softplus(start)


def latents(sampler: Sampler, seed: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """A graph that gives z of the BLOCK_ROWS rows from a row number on, float32 of shape (BLOCK_ROWS,
    latent_dim)."""
    component, normals = streams.key(seed, "component"), streams.key(seed, "z")

    def draw(first: tf.Tensor) -> tf.Tensor:
        pick = streams.uniform(component, (BLOCK_ROWS,), first)
        return sampler.draw(
            pick, streams.normal(normals, (BLOCK_ROWS, sampler.latent_dim), first * sampler.latent_dim)
        )

    return tf.function(draw, autograph=False, input_signature=[tf.TensorSpec((), tf.int64)])


def draw_gaussian(pick: tf.Tensor, centre: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """Standard deviations from the column's mean, by inversion of `pick`, uniform in steps of 2^-23 whose
    middles are never 0 or 1."""
    return centre + scale * tf.math.ndtri(pick + 2.0**-24)


def draw_truncated_logistic(
    pick: tf.Tensor, low: tf.Tensor, high: tf.Tensor, centre: tf.Tensor, scale: tf.Tensor
) -> tf.Tensor:
    """Position in [0, 1) between `low` and `high` of a logistic truncated to them, by inversion of uniform
    `pick`.

    With A and B the standardised edges, F^-1(F(A) + u (F(B) - F(A))) is taken on the side where F is small,
    in logs.
    """
    a, b = (low - centre) / scale, (high - centre) / scale
    flip = a + b > 0
    a, b, u = tf.where(flip, -b, a), tf.where(flip, -a, b), tf.where(flip, 1 - pick, pick)
    log_a, log_b = tf.math.log_sigmoid(a), tf.math.log_sigmoid(b)
    log_f = log_b + tf.math.log(u + (1 - u) * tf.exp(log_a - log_b) + 1e-30)
    t = log_f - tf.math.log(-tf.math.expm1(tf.minimum(log_f, -1e-7)))
    t = tf.clip_by_value(tf.where(flip, -t, t), tf.where(flip, -b, a), tf.where(flip, -a, b))
    a = tf.where(flip, -b, a)
    width = (high - low) / scale
    return tf.clip_by_value((t - a) / tf.maximum(width, 1e-6), 0.0, 1 - 1e-6)
