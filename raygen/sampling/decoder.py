"""From row numbers to codes, in one graph: draw z, decode it, draw every column's code and the position
inside its bar, or its value.

A code is drawn in two steps. The logits of a column are cut into tiles of TILE codes; one draw chooses the
tile by its mass and then the code inside it, so that cumulative sums run over a few tiles and one tile
instead of all codes, and no loop over columns is needed.

Where only pieces of the codes are wanted (see `selection`), the pieces take the place of the codes: a piece
has the logit of its code plus the log of its share of the code, and what does not satisfy the conditions is
not there to be drawn.
"""

import numpy as np
import tensorflow as tf

from raygen.codec.code_ranges import Pieces, whole
from raygen.latent import streams
from raygen.latent.samplers import Sampler
from raygen.model.vae import MAX_LOGIT, VAE
from raygen.sampling.draws import Offset, draw_gaussian, draw_truncated_logistic, latents, log_share, scores
from raygen.sampling.row_blocks import BLOCK_ROWS
from raygen.sampling.turn_decoder import TurnDecoder

TILE = 16


class Decoder:
    """Rows of a generation as codes; row i is the same whatever is generated with it.

    Args:
        model: The trained VAE.
        sampler: Where z is drawn from (see `latent.LADDER`); None if only `decode` is called.
        seed: Of the rows.
        temperature: The codes' logits are divided by it; z and positions are drawn as ever.
        pieces: By number of the block: what its values are to be drawn from.
    """

    def __init__(
        self,
        model: VAE,
        sampler: Sampler | None,
        seed: int,
        temperature: float = 1.0,
        pieces: dict[int, Pieces] | None = None,
    ):
        pieces = pieces or {}
        whole = model.settings["cardinalities"]
        sizes = [len(pieces[i].codes) if i in pieces else size for i, size in enumerate(whole)]
        tiles = [-(-size // TILE) for size in sizes]
        self.columns, self.num_offsets, self.num_tiles = len(sizes), model.num_offsets, sum(tiles)
        self.model = model
        self.first_tile = tf.constant(np.cumsum([0, *tiles[:-1]]), tf.int32)
        self.last_tile = tf.constant(np.cumsum(tiles) - 1, tf.int32)
        self.last_code = tf.constant(np.array(sizes) - 1, tf.int32)
        self.starts = tf.constant(model.starts)
        self.temperature = temperature
        column = np.repeat(np.arange(len(sizes)), tiles)
        self.column_of_tile = tf.constant(column, tf.int32)
        same = column[:, None] == column[None, :]
        self.running = tf.constant(
            np.triu(same).astype(np.float32)
        )  # tile masses -> running sums in each column
        self.segments = tf.constant(np.eye(len(sizes), dtype=np.float32)[column])
        self.whole = tf.constant(
            np.eye(sum(tiles), dtype=np.float32)[:, self.last_tile]
        )  # running sums -> mass of each column
        self.upto = tf.constant(
            np.triu(np.ones((TILE, TILE), np.float32))
        )  # masses in a tile -> their running sums
        self.first_place = tf.range(BLOCK_ROWS)[:, None] * sum(tiles)  # of a row, among the tiles of all rows
        kernel, bias = model.code_kernel.table().numpy().T, model.code_bias.numpy()
        codes = [pieces[i].codes if i in pieces else np.arange(size) for i, size in enumerate(whole)]
        taken = np.concatenate([c + start for c, start in zip(codes, model.starts, strict=True)])
        kernel, bias = kernel[:, taken], bias[taken]
        place = np.concatenate(
            [np.arange(s) + TILE * t for s, t in zip(sizes, np.cumsum([0, *tiles[:-1]]), strict=True)]
        )
        self.kernel = np.zeros((kernel.shape[0], self.num_tiles * TILE), np.float32)
        self.bias = np.full(
            self.num_tiles * TILE, -np.inf, np.float32
        )  # codes that only fill a tile are never drawn
        self.kernel[:, place], self.bias[place] = kernel, bias
        self.pieces = _Placed(model, pieces, codes, place) if pieces else None
        self.keys = [streams.key(seed, purpose) for purpose in ("code", "position")]
        self.decode = tf.function(self._decode, autograph=False)
        if sampler is not None:
            z = latents(sampler, seed)
            self.draw = tf.function(
                lambda first: self._decode(z(first), first),
                autograph=False,
                input_signature=[tf.TensorSpec((), tf.int64)],
            )

    @property
    def matrices(self) -> list[np.ndarray]:
        """The decoder's own matrices, each of which a row is multiplied with once."""
        layers = (*self.model.decoder.layers, self.model.offset_head)
        weights = [w for layer in layers for w in layer.get_weights() if w.ndim == 2]
        return [*weights, self.model.code_kernel.own.numpy().T]

    @property
    def flops_per_row(self) -> int:
        """Multiplications and additions of the decoder's own matrices for one row: the floor of
        generation."""
        return 2 * sum(matrix.size for matrix in self.matrices)

    def block(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Codes and positions of rows [number * BLOCK_ROWS, (number + 1) * BLOCK_ROWS), int32 and float32
        (BLOCK_ROWS, columns)."""
        codes, position = self.draw(tf.constant(number * BLOCK_ROWS, tf.int64))
        return codes.numpy(), position.numpy()

    def _decode(self, z: tf.Tensor, first: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Codes and positions of the BLOCK_ROWS rows from number `first` on, given z of shape (BLOCK_ROWS,
        latent_dim)."""
        code, inside = self.keys
        hidden = self.model.decoder(z)
        law = self.model.offset_law(self.model.offset_head(hidden)) if self.num_offsets else ()
        codes = self._codes(
            self._mass(hidden, law), streams.uniform(code, (BLOCK_ROWS, self.columns), first * self.columns)
        )
        position = streams.uniform(inside, (BLOCK_ROWS, self.columns), first * self.columns)
        if self.pieces:
            return self.pieces.values(codes, position, law)
        if law:
            centre, scale = law
            pick = position[:, : self.num_offsets]
            if self.model.gaussian:
                learned = draw_gaussian(pick, centre, scale)
            else:
                bars = codes[:, : self.num_offsets] + self.starts[: self.num_offsets]
                low, high = tf.gather(self.model.score_low, bars), tf.gather(self.model.score_high, bars)
                learned = draw_truncated_logistic(pick, low, high, centre, scale)
            position = tf.concat([learned, position[:, self.num_offsets :]], axis=1)
        return codes, position

    def _mass(self, hidden: tf.Tensor, law: Offset) -> tf.Tensor:
        """Mass of each place in the tiles, of shape (BLOCK_ROWS, places); only its ratios within a column
        count."""
        logits = tf.minimum(tf.matmul(hidden, self.kernel) + self.bias, MAX_LOGIT)
        if self.temperature == 1 and not self.pieces:
            return tf.exp(logits)
        logits /= self.temperature
        if self.pieces:
            logits += self.pieces.log_share(law)
        tiles = tf.reshape(logits, (BLOCK_ROWS, self.num_tiles, TILE))
        highest = tf.math.segment_max(
            tf.transpose(tf.reduce_max(tiles, axis=2)), self.column_of_tile
        )  # of each column, so that its
        tiles -= tf.transpose(tf.gather(highest, self.column_of_tile))[
            :, :, None
        ]  # mass is neither too large for a float nor nothing
        return tf.exp(tiles)

    def _codes(self, mass: tf.Tensor, pick: tf.Tensor) -> tf.Tensor:
        """Codes, int32 of shape (BLOCK_ROWS, columns). Cumulative sums and small gathers are matrix products
        here: many times faster on CPU."""
        sums = tf.reduce_sum(tf.reshape(mass, (BLOCK_ROWS, self.num_tiles, TILE)), axis=2)
        running = tf.matmul(sums, self.running)
        target = pick * tf.matmul(running, self.whole)
        passed = tf.cast(running <= tf.matmul(target, self.segments, transpose_b=True), tf.float32)
        tile = tf.minimum(
            self.first_tile + tf.cast(tf.matmul(passed, self.segments), tf.int32), self.last_tile
        )
        left = target - tf.matmul(passed * sums, self.segments)
        chosen = tf.gather(tf.reshape(mass, (-1, TILE)), tf.reshape(tile + self.first_place, (-1,)))
        index = tf.reduce_sum(
            tf.cast(tf.matmul(chosen, self.upto) <= tf.reshape(left, (-1, 1)), tf.int32), axis=1
        )
        return tf.minimum(
            (tile - self.first_tile) * TILE + tf.reshape(index, (BLOCK_ROWS, self.columns)), self.last_code
        )


class _Placed:
    """Pieces of codes in the tiles of a decoder.

    Args:
        model: The trained VAE.
        pieces: By number of the block; the other blocks are whole.
        codes: For each block, the codes of its pieces.
        place: Where in the tiles each of them lies.
    """

    def __init__(self, model: VAE, pieces: dict[int, Pieces], codes: list[np.ndarray], place: np.ndarray):
        each = [pieces.get(i, whole(c)) for i, c in enumerate(codes)]
        first = np.cumsum([0, *map(len, codes)])
        self.num_offsets, self.gaussian = model.num_offsets, model.gaussian
        self.starts = tf.constant(first[:-1], tf.int32)
        self.codes = tf.constant(np.concatenate(codes), tf.int32)
        self.low, self.high = (
            tf.constant(np.concatenate([getattr(p, side) for p in each])) for side in ("low", "high")
        )
        ends = [scores(model, i, p) for i, p in enumerate(each[: self.num_offsets])]
        if ends:
            self.score_low, self.score_high = (
                tf.constant(np.concatenate(side)) for side in zip(*ends, strict=True)
            )
        places = np.eye(TILE * (place[-1] // TILE + 1), dtype=np.float32)[place]
        self.shares = [
            (i, log_share(model, i, p), tf.constant(places[first[i] : first[i + 1]]))
            for i, p in pieces.items()
        ]

    def log_share(self, law: Offset) -> tf.Tensor:
        """Log of the share of its code that each place stands for, of shape (rows or 1, places)."""
        return sum(tf.matmul(share(of_block(law, block)), places) for block, share, places in self.shares)

    def values(self, drawn: tf.Tensor, pick: tf.Tensor, law: Offset) -> tuple[tf.Tensor, tf.Tensor]:
        """Codes, and positions inside them, of the pieces drawn (counted within their block), from uniforms
        of shape (rows, columns)."""
        index, offsets, inside = drawn + self.starts, self.num_offsets, pick
        if law and not self.gaussian:
            low, high = (tf.gather(score, index[:, :offsets]) for score in (self.score_low, self.score_high))
            inside = tf.concat(
                [draw_truncated_logistic(pick[:, :offsets], low, high, *law), pick[:, offsets:]], axis=1
            )
        low, high = tf.gather(self.low, index), tf.gather(self.high, index)
        position = tf.clip_by_value(low + (high - low) * inside, low, high)
        if law and self.gaussian:
            position = tf.concat([draw_gaussian(pick[:, :offsets], *law), position[:, offsets:]], axis=1)
        return tf.gather(self.codes, index), position


def of_block(law: Offset, block: int) -> Offset:
    """Centre and scale of one block's offset, each of shape (rows, 1)."""
    if not law or block >= law[0].shape[1]:
        return ()
    return tuple(side[:, block : block + 1] for side in law)


def decoder_of(
    model: VAE, sampler: Sampler | None, seed: int, temperature: float = 1.0
) -> "Decoder | TurnDecoder":
    """The decoder that goes with a model; arguments as in `Decoder`."""
    kind = Decoder if model.turn is None else TurnDecoder
    return kind(model, sampler, seed, temperature)
