"""From row numbers to codes with a decoder that draws columns in turn: what was drawn is said to the columns that
follow (see `model.turn`).

The graph has one section for each column. Where only pieces of a column's codes are wanted (see `selection`), the
others are left out, and the mass that was left is part of the row's weight: rows that are resampled by their
weights satisfy the conditions and follow the model's law (sequential importance resampling, Doucet and Johansen
2009).
"""

import numpy as np
import tensorflow as tf

from raygen.codec.code_ranges import STEP, Pieces
from raygen.latent import streams
from raygen.model.vae import MAX_LOGIT, MIN_SCALE, VAE
from raygen.sampling.draws import draw_truncated_logistic, latents, log_share, scores
from raygen.sampling.row_blocks import BLOCK_ROWS

TILE = 16
MOST_WHOLE = 32  # codes up to which one cumulative sum runs over all of a column


class TurnDecoder:
    """Rows of a generation as codes, columns in turn; row i is the same whatever is generated with it.

    Args:
        model: The trained VAE, of an autoregressive decoder.
        sampler: Where z is drawn from (see `latent.samplers`); None if only `decode` is called.
        seed: Of the rows.
        temperature: The codes' logits are divided by it; z and positions are drawn as ever.
        pieces: By number of the block: what its values are to be drawn from.
        stratum: Number of a block whose code is given with the rows (see `weigh`); None: there is none.
    """

    def __init__(
        self,
        model: VAE,
        sampler,
        seed: int,
        temperature: float = 1.0,
        pieces: dict[int, Pieces] | None = None,
        stratum: int | None = None,
    ):
        self.model, self.temperature, self.stratum = model, temperature, stratum
        self.num_offsets, self.sizes = model.num_offsets, model.settings["cardinalities"]
        self.columns = len(self.sizes)
        self.keys = [streams.key(seed, purpose) for purpose in ("code", "position")]
        turn = model.turn
        self.spans = [slice(int(a), int(a) + size) for a, size in zip(model.starts, self.sizes, strict=True)]
        self.code_kernel = tf.constant(model.code_kernel.table().numpy().T)
        self.code_bias = tf.constant(model.code_bias.numpy())
        self.vectors, self.kernel = turn.embedding.table().numpy(), turn.kernel.table().numpy()
        self.bias, self.score_vectors = turn.bias.numpy(), turn.score_vectors.numpy()
        self.offset_kernel, self.hidden_in = turn.offset_kernel.numpy(), tf.constant(turn.hidden_in.numpy())
        self.edges = [
            np.stack([w.numpy() for w in (model.score_low, model.score_high, model.has_offset)], axis=1)
        ]
        self.pieces = {i: _Piece(model, i, p) for i, p in (pieces or {}).items()}
        self.decode = tf.function(lambda z, first: self._decode(z, first)[:2])
        self.weigh = tf.function(self._decode)
        if sampler is not None:
            z = latents(sampler, seed)
            self.draw = tf.function(
                lambda first: self._decode(z(first), first)[:2], input_signature=[tf.TensorSpec((), tf.int64)]
            )

    @property
    def flops_per_row(self) -> int:
        """Multiplications and additions of the decoder's own matrices for one row: the floor of
        generation."""
        layers = (*self.model.decoder.layers, self.model.offset_head)
        weights = [w for layer in layers for w in layer.get_weights() if w.ndim == 2]
        own = sum(w.size for w in weights) + self.model.code_kernel.own.numpy().size
        return int(2 * (own + self.kernel.size + self.hidden_in.numpy().size + self.offset_kernel.size))

    def block(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Codes and positions of rows [number * BLOCK_ROWS, (number + 1) * BLOCK_ROWS), int32 and float32
        (BLOCK_ROWS, columns)."""
        codes, position = self.draw(tf.constant(number * BLOCK_ROWS, tf.int64))
        return codes.numpy(), position.numpy()

    def _decode(self, z, first, code=None, low=None, high=None):
        """Codes and positions of the BLOCK_ROWS rows from number `first` on, and the log of their weights, of
        shape (BLOCK_ROWS,): the mass that the model gives, column after column, to what is wanted.

        Args:
            z: float32 of shape (BLOCK_ROWS, latent_dim).
            first: Number of the first row, int64.
            code, low, high: Code and positions of the block `stratum`, if there is one.
        """
        shape, start = (BLOCK_ROWS, self.columns), first * self.columns
        picks, places = (tf.unstack(tf.transpose(streams.uniform(key, shape, start))) for key in self.keys)
        hidden = self.model.decoder(z)
        base = tf.matmul(hidden, self.code_kernel) + self.code_bias
        head, context = self.model.offset_head(hidden), tf.matmul(hidden, self.hidden_in)
        codes: list = [None] * self.columns
        positions: list = [None] * self.columns
        weight = tf.zeros((BLOCK_ROWS,))
        for j in self.model.turn.order:
            gate = tf.nn.relu(context + self.bias[j])
            logits = base[:, self.spans[j]] + tf.matmul(gate, self.kernel[self.spans[j]], transpose_b=True)
            logits = tf.clip_by_value(logits, -MAX_LOGIT, MAX_LOGIT) / self.temperature
            offset = self._offset(head, gate, j) if j < self.num_offsets else None
            if j == self.stratum:
                share = tf.math.log(tf.minimum(high + STEP - low, 1.0))
                weight += tf.gather(logits, code, axis=1) + share - tf.reduce_logsumexp(logits, axis=1)
                codes[j] = tf.fill((BLOCK_ROWS,), code)
                positions[j] = tf.clip_by_value(low + (high - low) * places[j], low, high)
            elif j in self.pieces:
                piece = self.pieces[j]
                inside = tf.gather(logits, piece.codes, axis=1) + piece.log_share(offset)
                left = tf.reduce_logsumexp(inside, axis=1)
                weight += left - tf.reduce_logsumexp(logits, axis=1)
                index = pick(tf.exp(inside - tf.reduce_max(inside, axis=1, keepdims=True)), picks[j])
                codes[j], positions[j] = piece.value(index, places[j], offset)
            else:
                codes[j] = pick(tf.exp(logits), picks[j])
                positions[j] = places[j]
                if offset:
                    low_score, high_score, _ = self._edges(codes[j], j)
                    positions[j] = draw_truncated_logistic(places[j], low_score, high_score, *offset)
            context += tf.gather(self.vectors[self.spans[j]], codes[j])
            if offset:
                low_score, high_score, has_offset = self._edges(codes[j], j)
                value = (low_score + (high_score - low_score) * positions[j]) * has_offset
                context += value[:, None] * self.score_vectors[j]
        return tf.stack(codes, axis=1), tf.stack(positions, axis=1), weight

    def _offset(self, head, gate, column: int):
        """Centre and scale of a column's offset, each of shape (BLOCK_ROWS,)."""
        more = tf.matmul(gate, self.offset_kernel[column])
        centre = head[:, column] + more[:, 0]
        return centre, MIN_SCALE + tf.nn.softplus(head[:, self.num_offsets + column] + more[:, 1])

    def _edges(self, code, column: int):
        """Normal scores at the edges of the bins drawn, and whether they are bins, each (BLOCK_ROWS,)."""
        return tf.unstack(tf.gather(self.edges[0][self.spans[column]], code), axis=1)


class _Piece:
    """What a column's values are drawn from: parts of codes."""

    def __init__(self, model: VAE, block: int, pieces: Pieces):
        self.codes, self.has_offset = tf.constant(pieces.codes, tf.int32), block < model.num_offsets
        self.low, self.high = tf.constant(pieces.low), tf.constant(pieces.high)
        self._share = log_share(model, block, pieces)
        if self.has_offset:
            self.score_low, self.score_high = map(tf.constant, scores(model, block, pieces))

    def log_share(self, offset):
        """Log of the share of its code that each piece stands for, of shape (rows or 1, pieces)."""
        return self._share(tuple(side[:, None] for side in offset) if offset else None)

    def value(self, index, place, offset):
        """Codes and positions of the pieces drawn, from uniform `place`."""
        if offset:
            edges = (tf.gather(score, index) for score in (self.score_low, self.score_high))
            place = draw_truncated_logistic(place, *edges, *offset)
        low, high = tf.gather(self.low, index), tf.gather(self.high, index)
        return tf.gather(self.codes, index), tf.clip_by_value(low + (high - low) * place, low, high)


def pick(mass, uniform):
    """Number of the code that a uniform number in [0, 1) draws by mass, int32 of shape (rows,), for mass of shape
    (rows, codes). Where there are many, first a tile of TILE codes by its mass and then the code inside it:
    cumulative sums, as small matrix products, run over a few tiles and one tile instead of all codes."""
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
