"""`raygen init`: a commented config for a table, with its inferred kinds."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from raygen import storage
from raygen.config import Config
from raygen.config_toml import render
from raygen.errors import OutputError
from raygen.fakes import looks
from raygen.relations.counts import often
from raygen.relations.sample import find
from raygen.table import arrow
from raygen.table.facts import facts
from raygen.table.schema import Schema, check_rows, infer
from raygen.table.source import Source


def init(source: str, out: str = "raygen.toml", force: bool = False, say=print) -> Path:
    """Look at a table and write a config to edit; say where a guess deserves a look.

    Args:
        source: Parquet, CSV, JSON Lines or Feather, a file or a folder.
        out: The TOML file to write.
        force: Replace it if it exists.
        say: Called with each line of what there is to say.

    Raises:
        SchemaError: If the source cannot be read.
        OutputError: If `out` exists or cannot be written.
    """
    path = Path(out)
    if path.exists() and not force:
        raise OutputError(
            f"'{out}' exists already.", "choose another file with -o, or replace it with --force."
        )
    opened = Source.open(source)
    table = opened.head()
    check_rows(table.num_rows, source)
    kinds, notes = infer(table, opened.doubts)
    fakes = looks.proposals(table)
    for column, provider in fakes.items():
        kinds[column] = "fake"
        notes[column] = f"looks like {looks.SAID[provider]}; made up, nothing of it is learned"
    for column, note in _many(table, kinds, Config().schema_.max_categories).items():
        notes[column] = "; ".join(filter(None, [notes.get(column), note]))
    schema = Schema.of(opened.schema, kinds, source)
    name = (
        path.stem
        if path.stem != "raygen"
        else Path(storage.split(source)[0].rstrip("/")).name.split(".")[0] or "table"
    )
    config = Config().override({"data.source": source, "run.folder": f"runs/{name}", "schema.fake": fakes})
    findings = find(schema, opened.spread(), config.run.seed)
    named = [
        {"column": f.relation.column, "is": f.relation.text, "holds": f.relation.holds} for f in findings
    ]
    config = config.override({"schema.relations": named})
    with storage.writing(out):
        path.write_text(
            render(config, kinds, {f.name: _described(table, f) for f in opened.schema}, notes),
            encoding="utf-8",
        )
    for column, note in notes.items():
        say(f"Note: {column} = {kinds[column]!r}: {note}")
    for finding in findings:
        one = finding.relation
        say(f"Relation: {one.column} {one.phrase}, {often(finding.holds, finding.breaks)} looked at")
    return path


def _many(table: pa.Table, kinds: dict[str, str], most: int) -> dict[str, str]:
    """A few words on each column of more categories than have a code each."""
    found = {}
    for name in (name for name, kind in kinds.items() if kind == "categorical"):
        distinct = len(pc.unique(arrow.plain(table[name])).drop_null())
        if distinct > most:
            found[name] = (
                f"{distinct:,} categories, of which the rare ones share codes and lose what they have to do "
                f"with other columns: give the column more than {most} with schema.limits.{name}"
            )
    return found


def _described(table: pa.Table, field: pa.Field) -> str:
    """Type and facts of a column, for its line in the config."""
    return ", ".join(filter(None, [str(field.type), facts(table[field.name])]))
