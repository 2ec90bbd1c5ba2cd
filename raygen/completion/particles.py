"""Ways in which rows that are given in part may go on, each with a weight: importance sampling.

A particle is a z and a code for each block. z comes from a proposal that sees the given cells, or from the
sampler that rows are generated from; columns are then drawn in turn, where a given one is not drawn but
multiplies the particle's weight by its probability (Mattei and Frellsen 2019, MIWAE, for the first step;
Doucet and Johansen 2009, sec. 3, for the second). Of a row's particles one is taken by weight; as their
number grows its law becomes that of the model's rows with these cells.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from raygen.completion.givens import Givens
from raygen.latent import streams
from raygen.latent.gaussians import Gaussians
from raygen.latent.samplers import Sampler
from raygen.model.densities import log_gaussian, truncated_logistic
from raygen.model.proposal import Proposal
from raygen.model.vae import MAX_LOGIT, VAE
from raygen.sampling.draws import Offset, draw_gaussian, draw_truncated_logistic
from raygen.sampling.row_blocks import BLOCK_ROWS
from raygen.sampling.turn_columns import Columns, pick, uniforms

LOG_2PI = float(np.log(2 * np.pi))


@dataclass(frozen=True)
class Cloud:
    """The particles of some rows.

    Attributes:
        z: float32 of shape (rows, particles, latent_dim).
        codes: int32 of shape (rows, particles, blocks).
        places: float32 of the same shape.
        log_weight: float64 of shape (rows, particles); its log mean exp estimates log p(given cells).
        log_prior: The same: log p(z) - log q(z | given cells), a part of it.
        log_drawn: float32 of shape (rows, particles, blocks): log of the chance with which each block was
            drawn as it is.
    """

    z: np.ndarray
    codes: np.ndarray
    places: np.ndarray
    log_weight: np.ndarray
    log_prior: np.ndarray
    log_drawn: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        """Of each row's particles, sum 1."""
        weight = np.exp(self.log_weight - self.log_weight.max(axis=1, keepdims=True))
        return weight / weight.sum(axis=1, keepdims=True)

    @property
    def effective(self) -> np.ndarray:
        """Effective number of each row's particles (Kong 1992)."""
        return 1.0 / (self.weights**2).sum(axis=1)

    @property
    def log_probability(self) -> np.ndarray:
        """log p(given cells) of each row, in nats."""
        most = self.log_weight.max(axis=1)
        return most + np.log(np.exp(self.log_weight - most[:, None]).mean(axis=1))

    def taken(self, uniform: np.ndarray, same: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Row and number of one particle for each row, by weight among the particles of its group of rows.

        Args:
            uniform: Numbers in [0, 1) that choose, of shape (rows,).
            same: What rows of one group have in common; they lie side by side, and have the same given.
            size: Rows of a block; no group lies in two.
        """
        each, pieces = self.log_weight.shape[1], []
        for block in range(0, len(same), size):  # each by itself, to the same bits whatever lies before it
            own = slice(block, block + size)
            begins = np.flatnonzero(np.diff(same[own], prepend=-1))
            sizes = np.diff(begins, append=size)
            most = np.repeat(np.maximum.reduceat(self.log_weight[own].max(axis=1), begins), sizes)
            upper = np.cumsum(np.exp(self.log_weight[own] - most[:, None]))
            first, last = np.repeat(begins, sizes) * each, np.repeat(begins + sizes, sizes) * each - 1
            passed = np.where(first > 0, upper[first - 1], 0.0)
            chosen = np.searchsorted(upper, passed + uniform[own] * (upper[last] - passed), side="right")
            pieces.append(block * each + np.clip(chosen, first, last))
        return np.divmod(np.concatenate(pieces), each)


class Particles:
    """Draws particles, block by block: those of a block follow from its number, the seed and what is given.

    Args:
        model: The trained VAE.
        sampler: The law of z.
        proposal: Where z of a row known in part may lie; None: only the sampler says.
        count: Particles of each row, a power of two up to BLOCK_ROWS.
        seed: Of the draws.
    """

    def __init__(
        self, model: VAE, sampler: Sampler, proposal: Proposal | None, count: int = 32, seed: int = 0
    ):
        self.model, self.sampler, self.count = model, sampler, count
        self.rows = BLOCK_ROWS // count
        self.columns: Any = Alone(model) if model.turn is None else Columns(model, model.turn.order, 1.0)
        self.log_prob = _log_prob(sampler)
        self.gaussian = proposal.gaussian(model) if proposal else None
        purposes = ("component", "z", "code", "position", "particle")
        self.keys = [streams.key(seed, "completion", purpose) for purpose in purposes]
        self.graph = tf.function(self._draw, autograph=False)
        self.likelihood = tf.function(self._likelihood, autograph=False)
        self.latents = tf.function(self._from_sampler, autograph=False)

    def cloud(self, number: int, givens: Givens) -> Cloud:
        """The particles of rows that are given in part, whole blocks of `self.rows` from `number` on."""
        clouds = [
            self._block(number + i, givens.rows(slice(i * self.rows, (i + 1) * self.rows)))
            for i in range(len(givens.codes) // self.rows)
        ]
        arrays = zip(*(vars(one).values() for one in clouds), strict=True)
        return Cloud(*(np.concatenate(pieces) for pieces in arrays))

    def _block(self, number: int, givens: Givens) -> Cloud:
        """The particles of one block."""
        z, log_prior = self._latents(number, givens)
        first = tf.constant(number * BLOCK_ROWS, tf.int64)
        inputs = map(tf.constant, (z, givens.known, givens.places, givens.allowed))
        codes, places, log_weight, log_drawn = (drawn.numpy() for drawn in self.graph(*inputs, first))
        shape = (self.rows, self.count)
        log_weight = log_weight.reshape(shape).astype(float) + log_prior
        z, codes, places, log_drawn = (x.reshape(*shape, -1) for x in (z, codes, places, log_drawn))
        return Cloud(z, codes, places, log_weight, log_prior, log_drawn)

    def log_likelihood(self, z: np.ndarray, codes: np.ndarray, places: np.ndarray) -> np.ndarray:
        """log p(block | z, blocks before it) of whole rows, a multiple of BLOCK_ROWS, float32 of shape (rows,
        blocks)."""
        pieces = []
        for start in range(0, len(z), BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            inputs = map(tf.constant, (z[rows], codes[rows], places[rows]))
            pieces.append(self.likelihood(*inputs).numpy())
        return np.concatenate(pieces)

    def uniform(self, number: int, rows: int) -> np.ndarray:
        """A number in [0, 1) for each of some rows from block `number` on."""
        blocks = range(number, number - (-rows // self.rows))
        pieces = [streams.uniform(self.keys[4], (self.rows,), one * BLOCK_ROWS).numpy() for one in blocks]
        return np.concatenate(pieces)[:rows]

    def _latents(self, number: int, givens: Givens) -> tuple[np.ndarray, np.ndarray]:
        """z of the particles, float32 of shape (BLOCK_ROWS, latent_dim), and log p(z) - log q(z), float64 of
        shape (rows, particles). All but an eighth of them come from the proposal, if there is one, and q is
        the mixture of both."""
        z, noise = (x.numpy() for x in self.latents(tf.constant(number * BLOCK_ROWS, tf.int64)))
        if self.gaussian is None:
            return z, np.zeros((self.rows, self.count))
        offsets = givens.places[:, : self.model.num_offsets]
        inputs = map(tf.constant, (givens.known, givens.codes, offsets))
        mean, log_var = (np.repeat(x.numpy(), self.count, axis=0) for x in self.gaussian(*inputs))
        many = self.count - max(1, self.count // 8)
        proposed = (np.arange(BLOCK_ROWS) % self.count < many)[:, None]
        z = np.where(proposed, mean + np.exp(0.5 * log_var) * noise, z).astype(np.float32)
        log_p = self.log_prob(z)
        away = (z - mean).astype(float)
        log_q = -0.5 * np.sum(away**2 * np.exp(-log_var.astype(float)) + log_var + LOG_2PI, axis=1)
        share = many / self.count
        with np.errstate(divide="ignore"):  # of one particle, none is proposed
            log_q = np.logaddexp(log_p + np.log(1 - share), log_q + np.log(share))
        return z, (log_p - log_q).reshape(self.rows, self.count)

    def _from_sampler(self, first: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        component, normals = self.keys[:2]
        width = self.model.latent_dim
        noise = streams.by_row(streams.normal, normals, BLOCK_ROWS, width, first)
        return self.sampler.draw(streams.uniform(component, (BLOCK_ROWS,), first), noise), noise

    def _draw(
        self, z: tf.Tensor, known: tf.Tensor, given: tf.Tensor, allowed: tf.Tensor, first: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        chances, places = uniforms(self.keys[2:4], len(self.model.starts), first)
        state, log_weight, log_drawn = self.columns.start(z), tf.zeros((BLOCK_ROWS,)), {}
        known, given = (tf.repeat(x, self.count, axis=0) for x in (known, given))
        for column in self.columns.order:
            logits, offset = self.columns.law(state, column)
            left = logits + tf.repeat(allowed[:, self.columns.spans[column]], self.count, axis=0)
            most = tf.reduce_max(left, axis=1, keepdims=True)
            log_weight += tf.reduce_logsumexp(left, axis=1) - tf.reduce_logsumexp(logits, axis=1)
            code = pick(tf.exp(left - most), chances[column])
            place, is_known = places[column], known[:, column] > 0
            drawn = tf.gather(left, code, axis=1, batch_dims=1) - tf.reduce_logsumexp(left, axis=1)
            if offset:
                edges = self._edges(column, code)
                place = tf.where(is_known, given[:, column], self._inside(place, edges, offset))
                density = self._density(place, edges, offset)
                log_weight += tf.where(is_known, density, 0.0)
                drawn += density
            else:
                place = tf.where(is_known, given[:, column], place)
            log_drawn[column] = drawn
            self.columns.add(state, column, code, place)
        blocks = range(len(self.model.starts))
        return *state.rows(blocks), log_weight, tf.stack([log_drawn[c] for c in blocks], axis=1)

    def _likelihood(self, z: tf.Tensor, codes: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
        state, found = self.columns.start(z), {}
        for column in self.columns.order:
            logits, offset = self.columns.law(state, column)
            code, place = codes[:, column], places[:, column]
            own = tf.gather(logits, code, axis=1, batch_dims=1) - tf.reduce_logsumexp(logits, axis=1)
            if offset:
                own += self._density(place, self._edges(column, code), offset)
            found[column] = own
            self.columns.add(state, column, code, place)
        return tf.stack([found[c] for c in range(len(self.model.starts))], axis=1)

    def _edges(self, column: int, code: tf.Tensor) -> list[tf.Tensor]:
        """Normal scores of the ends of the bars, and whether there is one, each of shape (rows,)."""
        return tf.unstack(tf.gather(self.columns.edges[self.columns.spans[column]], code), axis=1)

    def _inside(self, uniform: tf.Tensor, edges: list[tf.Tensor], offset: Offset) -> tf.Tensor:
        """A position drawn inside bars."""
        if self.model.gaussian:
            return draw_gaussian(uniform, *offset)
        return draw_truncated_logistic(uniform, *edges[:2], *offset)

    def _density(self, place: tf.Tensor, edges: list[tf.Tensor], offset: Offset) -> tf.Tensor:
        """Log density of a position inside bars."""
        low, high, has = edges
        if self.model.gaussian:
            return has * log_gaussian(place, *offset)
        return has * truncated_logistic(low + (high - low) * place, low, high, *offset)


def _log_prob(sampler: Sampler) -> Callable[[np.ndarray], np.ndarray]:
    """log p(z) of a sampler, float64 of shape (rows,); of Gaussians by one product in float32."""
    if not isinstance(sampler, Gaussians):
        return sampler.log_prob
    scales = sampler.scales.astype(float)
    factors = np.stack([np.diag(one) for one in scales]) if scales.ndim == 2 else scales
    inverse, (k, d) = np.linalg.inv(factors), sampler.means.shape
    matrix = tf.constant(inverse.reshape(k * d, d).T, tf.float32)
    shift = tf.constant(np.einsum("kij,kj->ki", inverse, sampler.means).ravel(), tf.float32)
    log_det = np.log(np.abs(np.diagonal(factors, axis1=1, axis2=2))).sum(axis=1)
    weights = np.log(np.maximum(sampler.weights.astype(float), 1e-300))
    constant = tf.constant(weights - log_det - 0.5 * d * LOG_2PI, tf.float32)

    @tf.function(autograph=False)
    def graph(z: tf.Tensor) -> tf.Tensor:
        square = tf.reduce_sum(tf.reshape((tf.matmul(z, matrix) - shift) ** 2, (-1, k, d)), axis=2)
        return tf.reduce_logsumexp(constant - 0.5 * square, axis=1)

    return lambda z: graph(tf.constant(z)).numpy().astype(float)


@dataclass
class _State:
    logits: Any
    law: Any
    codes: dict
    positions: dict

    def rows(self, columns: Sequence[int]) -> tuple[tf.Tensor, ...]:
        return tuple(tf.stack([drawn[c] for c in columns], axis=1) for drawn in (self.codes, self.positions))


class Alone:
    """Columns that are independent given z, as `turn_columns.Columns` has those in turn."""

    def __init__(self, model: VAE):
        sizes = model.settings["cardinalities"]
        self.model, self.order, self.num_offsets = model, list(range(len(sizes))), model.num_offsets
        self.spans = [slice(int(a), int(a) + size) for a, size in zip(model.starts, sizes, strict=True)]
        edges = (model.score_low, model.score_high, model.has_offset)
        self.edges = np.stack([w.numpy() for w in edges], axis=1)

    def start(self, z: tf.Tensor) -> _State:
        logits, head = self.model.hidden_logits(self.model.decoder(z))
        law = self.model.offset_law(head) if self.num_offsets else None
        return _State(tf.clip_by_value(logits, -MAX_LOGIT, MAX_LOGIT), law, {}, {})

    def law(self, state: _State, column: int) -> tuple[tf.Tensor, Offset]:
        """Logits of the column's codes, and centre and scale of its offset."""
        offset = tuple(x[:, column] for x in state.law) if column < self.num_offsets else ()
        return state.logits[:, self.spans[column]], offset

    def add(self, state: _State, column: int, code: tf.Tensor, place: tf.Tensor) -> None:
        state.codes[column], state.positions[column] = code, place
