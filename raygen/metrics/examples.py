"""A few generated rows, and what a reader may see of the real ones beside them: values that occur often."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raygen.metrics.counted import SHOWN_ROWS
from raygen.metrics.counts import Reference
from raygen.metrics.row_codes import as_texts, take
from raygen.report.evaluation.record import Example
from raygen.table import arrow

ROWS = 5
FREQUENT = 3  # values of a column


def examples(real: pa.Table, synthetic: pa.Table, reference: Reference) -> list[Example]:
    """Generated rows of which none is a copy of a real row, column by column.

    Args:
        real: All real rows.
        synthetic: Generated rows to choose from: the first that are no copies.
        reference: The real table's.
    """
    rows = take(synthetic, np.flatnonzero(~reference.are_copies(synthetic))[:ROWS])
    return [
        Example(
            name=name,
            frequent=frequent(real[name], reference.protection.of(name)),
            generated=_texts(rows[name]).to_pylist(),
        )
        for name in reference.kinds
    ]


def frequent(column: pa.ChunkedArray, min_rows: int = 1) -> list[tuple[str, float]]:
    """The values that most rows hold, with their share; none that fewer than `SHOWN_ROWS` or `min_rows` rows
    hold."""
    counts = pc.value_counts(_texts(column).drop_null())
    order = pc.sort_indices(
        pa.table(counts.flatten(), ["value", "count"]), [("count", "descending"), ("value", "ascending")]
    )
    return [
        (pair["values"], pair["counts"] / len(column))
        for pair in counts.take(order[:FREQUENT]).to_pylist()
        if pair["counts"] >= max(SHOWN_ROWS, min_rows)
    ]


def _texts(column: pa.ChunkedArray) -> pa.Array:
    return as_texts(arrow.plain(column))
