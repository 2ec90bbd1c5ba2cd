"""The real rows of an evaluation: those that synthetic rows are compared with, and others that they were made
without."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from raygen import rng
from raygen.codec import row_hash
from raygen.config import Config
from raygen.errors import SchemaError, did_you_mean
from raygen.fakes import declared
from raygen.metrics.row_codes import shared_codes, take
from raygen.model import folder as model_folder
from raygen.table import split
from raygen.table.schema import Schema, check_rows
from raygen.table.source import Source

FEW_ROWS = 500
CHOSE_MODEL = (
    "The held-out rows also chose the weights that were kept and the latent sampler, so they are not quite "
    "unseen; evaluate.holdout names others, and data.test keeps others back from the next training."
)
TESTED = "The unseen rows were kept back by data.test: no step and no choice has seen them."
CHANGED = (
    "The source has changed since the model was trained, so its held-out rows are not known and copying "
    "cannot be told."
)
NONE_UNSEEN = (
    "No real rows are known that the synthetic ones were made without (evaluate.holdout), so copying cannot "
    "be told."
)


@dataclass(frozen=True)
class RealRows:
    """Real rows: those that synthetic ones are compared with, and others.

    Attributes:
        path: Where they came from.
        table, holdout: Arrow tables of the schema's learned columns; `holdout` may be empty.
        kinds, all_kinds: Kind of each learned column, and of every column.
        schema: Of the source.
        has_unseen: Whether the synthetic rows were made without `holdout`.
        chose_model: Whether `holdout` helped to choose the model, though it did not learn from it.
        people: Whose each row of `table` and of `holdout` is, by `privacy.unit`, int64 of shape (rows,); None
            where each is somebody's own.
        notes: What a reader should know of this.
    """

    path: str
    table: pa.Table
    holdout: pa.Table
    kinds: dict[str, str]
    all_kinds: dict[str, str]
    schema: pa.Schema
    has_unseen: bool
    chose_model: bool
    notes: list[str]
    people: tuple[np.ndarray, np.ndarray] | None = None


def real_rows(config: Config, model: model_folder.Artifact | None) -> RealRows:
    """The real rows of an evaluation.

    Raises:
        SchemaError: If they cannot be read as the table that the schema describes.
    """
    source = Source.open(config.data.source, model.codec.schema.arrow if model else None)
    if model:
        schema = model.codec.schema
    else:
        schema = Schema.of(source.schema, declared.kinds(config, source)[0], config.data.source)
    unit, path = config.privacy.unit, config.data.source
    table = _as_learned(read(source), schema, f"source '{path}'", unit)
    table = model.codec.reduction.kept(table) if model else table
    check_rows(table.num_rows, path)

    def rows(
        table: pa.Table,
        holdout: pa.Table,
        notes: list[str],
        has_unseen: bool = True,
        chose_model: bool = False,
    ) -> RealRows:
        kinds, every = {name: schema.kinds[name] for name in schema.learned}, dict(schema.kinds)
        people = _people(table[unit], holdout[unit]) if unit else None
        if people and has_unseen:
            notes = notes + _known(unit, *people)
        table, holdout = (part.select(schema.learned) for part in (table, holdout))
        return RealRows(
            path, table, holdout, kinds, every, source.schema, has_unseen, chose_model, notes, people
        )

    if config.evaluate.holdout:
        holdout = _holdout(config.evaluate.holdout, schema, unit)
        return rows(table, holdout, _few(holdout))
    if model and (masks := split_of(model, table)):
        learned, held, tested = (table.filter(pa.array(mask)) for mask in masks)
        if model.config.data.test:
            return rows(learned, tested, [TESTED, *_few(tested)])
        return rows(learned, held, [CHOSE_MODEL, *_few(held)], chose_model=True)
    return rows(table, table.slice(0, 0), [CHANGED if model else NONE_UNSEEN], has_unseen=False)


def _people(*columns: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of whose the rows of two columns are; a row without one is somebody's own."""
    codes, names = shared_codes(*columns)
    one, other = (np.where(part == 0, len(names) + 1 + np.arange(len(part)), part) for part in codes)
    return one, np.where(other > len(names), other + len(one), other)


def _known(unit: str, people: np.ndarray, others: np.ndarray) -> list[str]:
    """A note on the held-out rows of those who have training rows too."""
    known = int(np.isin(others, people).sum())
    if not known:
        return []
    note = (
        f"privacy.unit = '{unit}': {known:,} of {len(others):,} held-out rows are of those who have training "
        f"rows too, so that copying is told of rows, not of them; evaluate.holdout names rows of others."
    )
    return [note]


def _holdout(path: str, schema: Schema, unit: str) -> pa.Table:
    name = f"evaluate.holdout = '{path}'"
    holdout = _as_learned(read(Source.open(path, schema.arrow)), schema, name, unit)
    if not holdout.num_rows:
        raise SchemaError(
            f"{name} holds no row.",
            "name real rows that the synthetic ones were made without, or leave it out.",
        )
    return holdout


def _as_learned(table: pa.Table, schema: Schema, where: str, unit: str) -> pa.Table:
    """The learned columns in the schema's own types, and the one that says whose a row is."""
    if unit and unit not in table.schema.names:
        raise SchemaError(
            f"{where} has no column '{unit}', which privacy.unit names.",
            did_you_mean(unit, table.schema.names) or "name rows that have it, or leave privacy.unit out.",
        )
    for name in schema.learned:
        if name not in table.schema.names:
            raise SchemaError(f"{where} has no column '{name}'.", "name rows of the same table.")
        try:
            column = table[name].cast(schema.arrow.field(name).type)
        except pa.ArrowException as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise SchemaError(
                f"{where} has a column '{name}' of another type: {reason}.", "name rows of the same table."
            ) from None
        table = table.set_column(table.schema.get_field_index(name), schema.arrow.field(name), column)
    return table.select([*schema.learned, *({unit} - {"", *schema.learned})])


def _few(holdout: pa.Table) -> list[str]:
    if holdout.num_rows >= FEW_ROWS:
        return []
    return [f"Only {holdout.num_rows} real rows were kept back: the ceiling is mostly the noise of so few."]


def split_of(model: model_folder.Artifact, table: pa.Table) -> list[np.ndarray] | None:
    """Which rows of the source the model learned, which were held out and which were kept for a test, each
    bool of shape (rows,); None if it is not the table that was trained on."""
    if table.num_rows != model.metrics["rows"]:
        return None
    try:
        hashes = row_hash.content_hash(*model.codec.encode(table))
    except SchemaError:
        return None
    if model.metrics.get("content", row_hash.content(hashes)) != row_hash.content(hashes):
        return None
    place = np.empty(len(hashes), np.int64)  # of each row in the encoded table
    place[np.argsort(hashes, kind="stable")] = np.arange(len(hashes))
    rows = split.Split.of(model.config, len(place))
    return [rows.learned(place), rows.held(place), rows.tested(place)]


def apart(real: RealRows) -> tuple[pa.Table, pa.Table]:
    """Real rows and others; two halves of them where no others are known."""
    if real.holdout.num_rows:
        return real.table, real.holdout
    order = rng.generator(0, "halves of real rows").permutation(real.table.num_rows)
    half = len(order) // 2
    return take(real.table, order[:half]), take(real.table, order[half:])


def read(source: Source) -> pa.Table:
    """All rows of a source."""
    return pa.Table.from_batches(source.batches(), source.schema)
