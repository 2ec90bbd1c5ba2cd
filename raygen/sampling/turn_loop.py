"""Columns drawn in turn by one loop, where there are too many for a section of the graph for each.

A column's codes are padded to one of a few sizes, so that the loop has one section for each size.
"""

import numpy as np
import tensorflow as tf

from raygen.model.turn import MOST_ALONE, PADDED_SIZES
from raygen.model.vae import MAX_LOGIT, MIN_SCALE, VAE
from raygen.sampling.draws import draw_truncated_logistic
from raygen.sampling.turn_columns import Columns, State, pick

Drawn = tuple[tf.Tensor, tf.Tensor, tf.TensorArray, tf.TensorArray]
NO_MASS = -1e30  # logit of what only fills a size


class LoopedColumns(Columns):
    """As `Columns`; what z says of codes is computed column by column, since it would be large as a whole."""

    def __init__(self, model: VAE, order: list[int], temperature: float):
        super().__init__(model, [], temperature)
        self.order, sizes = list(order), [self.sizes[c] for c in order]
        padded = [next((s for s in PADDED_SIZES if s >= size), size) for size in sizes]
        kinds = [(size, c < self.num_offsets) for size, c in zip(padded, order, strict=True)]
        self.kinds = sorted(set(kinds))
        self.kind = tf.constant([self.kinds.index(kind) for kind in kinds])
        self.column, self.starts = tf.constant(self.order), tf.constant(model.starts)
        self.cardinality = tf.constant(self.sizes)
        most = max(padded)  # lines that a slice may read beyond the last code
        self.of_hidden, self.of_gate = (
            tf.constant(np.pad(table, [[0, most], [0, 0]]))
            for table in (model.code_kernel.table().numpy(), self.kernel)
        )
        self.of_codes = tf.constant(np.pad(model.code_bias.numpy(), [0, most]))
        self.tables = tuple(map(tf.constant, (self.vectors, self.bias, self.edges)))
        self.offset_tables = tuple(map(tf.constant, (self.score_vectors, self.offset_kernel)))

    def start(self, z: tf.Tensor) -> State:
        hidden = self.model.decoder(z)
        head = tf.transpose(self.model.offset_head(hidden))
        return State(hidden, head, tf.matmul(hidden, self.hidden_in), {}, {})

    def draw_all(self, state: State, chances: list, places: list) -> None:
        count, uniforms, inside = len(self.order), tf.stack(chances), tf.stack(places)

        def one(
            turn: tf.Tensor, context: tf.Tensor, codes: tf.TensorArray, positions: tf.TensorArray
        ) -> Drawn:
            branches = [
                lambda kind=kind: self._one(state, turn, context, uniforms[turn], inside[turn], *kind)
                for kind in self.kinds
            ]
            code, place, said = tf.switch_case(self.kind[turn], branches)
            return turn + 1, context + said, codes.write(turn, code), positions.write(turn, place)

        arrays = (
            tf.TensorArray(kind, count, element_shape=inside.shape[1:]) for kind in ("int32", "float32")
        )
        _, state.context, codes, positions = tf.while_loop(
            lambda turn, *_: turn < count, one, (0, state.context, *arrays), parallel_iterations=1
        )
        state.codes |= dict(zip(self.order, tf.unstack(codes.stack(), count), strict=True))
        state.positions |= dict(zip(self.order, tf.unstack(positions.stack(), count), strict=True))

    def _one(
        self,
        state: State,
        turn: tf.Tensor,
        context: tf.Tensor,
        uniform: tf.Tensor,
        place: tf.Tensor,
        size: int,
        has_offset: bool,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Code and position of the column whose turn it is, and what it says to the next ones. The loop adds
        that to what was said before: of a sum of three TensorFlow 2.21 makes a temporary variable where much
        memory is used, and the next run of the graph finds it there still (AlreadyExistsError)."""
        column, (vectors, bias, edges) = self.column[turn], self.tables
        start, cardinality = self.starts[column], self.cardinality[column]
        gate, codes = tf.nn.relu(context + bias[column]), slice(start, start + size)
        logits = tf.matmul(state.base, self.of_hidden[codes], transpose_b=True) + self.of_codes[codes]
        logits = tf.ensure_shape(logits, (None, size))
        logits += tf.matmul(gate, self.of_gate[codes], transpose_b=True)
        logits = tf.clip_by_value(logits, -MAX_LOGIT, MAX_LOGIT)
        logits = tf.where(tf.range(size) < cardinality, logits, NO_MASS)
        if self.temperature != 1:
            logits = (logits - tf.reduce_max(logits, axis=1, keepdims=True)) / self.temperature
        code = tf.minimum(pick(tf.exp(logits), uniform), cardinality - 1)
        said = tf.gather(vectors, start + code)
        if has_offset:
            score_vectors, kernel = self.offset_tables
            low, high, known = tf.unstack(tf.gather(edges, start + code), axis=1)
            more = tf.matmul(gate, kernel[column])
            scale = MIN_SCALE + tf.nn.softplus(state.head[self.num_offsets + column] + more[:, 1])
            place = draw_truncated_logistic(place, low, high, state.head[column] + more[:, 0], scale)
            said += ((low + (high - low) * place) * known)[:, None] * score_vectors[column]
        return code, place, said


def columns_in_turn(model: VAE, order: list[int], temperature: float) -> Columns:
    """Columns with a section of the graph for each, or with a loop where they are many."""
    return (Columns if len(order) <= MOST_ALONE else LoopedColumns)(model, order, temperature)
