"""What all trials of a search share, in one object."""

from dataclasses import dataclass
from typing import Any

from raygen.config import Config
from raygen.search.space import Space
from raygen.training.job import EncodedTable


@dataclass(frozen=True)
class SearchJob:
    """A search as Ray Tune and its trials get it.

    Attributes:
        config: The settings that trials vary.
        space: What is varied.
        tables: The table as the points want it encoded, by `encoding_name`.
        cpus, gpus: Of each worker of a trial.
        at_a_time: Trials that run side by side.
        folder: Of the search.
        trials: Folder of the trials' models.
    """

    config: Config
    space: Space
    tables: dict[str, EncodedTable]
    cpus: int
    gpus: float
    at_a_time: int
    folder: str
    trials: str

    def table(self, params: dict[str, Any]) -> EncodedTable:
        """The encoded table of a point."""
        return self.tables[encoding_name(params)]


def encoding_name(params: dict[str, Any]) -> str:
    """Name of the way in which a point wants the table encoded."""
    return repr(sorted((k, v) for k, v in params.items() if k.startswith("schema.")))
