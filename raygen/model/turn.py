"""Columns in turn: what the columns before it say about a column, given z.

A decoder whose columns are independent given z makes z carry every tie between columns. Here a column's
logits also depend on the codes of the columns before it (NADE, Larochelle and Murray 2011, made conditional
on z), as a correction of low width:

    logits_j = K_j h + V_j g_j,    g_j = relu(A h + b_j + sum over k before j of (E_k[code_k] + score_k v_k))

with h the decoder's last hidden layer and score_k the value of column k in normal scores. V is zero at the
start: training starts at the independent decoder.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from raygen import rng
from raygen.model.layers import CodeTable, Keep, product

Gates: TypeAlias = tf.Tensor | list[tf.Tensor]  # (columns, rows, width), or (rows, width) for each column
MOST_ALONE = 64  # columns up to which each one has matrix products of its own
PADDED_SIZES = (4, 8, 16, 32, 64, 96, 128, 160, 192, 256, 384, 512)  # beyond them columns share padded ones
SUMMED = 32  # columns over which one product sums, and then over blocks of them
NUMBERS = 24_000  # numbers of a row's contexts, at most: wide tables have narrower ones


def context_width(width: int, num_columns: int) -> int:
    """Width of a context: `width`, less where there are many columns."""
    return min(width, max(8, NUMBERS // max(1, num_columns) // 8 * 8))


@keras.saving.register_keras_serializable("raygen")
class Turn(keras.layers.Layer):
    """The correction of each column's logits, and of its offset, by the columns before it.

    Tensors over columns have shape (columns, rows, width).

    Args:
        cardinalities, ordered: Codes of each column, and whether they are in the order of values.
        num_offsets: The first so many columns have offsets.
        width: Of a context (see `context_width`).
        hidden: Width of the decoder's last hidden layer.
        order: Columns in the order in which they are drawn; empty: as they are.
        seed: Of the initial weights.

    Attributes:
        padded: Products that columns share; None where each one has its own.
    """

    def __init__(
        self,
        cardinalities: Sequence[int],
        ordered: Sequence[bool],
        num_offsets: int,
        width: int,
        hidden: int,
        order: Sequence[int] = (),
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.settings: dict[str, Any] = {
            "cardinalities": [int(c) for c in cardinalities],
            "ordered": [bool(o) for o in ordered],
            "num_offsets": int(num_offsets),
            "width": int(width),
            "hidden": int(hidden),
            "order": [int(c) for c in order] or list(range(len(cardinalities))),
            "seed": int(seed),
        }
        sizes, self.num_offsets, self.width = self.settings["cardinalities"], int(num_offsets), int(width)
        self.sizes, self.order = sizes, self.settings["order"]
        self.place = np.argsort(self.order)  # of each column among those drawn
        self.padded = Padded(sizes) if len(sizes) > MOST_ALONE else None
        codes = self.settings["cardinalities"], self.settings["ordered"], self.width
        self.embedding = CodeTable(*codes, 0.1, seed=rng.integer(seed, "context embedding"), name="embedding")
        self.kernel = CodeTable(*codes, 0.0, seed=rng.integer(seed, "context kernel"), name="kernel")
        self.hidden_in = self._weight(
            (int(hidden), self.width),
            keras.initializers.VarianceScaling(1.0, seed=rng.integer(seed, "context of hidden")),
            "hidden_in",
        )
        self.bias = self._weight((len(sizes), self.width), self._normal("context bias"), "bias")
        offsets = (max(1, self.num_offsets), self.width)
        self.score_vectors = self._weight(offsets, self._normal("context of scores"), "score_vectors")
        self.offset_kernel = self._weight((*offsets, 2), "zeros", "offset_kernel")
        self.built = True

    def _weight(
        self, shape: tuple[int, ...], initializer: keras.initializers.Initializer | str, name: str
    ) -> keras.Variable:
        return self.add_weight(shape=shape, initializer=initializer, name=name)

    def _normal(self, purpose: str) -> keras.initializers.Initializer:
        return keras.initializers.RandomNormal(0.0, 0.1, seed=rng.integer(self.settings["seed"], purpose))

    def gates(
        self, hidden: tf.Tensor, index: tf.Tensor, scores: tf.Tensor | None, keep: Keep = None
    ) -> Gates:
        """g of every column: a list of tensors of shape (rows, width), or one where products are padded.

        Args:
            hidden: The decoder's last hidden layer, (rows, hidden).
            index: Number of the row's code of each column among all codes, int32 (rows, columns).
            scores: Normal scores of the columns with offsets, 0 where there is none, (rows, num_offsets).
            keep: What the vectors that a column gives to the later ones are multiplied by, (rows, columns):
                0, or 1 / (1 - dropout); None: 1.
        """
        if self.padded is None:
            return self._one_by_one(hidden, index, scores, keep)
        vectors = tf.gather(self.embedding.table(), self._in_turn(index))
        if self.num_offsets:
            values = self._in_turn(tf.pad(scores, [[0, 0], [0, len(self.order) - self.num_offsets]]))
            said = tf.pad(self.score_vectors, [[0, len(self.order) - self.num_offsets], [0, 0]])
            vectors += values[:, :, None] * tf.gather(said, self.order)[:, None]
        if keep is not None:
            vectors *= self._in_turn(keep)[:, :, None]
        context = _sum_before(vectors, product(hidden, self.hidden_in))
        if self.order != sorted(self.order):
            context = _picked(context, self.place, np.array(self.order))
        return ops.maximum(context + ops.expand_dims(self.bias, 1), 0.0)

    def logits(self, gates: Gates) -> tf.Tensor:
        """What is added to the logits of all codes, (rows, codes)."""
        table = self.kernel.table()
        if self.padded is not None:
            return self.padded.logits(gates, table)
        own = zip(gates, tf.split(table, self.sizes), strict=True)
        return ops.concatenate([product(gate, ops.transpose(rows)) for gate, rows in own], axis=1)

    def offsets(self, gates: Gates) -> tuple[tf.Tensor, tf.Tensor]:
        """What is added to centre and to scale (before it is made positive) of each column's offset, each of
        shape (rows, num_offsets)."""
        own = gates[: self.num_offsets]
        both = ops.matmul(ops.stack(own) if self.padded is None else own, self.offset_kernel)
        centre, scale = tf.unstack(ops.transpose(both, (2, 1, 0)))
        return centre, scale

    def _in_turn(self, values: tf.Tensor) -> tf.Tensor:
        """(rows, columns) as (columns, rows), columns as they are drawn."""
        turned = ops.transpose(values)
        return turned if self.order == sorted(self.order) else tf.gather(turned, self.order)

    def _one_by_one(
        self, hidden: tf.Tensor, index: tf.Tensor, scores: tf.Tensor | None, keep: Keep
    ) -> list[tf.Tensor]:
        """Running sums of (rows, width): each stays in a processor's cache. Slices of larger tensors are
        avoided, since their gradients are as large as the whole."""
        vectors = tf.unstack(tf.gather(self.embedding.table(), ops.transpose(index)))
        keeps = None if keep is None else tf.split(keep, len(self.order), axis=1)
        biases, said = tf.unstack(self.bias), tf.unstack(self.score_vectors)
        context, gates = product(hidden, self.hidden_in), {}
        for c in self.order:
            gates[c] = ops.maximum(context + biases[c], 0.0)
            vector = vectors[c]
            if scores is not None and c < self.num_offsets:
                vector += scores[:, c : c + 1] * said[c]
            context += vector if keeps is None else vector * keeps[c]
        return [gates[c] for c in range(len(gates))]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.settings}


class Padded:
    """Products of columns and the rows of their codes, those of columns padded to one size in one."""

    def __init__(self, cardinalities: list[int]):
        by_size: dict[int, list[int]] = {}
        for c, cardinality in enumerate(cardinalities):
            size = next((s for s in PADDED_SIZES if s >= cardinality), cardinality)
            by_size.setdefault(size, []).append(c)
        self.groups = sorted((size, len(columns)) for size, columns in by_size.items())
        self.columns = np.concatenate([by_size[size] for size, _ in self.groups])
        starts, each = np.cumsum([0, *cardinalities]), [s for s, count in self.groups for _ in range(count)]
        place = np.concatenate([np.arange(size) for size in each])
        column = np.repeat(self.columns, each)
        self.real = place < np.array(cardinalities)[column]
        self.index = np.where(self.real, starts[column] + place, 0)  # code at each place; 0: padding
        self.places = np.flatnonzero(self.real)[np.argsort(self.index[self.real])]  # of each code

    def logits(self, gates: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
        """(rows, codes) from gates of shape (columns, rows, width). Codes are the first axis till the end:
        there they are moved as whole lines. What a padded place gets as gradient does not count: its row is
        0."""
        width, counts = table.shape[1], [count for _, count in self.groups]
        rows = tf.gather(table, self.index) * self.real.astype(np.float32)[:, None]
        own = tf.split(rows, [size * count for size, count in self.groups])
        gates = tf.split(_picked(gates, self.columns, np.argsort(self.columns)), counts)
        parts = []
        for (size, count), of_codes, gate in zip(self.groups, own, gates, strict=True):
            out = product(ops.reshape(of_codes, (count, size, width)), ops.transpose(gate, (0, 2, 1)))
            parts.append(ops.reshape(out, (count * size, ops.shape(gate)[1])))
        return ops.transpose(_picked(ops.concatenate(parts), self.places, self.index))


def _sum_before(vectors: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
    """`first`, of shape (rows, width), and for each column the sum of the vectors of those before it. By
    products over blocks of columns and over their sums, since cumulative sums are slow on CPUs."""
    count, width, rows = vectors.shape[0], vectors.shape[2], ops.shape(vectors)[1]
    blocks = -(-count // SUMMED)
    padded = tf.pad(vectors, [[0, blocks * SUMMED - count], [0, 0], [0, 0]])
    flat = ops.reshape(padded, (blocks, SUMMED, rows * width))
    earlier = ops.matmul(_before(blocks), ops.sum(flat, axis=1)) + ops.reshape(first, (1, rows * width))
    sums = ops.matmul(_before(SUMMED), flat) + earlier[:, None]
    return ops.reshape(sums, (blocks * SUMMED, rows, width))[:count]


def _before(count: int) -> np.ndarray:
    return np.tri(count, k=-1, dtype=np.float32)


def _picked(x: tf.Tensor, forward: np.ndarray, backward: np.ndarray) -> tf.Tensor:
    """x[forward], where the gradient of x is that of x[forward] at `backward`: scattering it is slow on
    CPUs."""

    @tf.custom_gradient
    def gather(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        return tf.gather(x, forward), lambda upstream: tf.gather(upstream, backward)

    return gather(x)
