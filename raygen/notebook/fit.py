"""`raygen.fit`: learn a table in one call, as `raygen init` and `raygen train` do."""

from typing import Any

from raygen import uris
from raygen.commands import init
from raygen.config import Config, Function, with_settings
from raygen.errors import ConfigError, did_you_mean
from raygen.notebook import given
from raygen.notebook.model import Model
from raygen.report import redrawn
from raygen.report.redrawn import Say
from raygen.training import driver as training
from raygen.training.job import AFTERWARDS

SECTIONS = {info.alias or field: type(info.default) for field, info in Config.model_fields.items()}
GIVEN = ("run.folder", "data.source")  # by arguments of their own
NAMES = [
    (section, name)
    for section, settings in SECTIONS.items()
    if section not in AFTERWARDS
    for name in settings.model_fields
    if f"{section}.{name}" not in GIVEN
]
HOMES = {name: f"{section}.{name}" for section, name in reversed(NAMES)}  # of two of a name, the first


def _with_all_settings(function: Function) -> Function:
    for section in dict.fromkeys(home.partition(".")[0] for home in HOMES.values()):
        names = [name for name, home in HOMES.items() if home.startswith(f"{section}.")]
        function = with_settings(SECTIONS[section], names)(function)
    return function


@_with_all_settings
def fit(data: Any, folder: str, say: Say = print, **settings: Any) -> Model:
    """Learn a table, as `raygen init` and then `raygen train` do.

    Running it again with the same rows and settings resumes an unfinished training, and returns at once for a
    finished one.

    Args:
        data: A pandas DataFrame, a pyarrow.Table, a ray.data.Dataset, or a path or URI. Rows in memory are
            written to Parquet, in `data/` of the run folder.
        folder: The run folder, a path or URI.
        say: Called with each line of progress.
        settings: Those of a config that training depends on, by their names (`steps=1000`), in full
            (`**{"train.steps": 1000}`), or by their section (`train={"steps": 1000}`).

    Raises:
        ConfigError: If a setting is unknown or has an impossible value.
        SchemaError: If there are no rows to learn.
        RaygenError: With a hint, for whatever the user can mend.
    """
    config = Config().override(dotted(settings) | {"run.folder": uris.absolute(folder)})
    say = redrawn.teller(say)
    source = given.source_of(data, config.run.folder, say)
    found = init.looked(config.override({"data.source": source}))
    for line in found.lines:
        say(line)
    model = Model(training.train(found.config, say))
    redrawn.finish(say)
    return model


def dotted(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings by their full names.

    Raises:
        ConfigError: If one is none of training's, or a section is not given as its settings.
    """
    full: dict[str, Any] = {}
    for name, value in settings.items():
        if name in SECTIONS and isinstance(value, dict):
            full |= {f"{name}.{key}": one for key, one in value.items()}
        elif name in HOMES or "." in name:
            full[HOMES.get(name, name)] = value
        elif name in SECTIONS:
            first = next(iter(SECTIONS[name].model_fields))
            message = f"{name} = {value!r}: expected a dict of the settings of [{name}]."
            raise ConfigError(message, f"write {name}={{'{first}': ...}}.")
        else:
            raise ConfigError(f"fit() has no setting '{name}'.", did_you_mean(name, [*HOMES, *SECTIONS]))
    return full
