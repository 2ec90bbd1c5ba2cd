"""How much of a score's error is noise, decoder and sampler."""

import numpy as np
import pyarrow as pa

from raygen import rng
from raygen.evaluation.real_rows import RealRows
from raygen.metrics import counted, fidelity, scorecard
from raygen.metrics.counts import Reference
from raygen.model.folder import Artifact
from raygen.report.evaluation.record import Budget, BudgetScores, PairError

MAX_BUDGET_ROWS = 10_000
PAIRS_LOST = 10


def budget(
    model: Artifact,
    real: RealRows,
    generated: pa.Table,
    reference: Reference,
    seed: int,
) -> Budget:
    """The error budget: held-out rows, the same through encoder and decoder, generated rows, on equal
    numbers; and the pairs lost on the way."""
    through = resynthesise(model, real.holdout, seed).select(list(real.kinds))
    tables = (real.holdout, through, generated)
    rows = min(*(table.num_rows for table in (*tables, real.table)), MAX_BUDGET_ROWS)
    against = scorecard.sample(real.table, rows, seed)

    def scored(table: pa.Table) -> BudgetScores:
        some = scorecard.sample(table, rows, seed + 1)
        scores = fidelity.scores(against, some, real.kinds)
        return BudgetScores(shape_error=scores.shape_error, trend_error=scores.trend_error, c2st=scores.c2st)

    held_out, resynthesised, generated_scores = map(scored, tables)
    return Budget(
        rows=rows,
        held_out=held_out,
        resynthesised=resynthesised,
        generated=generated_scores,
        pairs_lost=_pairs_lost(reference, real.holdout, through),
    )


def _pairs_lost(reference: Reference, held_out: pa.Table, through: pa.Table) -> list[PairError]:
    """The pairs whose error grows most on the way through encoder and decoder."""
    before, after = (
        counted.pair_errors(reference, reference.count_table(table)) for table in (held_out, through)
    )
    growth = {pair: 100 * (after[pair] - before[pair]) for pair in before}
    lost = sorted((pair for pair in growth if growth[pair] > 0), key=lambda pair: -growth[pair])
    return [PairError(columns=pair, error=growth[pair]) for pair in lost[:PAIRS_LOST]]


def resynthesise(model: Artifact, table: pa.Table, seed: int = 0) -> pa.Table:
    """As many rows as there are, each decoded from a draw of its own posterior.

    Args:
        model: The model.
        table: Rows with every learned column.
        seed: Of the draws.
    """
    import tensorflow as tf

    from raygen.latent.samplers import Posteriors
    from raygen.model.vae import positions
    from raygen.sampling.decoder import decoder_of
    from raygen.sampling.row_blocks import BLOCK_ROWS

    codes, offsets = model.codec.encode(table)
    network = model.network()
    decoder = decoder_of(network, None, seed)
    generator = rng.generator(seed, "error budget posteriors")
    parts = []
    for start in range(0, len(codes), BLOCK_ROWS):
        block = (
            codes[start : start + BLOCK_ROWS].astype(np.int32),
            positions(tf.constant(offsets[start : start + BLOCK_ROWS])),
        )
        z = np.zeros((BLOCK_ROWS, network.latent_dim), np.float32)
        z[: len(block[0])] = Posteriors(*(t.numpy() for t in network.encode(*block))).draw(generator)
        arrays = [
            t.numpy()[: len(block[0])] for t in decoder.decode(tf.constant(z), tf.constant(start, tf.int64))
        ]
        parts.append(model.codec.decode(arrays[0], arrays[1], start))
    return pa.concat_tables(parts)
