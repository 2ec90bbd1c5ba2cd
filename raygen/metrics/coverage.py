"""Which values of the real table the synthetic one has, lacks or invents; nulls; and whether their columns
match at all.

Names as in sdmetrics where it has them. Null is no value here: `missing` alone counts it.
"""

import math

import numpy as np
import pyarrow as pa

from raygen.metrics import fidelity
from raygen.metrics.intervals import NAN, Score, about, share


def categories(real: pa.Table, synthetic: pa.Table, kinds: dict[str, str]) -> dict[str, dict[str, Score]]:
    """How many of the real levels appear in the synthetic rows, by level column (sdmetrics:
    CategoryCoverage).

    Returns:
        {column: {"levels": share of the real levels that appear, "mass": share of the real rows whose level
        appears}}, each 0..1, 1 is ideal. "levels" is a fact about these rows, without an interval: more rows
        show more levels. nan for a column of nulls.
    """
    out = {}
    for name, (a, b) in fidelity.columns(kinds, real, synthetic)[1].items():
        is_covered = np.isin(a[a > 0], b)
        known = np.unique(a[a > 0])
        out[name] = {
            "levels": Score(float(np.isin(known, b).mean()) if len(known) else NAN),
            "mass": share(is_covered),
        }
    return out


def ranges(real: pa.Table, synthetic: pa.Table, kinds: dict[str, str]) -> dict[str, Score]:
    """Share of the real range, least to greatest value, that the synthetic rows span, by number column
    (sdmetrics: RangeCoverage).

    Returns:
        {column: Score}, 0..1, 1 is ideal; a fact about these rows, without an interval. A constant is spanned
        by rows at it or around it; nan for a column of nulls in either table.
    """
    out = {}
    for name, (a, b) in fidelity.columns(kinds, real, synthetic)[0].items():
        (low, high), (least, greatest) = _range(a), _range(b)
        overlap = np.minimum(high, greatest) - np.maximum(low, least)  # nan if any of them is
        span = overlap >= 0 if low == high else max(overlap, 0.0) / (high - low)
        out[name] = Score(NAN if math.isnan(overlap) else float(span))
    return out


def outside(real: pa.Table, synthetic: pa.Table, kinds: dict[str, str]) -> dict[str, Score]:
    """Share of synthetic rows outside the real range, or with a level that no real row has, by column (1 -
    sdmetrics' BoundaryAdherence).

    Returns:
        {column: Score}, 0..1; 0 is ideal, though real rows drawn anew reach outside as well.
    """
    return {name: share(out) for name, out in _outside(real, synthetic, kinds).items()}


def outside_rows(real: pa.Table, synthetic: pa.Table, kinds: dict[str, str]) -> Score:
    """Share of synthetic rows that are outside in any column, as in `outside`; nan without a column that
    counts."""
    by_column = _outside(real, synthetic, kinds)
    return share(np.any(list(by_column.values()), axis=0)) if by_column else Score(NAN)


def missing(real: pa.Table, synthetic: pa.Table, kinds: dict[str, str]) -> dict[str, dict[str, Score]]:
    """Share of nulls (also nan and infinite) in each column.

    Returns:
        {column: {"real": Score, "synthetic": Score, "error": Score}}, each 0..1; "error" is the distance
        between the two.
    """
    numbers, levels = fidelity.columns(kinds, real, synthetic)
    nulls = {name: tuple(map(np.isnan, pair)) for name, pair in numbers.items()} | {
        n: tuple(c == 0 for c in pair) for n, pair in levels.items()
    }
    out = {}
    for name in (name for name in kinds if name in nulls):
        a, b = (share(part) for part in nulls[name])
        error = math.sqrt(
            sum(
                s.value * (1 - s.value) / max(len(part), 1)
                for s, part in zip((a, b), nulls[name], strict=True)
            )
        )
        gap = abs(a.value - b.value)
        out[name] = {
            "real": a,
            "synthetic": b,
            "error": Score(NAN) if math.isnan(gap) else about(gap, error, 0, 1),
        }
    return out


def problems(real: pa.Schema, synthetic: pa.Schema, kinds: dict[str, str]) -> list[str]:
    """Sentences on columns that are missing, extra or of another type; empty when the tables match.

    Dictionaries, large and view types count as the type of their values. Columns of kind `drop` should not be
    there.
    """
    out = []
    for field in real:
        if kinds.get(field.name) == "drop":
            continue
        if field.name not in synthetic.names:
            out.append(f"Column '{field.name}' is missing from the synthetic table.")
        elif (kind := _plain(synthetic.field(field.name).type)) != _plain(field.type):
            out.append(
                f"Column '{field.name}' is {kind} in the synthetic table and {_plain(field.type)} "
                "in the real one."
            )
    for name in synthetic.names:
        if name not in real.names:
            out.append(f"Column '{name}' of the synthetic table is not in the real one.")
        elif kinds.get(name) == "drop":
            out.append(f"Column '{name}' is of kind drop, yet the synthetic table has it.")
    return out


def _range(values: np.ndarray) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    return (known.min(), known.max()) if len(known) else (NAN, NAN)


def _outside(real: pa.Table, synthetic: pa.Table, kinds: dict[str, str]) -> dict[str, np.ndarray]:
    numbers, levels = fidelity.columns(kinds, real, synthetic)
    out = {}
    for name, (a, b) in numbers.items():
        low, high = _range(a)
        out[name] = ~np.isnan(b) & ~((b >= low) & (b <= high))
    for name, (a, b) in levels.items():
        out[name] = (b > 0) & ~np.isin(b, a)
    return {name: out[name] for name in kinds if name in out}


def _plain(kind: pa.DataType) -> pa.DataType:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    return pa.binary() if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind) else kind
