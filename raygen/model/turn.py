"""Columns in turn: what the columns before it say about a column, given z.

A decoder whose columns are independent given z makes z carry every tie between columns. Here a column's
logits also depend on the codes of the columns before it (NADE, Larochelle and Murray 2011, made conditional
on z), as a correction of low width:

    logits_j = K_j h + V_j g_j,    g_j = relu(A h + b_j + sum over k before j of (E_k[code_k] + score_k v_k))

with h the decoder's last hidden layer and score_k the value of column k in normal scores. V is zero at the
start: training starts at the independent decoder.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from raygen import rng
from raygen.model.layers import CodeTable, product

MOST_ALONE = 64  # columns up to which each one has matrix products of its own
PADDED_SIZES = (
    4,
    8,
    16,
    32,
    64,
    96,
    128,
    160,
    192,
    256,
    384,
    512,
)  # beyond them columns share padded products
NUMBERS = 24_000  # numbers of a row's contexts, at most: wide tables have narrower ones


def context_width(width: int, num_columns: int) -> int:
    """Width of a context: `width`, less where there are many columns."""
    return min(width, max(8, NUMBERS // max(1, num_columns) // 8 * 8))


@keras.saving.register_keras_serializable("raygen")
class Turn(keras.layers.Layer):
    """The correction of each column's logits, and of its offset, by the columns before it.

    Tensors over columns have shape (columns, rows, width), their columns in the order of `columns`.

    Args:
        cardinalities, ordered: Codes of each column, and whether they are in the order of values.
        num_offsets: The first so many columns have offsets.
        width: Of a context (see `context_width`).
        hidden: Width of the decoder's last hidden layer.
        order: Columns in the order in which they are drawn; empty: as they are.
        seed: Of the initial weights.

    Attributes:
        columns: Numbers of the columns, those of equal padded size side by side where they share products.
    """

    def __init__(self, cardinalities, ordered, num_offsets, width, hidden, order=(), seed=0, **kwargs):
        super().__init__(**kwargs)
        self.settings = {
            "cardinalities": [int(c) for c in cardinalities],
            "ordered": [bool(o) for o in ordered],
            "num_offsets": int(num_offsets),
            "width": int(width),
            "hidden": int(hidden),
            "order": [int(c) for c in order] or list(range(len(cardinalities))),
            "seed": int(seed),
        }
        sizes, self.num_offsets, self.width = self.settings["cardinalities"], int(num_offsets), int(width)
        self.order = self.settings["order"]
        self.groups = _groups(sizes, self.order)
        self.columns = np.concatenate([group.columns for group in self.groups])
        place = np.argsort(self.order)
        self.before = (place[:, None] < place[None, :])[
            np.ix_(self.columns, self.columns)
        ]  # [k, j]: k before j
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

    def _weight(self, shape, initializer, name: str):
        return self.add_weight(shape=shape, initializer=initializer, name=name)

    def _normal(self, purpose: str):
        return keras.initializers.RandomNormal(0.0, 0.1, seed=rng.integer(self.settings["seed"], purpose))

    def gates(self, hidden, hot, scores, keep=None):
        """g of every column, float32 of shape (columns, rows, width).

        Args:
            hidden: The decoder's last hidden layer, (rows, hidden).
            hot: 1 at the row's code of each column, (rows, codes).
            scores: Normal scores of the columns with offsets, 0 where there is none, (rows, num_offsets).
            keep: What the vectors that a column gives to the later ones are multiplied by, (rows, columns):
                0, or 1 / (1 - dropout); None: 1.
        """
        table = self.embedding.table()
        vectors = ops.concatenate([group.vectors(hot, table) for group in self.groups], axis=0)
        if self.num_offsets:
            vectors = vectors + self._of_scores(scores)
        if keep is not None:
            vectors = vectors * ops.take(ops.transpose(keep), self.columns, axis=0)[:, :, None]
        context = _sum_before(vectors, self.before)
        bias = ops.take(self.bias, self.columns, axis=0)
        return ops.maximum(context + product(hidden, self.hidden_in)[None] + bias[:, None], 0.0)

    def logits(self, gates):
        """What is added to the logits of all codes, (rows, codes)."""
        table, at, parts = self.kernel.table(), 0, []
        for group in self.groups:
            parts.append(group.logits(gates[at : at + len(group.columns)], table))
            at += len(group.columns)
        out = ops.concatenate(parts, axis=1)
        if all(len(group.columns) == 1 for group in self.groups) and list(self.columns) == sorted(
            self.columns
        ):
            return out
        return _reordered(out, np.concatenate([group.index for group in self.groups]))

    def offsets(self, gates):
        """What is added to centre and to scale (before it is made positive) of each column's offset, each of
        shape (rows, num_offsets)."""
        places = np.argsort(self.columns)[: self.num_offsets]
        first = gates[: self.num_offsets] if list(places) == list(range(self.num_offsets)) else None
        taken = first if first is not None else tf.gather(gates, places)
        both = ops.transpose(ops.matmul(taken, self.offset_kernel), (2, 1, 0))
        return both[0], both[1]

    def _of_scores(self, scores):
        place = np.zeros((len(self.columns), self.num_offsets), np.float32)
        at = np.argsort(self.columns)[: self.num_offsets]
        place[at, np.arange(self.num_offsets)] = 1
        values = ops.matmul(place, ops.transpose(scores))
        return values[:, :, None] * ops.matmul(place, self.score_vectors)[:, None]

    def get_config(self):
        return {**super().get_config(), **self.settings}


class _Group:
    """Columns whose products are computed together: one column, or several padded to one size."""

    def __init__(self, columns: list[int], size: int, cardinalities: list[int]):
        starts = np.cumsum([0, *cardinalities])
        self.columns, self.size, self.total = columns, size, int(starts[-1])
        index = [np.arange(starts[c], starts[c] + size) for c in columns]
        real = [np.arange(size) < cardinalities[c] for c in columns]
        self.index = np.where(
            np.concatenate(real), np.concatenate(index), -1
        )  # code at each place; -1: padding
        self.span = slice(int(starts[columns[0]]), int(starts[columns[0]] + size))

    def vectors(self, hot, table):
        """Rows of the table of each row's codes, (columns, rows, width)."""
        if len(self.columns) == 1:
            return product(hot[:, self.span], table[self.span])[None]
        hot = tf.gather(hot, np.maximum(self.index, 0), axis=1)
        hot = ops.transpose(ops.reshape(hot, (-1, len(self.columns), self.size)), (1, 0, 2))
        return product(hot, self._rows(table))

    def logits(self, gates, table):
        """Products of the gates and the table's rows, (rows, columns * size)."""
        if len(self.columns) == 1:
            return product(gates[0], ops.transpose(table[self.span]))
        out = product(gates, ops.transpose(self._rows(table), (0, 2, 1)))
        return ops.reshape(ops.transpose(out, (1, 0, 2)), (-1, len(self.columns) * self.size))

    def _rows(self, table):
        rows = tf.gather(table, np.maximum(self.index, 0)) * (self.index >= 0).astype(np.float32)[:, None]
        return ops.reshape(rows, (len(self.columns), self.size, table.shape[1]))


def _groups(cardinalities: list[int], order: list[int]) -> list[_Group]:
    if len(cardinalities) <= MOST_ALONE:
        return [_Group([c], cardinalities[c], cardinalities) for c in range(len(cardinalities))]
    by_size: dict[int, list[int]] = {}
    for c in order:
        size = next((s for s in PADDED_SIZES if s >= cardinalities[c]), cardinalities[c])
        by_size.setdefault(size, []).append(c)
    return [_Group(columns, size, cardinalities) for size, columns in sorted(by_size.items())]


def _sum_before(vectors, before):
    """For each column the sum of the vectors of those before it: one product, since cumulative sums are slow
    on CPUs."""
    count, rows, width = len(before), ops.shape(vectors)[1], vectors.shape[2]
    flat = ops.reshape(vectors, (count, -1))
    return ops.reshape(ops.matmul(before.T.astype(np.float32), flat), (count, rows, width))


def _reordered(padded, index):
    """The codes' values in the order of the codes, from padded places (`index`: the code of each, or -1). The
    gradient is gathered too: scattering it is slow on CPUs."""
    forward, backward = np.argsort(np.where(index >= 0, index, len(index)))[: (index >= 0).sum()], index

    @tf.custom_gradient
    def gather(x):
        def gradient(upstream):
            return tf.gather(upstream, np.maximum(backward, 0), axis=1) * (backward >= 0).astype(np.float32)

        return tf.gather(x, forward, axis=1), gradient

    return gather(padded)
