"""A config as commented TOML, and settings as TOML."""

import json
import re

from raygen.config import Config
from raygen.config_search import SearchSettings
from raygen.config_sections import RelationSettings

TITLES = {
    "run": "where everything of this run goes",
    "data": "the table to learn",
    "schema": "how columns become codes",
    "privacy": "what of the table a model may hold",
    "model": "the network",
    "train": "Ray Train",
    "latent": "the law that z is drawn from",
    "search": "Ray Tune",
    "generate": "Ray Data",
    "evaluate": "scores and report",
}
TABLES = ("schema.columns", "schema.relations", "search.space")  # settings that come last in their section


def render(config: Config, kinds: dict[str, str], types: dict[str, str], notes: dict[str, str]) -> str:
    """A config as commented TOML, with the kind of each column."""
    lines = ["# A raygen config. Learn the table: raygen train THIS; write rows: raygen generate THIS.", ""]
    for field, info in Config.model_fields.items():
        section = info.alias or field
        lines.append(f"[{section}]  # {TITLES[section]}")
        for name, setting in type(getattr(config, field)).model_fields.items():
            if f"{section}.{name}" not in TABLES:
                lines.append(
                    f"{name} = {_value(getattr(getattr(config, field), name))}  # {setting.description}"
                )
        if section == "schema" and config.schema_.relations == []:
            lines.append("relations = []  # nothing was found that ties columns")
        lines.append("")
        if section == "schema":
            lines.append(
                "[schema.columns]  # numeric, categorical, boolean, datetime, id (numbered anew), fake "
                "(made up) or drop (left out)"
            )
            for name, kind in kinds.items():
                comment = ": ".join(filter(None, [types.get(name), notes.get(name)]))
                comment = "".join(
                    c if c.isprintable() else " " for c in comment
                )  # names inside a struct may hold anything
                lines.append(f"{_key(name)} = {_value(kind)}" + (f"  # {comment}" if comment else ""))
            lines += ["", *_relations(config.schema_.relations)]
        if section == "search":
            lines.append(f"[search.space]  # {SearchSettings.model_fields['space'].description}")
            for key, domain in config.search.space.items():
                setting = ", ".join(f"{kind} = {_value(values)}" for kind, values in domain.items())
                home, _, name = key.partition(".")
                described = {
                    f.alias or n: type(f.default).model_fields for n, f in Config.model_fields.items()
                }[home][name].description
                lines.append(f"{_value(key)} = {{ {setting} }}  # {described}")
            lines.append("")
    return "\n".join(lines)


def _relations(relations: list[RelationSettings] | None) -> list[str]:
    """A table of the config for each relation."""
    lines: list[str] = []
    for one in relations or ():
        lines.append("[[schema.relations]]")
        settings = one.model_dump(by_alias=True, exclude_defaults=True)
        lines += [f"{name} = {_value(value)}" for name, value in settings.items()]
        lines.append("")
    return lines


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if bare else _value(name)


def _value(value: object) -> str:
    """A setting as TOML, which is JSON but for one character and for tables."""
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(name)} = {_value(one)}" for name, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def as_toml(params: dict) -> str:
    """Dotted settings as sections of a config."""
    sections: dict[str, list[str]] = {}
    for dotted, value in params.items():
        section, _, name = dotted.partition(".")
        name, dot, column = name.partition(".")
        quoted = column if re.fullmatch(r"[\w-]*", column, re.ASCII) else json.dumps(column)
        sections.setdefault(section, []).append(f"{name}{dot}{quoted} = {json.dumps(value)}")
    return "\n".join(line for section, entries in sections.items() for line in (f"[{section}]", *entries))
