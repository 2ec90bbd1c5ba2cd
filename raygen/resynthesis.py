"""Real rows through the encoder and the decoder of a model: what the decoder alone makes of them, with no sampler in between."""

import numpy as np
import pyarrow as pa

from raygen.artifact import Artifact


def resynthesise(found: Artifact, table: pa.Table, seed: int = 0) -> pa.Table:
    """As many rows as there are, each decoded from a draw of its own posterior.

    Args:
        found: The model.
        table: Rows with every learned column.
        seed: Of the draws.
    """
    import tensorflow as tf

    from raygen.decoding import BLOCK_ROWS, Decoder
    from raygen.latent import Posteriors
    from raygen.loop import positions

    codes, offsets = found.codec.encode(table)
    network = found.network()
    decoder = Decoder(network, None, seed)
    rng = np.random.default_rng([seed, 12])
    parts = []
    for start in range(0, len(codes), BLOCK_ROWS):
        block = codes[start : start + BLOCK_ROWS].astype(np.int32), positions(tf.constant(offsets[start : start + BLOCK_ROWS]))
        z = np.zeros((BLOCK_ROWS, network.latent_dim), np.float32)
        z[: len(block[0])] = Posteriors(*(t.numpy() for t in network.encode(*block))).draw(rng)
        drawn = [t.numpy()[: len(block[0])] for t in decoder.decode(tf.constant(z), tf.constant(start, tf.int64))]
        parts.append(found.codec.decode(drawn[0], drawn[1], start))
    return pa.concat_tables(parts)
