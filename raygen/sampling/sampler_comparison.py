"""What each sampler does to the table, beside its bound, its ceiling and its floor."""

import time

import numpy as np
import pyarrow as pa
import tensorflow as tf

from raygen import rng
from raygen.codec.codec import Codec
from raygen.latent.samplers import Posteriors, Sampler
from raygen.metrics import fidelity
from raygen.model.vae import VAE, positions
from raygen.report.latent.record import References, TableScores
from raygen.sampling.decoder import decoder_of
from raygen.sampling.draws import latents
from raygen.sampling.row_blocks import BLOCK_ROWS

COMPARED_ROWS = 8192
REPEATS = 3
Stored = tuple[np.ndarray, np.ndarray]  # codes and offsets
TIMED_BLOCKS = 4


class Comparison:
    """What each sampler does to the table, beside its bound, floor and ceiling, all as the codec gives rows
    back. Real rows are held-out ones: against training rows, rows that were remembered look good.

    Args:
        model: The trained VAE.
        codec: The table's.
        rows, held: Stored codes and offsets of training rows and of held-out rows.
        held_posteriors: Of the held-out rows.
        seed: Of the generated rows and of the samples compared.
        size: Rows of each table, once; by default as many as are held out, COMPARED_ROWS at most, some times
            over if they are few.
    """

    def __init__(
        self,
        model: VAE,
        codec: Codec,
        rows: Stored,
        held: Stored,
        held_posteriors: Posteriors,
        seed: int = 0,
        size: int = 0,
    ):
        self.model, self.codec, self.seed = model, codec, seed
        self.kinds = {name: codec.schema.kinds[name] for name in codec.schema.learned}
        self.rows = size or min(COMPARED_ROWS, len(held[0]))
        self.repeats = max(1, min(REPEATS, COMPARED_ROWS // self.rows))
        generator = rng.generator(seed, "sampler comparison")
        picks = [np.sort(generator.permutation(len(rows[0]))[: self.rows]) for _ in range(self.repeats)]
        self.ceiling = [_stored(codec, rows[0][p], rows[1][p], generator) for p in picks]
        out = np.sort(generator.permutation(len(held[0]))[: self.rows])
        self.real = [_stored(codec, held[0][out], held[1][out], generator)] * self.repeats
        self.bound_z = [held_posteriors.take(out).draw(generator) for _ in range(self.repeats)]
        self.decode = decoder_of(model, None, seed).decode

    def speed(self, sampler: Sampler) -> float:
        """Rows/s from random numbers to codes, in this process."""
        graph = latents(sampler, self.seed)
        self.decode(graph(tf.constant(0, tf.int64)), tf.constant(0, tf.int64))
        began = time.perf_counter()
        for block in range(TIMED_BLOCKS):
            first = tf.constant(block * BLOCK_ROWS, tf.int64)
            self.decode(graph(first), first)[0].numpy()
        return TIMED_BLOCKS * BLOCK_ROWS / (time.perf_counter() - began)

    def of_sampler(self, sampler: Sampler) -> TableScores:
        """Scores of rows drawn from a sampler (see `scores`)."""
        return self.scores(self.drawn(sampler))

    def drawn(self, sampler: Sampler) -> list[pa.Table]:
        """Tables of rows drawn from a sampler, one for each repeat."""
        graph = latents(sampler, self.seed)
        blocks = -(-self.rows // BLOCK_ROWS)
        tables = []
        for repeat in range(self.repeats):
            firsts = [(repeat * blocks + b) * BLOCK_ROWS for b in range(blocks)]
            z = np.concatenate([graph(tf.constant(first, tf.int64)).numpy() for first in firsts])[: self.rows]
            tables.append(self._table(z, firsts[0]))
        return tables

    def references(self) -> References:
        """Scores of rows decoded from z of held-out rows (bound), of shuffled columns (floor), of training
        rows (ceiling)."""
        far = 2**40  # row numbers that no sampler's rows have
        bound = [self._table(z, far + i * BLOCK_ROWS * (self.rows + 1)) for i, z in enumerate(self.bound_z)]
        floor = [fidelity.floor(real, self.seed) for real in self.real]
        return References(
            bound=self.scores(bound), ceiling=self.scores(self.ceiling), floor=self.scores(floor)
        )

    def scores(self, tables: list[pa.Table]) -> TableScores:
        """Means over the repeats of Shape and Trend error in percent, C2ST (with its standard error where
        there are several), and the variance of number columns as a multiple of the real (the median over
        columns)."""
        ratios = [fidelity.variance_ratio(*pair, self.kinds) for pair in zip(self.real, tables, strict=True)]
        scores = fidelity.repeated(self.real, tables, self.kinds, self.seed)
        return TableScores(**scores, variance_ratio=float(np.mean(ratios)))

    def _table(self, z: np.ndarray, first: int) -> pa.Table:
        """The rows that z decodes to, numbered from `first`."""
        codes, positions = [], []
        for start in range(0, len(z), BLOCK_ROWS):
            block = np.zeros((BLOCK_ROWS, z.shape[1]), np.float32)
            piece = z[start : start + BLOCK_ROWS]
            block[: len(piece)] = piece
            drawn = self.decode(tf.constant(block), tf.constant(first + start, tf.int64))
            codes.append(drawn[0].numpy()[: len(piece)])
            positions.append(drawn[1].numpy()[: len(piece)])
        return _rows(self.codec, np.concatenate(codes), np.concatenate(positions))


def _stored(codec: Codec, codes: np.ndarray, offsets: np.ndarray, generator: np.random.Generator) -> pa.Table:
    """Stored rows as the codec gives them back."""
    place = generator.random((len(codes), codec.num_columns)).astype(np.float32)
    place[:, : codec.num_offsets] = positions(tf.constant(offsets)).numpy()
    return _rows(codec, codes, place)


def _rows(codec: Codec, codes: np.ndarray, positions: np.ndarray) -> pa.Table:
    table = codec.decode(codes, positions)
    return table.select(codec.schema.learned)
