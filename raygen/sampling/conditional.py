"""Rows that satisfy conditions, by importance resampling of z: no rejection, exact counts, rows a function of
their number.

Where the columns are independent given z, P(conditions | z) is known: the product over the conditioned
columns of the mass that the decoder gives to the pieces of codes which satisfy them. A block of rows draws a
fixed number of candidates z, weighs each by P(conditions | z), takes as many as it has rows by systematic
resampling (Douc, Cappe and Moulines 2005), and decodes them with the other codes left out. Where columns are
drawn in turn, a candidate is a whole row, drawn with the other codes left out, and its weight is the product of
the masses that were left on the way (see `turn_decoder`). Candidates' z come
from the sampler with its components reweighted towards those that satisfy the conditions, which the weights
undo; a pilot finds the components' weights and the number of candidates. As that number grows the law of the
rows becomes p(z | conditions) p(row | z, conditions); what is left at a finite number is of the order of one
over the block's effective sample size.
"""

import hashlib
import math

import numpy as np
import tensorflow as tf

from raygen.codec.code_ranges import STEP
from raygen.errors import ConfigError
from raygen.latent import streams
from raygen.model.vae import MAX_LOGIT, VAE
from raygen.sampling.decoder import Decoder, of_block
from raygen.sampling.draws import log_share
from raygen.sampling.row_blocks import BLOCK_ROWS
from raygen.sampling.selection import Law, Selection
from raygen.sampling.turn_decoder import TurnDecoder

EXPLORED_BLOCKS = 24  # of candidates, by which the components are reweighted
MEASURED_BLOCKS = 8  # of candidates under the new weights, by which their number is chosen
# share of the candidates that the components' own weights keep, which bounds every candidate's weight
UNCHANGED = 0.1
EFFECTIVE = 1.5  # effective candidates for each row, if MAX_CANDIDATES allow
MAX_CANDIDATES = 64  # for each row
MIN_PROBABILITY = 1e-6
MIN_DISTINCT = 0.05  # of the z that rows are decoded from
SPREAD = (
    np.arange(BLOCK_ROWS) * 797
) % BLOCK_ROWS  # row -> place among the resampled: the first few rows are from all candidates


class Conditional:
    """Rows of a selection as codes, block by block (see `Selection.blocks`).

    Args:
        model: The trained VAE.
        sampler: Where z is drawn from.
        seed: Of the rows.
        temperature: As in `Decoder`; the conditions' probabilities follow it.
        selection: What every row must satisfy.
        laws: Of each stratum, as `explore` found them.
    """

    def __init__(
        self, model: VAE, sampler, seed: int, temperature: float, selection: Selection, laws: list[Law]
    ):
        self.selection, self.laws = selection, laws
        in_turn = model.turn is not None
        self.decoder = None if in_turn else Decoder(model, None, seed, temperature, selection.pieces)
        kind = TurnCandidates if in_turn else Candidates
        self.candidates = kind(model, sampler, temperature, selection, ("candidates", seed))
        self.resample = streams.key(seed, "resample")

    def block(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Codes and positions of the rows of a block, int32 and float32 (BLOCK_ROWS, columns)."""
        chosen = self._chosen(number)
        if self.decoder is None:
            codes, position = chosen
            return codes, position
        z, first = tf.constant(chosen[0]), tf.constant(number * BLOCK_ROWS, tf.int64)
        codes, position = (drawn.numpy() for drawn in self.decoder.decode(z, first))
        if self.selection.strata:
            column, stratum = self.selection.block, self.selection.strata[number % self.selection.num_laws]
            low, high = np.float32(stratum.low), np.float32(stratum.high)
            codes[:, column] = stratum.code
            position[:, column] = np.clip(low + (high - low) * position[:, column], low, high)
        return codes, position

    def _chosen(self, number: int) -> list[np.ndarray]:
        """What is drawn of the candidates that become the rows of a block: their z, or their codes and
        positions."""
        stratum = number % self.selection.num_laws
        law = self.laws[stratum]
        drawn = [
            self.candidates.block(number * MAX_CANDIDATES + i, stratum, law.weights)
            for i in range(law.candidates)
        ]
        log_weight = np.concatenate([weight for _, weight, _ in drawn])
        offset = float(streams.uniform(self.resample, (1,), number * streams.PER_COUNTER)[0])
        taken = resampled(log_weight, BLOCK_ROWS, offset)[SPREAD]
        return [np.concatenate(arrays)[taken] for arrays in zip(*(one for one, _, _ in drawn), strict=True)]


class Candidates:
    """Blocks of z, and how well each satisfies the conditions.

    Args:
        model, sampler, temperature, selection: As in `Conditional`.
        stream: What their random numbers are named by.
    """

    def __init__(self, model: VAE, sampler, temperature: float, selection: Selection, stream: tuple):
        self.model, self.sampler, self.temperature, self.selection = model, sampler, temperature, selection
        self.keys = [streams.key(*stream, purpose) for purpose in ("component", "z")]
        upper = np.cumsum(sampler.weights.astype(float))
        self.weights = sampler.weights / upper[-1]
        self.middle = tf.constant(
            upper - sampler.weights / 2.0, tf.float32
        )  # a uniform number that picks this component
        self.weights[sampler.components(self.middle).numpy() != np.arange(len(upper))] = (
            0.0  # too light for a uniform number to pick
        )
        self.weights /= self.weights.sum()
        self._prepare(stream)
        scalar = tf.TensorSpec((), tf.float32)
        components = tf.TensorSpec((len(upper),), tf.float32)
        code = tf.TensorSpec((), tf.int32)
        self.graph = tf.function(
            self._draw, input_signature=[tf.TensorSpec((), tf.int64), components, code, scalar, scalar]
        )

    def _prepare(self, stream: tuple) -> None:
        model, selection = self.model, self.selection
        self.parts = {
            i: (i, self._logits(i), p.codes, log_share(model, i, p)) for i, p in selection.pieces.items()
        }
        self.own = self._logits(selection.block) if selection.block is not None else None

    def block(
        self, number: int, stratum: int, weights: np.ndarray
    ) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        """A block of candidates drawn with these weights of the components.

        Returns:
            What is drawn: z, float32 of shape (BLOCK_ROWS, latent_dim); log of the importance weights, whose
            mean is the conditions' probability, float64 of shape (BLOCK_ROWS,); and the components of z, int32
            of the same shape.
        """
        code, low, high = 0, 0.0, 1.0
        if self.selection.strata:
            one = self.selection.strata[stratum]
            code, low, high = one.code, one.low, one.high
        upper = np.cumsum(weights)
        stratum_of = tf.constant(code), tf.constant(low, tf.float32), tf.constant(high, tf.float32)
        drawn = self.graph(
            tf.constant(number * BLOCK_ROWS, tf.int64),
            tf.constant(upper / upper[-1], tf.float32),
            *stratum_of,
        )
        *rows, log_probability, k = (one.numpy() for one in drawn)
        return rows, log_probability.astype(float) + np.log(self.weights[k] / (weights[k] / upper[-1])), k

    def _latents(self, first, upper):
        """z of the candidates, and their components."""
        component, normals = self.keys
        k = tf.searchsorted(upper, streams.uniform(component, (BLOCK_ROWS,), first), side="right")
        k = tf.minimum(k, len(self.weights) - 1)
        noise = streams.normal(
            normals, (BLOCK_ROWS, self.sampler.latent_dim), first * self.sampler.latent_dim
        )
        z = self.sampler.draw(tf.gather(self.middle, k), noise)
        return z, k

    def _draw(self, first, upper, code, low, high):
        z, k = self._latents(first, upper)
        hidden = self.model.decoder(z)
        law = self.model.offset_law(self.model.offset_head(hidden)) if self.model.num_offsets else None
        total = tf.zeros((BLOCK_ROWS,))
        for block, logits, codes, share_of in self.parts.values():
            every = logits(hidden)
            total += tf.reduce_logsumexp(
                tf.gather(every, codes, axis=1) + share_of(of_block(law, block)), axis=1
            ) - tf.reduce_logsumexp(every, axis=1)
        if self.own is not None:
            every, share = self.own(hidden), tf.math.log(tf.minimum(high + STEP - low, 1.0))
            total += tf.gather(every, code, axis=1) + share - tf.reduce_logsumexp(every, axis=1)
        return z, total, k

    def _logits(self, block: int):
        """A function from the decoder's last hidden layer to the logits of a block's codes."""
        codes = slice(
            start := int(self.model.starts[block]), start + self.model.settings["cardinalities"][block]
        )
        kernel = tf.constant(self.model.code_kernel.table().numpy().T[:, codes])
        bias = tf.constant(self.model.code_bias.numpy()[codes])
        return lambda hidden: tf.minimum(tf.matmul(hidden, kernel) + bias, MAX_LOGIT) / self.temperature


class TurnCandidates(Candidates):
    """Blocks of rows drawn in turn with what breaks the conditions left out, weighed by the masses that were left.

    Arguments, and what `block` returns, as in `Candidates`, but that codes and positions take the place of z.
    """

    def _prepare(self, stream: tuple) -> None:
        name = tuple(map(str, stream))
        seed = int.from_bytes(hashlib.sha256(repr(name).encode()).digest()[:7], "little")
        s = self.selection
        self.decoder = TurnDecoder(self.model, None, seed, self.temperature, s.pieces, s.block)

    def _draw(self, first, upper, code, low, high):
        z, k = self._latents(first, upper)
        return *self.decoder.weigh(z, first, code, low, high), k


def explore(model: VAE, sampler, temperature: float, selection: Selection) -> list[Law]:
    """Find the law of each stratum, by candidates that depend on no seed.

    Raises:
        ConfigError: If the model gives the conditions hardly any probability, or only few z that satisfy
            them.
    """
    kind = Candidates if model.turn is None else TurnCandidates
    candidates = kind(model, sampler, temperature, selection, ("pilot",))
    return [_explored(candidates, stratum) for stratum in range(selection.num_laws)]


def _explored(candidates: Candidates, stratum: int) -> Law:
    own = candidates.weights
    even = np.where(own > 0, 0.5 * own + 0.5 / np.count_nonzero(own), 0.0)
    drawn = [candidates.block(i, stratum, even)[1:] for i in range(EXPLORED_BLOCKS)]
    log_weight, k = (np.concatenate(part) for part in zip(*drawn, strict=True))
    likely = np.exp(log_weight) * (even / np.where(own > 0, own, 1.0))[k]  # P(conditions | z)
    count = np.maximum(np.bincount(k, minlength=len(own)), 1)
    root = np.sqrt(
        np.bincount(k, likely**2, len(own)) / count
    )  # the weights of least variance (Owen 2013, sec. 9.1)
    root = 2.0 ** (
        np.round(2 * np.log2(np.maximum(root / max(root.max(), 1e-300), 2.0**-40))) / 2
    )  # a pilot's last bits change no row
    tilted = own * root / (own @ root)
    weights = (1 - UNCHANGED) * tilted + UNCHANGED * own

    log_weight = np.concatenate(
        [candidates.block(EXPLORED_BLOCKS + i, stratum, weights)[1] for i in range(MEASURED_BLOCKS)]
    )
    weight = np.exp(log_weight)
    probability = float(weight.mean())
    conditions = candidates.selection.describe(stratum)
    mend = (
        "leave such categories out by --where COLUMN NOT IN (...)"
        if candidates.selection.strata
        else "loosen the condition"
    )
    if probability < MIN_PROBABILITY:
        message = f'the model gives "{conditions}" a probability of about {probability:.1e}; at least {MIN_PROBABILITY:.0e} is needed.'
        raise ConfigError(message, f"{mend}, or train on a table with more such rows.")
    effective = float(weight.sum() ** 2 / (weight**2).sum()) / len(weight)
    number = min(MAX_CANDIDATES, math.ceil(EFFECTIVE / effective))
    rows = len(weight) // number
    distinct = float(np.minimum(rows * weight / weight.sum(), 1.0).sum() / rows)
    if distinct < MIN_DISTINCT:
        message = f'"{conditions}" (probability {probability:.1e}) is met by few z: only {distinct:.0%} of the rows would have one of their own.'
        raise ConfigError(message, f"{mend}, or draw from a sampler of more components.")
    return Law(weights, number, probability, distinct)


def resampled(log_weight: np.ndarray, rows: int, offset: float) -> np.ndarray:
    """Numbers of `rows` candidates, ascending, each as often as its weight says, rounded up or down; `offset`
    is uniform in [0, 1)."""
    upper = np.cumsum(np.exp(log_weight - log_weight.max()))
    points = (np.arange(rows) + offset) / rows * upper[-1]
    return np.minimum(np.searchsorted(upper, points, side="right"), len(upper) - 1)
