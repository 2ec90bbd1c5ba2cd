"""Generated rows of a model by their numbers, in one process and without Ray."""

import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from raygen import uris
from raygen.config import Config, refusing_others, with_settings
from raygen.config_sections import GenerateSettings
from raygen.errors import ConfigError
from raygen.model import folder as model_folder
from raygen.model.density_ratio import Ratio
from raygen.sampling import row_blocks, selection

# settings that a row depends on
DRAWN_BY = ("seed", "where", "temperature", "per", "sampler", "oversample", "first_row")


@refusing_others
@with_settings(GenerateSettings, DRAWN_BY)
def sample(model: str | os.PathLike[str], n: int | None = None, **settings: Any) -> pa.Table:
    """Synthetic rows in memory: those that `raygen generate` writes for the same settings.

    Args:
        model: A model: its folder, a `Model` or a `Training`.
        n: Rows; left out where `per` says how many.
        settings: Those of `[generate]` that a row depends on.

    Raises:
        ModelError: If the model is missing or damaged.
        ConfigError: If a setting is wrong, or the model gives the conditions hardly any probability.
    """
    section = settings_of(n, settings)
    asked = Asked.of(model_folder.load(uris.absolute(model)), section)
    return asked.rows().table(asked.first, asked.last)


def settings_of(n: int | None, settings: dict[str, Any]) -> GenerateSettings:
    """The `generate` section of `n` rows (None where `per` says how many) and the settings that `sample`
    takes.

    Raises:
        ConfigError: If one is wrong.
    """
    given = {**settings, **({} if n is None else {"rows": n})}
    section = Config().override({f"generate.{name}": value for name, value in given.items()}).generate
    if (n is None) != bool(section.per):
        told = "neither a number of rows nor per was" if n is None else f"both {n} rows and per were"
        raise ConfigError(
            f"{told} given; per says how many rows of each category.",
            "give one of the two: 1000 rows, say, or per='income=500'.",
        )
    return section


@dataclass(frozen=True)
class Asked:
    """Rows [first, last) of a model, as they are asked for: its settings, checked, and the sampler that is to
    draw them."""

    found: model_folder.Artifact
    settings: GenerateSettings
    wanted: selection.Selection | None
    first: int
    last: int

    @classmethod
    def of(cls, found: model_folder.Artifact, section: GenerateSettings) -> "Asked":
        """What a `generate` section asks of a model.

        Raises:
            ConfigError: If the two do not go together.
        """
        check_oversample(found, section)
        wanted = selection.select(found.codec, section.where, section.per)
        last = section.first_row + num_rows(section, wanted)
        found.codec.schema.check_ids(last)
        return cls(drawing_from(found, section.sampler), section, wanted, section.first_row, last)

    @property
    def law(self) -> dict[str, Any]:
        """What the row of a number depends on."""
        return self.settings.model_dump(include={*DRAWN_BY} - {"first_row"})

    def rows(self) -> "Rows":
        return Rows.of(self.found, self.settings, self.wanted)


def num_rows(settings: GenerateSettings, wanted: selection.Selection | None) -> int:
    """Rows of a generation.

    Raises:
        ConfigError: If it is to begin in the middle of strata.
    """
    if not wanted or not wanted.strata:
        return settings.rows
    if settings.first_row:
        message = (
            f"generate.first_row = {settings.first_row:,} and generate.per = '{settings.per}': "
            "how many rows precede depends on the categories."
        )
        raise ConfigError(message, "leave one of them out.")
    return wanted.num_rows


def drawing_from(found: model_folder.Artifact, sampler: str) -> model_folder.Artifact:
    """The model with its own sampler for "chosen", else with the one named.

    Raises:
        ConfigError: If the model has no such sampler.
    """
    name = found.sampler if sampler == "chosen" else sampler
    if name not in found.samplers:
        message = f"generate.sampler = '{name}': model '{found.uri}' has {', '.join(found.samplers)}."
        raise ConfigError(message, "name one of these, or leave it out to draw from the model's own choice.")
    return replace(found, sampler=name)


def check_oversample(found: model_folder.Artifact, settings: GenerateSettings) -> None:
    """Refuse `generate.oversample` where the model has no density ratio of the rows that are asked for.

    Args:
        found: The model as loaded, with its own sampler.
        settings: What is asked for.

    Raises:
        ConfigError: If it is above 1 and the model, or another setting, does not go with it.
    """
    if settings.oversample == 1:
        return
    _ratio(found, settings.oversample)
    given = {"where": settings.where.strip(), "per": settings.per.strip()}
    given["temperature"] = "" if settings.temperature == 1 else str(settings.temperature)
    given["sampler"] = "" if settings.sampler in ("chosen", found.sampler) else settings.sampler
    if others := [f"generate.{name} = {value!r}" for name, value in given.items() if value]:
        message = (
            f"generate.oversample = {settings.oversample} does not go with {', '.join(others)}: "
            "the density ratio that it chooses by"
        )
        raise ConfigError(
            f"{message} is of rows of sampler '{found.sampler}' at temperature 1 under no conditions.",
            "leave one of them out.",
        )


def _ratio(found: model_folder.Artifact, oversample: int) -> Ratio:
    if found.ratio:
        return found.ratio
    message = (
        f"generate.oversample = {oversample} chooses rows by a density ratio, and model "
        f"'{found.uri}' has none."
    )
    raise ConfigError(
        message,
        "delete the model and train it again with latent.density_ratio = true, or leave "
        "generate.oversample at 1.",
    )


class Rows:
    """Generated rows of a model, by their numbers.

    Args:
        found: The model.
        seed: Other seeds give other rows.
        temperature: The codes' logits are divided by it.
        wanted: What the rows must satisfy; None: nothing.
        laws: How those are drawn, as `sampling.conditional.explore` finds them if they are not given.
        oversample: Candidates for each row (see `oversampling`); 1: none are left out. More needs a model
            with a density ratio.
    """

    def __init__(
        self,
        found: model_folder.Artifact,
        seed: int,
        temperature: float = 1.0,
        wanted: selection.Selection | None = None,
        laws: list[selection.Law] | None = None,
        oversample: int = 1,
    ):
        from raygen.sampling.conditional import Conditional, explore
        from raygen.sampling.decoder import Decoder, decoder_of
        from raygen.sampling.oversampling import Oversampled
        from raygen.sampling.row_blocks import BLOCK_ROWS
        from raygen.sampling.turn_decoder import TurnDecoder

        self.codec, self.block_rows, self.seed = found.codec, BLOCK_ROWS, seed
        self.schema = found.codec.schema.output
        self.blocks = wanted.blocks if wanted else row_blocks.blocks
        network, sampler = found.network(), found.samplers[found.sampler]
        self.decoder: Decoder | TurnDecoder | Conditional | Oversampled
        if wanted:
            laws = laws or explore(network, sampler, temperature, wanted)
            self.decoder = Conditional(network, sampler, seed, temperature, wanted, laws)
        else:
            self.decoder = decoder_of(network, sampler, seed, temperature)
            if oversample > 1:
                self.decoder = Oversampled(self.decoder, _ratio(found, oversample), seed, oversample)
        self.last = 0, self.decoder.block(0)  # traces the graph

    @classmethod
    def of(
        cls,
        found: model_folder.Artifact,
        settings: GenerateSettings,
        wanted: selection.Selection | None,
        laws: list[selection.Law] | None = None,
    ) -> "Rows":
        """The rows that `[generate]` asks for."""
        return cls(found, settings.seed, settings.temperature, wanted, laws, settings.oversample)

    def table(self, first: int, last: int) -> pa.Table:
        """Rows [first, last), the same whichever rows are asked for with them.

        Raises:
            ConfigError: If they are far too many for the memory.
        """
        shape = last - first, self.codec.num_columns
        try:
            codes, position = np.empty(shape, np.int32), np.empty(shape, np.float32)
        except MemoryError:
            message = f"{last - first:,} rows do not fit in this process's memory."
            raise ConfigError(message, "let raygen.generate(model, rows=...) write them to files.") from None
        at = 0
        for number, start, stop in self.blocks(first, last, self.block_rows):
            rows = slice(at, at := at + stop - start)
            if number != self.last[0]:
                self.last = (
                    number,
                    self.decoder.block(number),
                )  # where one table ends the next one begins, often inside a block
            codes[rows], position[rows] = (drawn[start:stop] for drawn in self.last[1])
        return self.codec.decode(codes, position, first, self.seed)
