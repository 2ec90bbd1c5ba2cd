"""Where z of a row may lie of which only some columns are known.

A copy of the encoder sees the known columns alone. It is trained to come near the posteriors q(z | row) that
the encoder gives to whole rows, columns of which are left out at random: the mean over rows of
KL(q(z | row) || proposal(z | part of the row)) is least where the proposal has the mean and the variance of
q(z | row) over the rows that agree with the part (Ivanov et al. 2019, VAEAC, sec. 4.2). The network that
generates is not touched by it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from raygen.latent import streams
from raygen.model.layers import LOG_VAR_RANGE
from raygen.model.vae import VAE, positions

Encode = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
BATCH_ROWS = 512
LEARNING_RATE = 4e-3
NUMBERS = 2**27  # codes of the rows that it is trained on, at most


@dataclass(frozen=True)
class Proposal:
    """A Gaussian over z for each row that is known in part.

    Attributes:
        arrays: float32 weights by name: "embedding", and kernel and bias of "score", "mean", "log_var" and of
            each hidden layer.
    """

    arrays: dict[str, np.ndarray]

    def fits(self, model: VAE) -> bool:
        """Whether the arrays have the shapes of the model's encoder, and hold numbers."""
        wanted = {name: array.shape for name, array in of_encoder(model).arrays.items()}
        there = {name: array.shape for name, array in self.arrays.items()}
        return wanted == there and all(np.isfinite(array).all() for array in self.arrays.values())

    def gaussian(self, model: VAE) -> Encode:
        """A graph from the known cells of rows to z_mean and z_log_var, each of shape (rows, latent_dim).

        It takes whether each block of a row is known, float32 of shape (rows, blocks), and codes and offsets
        as `VAE.encode` does, of any value where they are not known.
        """
        weights = {name: tf.constant(array) for name, array in self.arrays.items()}
        return tf.function(lambda known, codes, offsets: _apply(model, weights, known, codes, offsets))

    def to_arrays(self) -> dict[str, np.ndarray]:
        return self.arrays

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Proposal":
        return cls({name: np.asarray(array, np.float32) for name, array in arrays.items()})


def of_encoder(model: VAE) -> Proposal:
    """The encoder itself as a proposal."""
    arrays = {"embedding": model.embedding.table()}
    heads = {"score": model.score_in, "mean": model.mean_head, "log_var": model.log_var_head}
    heads |= {f"layer_{i}": layer for i, layer in enumerate(model.encoder.layers)}
    for name, layer in heads.items():
        arrays |= {f"{name}_kernel": layer.kernel, f"{name}_bias": layer.bias}
    return Proposal({name: np.array(array, np.float32) for name, array in arrays.items()})


def most_rows(num_columns: int) -> int:
    """Rows that `fit` can take."""
    return max(BATCH_ROWS, NUMBERS // max(1, num_columns))


def fit(
    model: VAE,
    rows: tuple[np.ndarray, np.ndarray],
    posterior: tuple[np.ndarray, np.ndarray],
    steps: int,
    seed: int,
) -> Proposal:
    """Train the proposal.

    Args:
        model: The trained VAE.
        rows: Codes and offsets of training rows, as they are stored.
        posterior: Their z_mean and z_log_var, each of shape (rows, latent_dim).
        steps: Of BATCH_ROWS rows.
        seed: Of the rows of each step and of what is left out.
    """
    import keras

    weights = {name: keras.Variable(array) for name, array in of_encoder(model).arrays.items()}
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, max(1, steps)))
    optimizer.build(list(weights.values()))
    count, blocks = rows[0].shape
    data = [tf.constant(array) for array in (*rows, *posterior)]
    keys = [streams.key(seed, "proposal", purpose) for purpose in ("rows", "share", "columns")]

    @tf.function(autograph=False)
    def step(number: tf.Tensor) -> tf.Tensor:
        first = number * BATCH_ROWS
        chosen = tf.cast(streams.uniform(keys[0], (BATCH_ROWS,), first) * count, tf.int32)
        share = streams.uniform(keys[1], (BATCH_ROWS,), first)
        uniform = streams.by_row(streams.uniform, keys[2], BATCH_ROWS, blocks, first)
        known = tf.cast(uniform < share[:, None], tf.float32)
        some_codes, some_offsets, mean, log_var = (tf.gather(array, chosen) for array in data)
        with tf.GradientTape() as tape:
            own = {name: variable.value for name, variable in weights.items()}
            inputs = tf.cast(some_codes, tf.int32), positions(some_offsets)
            centre, spread = _apply(model, own, known, *inputs)
            away = ((centre - mean) ** 2 + tf.exp(log_var)) * tf.exp(-spread)
            loss = 0.5 * tf.reduce_mean(tf.reduce_sum(away + spread, axis=1))
        values = [variable.value for variable in weights.values()]
        gradients = tape.gradient(loss, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        optimizer.apply([tf.convert_to_tensor(gradient) for gradient in gradients])
        return loss

    for number in range(steps):
        step(tf.constant(number, tf.int64))
    return Proposal({name: variable.numpy() for name, variable in weights.items()})


def _apply(
    model: VAE,
    weights: Mapping[str, tf.Tensor | tf.Variable],
    known: tf.Tensor,
    codes: tf.Tensor,
    offsets: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """z_mean and z_log_var of rows, by the encoder's layers with these weights, of the known columns."""
    index = codes + model.starts
    rows, blocks = tf.shape(index)[0], index.shape[1]
    flat = tf.reshape(index + model.num_codes * tf.range(rows)[:, None], (-1, 1))
    hot = tf.scatter_nd(flat, tf.reshape(known, (rows * blocks,)), [rows * model.num_codes])
    x = tf.matmul(tf.reshape(hot, (rows, model.num_codes)), weights["embedding"])
    if model.num_offsets:
        values = model.scores(index, offsets) * known[:, : model.num_offsets]
        x += tf.matmul(values, weights["score_kernel"]) + weights["score_bias"]
    x = tf.maximum(x, 0.0)
    for i in range(len(model.encoder.layers)):
        out = tf.nn.relu(tf.matmul(x, weights[f"layer_{i}_kernel"]) + weights[f"layer_{i}_bias"])
        x = x + out if x.shape[1] == out.shape[1] else out
    z_mean = tf.matmul(x, weights["mean_kernel"]) + weights["mean_bias"]
    z_log_var = tf.matmul(x, weights["log_var_kernel"]) + weights["log_var_bias"]
    return z_mean, tf.clip_by_value(z_log_var, *LOG_VAR_RANGE)
