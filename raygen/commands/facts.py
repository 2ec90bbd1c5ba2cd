"""What a column holds, in a few words: to check a guess of its kind by."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raygen.codec.support import pooled
from raygen.table import arrow

OFTEN = 5  # rows that have a value which is shown as an example
LONGEST = 24  # letters of an example
EXAMPLES = 2


def facts(column: pa.ChunkedArray, min_rows: int = 1) -> str:
    """Distinct values, range, share missing and examples; the latter only of what several rows have.

    Args:
        column: Some rows of it.
        min_rows: Rows that each value which is shown stands for at least.
    """
    values = arrow.plain(column)
    try:
        counted = pc.value_counts(values.drop_null())
    except pa.ArrowNotImplementedError:
        return ""
    words = [f"{len(counted):,} value{'s' * (len(counted) != 1)}"]
    counts, shown = counted.field("counts").to_numpy(), []
    if len(counted) > 1 and not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        words += _range(counted.field("values"), counts, min_rows)
    if values.null_count:
        words.append(f"{100 * values.null_count / len(values):.3g} % missing")
    for number in np.argsort(-counts, kind="stable")[:EXAMPLES]:
        text = str(counted.field("values")[int(number)])
        if counts[number] >= max(OFTEN, min_rows):
            shown.append(text if len(text) <= LONGEST else f"{text[:LONGEST]}...")
    if shown and len(counted) > 1:
        words.append("often " + " and ".join(shown))
    return ", ".join(words)


def _range(values: pa.Array, counts: np.ndarray, min_rows: int) -> list[str]:
    """The least and the greatest of distinct values; of less than `min_rows` rows, a mean with those beside
    them."""
    if min_rows > 1 and counts.min() < min_rows:
        return _means(values, counts, min_rows)
    try:
        ends = pc.min_max(values)
        return [f"{ends['min']} to {ends['max']}"]
    except pa.ArrowNotImplementedError:  # of a type that has no order
        return []


def _means(values: pa.Array, counts: np.ndarray, min_rows: int) -> list[str]:
    kind = values.type
    is_moment = pa.types.is_temporal(kind) and kind.bit_width <= 64
    if is_moment:
        whole = pa.int32() if kind.bit_width == 32 else pa.int64()
        known = values.view(whole).to_numpy().astype(object)
    elif pa.types.is_integer(kind):
        known = values.to_numpy().astype(object)
    elif pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        known = arrow.numbers(values)
        known, counts = known[~np.isnan(known)], counts[~np.isnan(known)]
    else:
        return []
    order = np.argsort(known, kind="stable")
    kept, _, mean = pooled(known[order], counts[order], min_rows)
    if len(kept) < 2:
        return []
    about = "about " * bool(mean[[0, -1]].any())
    ends = kept[[0, -1]].tolist()
    if pa.types.is_timestamp(kind):
        second = arrow.ticks_per_day(kind) // arrow.SECONDS_PER_DAY
        ends = [end // second * second for end in ends]
    if is_moment:
        low, high = pa.array(ends, whole).view(kind)
        return [f"{about}{low} to {high}"]
    low, high = (f"{end:.6g}" if isinstance(end, float) else str(end) for end in ends)
    return [f"{about}{low} to {high}"]
