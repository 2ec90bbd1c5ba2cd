"""What a column holds, in a few words: to check a guess of its kind by."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raygen.table import arrow

OFTEN = 5  # rows that have a value which is shown as an example
LONGEST = 24  # letters of an example
EXAMPLES = 2


def facts(column: pa.ChunkedArray) -> str:
    """Distinct values, range, share missing and examples; the latter only of what several rows have."""
    values = arrow.plain(column)
    try:
        counted = pc.value_counts(values.drop_null())
    except pa.ArrowNotImplementedError:
        return ""
    words = [f"{len(counted):,} value{'s' * (len(counted) != 1)}"]
    if len(counted) > 1 and not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        words += _range(values)
    if values.null_count:
        words.append(f"{100 * values.null_count / len(values):.3g} % missing")
    counts, shown = counted.field("counts").to_numpy(), []
    for number in np.argsort(-counts, kind="stable")[:EXAMPLES]:
        text = str(counted.field("values")[int(number)])
        if counts[number] >= OFTEN:
            shown.append(text if len(text) <= LONGEST else f"{text[:LONGEST]}...")
    if shown and len(counted) > 1:
        words.append("often " + " and ".join(shown))
    return ", ".join(words)


def _range(values: pa.Array) -> list[str]:
    try:
        ends = pc.min_max(values)
        return [f"{ends['min']} to {ends['max']}"]
    except pa.ArrowNotImplementedError:  # of a type that has no order
        return []
