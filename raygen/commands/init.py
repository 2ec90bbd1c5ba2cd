"""`raygen init`: a commented config for a table, with its inferred kinds."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from raygen import storage
from raygen.commands.facts import facts
from raygen.config import Config
from raygen.config_sections import SchemaSettings
from raygen.config_toml import render
from raygen.errors import OutputError
from raygen.fakes import looks
from raygen.relations.counts import often
from raygen.relations.sample import find
from raygen.relations.ties import Finding
from raygen.report.redrawn import Say
from raygen.table import arrow
from raygen.table.protection import MADE_UP, Protection
from raygen.table.schema import Schema, check_rows, infer
from raygen.table.source import Source
from raygen.training.protection import protection_of

MANY_RARE = 0.02  # of the rows


def init(source: str, out: str = "raygen.toml", force: bool = False, say: Say = print) -> Path:
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
    name = (
        path.stem
        if path.stem != "raygen"
        else Path(storage.split(source)[0].rstrip("/")).name.split(".")[0] or "table"
    )
    found = looked(Config().override({"data.source": source, "run.folder": f"runs/{name}"}))
    with storage.writing(out):
        path.write_text(render(found.config, found.kinds, found.described, found.notes), encoding="utf-8")
    for line in found.lines:
        say(line)
    return path


@dataclass(frozen=True)
class Looked:
    """What a look at a table tells: the config with the kinds of its columns and its relations, a few words
    on each column, and where a guess deserves a look."""

    config: Config
    kinds: dict[str, str]
    described: dict[str, str]
    notes: dict[str, str]
    findings: list[Finding]

    @property
    def lines(self) -> list[str]:
        notes = [f"Note: {column} = {self.kinds[column]!r}: {note}" for column, note in self.notes.items()]
        return notes + [
            f"Relation: {one.relation.column} {one.relation.phrase}, {often(one.holds, one.breaks)} looked at"
            for one in self.findings
        ]


def looked(config: Config) -> Looked:
    """Look at a config's table; what the config says of columns and relations stays.

    Raises:
        SchemaError: If the source cannot be read, or has no column that the config names.
    """
    source = config.data.source
    opened = Source.open(source)
    table = opened.head()
    check_rows(table.num_rows, source)
    inferred, notes = infer(table, opened.doubts)
    fakes = {c: p for c, p in looks.proposals(table).items() if c not in config.schema_.columns}
    for column, provider in fakes.items():
        inferred[column] = "fake"
        notes[column] = f"looks like {looks.SAID[provider]}; made up, nothing of it is learned"
    config = config.override({"schema.fake": {**fakes, **config.schema_.fake}})
    kinds: dict[str, str] = {**inferred, **config.schema_.columns}
    schema = Schema.of(opened.schema, kinds, source)
    notes = {column: note for column, note in notes.items() if kinds[column] == inferred[column]}
    protection = protection_of(config, schema)
    many, rare = _many(table, kinds, config.schema_), _rare(table, kinds, protection)
    for column, note in [*many.items(), *rare.items()]:
        notes[column] = "; ".join(filter(None, [notes.get(column), note]))
    findings: list[Finding] = []
    if config.schema_.relations is None and config.schema_.find_relations:
        findings = find(schema, opened.spread(), config.run.seed, protection)
        named = [
            {"column": f.relation.column, "is": f.relation.text, "holds": f.relation.holds} for f in findings
        ]
        config = config.override({"schema.relations": named})
    described = {field.name: _described(table, field, protection.of(field.name)) for field in opened.schema}
    return Looked(config.override({"schema.columns": kinds}), kinds, described, notes, findings)


def _many(table: pa.Table, kinds: dict[str, str], settings: SchemaSettings) -> dict[str, str]:
    """A few words on each column of more categories than have a code each."""
    found = {}
    for name in (name for name, kind in kinds.items() if kind == "categorical"):
        distinct = len(pc.unique(arrow.plain(table[name])).drop_null())
        most = settings.limits.get(name, settings.max_categories)
        if distinct > most:
            found[name] = (
                f"{distinct:,} categories, of which the rare ones share codes and lose what they have to do "
                f"with other columns: give the column more than {most} with schema.limits.{name}"
            )
    return found


def _rare(table: pa.Table, kinds: dict[str, str], protection: Protection) -> dict[str, str]:
    """A few words on each column of which many rows have a category that few others have."""
    found = {}
    for name in (name for name, kind in kinds.items() if kind == "categorical"):
        least = protection.of(name)
        counts = pc.value_counts(arrow.plain(table[name]).drop_null()).field("counts").to_numpy()
        rows = int(counts[counts < least].sum())
        if rows > MANY_RARE * table.num_rows:
            instead = "frequent ones" if (counts >= least).any() else MADE_UP
            found[name] = (
                f"{int((counts < least).sum()):,} of {len(counts):,} categories have fewer than {least} of "
                f"{table.num_rows:,} rows, together {100 * rows / table.num_rows:.3g} %: a model holds none "
                f"of them (privacy.min_rows) and draws {instead} instead; if they are no secret, name the "
                "column in privacy.public"
            )
    return found


def _described(table: pa.Table, field: pa.Field, min_rows: int) -> str:
    """Type and facts of a column, for its line in the config."""
    return ", ".join(filter(None, [str(field.type), facts(table[field.name], min_rows)]))
