"""The layers that the encoder, the decoder and the prior are made of."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from raygen import rng

LOG_2PI = math.log(2 * math.pi)
Keep: TypeAlias = tf.Tensor | None  # what units are multiplied by: 0, or 1 / (1 - dropout); None: 1
GROUP_SIZES = (4, 16)
OWN_ROWS = (20, 400)  # rows of a code, unordered or ordered, of which its own vector counts half
SUMMED = 64  # columns whose codes are summed by one product
LOG_VAR_RANGE = (-12.0, 6.0)  # that log variances are clipped to
_factors = "float32"


@contextlib.contextmanager
def precision(kind: str) -> Iterator[None]:
    """The type of the factors of the large matrix products, "float32" or "bfloat16", in what is traced
    inside; sums and weights stay float32."""
    global _factors
    before, _factors = _factors, kind
    try:
        yield
    finally:
        _factors = before


def product(a: tf.Tensor, b: tf.Tensor | keras.Variable) -> tf.Tensor:
    """a b, float32."""
    if _factors == "float32":
        return ops.matmul(a, b)
    return ops.cast(ops.matmul(ops.cast(a, _factors), ops.cast(b, _factors)), "float32")


@keras.saving.register_keras_serializable("raygen")
class ResidualMLP(keras.layers.Layer):
    """Dense relu layers; a layer as wide as its input is added to it.

    Args:
        units: Widths, first to last.
        width: Width of the input.
    """

    def __init__(self, units: Sequence[int], width: int, seed: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.units, self.width, self.seed = [int(u) for u in units], int(width), int(seed)
        seeds = [
            keras.initializers.HeNormal(seed=rng.integer(self.seed, "residual layer", i))
            for i in range(len(self.units))
        ]
        self.layers = [
            keras.layers.Dense(u, activation="relu", kernel_initializer=s)
            for u, s in zip(self.units, seeds, strict=True)
        ]
        for layer, before in zip(self.layers, [self.width, *self.units], strict=False):
            layer.build((None, before))
        self.built = True

    def call(self, x: tf.Tensor, keep: Keep = None) -> tf.Tensor:
        """The last hidden layer; `keep`, if given, is what each hidden unit of each row is multiplied by, of
        shape (rows, sum of units)."""
        at = 0
        for layer, before, after in zip(self.layers, [self.width, *self.units], self.units, strict=False):
            out = layer.activation(product(x, layer.kernel) + layer.bias)
            out = out if keep is None else out * keep[:, at : at + after]
            x, at = x + out if before == after else out, at + after
        return x

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "width": self.width, "seed": self.seed}


@keras.saving.register_keras_serializable("raygen")
class CodeTable(keras.layers.Layer):
    """A trained vector for each code, as the encoder's embedding or the rows of the decoder's last matrix.

    In a block whose codes are ordered (a number's atoms and bars), a code's vector is the sum of those of its
    groups of 4 and of 16 neighbours and of a share of its own, so that neighbours share what they learn. The
    share is rows / (rows + OWN_ROWS) for the rows of the code, in other blocks too: Adam moves all vectors
    alike, so what counts less is learned more slowly, and a code of few rows holds less of them. (18,576 rows
    of 9 numbers, as `raygen train` ends: held-out bound 37.8 -> 37.1 nats, XGB-C2ST .72 -> .83, by test rows
    .85 -> .91.)

    Args:
        cardinalities: Codes of each block.
        ordered: For each block, whether its codes are in order.
        width: Of the vectors.
        stddev: Of the initial vectors; those of groups start at zero.
    """

    def __init__(
        self,
        cardinalities: Sequence[int],
        ordered: Sequence[bool],
        width: int,
        stddev: float,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.settings: dict[str, Any] = {
            "cardinalities": list(cardinalities),
            "ordered": list(ordered),
            "width": width,
            "stddev": stddev,
            "seed": seed,
        }
        start = keras.initializers.RandomNormal(stddev=stddev, seed=seed)
        self.own = self.add_weight(shape=(sum(cardinalities), width), initializer=start, name="own")
        self.own_share = self.add_weight(
            shape=(sum(cardinalities), 1), initializer="ones", trainable=False, name="own_share"
        )
        self.groups = [_groups(cardinalities, ordered, size) for size in GROUP_SIZES]
        self.shared = [
            self.add_weight(shape=(int(g[-1]) + 1, width), initializer="zeros", name=f"shared_{i}")
            for i, g in enumerate(self.groups)
        ]
        self.built = True

    def count_rows(self, rows: np.ndarray) -> None:
        """Set the shares of codes' own vectors by the rows that have each code, of shape (codes,)."""
        half = np.take(OWN_ROWS, np.repeat(self.settings["ordered"], self.settings["cardinalities"]))
        self.own_share.assign((rows / (rows + half))[:, None])

    def table(self) -> tf.Tensor:
        """float32 of shape (codes, width)."""
        return sum(
            (ops.take(shared, group, axis=0) for group, shared in zip(self.groups, self.shared, strict=True)),
            self.own.value * self.own_share.value,
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.settings}


class ColumnSums:
    """Sums over the codes of each column, (rows, codes) to (rows, columns), by matrix products with zeros and
    ones; columns beside each other share one, so that it does not grow with the square of their number."""

    def __init__(self, cardinalities: Sequence[int]):
        blocks = [cardinalities[i : i + SUMMED] for i in range(0, len(cardinalities), SUMMED)]
        self.sizes = [sum(block) for block in blocks]
        self.ones = [np.repeat(np.eye(len(block), dtype=np.float32), block, axis=0) for block in blocks]

    def __call__(self, values: tf.Tensor) -> tf.Tensor:
        parts = [values] if len(self.sizes) == 1 else tf.split(values, self.sizes, axis=1)
        sums = [ops.matmul(part, ones) for part, ones in zip(parts, self.ones, strict=True)]
        return ops.concatenate(sums, axis=1)


@keras.saving.register_keras_serializable("raygen")
class MixturePrior(keras.layers.Layer):
    """p(z): a mixture of diagonal Gaussians, trained with the network (the VampPrior's aim, Tomczak and
    Welling 2018, sec. 2)."""

    def __init__(self, components: int, latent_dim: int, seed: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.components, self.latent_dim, self.seed = int(components), int(latent_dim), int(seed)
        shape = (self.components, self.latent_dim)
        self.mean = self.add_weight(
            shape=shape, initializer=keras.initializers.RandomNormal(stddev=1.0, seed=seed), name="mean"
        )
        self.log_var = self.add_weight(shape=shape, initializer="zeros", name="log_var")
        self.logits = self.add_weight(shape=(self.components,), initializer="zeros", name="logits")
        self.built = True

    def log_prob(self, z: tf.Tensor) -> tf.Tensor:
        """log p(z), float32 of shape (rows,), for z of shape (rows, latent_dim)."""
        log_var = ops.clip(self.log_var, *LOG_VAR_RANGE)
        precision = ops.exp(-log_var)
        constant = ops.sum(log_var + self.mean**2 * precision, axis=1) + self.latent_dim * LOG_2PI
        square = ops.matmul(z**2, ops.transpose(precision)) - 2 * ops.matmul(
            z, ops.transpose(self.mean * precision)
        )
        return ops.logsumexp(ops.log_softmax(self.logits) - 0.5 * (square + constant), axis=1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "components": self.components,
            "latent_dim": self.latent_dim,
            "seed": self.seed,
        }


def _groups(cardinalities: Sequence[int], ordered: Sequence[bool], size: int) -> np.ndarray:
    """Number of each code's group: `size` neighbours of an ordered block, the whole of another one."""
    sizes = [size if o else n for n, o in zip(cardinalities, ordered, strict=True)]
    firsts = np.cumsum([0, *(-(-n // s) for n, s in zip(cardinalities, sizes, strict=True))])
    return np.concatenate(
        [f + np.arange(n) // s for n, s, f in zip(cardinalities, sizes, firsts, strict=False)]
    ).astype(np.int32)
