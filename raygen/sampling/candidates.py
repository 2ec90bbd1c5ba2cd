"""Candidates for the rows that satisfy conditions, and how well each satisfies them, where columns are
independent given z: a candidate is z, and its weight P(conditions | z)."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from raygen.codec.code_ranges import STEP
from raygen.latent import streams
from raygen.latent.samplers import Sampler
from raygen.model.vae import MAX_LOGIT, VAE
from raygen.sampling.decoder import Decoder, of_block
from raygen.sampling.draws import log_share
from raygen.sampling.row_blocks import BLOCK_ROWS
from raygen.sampling.selection import Proposal, Selection

EXPLORED_BLOCKS = 24  # of candidates, by which the components are reweighted
# share of the candidates that the components' own weights keep, which bounds every candidate's weight
UNCHANGED = 0.1


class Components:
    """Components of a sampler, drawn with weights other than their own."""

    def __init__(self, sampler: Sampler):
        self.sampler = sampler
        upper = np.cumsum(sampler.weights.astype(float))
        self.weights = sampler.weights / upper[-1]
        self.middle = tf.constant(
            upper - sampler.weights / 2.0, tf.float32
        )  # a uniform number that picks this component
        self.weights[sampler.components(self.middle).numpy() != np.arange(len(upper))] = (
            0.0  # too light for a uniform number to pick
        )
        self.weights /= self.weights.sum()

    @property
    def even(self) -> np.ndarray:
        """Weights half of which are spread evenly."""
        own = self.weights
        return np.where(own > 0, 0.5 * own + 0.5 / np.count_nonzero(own), 0.0)

    def picked(self, upper: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
        """Numbers of the components that uniform numbers draw, given running sums of weights."""
        k = tf.searchsorted(upper, uniform, side="right")
        return tf.minimum(k, len(self.weights) - 1)

    def latents(self, k: tf.Tensor, stream: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
        """z of the BLOCK_ROWS rows from number `first` on, given their components."""
        width = self.sampler.latent_dim
        noise = streams.normal(stream, (BLOCK_ROWS, width), first * width)
        return self.sampler.draw(tf.gather(self.middle, k), noise)


class Candidates:
    """Blocks of z, and how well each satisfies the conditions.

    Args:
        model: The trained VAE, of an independent decoder.
        sampler: Where z is drawn from.
        temperature: As in `Decoder`; the conditions' probabilities follow it.
        selection: What every row must satisfy.
        stream: What their random numbers are named by.
        seed: Of the rows that `rows` gives.
    """

    most = 64  # for each row

    def __init__(
        self,
        model: VAE,
        sampler: Sampler,
        temperature: float,
        selection: Selection,
        stream: tuple,
        seed: int = 0,
    ):
        self.model, self.temperature, self.selection = model, temperature, selection
        self.components = Components(sampler)
        self.keys = [streams.key(*stream, purpose) for purpose in ("component", "z")]
        self.parts = {
            i: (self._logits(i), p.codes, log_share(model, i, p)) for i, p in selection.pieces.items()
        }
        self.own = self._logits(selection.block) if selection.block is not None else None
        self.decoder = Decoder(model, None, seed, temperature, selection.pieces)
        codes, ends = tf.TensorSpec((None,), tf.int32), tf.TensorSpec((None,), tf.float32)
        upper = tf.TensorSpec((len(self.components.weights),), tf.float32)
        self.graph = tf.function(
            self._draw,
            autograph=False,
            input_signature=[tf.TensorSpec((), tf.int64), upper, codes, ends, ends],
        )

    def block(
        self, number: int, stratum: int, proposal: Proposal
    ) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        """A block of candidates drawn from a proposal.

        Returns:
            What is drawn: z, float32 of shape (BLOCK_ROWS, latent_dim); log of the importance weights, whose
            mean is the conditions' probability, float64 of shape (BLOCK_ROWS,); and the components of z,
            int32 of the same shape.
        """
        upper = np.cumsum(proposal.weights)
        z, log_probability, k = (
            drawn.numpy()
            for drawn in self.graph(
                tf.constant(number * BLOCK_ROWS, tf.int64),
                tf.constant(upper / upper[-1], tf.float32),
                *of_stratum(self.selection, stratum),
            )
        )
        own, weights = self.components.weights[k], proposal.weights[k] / upper[-1]
        return [z], log_probability.astype(float) + np.log(own / weights), k

    def rows(self, taken: list[np.ndarray], number: int, stratum: int) -> tuple[np.ndarray, np.ndarray]:
        """Codes and positions of the rows that BLOCK_ROWS candidates become, those of block `number`."""
        first = tf.constant(number * BLOCK_ROWS, tf.int64)
        codes, position = (drawn.numpy() for drawn in self.decoder.decode(tf.constant(taken[0]), first))
        one = self.selection.own_pieces(stratum)
        if one:  # it is of one code
            column, low, high = self.selection.block, one.low[0], one.high[0]
            codes[:, column] = one.codes[0]
            position[:, column] = np.clip(low + (high - low) * position[:, column], low, high)
        return codes, position

    def pilot(self, stratum: int) -> tuple[Proposal, int]:
        """A proposal that comes near to the rows of a stratum, and the blocks drawn to find it."""
        own, even = self.components.weights, self.components.even
        drawn = [self.block(i, stratum, Proposal(even))[1:] for i in range(EXPLORED_BLOCKS)]
        log_weight, k = (np.concatenate(part) for part in zip(*drawn, strict=True))
        likely = np.exp(log_weight) * (even / np.where(own > 0, own, 1.0))[k]  # P(conditions | z)
        count = np.maximum(np.bincount(k, minlength=len(own)), 1)
        root = np.sqrt(
            np.bincount(k, likely**2, len(own)) / count
        )  # the weights of least variance (Owen 2013, sec. 9.1)
        root = coarse(root / max(root.max(), 1e-300))
        return Proposal((1 - UNCHANGED) * own * root / (own @ root) + UNCHANGED * own), EXPLORED_BLOCKS

    def _draw(
        self, first: tf.Tensor, upper: tf.Tensor, code: tf.Tensor, low: tf.Tensor, high: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        component, normals = self.keys
        k = self.components.picked(upper, streams.uniform(component, (BLOCK_ROWS,), first))
        z = self.components.latents(k, normals, first)
        hidden = self.model.decoder(z)
        law = self.model.offset_law(self.model.offset_head(hidden)) if self.model.num_offsets else ()
        total = tf.zeros((BLOCK_ROWS,))
        for block, (logits, codes, share_of) in self.parts.items():
            every = logits(hidden)
            total += tf.reduce_logsumexp(
                tf.gather(every, codes, axis=1) + share_of(of_block(law, block)), axis=1
            ) - tf.reduce_logsumexp(every, axis=1)
        if self.own is not None:
            every = self.own(hidden)
            own = tf.gather(every, code, axis=1) + log_part(low, high)
            total += tf.reduce_logsumexp(own, axis=1) - tf.reduce_logsumexp(every, axis=1)
        return z, total, k

    def _logits(self, block: int) -> Callable[[tf.Tensor], tf.Tensor]:
        """A function from the decoder's last hidden layer to the logits of a block's codes."""
        start, size = int(self.model.starts[block]), self.model.settings["cardinalities"][block]
        kernel = tf.constant(self.model.code_kernel.table().numpy().T[:, start : start + size])
        bias = tf.constant(self.model.code_bias.numpy()[start : start + size])
        return lambda hidden: tf.minimum(tf.matmul(hidden, kernel) + bias, MAX_LOGIT) / self.temperature


def of_stratum(selection: Selection, number: int) -> tuple:
    """Codes of a stratum's own pieces and the positions that it has inside them, for a graph; empty where it
    has none."""
    own = selection.own_pieces(number)
    codes, low, high = (own.codes, own.low, own.high) if own else ((), (), ())
    return tf.constant(codes, tf.int32), tf.constant(low, tf.float32), tf.constant(high, tf.float32)


def log_part(low: tf.Tensor, high: tf.Tensor) -> tf.Tensor:
    """Log of the part of a code's positions between `low` and `high`."""
    return tf.math.log(tf.minimum(high + STEP - low, 1.0))


def coarse(ratio: np.ndarray) -> np.ndarray:
    """Powers of the root of two near some ratios of at most 1: a pilot's last bits change no row."""
    return 2.0 ** (np.round(2 * np.log2(np.maximum(ratio, 2.0**-40))) / 2)
