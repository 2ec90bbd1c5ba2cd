"""A model as rows are completed and scored by it: what takes long to load is kept."""

import os
from functools import cached_property
from typing import Any

from raygen import uris
from raygen.completion.particles import Particles
from raygen.model import folder as model_folder


class Loaded:
    """A model with its network, which is loaded once, and with the particles that were asked for last.

    Args:
        found: The model.
    """

    def __init__(self, found: model_folder.Artifact):
        self.found = found
        self._last: tuple[tuple[int, int], Particles] | None = None

    def __reduce__(self) -> tuple:
        """Sent to another process, it loads what it needs there."""
        return Loaded, (self.found,)

    @classmethod
    def of(cls, model: str | os.PathLike[str]) -> "Loaded":
        """What a `Model` keeps; anything else that has a model's path is loaded.

        Raises:
            ModelError: If the model is missing or damaged.
        """
        kept = getattr(model, "loaded", None)
        return kept if isinstance(kept, cls) else cls(model_folder.load(uris.absolute(model)))

    @cached_property
    def network(self) -> Any:
        """The Keras VAE."""
        return self.found.network()

    def particles(self, count: int, seed: int) -> Particles:
        """So many of each row; these are traced once while the same are asked for."""
        if not self._last or self._last[0] != (count, seed):
            sampler, proposal = self.found.samplers[self.found.sampler], self.found.proposal(self.network)
            self._last = (count, seed), Particles(self.network, sampler, proposal, count, seed)
        return self._last[1]
