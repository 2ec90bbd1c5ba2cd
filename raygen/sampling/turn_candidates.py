"""Candidates for the rows that satisfy conditions, where columns are drawn in turn or whole rows are tested.

A candidate is z and the columns up to the last one that is conditioned. At a conditioned column what breaks
the conditions is left out, and the mass that was left is part of the candidate's weight: candidates that are
resampled by their weights follow the model's law under the conditions (sequential importance resampling,
Doucet and Johansen 2009, sec. 3). The columns after that are drawn once it is known which candidates become
rows.

The columns before a conditioned one are drawn without regard to it, so that few candidates would satisfy a
rare condition. Therefore all but a share UNCHANGED of them come from a proposal: the sampler's components
have other weights, and the mass of each code is multiplied by a factor before it is drawn. A pilot finds
both, in rounds, as the cross-entropy method does (de Boer et al. 2005): the factors are the ratios of the
frequencies that codes have in weighted candidates to those that the model expects there.
"""

from collections.abc import Container
from typing import Any

import numpy as np
import tensorflow as tf

from raygen.codec.code_ranges import Pieces
from raygen.errors import ConfigError
from raygen.latent import streams
from raygen.latent.samplers import Sampler
from raygen.model.vae import VAE
from raygen.sampling.candidates import Components, coarse, log_part, of_stratum
from raygen.sampling.draws import Offset, draw_gaussian, draw_truncated_logistic, log_share, scores
from raygen.sampling.resampling import effective, resampled
from raygen.sampling.row_blocks import BLOCK_ROWS
from raygen.sampling.selection import Proposal, Selection
from raygen.sampling.turn_columns import State, columns_of, order_of, pick, uniforms
from raygen.sampling.turn_loop import columns_in_turn

Triple = tuple[tf.Tensor, tf.Tensor, tf.Tensor]
UNCHANGED = 0.25  # share of the candidates that are drawn as the model has it, which bounds every weight
ROUNDS = 4  # of a pilot
ROUND_BLOCKS = 8
PRIOR_ROWS = (
    20.0  # rows of the model's own law that are added to a round's, so that rare codes have factors near 1
)
MAX_LOG_FACTOR = 4.0
LEARNED_ROWS = 4096  # resampled rows that a round learns factors from
NUMBERS = 2**26  # codes and positions of a block's candidates, at most
LOGITS = 2**24  # at once, when factors are learned


class TurnCandidates:
    """Blocks of candidates, and how well each satisfies the conditions.

    Args:
        model: The trained VAE; of an independent decoder, where the selection has tests of whole rows.
        sampler, temperature, selection, stream, seed: As in `Candidates`.
    """

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
        self.pieces = {i: _Piece(model, i, p) for i, p in selection.pieces.items()}
        order, laws = order_of(model), range(selection.num_laws)
        conditioned = set[int]().union(*map(selection.pieces_of, laws))
        last = max((order.index(column) for column in conditioned), default=0)  # all rows may meet them
        if any(map(selection.tests_of, laws)):
            last = len(order) - 1  # what a relation gives may hang on any column
        self.drawn = columns_of(model, order[: last + 1], temperature)
        later = columns_in_turn if model.turn else columns_of
        self.later = later(model, order[last + 1 :], temperature)
        self.most = max(1, min(64, NUMBERS // (BLOCK_ROWS * 2 * max(1, len(self.drawn.order)))))
        purposes = ("component", "z", "code", "position")
        self.keys = [streams.key(*stream, purpose) for purpose in purposes]
        self.later_keys = [streams.key(seed, purpose) for purpose in ("code", "position")]
        self.unchanged = round(UNCHANGED * BLOCK_ROWS)  # rows of a block
        self.graph = tf.function(self._draw, autograph=False)
        self.later_graph = tf.function(self._finish, autograph=False)
        self.logits = tf.function(lambda *drawn: model.decode(*drawn)[0], autograph=False)

    def block(
        self, number: int, stratum: int, proposal: Proposal
    ) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        """A block of candidates drawn from a proposal.

        Returns:
            What is drawn: z, float32 of shape (BLOCK_ROWS, latent_dim), codes and positions, int32 and
            float32 of shape (BLOCK_ROWS, columns drawn); log of the importance weights, whose mean is the
            conditions' probability, float64 of shape (BLOCK_ROWS,); and the components of z, int32 of the
            same shape.
        """
        own, weights = self.components.weights, proposal.weights / proposal.weights.sum()
        factors = np.ones(self.model.num_codes, np.float32) if proposal.factors is None else proposal.factors
        upper = [tf.constant(np.cumsum(w) / w.sum(), tf.float32) for w in (own, weights)]
        *rows, mass, ratio, k = (
            drawn.numpy()
            for drawn in self.graph(
                tf.constant(number * BLOCK_ROWS, tf.int64),
                *upper,
                tf.constant(factors),
                of_stratum(self.selection, stratum),
            )
        )
        with np.errstate(divide="ignore"):
            ratio = ratio.astype(float) + np.log(weights[k] / own[k])
            mass = mass.astype(float)
            if tests := self.selection.tests_of(stratum):
                mass += np.log(tests.hold(*self._in_schema_order(rows[1:])))
        share = self.unchanged / BLOCK_ROWS
        return rows, mass - np.logaddexp(np.log(share), np.log1p(-share) + ratio), k

    def _in_schema_order(self, drawn: list[np.ndarray]) -> list[np.ndarray]:
        return [array[:, np.argsort(self.drawn.order)] for array in drawn]

    def rows(self, taken: list[np.ndarray], number: int, stratum: int) -> tuple[np.ndarray, np.ndarray]:
        """Codes and positions of the rows that BLOCK_ROWS candidates become, those of block `number`."""
        z, codes, position = map(tf.constant, taken)
        first = tf.constant(number * BLOCK_ROWS, tf.int64)
        codes, position = (drawn.numpy() for drawn in self.later_graph(z, codes, position, first))
        return codes, position

    def pilot(self, stratum: int) -> tuple[Proposal, int]:
        """A proposal that comes near to the rows of a stratum, and the blocks drawn to find it."""
        proposal = Proposal(self.components.even)
        for number in range(ROUNDS):
            blocks = range(number * ROUND_BLOCKS, (number + 1) * ROUND_BLOCKS)
            rows, log_weight, k = zip(*(self.block(i, stratum, proposal) for i in blocks), strict=True)
            weight, chosen = np.concatenate(log_weight), np.concatenate(k)
            drawn = [np.concatenate(arrays) for arrays in zip(*rows, strict=True)]
            proposal = self._improved(drawn, weight, chosen, stratum)
        return proposal, ROUNDS * ROUND_BLOCKS

    def _improved(
        self, drawn: list[np.ndarray], log_weight: np.ndarray, k: np.ndarray, stratum: int
    ) -> Proposal:
        """The proposal nearest to weighted candidates of a stratum."""
        if not np.isfinite(log_weight).any():
            raise ConfigError(
                f'"{self.selection.describe(stratum)}" names a column that relations give, and has a '
                f"probability below about {1 / len(k):.1e}: none of {len(k):,} candidates satisfies it.",
                "loosen the condition, condition the columns that it is given by, or leave the category out "
                "by --where COLUMN NOT IN (...).",
            )
        own, count = self.components.weights, effective(log_weight)
        weight = np.exp(log_weight - log_weight.max())
        share = np.bincount(k, weight, len(own)) / weight.sum()
        ratio = (count * share + PRIOR_ROWS * own) / np.maximum(own, 1e-300)
        weights = own * coarse(ratio / ratio[own > 0].max())
        taken = resampled(log_weight, LEARNED_ROWS, 0.5)
        taken_rows = [array[taken] for array in drawn]
        factors = self._factors(taken_rows, min(count, LEARNED_ROWS), self.selection.pieces_of(stratum))
        return Proposal(weights / weights.sum(), factors)

    def _factors(self, drawn: list[np.ndarray], count: float, conditioned: Container[int]) -> np.ndarray:
        """Factors of codes of columns that are not conditioned, from rows that follow the law under the
        conditions, which count for `count`."""
        model, z, order = self.model, drawn[0], self.drawn.order
        columns = [column for column in order if column not in conditioned]
        codes = np.zeros((len(z), len(model.starts)), np.int32)
        position = np.zeros((len(z), max(order) + 1 if order else 0), np.float32)
        codes[:, order], position[:, order] = drawn[1:]
        offsets = np.zeros((len(z), model.num_offsets), np.float32)
        both = min(offsets.shape[1], position.shape[1])
        offsets[:, :both] = position[:, :both]
        expected, at_once = np.zeros(model.num_codes), max(1, LOGITS // model.num_codes)
        for start in range(0, len(z), at_once):
            rows = slice(start, start + at_once)
            some = map(tf.constant, (z[rows], codes[rows], offsets[rows]))
            logits = self.logits(*some).numpy() / self.temperature
            expected += self._probabilities(logits).sum(axis=0)
        index = (codes + model.starts)[:, columns].ravel()
        seen = np.bincount(index, minlength=model.num_codes) / len(z)
        log_factor = np.log((count * seen + PRIOR_ROWS) / (count * expected / len(z) + PRIOR_ROWS))
        free = np.zeros(model.num_codes, bool)
        for column in columns:
            free[self.drawn.spans[column]] = True
        log_factor = np.clip(np.round(8 * log_factor) / 8, -MAX_LOG_FACTOR, MAX_LOG_FACTOR)
        return np.exp(np.where(free, log_factor, 0.0)).astype(np.float32)

    def _probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Softmax of each column, of shape (rows, codes)."""
        starts, sizes = self.model.starts, self.drawn.sizes
        logits = logits - np.repeat(np.maximum.reduceat(logits, starts, axis=1), sizes, axis=1)
        mass = np.exp(logits)
        return mass / np.repeat(np.add.reduceat(mass, starts, axis=1), sizes, axis=1)

    def _draw(
        self, first: tf.Tensor, own: tf.Tensor, upper: tf.Tensor, factors: tf.Tensor, piece: Triple
    ) -> tuple[tf.Tensor, ...]:
        """z, codes and positions of the candidates; log of the mass that the conditions left; log of the
        ratio of the codes' probability under the factors to the model's; components of z. The first rows are
        the model's own."""
        component, normals, *keys = self.keys
        unchanged = tf.range(BLOCK_ROWS) < self.unchanged
        uniform = streams.uniform(component, (BLOCK_ROWS,), first)
        both = (self.components.picked(running, uniform) for running in (own, upper))
        k = tf.where(unchanged, *both)
        z = self.components.latents(k, normals, first)
        chances, places = uniforms(keys, len(self.drawn.order), first)
        state, mass, ratio = self.drawn.start(z), tf.zeros((BLOCK_ROWS,)), tf.zeros((BLOCK_ROWS,))
        for column, chance, place in zip(self.drawn.order, chances, places, strict=True):
            logits, offset = self.drawn.law(state, column)
            if column == self.selection.block and piece[0].shape[0]:
                kept, chosen, inside = _of_stratum(logits, piece, chance, place)
                mass += kept
                mass -= tf.reduce_logsumexp(logits, axis=1)
                self.drawn.add(state, column, chosen, inside)
            elif column in self.pieces:
                left, chosen, inside = self.pieces[column].draw(logits, offset, chance, place)
                mass += left
                self.drawn.add(state, column, chosen, inside)
            else:
                chosen, more = _changed(logits, factors[self.drawn.spans[column]], unchanged, chance)
                ratio += more
                self.drawn.add(state, column, chosen, place, offset)
        return z, *state.rows(self.drawn.order), mass, ratio, k

    def _finish(
        self, z: tf.Tensor, codes: tf.Tensor, positions: tf.Tensor, first: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        """Codes and positions of whole rows, columns as the model has them, given those drawn already."""
        state: State = self.later.start(z)
        for place, column in enumerate(self.drawn.order):
            self.later.add(state, column, codes[:, place], positions[:, place])
        if self.later.order:
            chances, places = uniforms(self.later_keys, len(self.later.order), first)
            self.later.draw_all(state, chances, places)
        return state.rows(range(len(self.later.sizes)))


class _Piece:
    """What a column's values are drawn from: parts of codes."""

    def __init__(self, model: VAE, block: int, pieces: Pieces):
        self.codes = tf.constant(pieces.codes, tf.int32)
        self.low, self.high = tf.constant(pieces.low), tf.constant(pieces.high)
        self.is_gaussian = model.gaussian
        self.log_share = log_share(model, block, pieces)
        self.edges: tuple[Any, ...] = ()
        if block < model.num_offsets:
            self.edges = tuple(map(tf.constant, scores(model, block, pieces)))

    def draw(self, logits: tf.Tensor, offset: Offset, chance: tf.Tensor, place: tf.Tensor) -> Triple:
        """Log of the mass of the pieces as a share of all, and the codes and positions drawn from them."""
        share = self.log_share(tuple(side[:, None] for side in offset))
        inside = tf.gather(logits, self.codes, axis=1) + share
        left = tf.reduce_logsumexp(inside, axis=1) - tf.reduce_logsumexp(logits, axis=1)
        index = pick(tf.exp(inside - tf.reduce_max(inside, axis=1, keepdims=True)), chance)
        if offset and self.is_gaussian:
            return left, tf.gather(self.codes, index), draw_gaussian(place, *offset)
        if offset:
            place = draw_truncated_logistic(place, *(tf.gather(edge, index) for edge in self.edges), *offset)
        low, high = tf.gather(self.low, index), tf.gather(self.high, index)
        return left, tf.gather(self.codes, index), tf.clip_by_value(low + (high - low) * place, low, high)


def _of_stratum(logits: tf.Tensor, piece: Triple, chance: tf.Tensor, place: tf.Tensor) -> Triple:
    """Log of the mass of a stratum's pieces, and the codes and positions drawn from them."""
    codes, low, high = piece
    inside = tf.gather(logits, codes, axis=1) + log_part(low, high)
    kept = tf.reduce_logsumexp(inside, axis=1)
    index = pick(tf.exp(inside - tf.reduce_max(inside, axis=1, keepdims=True)), chance)
    low, high = tf.gather(low, index), tf.gather(high, index)
    return kept, tf.gather(codes, index), tf.clip_by_value(low + (high - low) * place, low, high)


def _changed(
    logits: tf.Tensor, factors: tf.Tensor, unchanged: tf.Tensor, chance: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Codes drawn by masses times factors, but where `unchanged`, and log of the ratio of their probability
    under the factors to the model's."""
    mass = tf.exp(logits)
    totals = tf.matmul(mass, tf.stack([tf.ones_like(factors), factors], axis=1))
    changed = mass * factors
    code = pick(tf.where(unchanged[:, None], mass, changed), chance)
    return code, tf.math.log(tf.gather(factors, code) * totals[:, 0] / totals[:, 1])
