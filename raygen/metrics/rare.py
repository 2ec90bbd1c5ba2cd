"""What few real rows have, or the rows of few people: a row that has it may point at somebody."""

import math

import numpy as np
import pyarrow as pa

from raygen.metrics.column_ranges import floats
from raygen.metrics.counts import Reference
from raygen.metrics.intervals import Score, wilson
from raygen.metrics.row_codes import codes_of
from raygen.table.protection import Protection


def look(
    reference: Reference,
    tables: list[pa.Table],
    protection: Protection,
    people: list[np.ndarray] | None = None,
) -> None:
    """Have a reference count what too few real rows have.

    Of levels, and of rows without one, all real rows count. Of numbers the reference's own do, so that other
    real rows can be counted beside the synthetic ones: a number of one row is a neighbour's too, by chance.

    Args:
        reference: Of the first of the tables.
        tables: All real rows.
        protection: How many rows are enough.
        people: Whose each row is, int64 of shape (rows,) of each table; None: each is somebody's own. They
            are counted then, not their rows.
    """
    for name, known in reference.names.items():
        codes = np.concatenate([codes_of(table[name], known)[0] for table in tables])
        counts = _counted(codes, len(known) + 2, None if people is None else np.concatenate(people))
        reference.rare[name] = _few(counts, protection.of(name))
        reference.rare[name][-1] = False  # what no real row has points at nobody
    real, own = tables[0], None if people is None else people[0]
    for name, knots in reference.knots.items():
        spots = reference.spots(name, floats(real[name], reference.kinds[name]))
        reference.rare[name] = _few(_counted(spots, 2 * len(knots) + 2, own), protection.of(name))
        reference.rare[name][:-1:2] = False  # between two knots lie many numbers
    places = np.searchsorted(reference.hashes, reference.hashes_of(real))
    reference.sole = _counted(places, len(reference.hashes), own) == 1


def share_of_numbers(hits: int, rows: int, others: tuple[int, int] | None) -> Score:
    """The share of rows with a number that too few real rows have.

    Args:
        hits, rows: Such rows, of all.
        others: The same of real rows that training did not see, if any are known: the interval holds their
            noise too.
    """
    error = math.hypot(*(wilson(*each)[1] for each in ((hits, rows), others) if each))
    return Score(hits / rows, max(0.0, hits / rows - error), min(1.0, hits / rows + error))


def _few(counts: np.ndarray, least: int) -> np.ndarray:
    return (counts > 0) & (counts < least)


def _counted(codes: np.ndarray, size: int, people: np.ndarray | None) -> np.ndarray:
    """How many rows have each code, or how many people."""
    if people is not None:
        codes = codes[np.unique(np.stack([codes, people]), axis=1, return_index=True)[1]]
    return np.bincount(codes, minlength=size)
