"""Random numbers as a function of (seed, purpose, position): the same for any number of workers, in any
order.

Philox (Salmon et al. 2011) is counter-based: one step of the counter gives four 32-bit numbers, so a slice of
a long stream is drawn without drawing what precedes it.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeAlias

import tensorflow as tf

Whole: TypeAlias = int | tf.Tensor  # a whole number
Draw = Callable[[tf.Tensor, Sequence[Whole], Whole], tf.Tensor]
PER_COUNTER = 4


def key(*parts: int | str) -> tf.Tensor:
    """A uint64 Philox key of shape (1,) from a list such as `(seed, "noise")`; lists, not sums, so that none
    collide."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return tf.constant([int.from_bytes(digest[:8], "little")], tf.uint64)


def normal(stream: tf.Tensor, shape: Sequence[Whole], start: Whole = 0) -> tf.Tensor:
    """float32 standard normals; `start`, a multiple of 4, is how many numbers of the stream precede them."""
    return tf.raw_ops.StatelessRandomNormalV2(shape=shape, key=stream, counter=_counter(start), alg=1)


def uniform(stream: tf.Tensor, shape: Sequence[Whole], start: Whole = 0) -> tf.Tensor:
    """float32 in [0, 1); `start` as in `normal`."""
    return tf.raw_ops.StatelessRandomUniformV2(shape=shape, key=stream, counter=_counter(start), alg=1)


def by_row(draw: Draw, stream: tf.Tensor, rows: Whole, width: int, first: Whole) -> tf.Tensor:
    """Numbers of shape (rows, width), by `normal` or `uniform`, for rows from number `first` on: whole
    counters for each row, so that its numbers are its own whichever rows are drawn with it."""
    whole = -(-width // PER_COUNTER) * PER_COUNTER
    return draw(stream, (rows, whole), first * whole)[:, :width]


def _counter(start: Whole) -> tf.Tensor:
    low = tf.cast(tf.cast(start, tf.int64) // PER_COUNTER, tf.uint64)
    return tf.stack([low, tf.zeros((), tf.uint64)])
