"""The share of drawn rows that have each code, made that of the table.

z of drawn rows does not lie quite where that of training rows does, and training with dropout and little data
leaves some codes a few percent too likely: a value is missing, or a relation gives one, more often than in
the table. A shift of the biases of a column's codes sets their shares right and leaves what they depend on.
"""

import numpy as np
import tensorflow as tf

from raygen.codec.codec import Codec
from raygen.latent.samplers import Sampler
from raygen.model.vae import VAE
from raygen.sampling.decoder import decoder_of
from raygen.sampling.draws import latents
from raygen.sampling.row_blocks import BLOCK_ROWS

DRAWS = 2  # of rows: a shift of one column changes those that are drawn after it
BLOCKS = 8  # of drawn rows, at most
ALL_LOGITS = 2**26  # of all rows that are looked at, at most
LOGITS = 2**24  # at once
ROUNDS = 50  # of proportional fitting
FLOOR = 1e-6
FEW = 4  # drawn rows that have a code: of so few, half of its shift may be chance
FARTHEST = 4.0  # shift


def calibrate(model: VAE, codec: Codec, sampler: Sampler, seed: int) -> None:
    """Shift the biases of the codes, so that drawn rows have each as often as the table has.

    Args:
        model: Trained, with the weights that are kept.
        codec: Its codec.
        sampler: Where z is drawn from.
        seed: Of the run.
    """
    shares = np.split(codec.frequencies(), model.starts[1:])
    for _ in range(DRAWS):
        drawn = _logits(model, sampler, seed)
        shifts = [_shift(_probabilities(own), target) for own, target in zip(drawn, shares, strict=True)]
        model.code_bias.assign_add(np.concatenate(shifts))


def _logits(model: VAE, sampler: Sampler, seed: int) -> list[np.ndarray]:
    """Of each block's codes in some drawn rows, float32 of shape (rows, codes)."""
    codes, position, z = _drawn(model, sampler, seed)
    z = z[: max(1, ALL_LOGITS // model.num_codes)]
    at_once = max(1, min(BLOCK_ROWS, LOGITS // model.num_codes))
    found = []
    for start in range(0, len(z), at_once):
        rows = slice(start, min(start + at_once, len(z)))
        some = z[rows], codes[rows], position[rows, : model.num_offsets]
        found.append(model.decode(*map(tf.constant, some))[0].numpy())
    return np.split(np.concatenate(found), model.starts[1:], axis=1)


def _drawn(model: VAE, sampler: Sampler, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes, positions and z of some rows."""
    decoder, latents_of = decoder_of(model, None, seed), latents(sampler, seed)
    blocks = min(BLOCKS, max(1, ALL_LOGITS // (BLOCK_ROWS * model.num_codes)))
    firsts = [tf.constant(number * BLOCK_ROWS, tf.int64) for number in range(blocks)]
    z = [latents_of(first) for first in firsts]
    drawn = [decoder.decode(one, first) for one, first in zip(z, firsts, strict=True)]
    codes, position = (np.concatenate([part.numpy() for part in parts]) for parts in zip(*drawn, strict=True))
    return codes, position, np.concatenate([one.numpy() for one in z])


def _probabilities(logits: np.ndarray) -> np.ndarray:
    mass = np.exp(logits - logits.max(axis=1, keepdims=True))
    return mass / mass.sum(axis=1, keepdims=True)


def _shift(probabilities: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """What to add to the logits of a block, float32 of shape (codes,), so that their mean probabilities are
    the shares; less where these are of few rows.

    Args:
        probabilities: Of shape (rows, codes).
        shares: Of the table's rows, sum 1.
    """
    probabilities = probabilities.astype(float)  # here, or each product below does it anew
    shift, target = np.zeros(len(shares)), np.maximum(shares, FLOOR)
    for _ in range(ROUNDS):
        factor = np.exp(shift)
        share = factor * ((1 / (probabilities @ factor)) @ probabilities) / len(probabilities)
        shift += np.log(target / np.maximum(share, FLOOR))
        shift = np.clip(shift - np.sum(shift * shares), -FARTHEST, FARTHEST)
    rows = shares * len(probabilities)
    return (shift * rows / (rows + FEW)).astype(np.float32)
