"""`raygen init`: a commented config for a table, with its inferred kinds."""

import json
from pathlib import Path

from raygen import storage
from raygen.config import Config, Search
from raygen.errors import OutputError
from raygen.schema import Schema, check_rows, infer
from raygen.source import Source

TITLES = {
    "run": "where everything of this run goes",
    "data": "the table to learn",
    "schema": "how columns become codes",
    "model": "the network",
    "train": "Ray Train",
    "latent": "the law that z is drawn from",
    "search": "Ray Tune",
    "generate": "Ray Data",
    "evaluate": "scores and report",
}


def init(source: str, out: str = "raygen.toml", force: bool = False) -> Path:
    """Look at a table and write a config to edit.

    Args:
        source: Parquet or CSV, a file or a folder.
        out: The TOML file to write.
        force: Replace it if it exists.

    Raises:
        SchemaError: If the source cannot be read.
        OutputError: If `out` exists or cannot be written.
    """
    path = Path(out)
    if path.exists() and not force:
        raise OutputError(f"'{out}' exists already.", "choose another file with -o, or replace it with --force.")
    opened = Source.open(source)
    table = opened.head()
    check_rows(table.num_rows, source)
    kinds, notes = infer(table)
    Schema.of(opened.schema, kinds, source)
    name = path.stem if path.stem != "raygen" else Path(storage.split(source)[0].rstrip("/")).name.split(".")[0] or "table"
    config = Config().override({"data.source": source, "run.folder": f"runs/{name}"})
    with storage.writing(out):
        path.write_text(render(config, kinds, {f.name: str(f.type) for f in opened.schema}, notes), encoding="utf-8")
    return path


def render(config: Config, kinds: dict[str, str], types: dict[str, str], notes: dict[str, str]) -> str:
    """A config as commented TOML, with the kind of each column."""
    lines = ["# A raygen config. Learn the table: raygen train THIS; write rows: raygen generate THIS.", ""]
    for field, info in Config.model_fields.items():
        section = info.alias or field
        lines.append(f"[{section}]  # {TITLES[section]}")
        for name, setting in type(getattr(config, field)).model_fields.items():
            if name not in ("columns", "space"):
                lines.append(f"{name} = {_value(getattr(getattr(config, field), name))}  # {setting.description}")
        lines.append("")
        if section == "schema":
            lines.append("[schema.columns]  # numeric, categorical, boolean, datetime, id (numbered anew) or drop (left out)")
            for name, kind in kinds.items():
                comment = ": ".join(filter(None, [types.get(name), notes.get(name)]))
                comment = "".join(c if c.isprintable() else " " for c in comment)  # names inside a struct may hold anything
                lines.append(f"{_key(name)} = {_value(kind)}" + (f"  # {comment}" if comment else ""))
            lines.append("")
        if section == "search":
            lines.append(f"[search.space]  # {Search.model_fields['space'].description}")
            for key, domain in config.search.space.items():
                setting = ", ".join(f"{kind} = {_value(values)}" for kind, values in domain.items())
                home, _, name = key.partition(".")
                described = {f.alias or n: type(f.default).model_fields for n, f in Config.model_fields.items()}[home][name].description
                lines.append(f"{_value(key)} = {{ {setting} }}  # {described}")
            lines.append("")
    return "\n".join(lines)


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if bare else _value(name)


def _value(value) -> str:
    """A setting as TOML, which is JSON but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
