"""The search space: which settings are searched, and over which values; checked before anything starts."""

import itertools
import json
from dataclasses import dataclass
from typing import Any

from raygen.config import RESOURCES, Config
from raygen.errors import ConfigError, did_you_mean, listed

SECTIONS = ("schema", "model", "train", "latent")  # what a model depends on
FIXED = (*(f"train.{name}" for name in RESOURCES), "train.holdout")
WHOLE = ("integer", "log_integer")
DOMAINS = ("choice", "uniform", "log_uniform", *WHOLE)
GOLDEN = (3 - 5**0.5) / 2  # where a range is tried between its ends: a setting of whole numbers refuses it
ENCODINGS = 8  # tables that a search may encode
CORNERS = 4096  # combinations of the space's ends that are checked


@dataclass(frozen=True)
class Space:
    """Settings to search.

    Attributes:
        domains: By dotted setting, (kind, values): the choices, or both ends of a range, which belong to it.
    """

    domains: dict[str, tuple[str, list[Any]]]

    @classmethod
    def of(cls, config: Config) -> "Space":
        """The space of `search.space`.

        Raises:
            ConfigError: Naming the first setting that is unknown, has no values or an impossible one, or
                cannot be searched.
        """
        domains = {key: _domain(key, rule) for key, rule in config.search.space.items()}
        if not domains:
            raise ConfigError(
                "search.space is empty.",
                'write [search.space] with a line such as "model.latent_dim" = {choice = [8, 16, 32]}.',
            )
        space = cls(domains)
        for key, (kind, values) in domains.items():
            _check_setting(key, config)
            inside = (
                [] if kind == "choice" or kind in WHOLE else [values[0] + GOLDEN * (values[1] - values[0])]
            )
            for value in (*values, *inside):
                try:
                    config.override({key: value})
                except ConfigError as error:
                    raise ConfigError(f"search.space.'{key}': {error.message}", error.hint) from None
            if kind in WHOLE and any(v != int(v) for v in values):
                raise ConfigError(
                    f"search.space.'{key}' = {{{kind} = {values}}}: expected whole numbers.",
                    "use uniform or log_uniform.",
                )
        if len(space.encodings()) > ENCODINGS:
            hint = "search fewer of the schema's settings at once."
            raise ConfigError(
                f"search.space has {len(space.encodings())} combinations of schema settings; "
                f"{ENCODINGS} can be encoded.",
                hint,
            )
        if config.search.algorithm == "grid":
            space._check_grid(config)
        return space

    def corners(self) -> list[dict[str, Any]]:
        """Points made of choices and of the ends of ranges, the first CORNERS of them."""
        ends = [[(key, v) for v in values] for key, (_, values) in self.domains.items()]
        return [dict(point) for point in itertools.islice(itertools.product(*ends), CORNERS)]

    def encodings(self) -> list[dict[str, Any]]:
        """Every combination of the searched schema settings: each needs the table encoded in its own way."""
        choices = [
            [(key, v) for v in values]
            for key, (_, values) in self.domains.items()
            if key.startswith("schema.")
        ]
        return [dict(point) for point in itertools.product(*choices)]

    def own(self, config: Config) -> dict[str, Any]:
        """The config's own value of each searched setting."""
        settings = config.to_dict()
        return {key: settings[key.partition(".")[0]][key.partition(".")[2]] for key in self.domains}

    def holds(self, point: dict[str, Any]) -> bool:
        """Whether each value lies in its domain."""
        ends = ((point[key], kind, values) for key, (kind, values) in self.domains.items())
        return all(
            value in values if kind == "choice" else values[0] <= value <= values[1]
            for value, kind, values in ends
        )

    def labels(self, point: dict[str, Any]) -> dict[str, Any]:
        """A point as a searcher sees it: a choice by its JSON text, since searchers want values that can be
        compared and hashed."""
        choices = {
            key: values[values.index(point[key])]
            for key, (kind, values) in self.domains.items()
            if kind == "choice"
        }  # 1 for 1.0
        return point | {key: json.dumps(value) for key, value in choices.items()}

    def values(self, labels: dict[str, Any]) -> dict[str, Any]:
        """The point that `labels` made, with plain numbers."""
        kinds = {key: kind for key, (kind, _) in self.domains.items()}
        read: dict[str, Any] = {"choice": json.loads, **dict.fromkeys(WHOLE, int)}
        return {key: read.get(kinds[key], float)(label) for key, label in labels.items()}

    def grid_size(self) -> int:
        size = 1
        for _, values in self.domains.values():
            size *= len(values)
        return size

    def to_dict(self) -> dict:
        return {key: {kind: values} for key, (kind, values) in self.domains.items()}

    def _check_grid(self, config: Config) -> None:
        for key, (kind, values) in self.domains.items():
            if kind != "choice":
                raise ConfigError(
                    f"search.space.'{key}' = {{{kind} = {values}}}: a grid is made of choices.",
                    "list values, as {choice = [...]}.",
                )
        if self.grid_size() != config.search.trials:
            message = (
                f"search.trials = {config.search.trials}, and the grid of search.space has "
                f"{self.grid_size()} points."
            )
            raise ConfigError(
                message, f"set search.trials = {self.grid_size()}, or search.algorithm = 'random'."
            )


def _domain(key: str, rule: Any) -> tuple[str, list[Any]]:
    where = f"search.space.'{key}'"
    if not isinstance(rule, dict) or len(rule) != 1:
        raise ConfigError(
            f"{where} = {json.dumps(rule, default=str)}: expected one of {listed(list(DOMAINS))}.",
            "write it as {choice = [8, 16, 32]}.",
        )
    [(kind, values)] = rule.items()
    if kind not in DOMAINS:
        raise ConfigError(f"{where}: unknown domain '{kind}'.", did_you_mean(kind, DOMAINS))
    if not isinstance(values, list) or not values:
        raise ConfigError(
            f"{where} = {{{kind} = {json.dumps(values, default=str)}}}: expected a list of values.",
            "name at least one value.",
        )
    if kind == "choice":
        if len({json.dumps(v) for v in values}) < len(values):
            raise ConfigError(
                f"{where} = {{choice = {values}}} names a value twice.", "name each value once."
            )
        return kind, values
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    if not numbers or len(values) != 2 or not values[0] < values[1]:
        raise ConfigError(
            f"{where} = {{{kind} = {values}}}: expected [low, high] with low below high.",
            "swap or mend the ends.",
        )
    if kind.startswith("log") and values[0] <= 0:
        raise ConfigError(
            f"{where} = {{{kind} = {values}}}: a logarithmic range starts above 0.",
            f"use {kind.removeprefix('log_')}.",
        )
    if key.startswith("schema."):
        raise ConfigError(
            f"{where} = {{{kind} = {values}}}: each value needs the table encoded anew.",
            "list a few values, as {choice = [64, 128]}.",
        )
    return kind, values


def _check_setting(key: str, config: Config) -> None:
    section, _, name = key.partition(".")
    settings = config.to_dict()
    known = [f"{s}.{k}" for s in SECTIONS for k in settings[s] if k != "columns" and f"{s}.{k}" not in FIXED]
    if key in known:
        return
    exists = name in settings.get(section, {}) or key.startswith("schema.columns.")
    message = (
        f"search.space.'{key}' cannot be searched." if exists else f"search.space.'{key}': unknown setting."
    )
    raise ConfigError(message, f"search one of: {listed(known, 40)}." if exists else did_you_mean(key, known))
