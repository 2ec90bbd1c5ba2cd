"""Rows as a Ray Dataset that nobody has to write: drawn by actors as they are read."""

from collections.abc import Iterator
from numbers import Integral
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from raygen.cluster import connection, surroundings
from raygen.cluster.surroundings import Surroundings
from raygen.config_sections import GenerateSettings
from raygen.errors import ConfigError, GenerationError
from raygen.generation import request
from raygen.model import folder as model_folder
from raygen.sampling.row_blocks import BLOCK_ROWS
from raygen.sampling.rows import Asked, Rows

if TYPE_CHECKING:
    from ray.data import Dataset

ITEM_ROWS = 64 * BLOCK_ROWS  # drawn at once: a block of the Dataset


class DrawRows:
    """An actor of Ray Data: loads the model once, then draws the rows of item after item."""

    def __init__(
        self, model: str, settings: dict[str, Any], laws: list, fingerprint: str, pinned: Surroundings
    ):
        section = GenerateSettings(**settings)
        request.keep_to(section, pinned)
        self.asked = asked = Asked.of(model_folder.load(model), section)
        if asked.found.fingerprint != fingerprint:
            message = f"model '{model}' changed while rows were drawn from it."
            raise GenerationError(message, "load it again, and make the Dataset anew.")
        self.rows = Rows.of(asked.found, section, asked.wanted, laws)

    def __call__(self, batch: dict) -> Iterator[pa.Table]:
        for item in batch["id"]:
            first = self.asked.first + int(item) * ITEM_ROWS
            yield self.rows.table(first, min(first + ITEM_ROWS, self.asked.last))


def dataset(asked: Asked, num_actors: int | None) -> "Dataset":
    """The rows that are asked for, in their order. They are drawn when they are read: a Ray that is started
    here for them runs as long as this process.

    Args:
        asked: Rows of a model.
        num_actors: Actors that draw them; None: as many as there is room for.

    Raises:
        ConfigError: If the number is none, or the model gives the conditions hardly any probability.
        ClusterError: If RAY_ADDRESS names no running cluster, or the nodes would make different rows.
    """
    if num_actors is not None and (not isinstance(num_actors, Integral) or num_actors < 1):
        message = f"num_actors = {num_actors!r}: expected a whole number from 1."
        raise ConfigError(message, "leave it out for as many as fit.")
    connection.stay_connected()
    import ray.data

    pinned = surroundings.of_cluster(gpus=False)
    laws = request.like_an_actor(asked.settings, _laws, asked, pinned=pinned) if asked.wanted else []
    items = -(-(asked.last - asked.first) // ITEM_ROWS)
    pool: dict[str, Any] = (
        {"size": min(num_actors, items)} if num_actors else {"min_size": 1, "max_size": items}
    )
    drawn = ray.data.range(items)
    drawn.context.execution_options.preserve_order = True
    return drawn.map_batches(
        DrawRows,
        fn_constructor_args=(
            asked.found.uri,
            asked.settings.model_dump(),
            laws,
            asked.found.fingerprint,
            pinned,
        ),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(**pool),
        num_cpus=1,
    )


def _laws(asked: Asked) -> list:
    """How the rows are drawn (see `sampling.conditional.explore`)."""
    from raygen.sampling import conditional

    if not asked.wanted:
        return []
    sampler = asked.found.samplers[asked.found.sampler]
    return conditional.explore(asked.found.network(), sampler, asked.settings.temperature, asked.wanted)
