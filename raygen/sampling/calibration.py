"""The share of drawn rows in which a relation gives a value, made that of the table.

Training with dropout and little data leaves the codes that stand for relations a few percent too likely: the
mass of a column's other codes lies on many, and falls when the noise that they were trained under is gone. A
shift of the bias of such a code sets its share right and leaves what it depends on.
"""

import numpy as np
import tensorflow as tf

from raygen.codec.codec import Codec
from raygen.model.vae import VAE
from raygen.sampling.decoder import decoder_of
from raygen.sampling.draws import latents
from raygen.sampling.row_blocks import BLOCK_ROWS

BLOCKS = 8  # of drawn rows, at most
ALL_LOGITS = 2**28  # about, of all rows that are drawn
LOGITS = 2**24  # at once
ROUNDS = 50  # of proportional fitting
FLOOR = 1e-6


def calibrate(model: VAE, codec: Codec, sampler, seed: int) -> None:
    """Shift the biases of the codes that stand for relations, so that drawn rows have them as often as the
    table has; nothing without such codes.

    Args:
        model: Trained, with the weights that are kept.
        codec: Its codec.
        sampler: Where z is drawn from.
        seed: Of the run.
    """
    if not codec.explained:
        return
    bias = model.code_bias.numpy()
    codes, position, z = _drawn(model, sampler, seed)
    shares = {name: np.zeros((0, len(own) + 1)) for name, own in codec.explained.items()}
    at_once = max(1, min(BLOCK_ROWS, LOGITS // model.num_codes))
    for start in range(0, len(z), at_once):
        rows = slice(start, start + at_once)
        logits = model.decode(z[rows], codes[rows], position[rows, : model.num_offsets])[0].numpy()
        for name, seen in shares.items():
            shares[name] = np.concatenate([seen, _probabilities(logits, model, codec, name)])
    for name, seen in shares.items():
        place = codec.parts.index(name)
        first = model.starts[place] + codec.blocks[name].cardinality
        bias[first : first + len(codec.explained[name])] += _shift(seen, np.array(codec.explained[name]))
    model.code_bias.assign(bias)


def _drawn(model: VAE, sampler, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes, positions and z of some rows."""
    decoder, latents_of = decoder_of(model, None, seed), latents(sampler, seed)
    blocks = min(BLOCKS, max(1, ALL_LOGITS // (BLOCK_ROWS * model.num_codes)))
    firsts = [tf.constant(number * BLOCK_ROWS, tf.int64) for number in range(blocks)]
    z = [latents_of(first) for first in firsts]
    drawn = [decoder.decode(one, first) for one, first in zip(z, firsts, strict=True)]
    codes, position = (np.concatenate([part.numpy() for part in parts]) for parts in zip(*drawn, strict=True))
    return codes, position, np.concatenate([one.numpy() for one in z])


def _probabilities(logits: np.ndarray, model: VAE, codec: Codec, name: str) -> np.ndarray:
    """Of each relation of a column, and of its own codes together, of shape (rows, relations + 1)."""
    place, own = codec.parts.index(name), codec.blocks[name].cardinality
    start, count = int(model.starts[place]), own + len(codec.explained[name])
    part = logits[:, start : start + count].astype(float)
    mass = np.exp(part - part.max(axis=1, keepdims=True))
    mass = np.concatenate([mass[:, own:], mass[:, :own].sum(axis=1, keepdims=True)], axis=1)
    return mass / mass.sum(axis=1, keepdims=True)


def _shift(probabilities: np.ndarray, target: np.ndarray) -> np.ndarray:
    """What to add to the logits of relations so that their mean probabilities are the target."""
    shift = np.zeros(len(target))
    for _ in range(ROUNDS):
        mass = probabilities * np.exp(np.append(shift, 0.0))
        share = (mass / mass.sum(axis=1, keepdims=True)).mean(axis=0)
        odds = np.log(np.maximum(target, FLOOR) / np.maximum(1 - target.sum(), FLOOR))
        shift += odds - np.log(np.maximum(share[:-1], FLOOR) / np.maximum(share[-1], FLOOR))
    return shift.astype(np.float32)
