"""The settings of a run: one TOML file, one frozen object, every default in one place."""

import functools
import inspect
import json
import re
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo

from raygen import uris
from raygen.config_privacy import PrivacySettings
from raygen.config_search import SearchSettings
from raygen.config_sections import (
    DataSettings,
    EvaluateSettings,
    GenerateSettings,
    LatentSettings,
    ModelSettings,
    RunSettings,
    SchemaSettings,
    TrainSettings,
)
from raygen.config_types import Section
from raygen.errors import ConfigError, did_you_mean

PACKED = ("", ".gz", ".bz2", ".zst")
TABLES = (  # endings of what is no config
    *(".parquet", ".pq", ".feather", ".arrow", ".ipc", ".json"),
    *(f".{text}{packed}" for text in ("csv", "tsv", "jsonl", "ndjson") for packed in PACKED),
)
BY_COLUMN = ("schema.columns", "schema.limits", "schema.fake", "privacy.columns", "privacy.rare")
SHOWN = 200  # signs of a wrong value
RESOURCES = (
    "num_workers",
    "use_gpu",
    "cpus_per_worker",
    "micro_batch_size",
    "memory_gib",
    "max_failures",
)  # of training; no model depends on them


Function = TypeVar("Function", bound=Callable)


class Config(Section):
    """All settings; sections are attributes: `config.model.latent_dim`."""

    run: RunSettings = RunSettings()
    data: DataSettings = DataSettings()
    schema_: SchemaSettings = Field(default=SchemaSettings(), alias="schema")
    privacy: PrivacySettings = PrivacySettings()
    model: ModelSettings = ModelSettings()
    train: TrainSettings = TrainSettings()
    latent: LatentSettings = LatentSettings()
    search: SearchSettings = SearchSettings()
    generate: GenerateSettings = GenerateSettings()
    evaluate: EvaluateSettings = EvaluateSettings()

    def __init__(self, /, **settings: Any) -> None:
        """Check sections of settings, as in `Config(run={"folder": "runs/mine"})`.

        Raises:
            ConfigError: If a setting is unknown or has an impossible value.
        """
        try:
            super().__init__(**_with_decoder(settings))
        except ValidationError as error:
            raise _first_mistake(error) from None

    @classmethod
    def from_dict(cls, settings: dict) -> "Config":
        """The config of nested settings, as read from TOML or JSON.

        Raises:
            ConfigError: If a setting is unknown or has an impossible value.
        """
        return cls(**settings)

    @classmethod
    def load(cls, path: str, overrides: Iterable[str] = ()) -> "Config":
        """Read a TOML file and apply `section.key=value` overrides.

        A relative `data.source` or `run.folder` is taken from the working directory, as on a command line.

        Raises:
            ConfigError: If the file is missing, is not TOML, or holds a wrong setting.
        """
        if str(path).lower().endswith(TABLES):
            raise ConfigError(
                f"'{path}' is a table, and a config is wanted.",
                f"raygen init {path} writes one, raygen.toml, to look at and to name here.",
            )
        try:
            settings = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(
                f"config file '{path}' cannot be read: {reason}.", "raygen init DATA writes one."
            ) from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(
                f"config file '{path}' is not valid TOML: {error}.", "mend that line."
            ) from None
        return cls.from_dict(settings).override(dict(map(parse_override, overrides)))

    def override(self, settings: dict[str, Any]) -> "Config":
        """A copy with dotted settings replaced, as in `{"model.latent_dim": 8}` or `{"schema.columns.age":
        "numeric"}`.

        Raises:
            ConfigError: If a setting is unknown or has an impossible value.
        """
        nested = self.to_dict()
        if settings.get("schema.numeric") and "model.decoder" not in settings:
            del nested["model"]["decoder"]  # it follows from the kind of numbers
        for key, value in settings.items():
            section, _, name = key.partition(".")
            if not name:
                raise ConfigError(
                    f"unknown setting '{key}'.", "write it as section.key, such as train.steps=1000."
                )
            table, _, column = name.partition(".")
            if f"{section}.{table}" in BY_COLUMN and column:
                nested[section][table][column] = value
            else:
                nested.setdefault(section, {})[name] = value
        return self.from_dict(nested)

    def settled(self) -> "Config":
        """The config with absolute paths.

        Raises:
            ConfigError: If there is no run folder.
        """
        if not self.run.folder:
            raise ConfigError(
                "run.folder is not set.", 'set it to an empty folder, such as run.folder = "runs/census".'
            )
        return self.override(
            {"run.folder": uris.absolute(self.run.folder), "data.source": uris.absolute(self.data.source)}
        )

    def to_dict(self) -> dict:
        return self.model_dump(by_alias=True)


def with_settings(section: type[Section], names: Iterable[str] = ()) -> Callable[[Function], Function]:
    """Shows the `**settings` of a function by name and type, in `help` and to completion.

    Args:
        section: Whose settings they are.
        names: Of the settings, each with its default; if empty, all that the function does not take by name,
            which are None where a config says what they are.
    """

    def decorated(function: Function) -> Function:
        signature = inspect.signature(function)
        parameters = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        for name in names or section.model_fields:
            if name not in signature.parameters:
                parameters.append(_parameter(name, section.model_fields[name], with_default=bool(names)))
        function.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return function

    return decorated


def refusing_others(function: Function) -> Function:
    """Makes a keyword that a function does not take a mistake that is told as that of a setting.

    Raises:
        ConfigError: In place of a TypeError, naming the keyword and the nearest that there is.
    """
    parameters = inspect.signature(function).parameters
    choice = [name for name, one in parameters.items() if one.default is not one.empty]

    @functools.wraps(function)
    def checked(*args: Any, **settings: Any) -> Any:
        for name in settings:
            if name not in parameters:
                message = f"{function.__name__}() has no setting '{name}'."
                raise ConfigError(message, did_you_mean(name, choice))
        return function(*args, **settings)

    return checked  # type: ignore[return-value]


def _parameter(name: str, setting: FieldInfo, with_default: bool) -> inspect.Parameter:
    kind, annotation = inspect.Parameter.KEYWORD_ONLY, setting.annotation
    if with_default:
        default = setting.get_default(call_default_factory=True)
        return inspect.Parameter(name, kind, default=default, annotation=annotation)
    return inspect.Parameter(name, kind, default=None, annotation=annotation | None)  # type: ignore[operator]


def parse_override(text: str) -> tuple[str, Any]:
    """`"train.steps=100"` to `("train.steps", 100)`: the value is TOML, or a bare word."""
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"override '{text}' has no value.", "write --set section.key=value.")
    try:
        found = tomllib.loads(f"x = {value}")
    except tomllib.TOMLDecodeError:
        found = {"x": value.strip()}
    except RecursionError:
        raise ConfigError(f"override '{key}' is nested too deeply.", "write a plain value.") from None
    if len(found) > 1 or "\n" in key or (isinstance(found["x"], str) and "\n" in value):
        raise ConfigError(
            f"override {text!r} holds more than a value.", "write --set section.key=value for each setting."
        )
    return key.strip(), found["x"]


def _with_decoder(settings: dict) -> dict:
    """Settings whose decoder is independent where numbers have Gaussian heads.

    Raises:
        ConfigError: If an autoregressive one is asked for there.
    """
    schema, model = settings.get("schema"), settings.get("model", {})
    if not isinstance(schema, dict) or not isinstance(model, dict) or schema.get("numeric") != "gaussian":
        return settings
    if model.get("decoder", "independent") == "autoregressive":
        message = "model.decoder = 'autoregressive' does not go with schema.numeric = 'gaussian'."
        raise ConfigError(message, "set model.decoder = 'independent', or schema.numeric = 'bars'.")
    return settings | {"model": {"decoder": "independent"} | model}


def _first_mistake(error: ValidationError) -> ConfigError:
    mistake = error.errors()[0]
    dotted = ".".join(map(str, mistake["loc"]))
    section, *inner = map(str, mistake["loc"])
    sections = {f.alias or name: type(f.default).model_fields for name, f in Config.model_fields.items()}
    if isinstance(refused := mistake.get("ctx", {}).get("error"), ConfigError):
        return ConfigError(f"{dotted} = {refused.message}", refused.hint)
    if mistake["type"] == "extra_forbidden":
        homes = [
            f"{s}.{section}" for s, settings in sections.items() if section in settings
        ]  # it stands above the first [section]
        hint = did_you_mean(section, homes or sections)
        if inner:
            hint = did_you_mean(inner[-1], sections[section]).replace("mean '", f"mean '{section}.")
        return ConfigError(f"unknown setting '{dotted}'.", hint)
    value = json.dumps(mistake["input"], default=str, ensure_ascii=False)
    value = value if len(value) <= SHOWN else f"{value[:SHOWN]} ..."
    expected = re.sub("^Input should be (greater|less)", r"a value \1", mistake["msg"]).removeprefix(
        "Input should be "
    )
    expected = re.sub("^List should have (.*) after validation.*", r"\1", expected)
    if mistake["type"] == "literal_error":
        hint = did_you_mean(str(mistake["input"]), re.findall("'(.*?)'", expected))
    elif inner:
        setting = sections[section][inner[0]]
        hint = (
            f"{setting.description} (default {json.dumps(setting.get_default(call_default_factory=True))})."
        )
    else:
        hint = f"write its settings under [{section}]."
    return ConfigError(f"{dotted} = {value}: expected {expected}.", hint)
