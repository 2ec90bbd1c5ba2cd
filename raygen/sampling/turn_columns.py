"""Columns that are drawn in turn, inside a graph: what was drawn is said to the columns that follow (see
`model.turn`). The graph has one section for each column."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from raygen.latent import streams
from raygen.model.turn import Turn
from raygen.model.vae import MAX_LOGIT, MIN_SCALE, VAE
from raygen.sampling.draws import Offset, draw_gaussian, draw_truncated_logistic
from raygen.sampling.row_blocks import BLOCK_ROWS

TILE = 16
MOST_WHOLE = 32  # codes up to which one cumulative sum runs over all of a column


@dataclass
class State:
    """Rows of which some columns have been drawn, inside a graph.

    Attributes:
        base: What z says of the codes of the columns to draw, before the turn, of shape (rows, codes).
        head: What z says of offsets, (rows, 2 * num_offsets); of an independent decoder, centres and scales.
        context: What z and the columns drawn so far say of the next one, (rows, width).
        codes, positions: By number of the column, each of shape (rows,).
    """

    base: Any
    head: Any
    context: Any
    codes: dict
    positions: dict

    def rows(self, columns: Sequence[int]) -> tuple[tf.Tensor, ...]:
        """Codes and positions of these columns, each of shape (rows, columns)."""
        return tuple(tf.stack([drawn[c] for c in columns], axis=1) for drawn in (self.codes, self.positions))


class Columns:
    """Columns of a model that are drawn in turn, inside a graph.

    Args:
        model: The trained VAE, of an autoregressive decoder.
        order: Numbers of the columns to draw, in turn.
        temperature: As in `TurnDecoder`.
    """

    def __init__(self, model: VAE, order: list[int], temperature: float):
        self.model, self.order, self.temperature = model, list(order), temperature
        self.num_offsets, self.sizes = model.num_offsets, model.settings["cardinalities"]
        self.spans = [slice(int(a), int(a) + size) for a, size in zip(model.starts, self.sizes, strict=True)]
        ends = np.cumsum([0, *(self.sizes[c] for c in self.order)])
        self.places = {c: slice(int(a), int(b)) for c, a, b in zip(self.order, ends, ends[1:], strict=False)}
        turn, codes = turn_of(model), [np.arange(self.spans[c].start, self.spans[c].stop) for c in self.order]
        taken = np.concatenate([np.zeros(0, int), *codes])
        self.code_kernel = tf.constant(model.code_kernel.table().numpy()[taken].T)
        self.code_bias = tf.constant(model.code_bias.numpy()[taken])
        self.vectors, self.kernel = turn.embedding.table().numpy(), turn.kernel.table().numpy()
        self.bias, self.score_vectors = turn.bias.numpy(), turn.score_vectors.numpy()
        self.offset_kernel, self.hidden_in = turn.offset_kernel.numpy(), tf.constant(turn.hidden_in.numpy())
        edges = (model.score_low, model.score_high, model.has_offset)
        self.edges = np.stack([w.numpy() for w in edges], axis=1)

    def start(self, z: tf.Tensor) -> State:
        """Rows of which z, of shape (rows, latent_dim), is drawn."""
        hidden = self.model.decoder(z)
        base = tf.matmul(hidden, self.code_kernel) + self.code_bias
        return State(base, self.model.offset_head(hidden), tf.matmul(hidden, self.hidden_in), {}, {})

    def law(self, state: State, column: int) -> tuple[tf.Tensor, Offset]:
        """Logits of the column's codes, at most 0 where there is a temperature; and centre and scale of its
        offset, each of shape (rows,)."""
        gate = tf.nn.relu(state.context + self.bias[column])
        logits = state.base[:, self.places[column]]
        logits += tf.matmul(gate, self.kernel[self.spans[column]], transpose_b=True)
        logits = tf.clip_by_value(logits, -MAX_LOGIT, MAX_LOGIT)
        if self.temperature != 1:
            logits = (logits - tf.reduce_max(logits, axis=1, keepdims=True)) / self.temperature
        if column >= self.num_offsets:
            return logits, ()
        more = tf.matmul(gate, self.offset_kernel[column])
        scale = tf.nn.softplus(state.head[:, self.num_offsets + column] + more[:, 1])
        return logits, (state.head[:, column] + more[:, 0], MIN_SCALE + scale)

    def draw_all(self, state: State, chances: list, places: list) -> None:
        """Draw all columns by two uniform numbers for each row, in lists in the order of the columns."""
        for column, uniform, place in zip(self.order, chances, places, strict=True):
            logits, offset = self.law(state, column)
            self.add(state, column, pick(tf.exp(logits), uniform), place, offset)

    def add(self, state: State, column: int, code: tf.Tensor, place: tf.Tensor, offset: Offset = ()) -> None:
        """Say to the columns that follow what this one is.

        Args:
            code: int32 of shape (rows,).
            place: Position inside the code; with `offset`, the uniform number that draws it.
            offset: As `law` gives it.
        """
        if column < self.num_offsets:
            low, high, has_offset = tf.unstack(tf.gather(self.edges[self.spans[column]], code), axis=1)
            if offset:
                place = draw_truncated_logistic(place, low, high, *offset)
            score = (low + (high - low) * place) * has_offset
            state.context += score[:, None] * self.score_vectors[column]
        state.context += tf.gather(self.vectors[self.spans[column]], code)
        state.codes[column], state.positions[column] = code, place


class LoneColumns(Columns):
    """As `Columns`, of an independent decoder: what was drawn says nothing to the columns that follow."""

    def __init__(self, model: VAE, order: list[int], temperature: float):
        self.model, self.order, self.temperature = model, list(order), temperature
        self.num_offsets, self.sizes = model.num_offsets, model.settings["cardinalities"]
        self.spans = [slice(int(a), int(a) + size) for a, size in zip(model.starts, self.sizes, strict=True)]
        edges = (model.score_low, model.score_high)
        self.edges = np.stack([w.numpy() for w in edges], axis=1)

    def start(self, z: tf.Tensor) -> State:
        hidden = self.model.decoder(z)
        base, head = self.model.hidden_logits(hidden)
        law = self.model.offset_law(head) if self.num_offsets else None
        return State(tf.minimum(base, MAX_LOGIT), law, None, {}, {})

    def law(self, state: State, column: int) -> tuple[tf.Tensor, Offset]:
        logits = state.base[:, self.spans[column]]
        logits = (logits - tf.reduce_max(logits, axis=1, keepdims=True)) / self.temperature
        if column >= self.num_offsets:
            return logits, ()
        return logits, tuple(side[:, column] for side in state.head)

    def add(self, state: State, column: int, code: tf.Tensor, place: tf.Tensor, offset: Offset = ()) -> None:
        if offset and self.model.gaussian:
            place = draw_gaussian(place, *offset)
        elif offset:
            low, high = tf.unstack(tf.gather(self.edges[self.spans[column]], code), axis=1)
            place = draw_truncated_logistic(place, low, high, *offset)
        state.codes[column], state.positions[column] = code, place


def turn_of(model: VAE) -> Turn:
    """What makes a model's decoder autoregressive.

    Raises:
        ValueError: If nothing does.
    """
    if model.turn is None:
        raise ValueError("the columns of an independent decoder have no turn")
    return model.turn


def order_of(model: VAE) -> list[int]:
    """Numbers of a model's columns in the order in which they are drawn."""
    return list(model.turn.order) if model.turn else list(range(len(model.starts)))


def columns_of(model: VAE, order: list[int], temperature: float) -> Columns:
    """Columns of a model of either decoder."""
    return (Columns if model.turn else LoneColumns)(model, order, temperature)


def uniforms(keys: Sequence[tf.Tensor], count: int, first: tf.Tensor) -> list[list[tf.Tensor]]:
    """For each stream a uniform number for each of `count` columns of the BLOCK_ROWS rows from number `first`
    on, each of shape (BLOCK_ROWS,)."""
    return [
        tf.unstack(tf.transpose(streams.uniform(key, (BLOCK_ROWS, count), first * count))) for key in keys
    ]


def pick(mass: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """Number of the code that a uniform number in [0, 1) draws by mass, int32 of shape (rows,), for mass of
    shape (rows, codes). Where there are many, first a tile of TILE codes by its mass and then the code inside
    it: cumulative sums, as small matrix products, run over a few tiles and one tile instead of all codes."""
    rows, size = mass.shape[0], mass.shape[1]
    if size <= MOST_WHOLE:
        running = tf.matmul(mass, _upto(size))
        passed = running <= uniform[:, None] * running[:, -1:]
        return tf.minimum(tf.reduce_sum(tf.cast(passed, tf.int32), axis=1), size - 1)
    count = -(-size // TILE)
    tiles = tf.reshape(tf.pad(mass, [[0, 0], [0, count * TILE - size]]), (rows, count, TILE))
    sums = tf.reduce_sum(tiles, axis=2)
    running = tf.matmul(sums, _upto(count))
    target = uniform * running[:, -1]
    passed = tf.cast(running <= target[:, None], tf.float32)
    tile = tf.minimum(tf.cast(tf.reduce_sum(passed, axis=1), tf.int32), count - 1)
    left = target - tf.reduce_sum(passed * sums, axis=1)
    chosen = tf.gather(tf.reshape(tiles, (-1, TILE)), tf.range(rows) * count + tile)
    inside = tf.reduce_sum(tf.cast(tf.matmul(chosen, _upto(TILE)) <= left[:, None], tf.int32), axis=1)
    return tf.minimum(tile * TILE + tf.minimum(inside, TILE - 1), size - 1)


def _upto(size: int) -> np.ndarray:
    return np.triu(np.ones((size, size), np.float32))
