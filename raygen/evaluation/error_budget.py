"""How much of a score's error is noise, decoder and sampler."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from raygen import rng
from raygen.evaluation.counting import whole
from raygen.evaluation.real_rows import Real
from raygen.metrics import counted, fidelity, scorecard
from raygen.metrics.counts import Reference
from raygen.model import folder as model_folder
from raygen.model.folder import Artifact

MAX_BUDGET_ROWS = 10_000


def budget(
    model: model_folder.Artifact,
    real: Real,
    train: pd.DataFrame,
    generated: pd.DataFrame,
    reference: Reference,
    seed: int,
) -> dict:
    """The error budget: held-out rows, the same through encoder and decoder, generated rows, on equal
    numbers; and the pairs lost on the way."""
    made = resynthesise(model, real.holdout, seed).select(list(real.kinds))
    tables = {"held_out": real.holdout.to_pandas(), "resynthesised": made.to_pandas(), "generated": generated}
    rows = min(*map(len, tables.values()), len(train), MAX_BUDGET_ROWS)
    against = scorecard.sample(train, rows, seed)
    out: dict[str, Any] = {"rows": rows}
    for name, table in tables.items():
        taken = {
            "shape_error": fidelity.shape_error,
            "trend_error": fidelity.trend_error,
            "c2st": fidelity.c2st,
        }
        some = scorecard.sample(table, rows, seed + 1)
        out[name] = {key: score(against, some, real.kinds) for key, score in taken.items()}
    errors = [counted.pair_errors(reference, whole(reference, table)) for table in (real.holdout, made)]
    more = {pair: 100 * (errors[1][pair] - errors[0][pair]) for pair in errors[0]}
    lost = sorted((pair for pair in more if more[pair] > 0), key=lambda pair: -more[pair])
    return out | {"pairs_lost": [[*pair, more[pair]] for pair in lost[:10]]}


def resynthesise(found: Artifact, table: pa.Table, seed: int = 0) -> pa.Table:
    """As many rows as there are, each decoded from a draw of its own posterior.

    Args:
        found: The model.
        table: Rows with every learned column.
        seed: Of the draws.
    """
    import tensorflow as tf

    from raygen.latent.samplers import Posteriors
    from raygen.model.vae import positions
    from raygen.sampling.decoder import decoder_of
    from raygen.sampling.row_blocks import BLOCK_ROWS

    codes, offsets = found.codec.encode(table)
    network = found.network()
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
        drawn = [
            t.numpy()[: len(block[0])] for t in decoder.decode(tf.constant(z), tf.constant(start, tf.int64))
        ]
        parts.append(found.codec.decode(drawn[0], drawn[1], start))
    return pa.concat_tables(parts)
