"""What may be stored of a column: nothing that stands for fewer than so many rows."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from raygen.table import arrow
from raygen.table.part import Part
from raygen.table.protection import Protection
from raygen.table.schema import Schema
from raygen.table.stats import CategoryStats, Stats


def pooled(
    values: np.ndarray, counts: np.ndarray, min_rows: int, gaps: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values that each stand for `min_rows` rows or more: those that so many rows have, and means of
    neighbours that together have so many. Rows that are too few for a mean go to the nearest of these.

    Args:
        values: Distinct, in ascending order.
        counts: Rows of each.
        min_rows: Rows.
        gaps: Between the values is none: a mean only where the values beside it have fewer rows than it.

    Returns:
        The values in ascending order, the rows that each stands for, and bool, whether it is a mean; all
        empty where there are fewer rows in all.
    """
    own = counts >= min_rows
    groups = _groups(counts, own, min_rows, gaps)
    if not groups:
        return values[:0], counts[:0], own[:0]
    begin, end = np.array(groups).T
    upto = np.concatenate([[0], np.cumsum(counts)])
    mass = upto[end] - upto[begin]
    kept = np.array([_mean(values[a:b], counts[a:b]) for a, b in groups], values.dtype)
    left = np.ones(len(values), bool)
    for a, b in groups:
        left[a:b] = False
    np.add.at(mass, nearest(kept, values[left]), counts[left])
    return kept, mass, ~own[begin]


def known_levels(schema: Schema, stats: dict[Part, Stats], protection: Protection) -> dict[str, list[str]]:
    """Levels of dictionaries without those that some rows have, but too few, and those of columns that are
    neither learned as categories nor given by relations that are among the statistics."""
    levels: dict[str, list[str]] = {}
    for name, known in schema.levels.items():
        least, part = protection.of(name), stats.get(Part(name))
        if least == 1:
            levels[name] = known
        elif isinstance(part, CategoryStats) and schema.kinds[name] in ("categorical", "boolean"):
            counts = dict(part.frequencies())
            unlisted = 0 if part.sketch is None else 1  # a sketch leaves rare ones out
            levels[name] = [one for one in known if not 0 < counts.get(one, unlisted) < least]
    return levels


def with_missing(schema: Schema, lost: set[str]) -> Schema:
    """A schema in which some columns, of which no value is stored, may be missing."""
    fields = [one.with_nullable(one.nullable or one.name in lost) for one in schema.arrow]
    return replace(schema, arrow=pa.schema(fields, schema.arrow.metadata))


def is_text(schema: Schema, column: str) -> bool:
    kind = arrow.value_type(schema.arrow.field(column).type)
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return schema.kinds[column] == "categorical" and text


def nearest(points: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Number of the nearest of some points, in ascending order, to each value; of two, the greater."""
    after = np.searchsorted(points, values).clip(0, len(points) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(np.abs(points[before] - values) < np.abs(points[after] - values), before, after)


def _groups(counts: np.ndarray, own: np.ndarray, min_rows: int, gaps: bool) -> list[tuple[int, int]]:
    """Values that stand alone, and neighbours between them that have so many rows together: the first of each
    and the one behind its last."""
    upto = np.concatenate([[0], np.cumsum(counts)])
    padded = np.concatenate([[0], counts, [0]])
    found: list[tuple[int, int]] = []
    edges = np.flatnonzero(np.diff(own)) + 1 if len(own) else own[:0]
    for run in np.split(np.arange(len(own)), edges):
        if not len(run) or own[run[0]]:
            found += [(i, i + 1) for i in run]
            continue
        start, last = run[0], run[-1] + 1
        beside = padded[start] + padded[last + 1]
        if gaps and upto[last] - upto[start] <= beside:
            continue
        while upto[last] - upto[start] >= min_rows:
            stop = int(np.searchsorted(upto, upto[start] + min_rows))
            if upto[last] - upto[stop] < min_rows:
                stop = last
            found.append((start, stop))
            start = stop
    return found


def _mean(values: np.ndarray, counts: np.ndarray) -> float:
    if len(values) == 1:
        return values[0]
    total = np.sum((values - values[0]) * counts)
    return values[0] + (total // int(counts.sum()) if values.dtype == object else total / counts.sum())
