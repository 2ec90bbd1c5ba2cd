"""Random numbers in NumPy: every stream has a name.

NumPy pads lists of seeds with zeros, so `default_rng([7, 3])` and `default_rng([7, 3, 0])` are one stream,
and `seed + i` is the stream of the next seed. Here seed, purpose and numbers are hashed together: no two of
them share a stream. Streams inside TensorFlow's graph have keys of their own (`latent.streams`).
"""

import hashlib

import numpy as np


def generator(seed: int, purpose: str, *numbers: int) -> np.random.Generator:
    """The generator of a purpose, such as `generator(seed, "order of rows", epoch, lane)`.

    Args:
        seed: The user's.
        purpose: What the numbers are for: a name of its own for each place that draws.
        numbers: Which of several streams of that purpose.
    """
    return np.random.Generator(np.random.PCG64(_hash(seed, purpose, numbers)))


def integer(seed: int, purpose: str, *numbers: int) -> int:
    """A seed in [0, 2**31), named as in `generator`, for libraries that take an integer."""
    return _hash(seed, purpose, numbers) % 2**31


def _hash(seed: int, purpose: str, numbers: tuple[int, ...]) -> int:
    text = repr((int(seed), purpose, *map(int, numbers)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")
