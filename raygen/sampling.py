"""Generated rows of a model by their numbers, in one process and without Ray."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from raygen import artifact, selection, shards
from raygen.config import Generate
from raygen.errors import ConfigError


def sample(
    model: str,
    n: int | None = None,
    seed: int = 0,
    where: str = "",
    temperature: float = 1.0,
    per: str = "",
    sampler: str = "chosen",
    first_row: int = 0,
) -> pa.Table:
    """Synthetic rows in memory: those that `raygen generate` writes for the same settings.

    Args:
        model: Folder of a model.
        n: Rows; left out where `per` says how many.
        seed, where, temperature, per, sampler, first_row: As the settings of `[generate]`.

    Raises:
        ModelError: If the model is missing or damaged.
        ConfigError: If a setting is wrong, or the model gives the conditions hardly any probability.
    """
    found = artifact.load(model)
    given = {"seed": seed, "where": where, "temperature": temperature, "per": per, "sampler": sampler, "first_row": first_row}
    if n is not None:
        given["rows"] = n
    settings = found.config.override({f"generate.{name}": value for name, value in given.items()}).generate
    if (n is None) != bool(settings.per):
        raise ConfigError("sample() needs either n or per, which says how many rows of each category.", "write sample(model, 1000).")
    found = drawing_from(found, settings.sampler)
    wanted = selection.select(found.codec, settings.where, settings.per)
    last = first_row + num_rows(settings, wanted)
    found.codec.schema.check_ids(last)
    return Rows(found, settings.seed, settings.temperature, wanted).table(first_row, last)


def num_rows(settings: Generate, wanted: selection.Selection | None) -> int:
    """Rows of a generation.

    Raises:
        ConfigError: If it is to begin in the middle of strata.
    """
    if not wanted or not wanted.strata:
        return settings.rows
    if settings.first_row:
        message = f"generate.first_row = {settings.first_row:,} and generate.per = '{settings.per}': how many rows precede depends on the categories."
        raise ConfigError(message, "leave one of them out.")
    return wanted.num_rows


def drawing_from(found: artifact.Artifact, sampler: str) -> artifact.Artifact:
    """The model with its own sampler for "chosen", else with the one named.

    Raises:
        ConfigError: If the model has no such sampler.
    """
    name = found.sampler if sampler == "chosen" else sampler
    if name not in found.samplers:
        message = f"generate.sampler = '{name}': model '{found.uri}' has {', '.join(found.samplers)}."
        raise ConfigError(message, "name one of these, or leave it out to draw from the model's own choice.")
    return replace(found, sampler=name)


class Rows:
    """Generated rows of a model, by their numbers.

    Args:
        found: The model.
        seed: Other seeds give other rows.
        temperature: The codes' logits are divided by it.
        wanted: What the rows must satisfy; None: nothing.
        laws: How those are drawn, as `conditional.explore` finds them if they are not given.
    """

    def __init__(
        self,
        found: artifact.Artifact,
        seed: int,
        temperature: float = 1.0,
        wanted: selection.Selection | None = None,
        laws: list[selection.Law] | None = None,
    ):
        from raygen.conditional import Conditional, explore
        from raygen.decoding import BLOCK_ROWS, Decoder

        self.codec, self.block_rows = found.codec, BLOCK_ROWS
        self.schema = found.codec.schema.output
        self.blocks = wanted.blocks if wanted else shards.blocks
        network, sampler = found.network(), found.samplers[found.sampler]
        self.decoder: Decoder | Conditional
        if wanted:
            laws = laws or explore(network, sampler, temperature, wanted)
            self.decoder = Conditional(network, sampler, seed, temperature, wanted, laws)
        else:
            self.decoder = Decoder(network, sampler, seed, temperature)
        self.decoder.block(0)  # traces the graph

    def table(self, first: int, last: int) -> pa.Table:
        """Rows [first, last), the same whichever rows are asked for with them."""
        codes = np.empty((last - first, self.codec.num_columns), np.int32)
        position = np.empty((last - first, self.codec.num_columns), np.float32)
        at = 0
        for number, start, stop in self.blocks(first, last, self.block_rows):
            rows = slice(at, at := at + stop - start)
            codes[rows], position[rows] = (drawn[start:stop] for drawn in self.decoder.block(number))
        return self.codec.decode(codes, position, first)
