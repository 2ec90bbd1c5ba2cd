"""The real rows of an evaluation: those that synthetic rows are compared with, and others that they were made without."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from raygen import artifact, batches, data
from raygen.config import Config
from raygen.errors import SchemaError
from raygen.schema import Schema, infer
from raygen.source import Source


@dataclass(frozen=True)
class Real:
    """Real rows: those that synthetic ones are compared with, and others.

    Attributes:
        path: Where they came from.
        table, holdout: Arrow tables of the schema's learned columns; `holdout` may be empty.
        kinds: Kind of each learned column.
        schema: Of the source.
        knows: Whether the synthetic rows were made without `holdout`.
        notes: What a reader should know of this.
    """

    path: str
    table: pa.Table
    holdout: pa.Table
    kinds: dict[str, str]
    schema: pa.Schema
    knows: bool
    notes: list[str]


def real_rows(config: Config, model: artifact.Artifact | None) -> Real:
    source = Source.open(config.data.source)
    if model:
        schema = model.codec.schema
    else:
        kinds = {str(n): str(k) for n, k in config.schema_.columns.items()} or infer(source.head())[0]
        schema = Schema.of(source.schema, kinds, config.data.source)
    lacking = [n for n in schema.learned if n not in source.schema.names]
    if lacking:
        raise SchemaError(f"source '{config.data.source}' has no column '{lacking[0]}', which the model learned.", "check data.source.")
    whole = read(source).select(schema.learned)
    kinds = {name: schema.kinds[name] for name in schema.learned}
    notes: list[str] = []
    nothing = whole.slice(0, 0)
    if config.evaluate.holdout:
        other = Source.open(config.evaluate.holdout)
        missing = [n for n in schema.learned if n not in other.schema.names]
        if missing:
            raise SchemaError(f"evaluate.holdout = '{config.evaluate.holdout}' has no column '{missing[0]}'.", "name rows of the same table.")
        return Real(config.data.source, whole, read(other).select(schema.learned), kinds, source.schema, True, notes)
    held = held_out(model, whole) if model else None
    if model and held is None:
        notes.append("The source has changed since the model was trained, so its held-out rows are not known and copying cannot be told.")
    if held is not None:
        return Real(config.data.source, whole.filter(pa.array(~held)), whole.filter(pa.array(held)), kinds, source.schema, True, notes)
    notes.append("No real rows are known that the synthetic ones were made without (evaluate.holdout), so copying cannot be told.")
    return Real(config.data.source, whole, nothing, kinds, source.schema, False, notes)


def held_out(model: artifact.Artifact, table: pa.Table) -> np.ndarray | None:
    """Which rows of the source were held out from the model, bool of shape (rows,); None if it is not the table that was trained on."""
    if table.num_rows != model.metrics["rows"]:
        return None
    try:
        codes, offsets = model.codec.encode(table.cast(pa.schema([model.codec.schema.arrow.field(n) for n in table.schema.names])))
    except (SchemaError, pa.ArrowException):
        return None
    order = np.argsort(data.content_hash(codes, offsets), kind="stable")
    mask = np.zeros(len(order), bool)
    mask[order[batches.held_out(np.arange(len(order)), model.config.train.holdout, model.config.run.seed)]] = True
    return mask


def apart(table: pd.DataFrame, real: Real) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Real rows and others; two halves of them where no others are known."""
    if real.holdout.num_rows:
        return table, real.holdout.to_pandas()
    order = np.random.default_rng(10).permutation(len(table))
    return table.iloc[order[: len(table) // 2]], table.iloc[order[len(table) // 2 :]]


def read(source: Source) -> pa.Table:
    return pa.Table.from_batches(source.batches(), source.schema)
