"""The rows among which relations are looked for."""

import numpy as np
import pyarrow as pa

from raygen import rng
from raygen.relations import conditions
from raygen.relations.discovery import Finding, discover
from raygen.relations.relation import HOLDS, Relation
from raygen.relations.syntax import Condition, Constant
from raygen.table import arrow
from raygen.table.protection import UNPROTECTED, Protection
from raygen.table.schema import Schema

SAMPLE_ROWS = 20_000
NAMING = ("=", "!=", "in", "not in")  # conditions that name categories


def find(schema: Schema, rows: pa.Table, seed: int, protection: Protection = UNPROTECTED) -> list[Finding]:
    """What ties the learned columns of a table, by a sample of some of its rows; nothing that names what too
    few of them have."""
    table = rows.select(schema.learned)
    if table.num_rows > SAMPLE_ROWS:
        drawn = rng.generator(seed, "rows for relations").choice(table.num_rows, SAMPLE_ROWS, replace=False)
        table = arrow.taken(table, np.sort(drawn))
    return [one for one in discover(table, seed) if is_supported(one.relation, table, protection)]


def is_supported(relation: Relation, table: pa.Table, protection: Protection) -> bool:
    """Whether rows enough keep a relation, and have each constant that it names, but for 0 as the end of a
    range, which says nothing of a row; of a lookup its pairs count."""
    if relation.kind == "lookup":
        return True
    kept = int((relation.keeps(table) == HOLDS).sum())
    if kept < protection.of(relation.column, *relation.inputs):
        return False
    named = [(one.column, value) for one in relation.rule.where if one.sign in NAMING for value in one.values]
    if isinstance(relation.rule.of, Constant) and (relation.gives or relation.rule.of.value != 0):
        named.append((relation.column, relation.rule.of))
    return all(_rows(column, value, table) >= protection.of(column) for column, value in named)


def _rows(column: str, value: Constant, table: pa.Table) -> int:
    """Rows of which a column has a value."""
    return int(np.sum(conditions.hold((Condition(column, "=", (value,), 0),), table)[0]))
