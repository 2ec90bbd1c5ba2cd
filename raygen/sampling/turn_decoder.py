"""From row numbers to codes with a decoder that draws columns in turn: what was drawn is said to the columns
that follow (see `model.turn`)."""

import numpy as np
import tensorflow as tf

from raygen.latent import streams
from raygen.latent.samplers import Sampler
from raygen.model.vae import VAE
from raygen.sampling.draws import latents
from raygen.sampling.row_blocks import BLOCK_ROWS
from raygen.sampling.turn_columns import turn_of, uniforms
from raygen.sampling.turn_loop import columns_in_turn


class TurnDecoder:
    """Rows of a generation as codes, columns in turn; row i is the same whatever is generated with it.

    Args:
        model: The trained VAE, of an autoregressive decoder.
        sampler: Where z is drawn from (see `latent.samplers`); None if only `decode` is called.
        seed: Of the rows.
        temperature: The codes' logits are divided by it; z and positions are drawn as ever.
    """

    def __init__(self, model: VAE, sampler: Sampler | None, seed: int, temperature: float = 1.0):
        self.model, self.num_offsets = model, model.num_offsets
        self.columns = columns_in_turn(model, turn_of(model).order, temperature)
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
        turn = turn_of(self.model)
        layers = (*self.model.decoder.layers, self.model.offset_head)
        offsets = turn.offset_kernel.numpy()[: self.num_offsets]
        own = [self.model.code_kernel.own.numpy().T, turn.hidden_in.numpy(), turn.kernel.own.numpy().T]
        return [
            *(w for layer in layers for w in layer.get_weights() if w.ndim == 2),
            *own,
            np.moveaxis(offsets, 0, 1).reshape(turn.width, -1),
        ]

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

    def _decode(self, z: tf.Tensor, first: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Codes and positions of the BLOCK_ROWS rows from number `first` on, given z of shape (BLOCK_ROWS,
        latent_dim)."""
        count = len(self.columns.sizes)
        chances, places = uniforms(self.keys, count, first)
        state = self.columns.start(z)
        order = self.columns.order
        self.columns.draw_all(state, [chances[c] for c in order], [places[c] for c in order])
        return state.rows(range(count))
