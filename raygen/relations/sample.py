"""The rows among which relations are looked for."""

import numpy as np
import pyarrow as pa

from raygen import rng
from raygen.relations.discovery import Finding, discover
from raygen.relations.support import is_supported
from raygen.table import arrow
from raygen.table.protection import UNPROTECTED, Protection
from raygen.table.schema import Schema

SAMPLE_ROWS = 20_000


def find(schema: Schema, rows: pa.Table, seed: int, protection: Protection = UNPROTECTED) -> list[Finding]:
    """What ties the learned columns of a table, by a sample of some of its rows; nothing that names what too
    few of them have."""
    table = rows.select(schema.learned)
    if table.num_rows > SAMPLE_ROWS:
        drawn = rng.generator(seed, "rows for relations").choice(table.num_rows, SAMPLE_ROWS, replace=False)
        table = arrow.taken(table, np.sort(drawn))
    return [one for one in discover(table, seed) if is_supported(one.relation, table, protection)]
