"""How fast a model completes and scores rows, from rows of its own."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from raygen import rng
from raygen.completion.completed import Completed
from raygen.completion.likelihood import Scorer
from raygen.completion.loaded import Loaded
from raygen.completion.partial import Reader, chosen
from raygen.completion.settings import Settings
from raygen.sampling import rows as sampling

ROWS = 1024  # at most, at once
GIVEN = 0.5  # of the cells of the rows that are completed
MEASURED_SECONDS = 1.0


@dataclass(frozen=True)
class Speed:
    """Rows/s of one process.

    Attributes:
        completed, scored: The rows.
        particles: For each row.
        passes: Over each row where each of its columns is scored, too.
    """

    completed: float
    scored: float
    particles: int
    passes: int


def measure(loaded: Loaded, rows: int) -> Speed:
    """Complete rows of the model from some of their cells, and score whole ones, over and over for a second
    each.

    Args:
        loaded: The model.
        rows: Of which it is to be told.
    """
    found, count = loaded.found, min(rows, ROWS)
    whole = sampling.Asked.of(found, sampling.settings_of(count, {})).rows().table(0, count)
    settings, draws, nothing = Settings(), rng.generator(0, "cells of measured rows"), pa.nulls(count)
    cells = [chosen(draws.random(count) < GIVEN, one, nothing, one.type) for one in whole.columns]
    given = pa.table(cells, names=whole.column_names)
    reader = Reader(found.codec, given.schema)
    made = Completed(loaded, reader, lambda first, last: given.slice(first, last - first), settings)
    scorer = Scorer(loaded, whole.schema, settings.particles)
    block = min(scorer.particles.rows, count)
    at_once = min(made.blocks * block, count)
    return Speed(
        _rows_per_second(lambda: made.table(0, at_once), at_once),
        _rows_per_second(lambda: scorer.scores(whole.slice(0, block), 0), block),
        settings.particles,
        len(scorer.blocks) + 1,
    )


def _rows_per_second(work: Callable[[], object], rows: int) -> float:
    """Of what works on so many rows, after it has done so once."""
    work()
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < MEASURED_SECONDS:
        work()
        done += rows
    return done / (time.perf_counter() - began)
