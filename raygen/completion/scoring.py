"""`raygen score`: how likely each row of a table is under a model."""

import contextlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from raygen import storage, uris
from raygen.cluster import devices
from raygen.completion import likelihood, reading
from raygen.completion.completed import NO_PROPOSAL
from raygen.completion.likelihood import BROKEN, NATS, ROW, SURPRISE, Scorer, Scores
from raygen.completion.loaded import Loaded
from raygen.completion.settings import Settings
from raygen.config import refusing_others
from raygen.errors import ConfigError, OutputError, SchemaError
from raygen.generation.progress import Progress
from raygen.model import folder as model_folder
from raygen.report import redrawn
from raygen.report.redrawn import Say
from raygen.table import frames

SHOWN_CELLS = 3  # of a row that is listed
BLOCKS_AT_ONCE = 1024  # are written


@dataclass(frozen=True)
class Scoring:
    """What `score` found.

    Attributes:
        rows: Of the table.
        mean_nats: Mean log-likelihood of a row, in nats.
        breaking: Rows that break a rule which always holds.
        out: The file that was written; "" for none.
        top: The least likely rows, those that break a rule first: number (from 0), log-likelihood, rules that
            it breaks, and the cells that are most surprising given the others, with their nats.
        seconds: That it took.
    """

    rows: int
    mean_nats: float
    breaking: int
    out: str
    top: list[dict[str, Any]] = field(repr=False)
    seconds: float


@refusing_others
def score(
    model: str | os.PathLike[str],
    rows: Any,
    out: str | None = None,
    by_column: bool = False,
    top: int = 0,
    particles: int = 32,
    seed: int = 0,
    say: Say = print,
) -> Any:
    """How likely each row is under a model, in nats: an importance-weighted bound on log p(row).

    Args:
        model: A model: its path, a `Model` or a `Training`.
        rows: A pandas DataFrame or an Arrow table with some of the model's columns; or path or URI of a
            table. What a row does not have, or the model never saw, is left out of its likelihood.
        out: Of a table's files: a .parquet or .csv file for the scores of all rows.
        by_column: Also how surprising each cell is given the others, -log p(cell | others); for all rows it
            takes as many times as long as there are columns.
        top: List so many of the least likely rows, with the cells that make them so.
        particles: Draws behind each likelihood, a power of two.
        seed: Of the draws.
        say: Called with each line.

    Returns:
        For rows in memory their scores, as a DataFrame or an Arrow table: number of the row, log-likelihood,
        rules that it breaks, and with `by_column` the surprise of each cell; else a `Scoring`.

    Raises:
        ModelError: If the model is missing or damaged.
        SchemaError: If the rows cannot be read, or do not fit the model's table.
        ConfigError: If a setting is wrong.
    """
    say = redrawn.teller(say)
    how = Settings(particles=particles, seed=seed)  # which refuses what neither can be
    if not isinstance(by_column, bool):
        raise ConfigError(f"by_column = {by_column!r}: expected True or False.", "write by_column=True.")
    if not isinstance(top, Integral) or isinstance(top, bool) or not 0 <= top <= 100_000:
        raise ConfigError(
            f"top = {top!r}: expected a number from 0 to 100,000.", "leave it out, or choose one."
        )
    if out and not frames.is_path(rows):
        raise ConfigError(f"out = '{out}' is for scores of files; the rows are in memory.", "leave it out.")
    loaded = Loaded.of(model)
    if model_folder.PROPOSAL not in loaded.found.content:
        say(NO_PROPOSAL)
    with devices.in_this_process(use_gpu=False):
        if frames.is_path(rows):
            return _of_files(loaded, uris.absolute(rows), out, by_column, top, how.particles, how.seed, say)
        table = frames.to_table(rows, frames.ROWS, loaded.found.codec.schema.kinds)
        scorer = Scorer(loaded, table.schema, how.particles, how.seed)
        blocks = scorer.tables(
            lambda first, last: table.slice(first, last - first), table.num_rows, by_column
        )
        made = [likelihood.nothing(scorer, by_column), *(one for one, _ in blocks)]
    scored = pa.concat_tables(made)
    return frames.to_frame(scored, scored.schema, rows) if frames.is_frame(rows) else scored


def _of_files(
    loaded: Loaded,
    uri: str,
    out: str | None,
    by_column: bool,
    top: int,
    particles: int,
    seed: int,
    say: Say,
) -> Scoring:
    """Scores of a table's files, in flat memory."""
    began = time.perf_counter()
    source = reading.CountedSource.open(uri, loaded.found.codec.schema.arrow)
    count = source.rows
    if not count:
        raise SchemaError(f"'{uri}' has no rows to score.", "name a table with rows.")
    scorer = Scorer(loaded, source.schema, particles, seed)
    for note in scorer.reader.notes:
        say(note)
    passed, progress = _Pass(top), Progress(count, say)
    with _written(out, likelihood.nothing(scorer, by_column).schema) as write:
        for table, scores in scorer.tables(reading.RowReader(source), count, by_column):
            write(table)
            passed.add(table, scores)
            progress.follow([(0, passed.rows, table.num_rows)])
    listed = passed.listed(scorer, reading.RowReader(source), by_column)
    redrawn.finish(say)
    mean = passed.total / passed.rows
    say(f"Mean log-likelihood: {mean:.3f} nats a row over {count:,} rows (the higher the likelier).")
    for line in _lines(listed, passed):
        say(line)
    return Scoring(count, mean, passed.breaking, out or "", listed, time.perf_counter() - began)


class _Pass:
    """What is kept of the scores of all rows: sums, and the least likely rows."""

    def __init__(self, top: int):
        self.top, self.rows, self.total, self.breaking = top, 0, 0.0, 0
        self.worst: list[dict[str, Any]] = []
        self.unseen = Counter[str]()

    def add(self, table: pa.Table, scores: Scores) -> None:
        self.rows += table.num_rows
        self.total += float(scores.nats.sum())
        self.breaking += sum(map(bool, scores.broken))
        self.unseen.update(scores.unseen)
        if self.top:
            self.worst = sorted(self.worst + table.to_pylist(), key=_worst)[: self.top]

    def listed(self, scorer: Scorer, source: reading.RowReader, by_column: bool) -> list[dict[str, Any]]:
        """The least likely rows with the cells that make them so, which are found now if they were not."""
        out, size = [], scorer.particles.rows
        for one in sorted(self.worst, key=lambda one: one[ROW]):
            row = source(one[ROW], one[ROW] + 1)
            if by_column:
                surprise = {n.removeprefix(SURPRISE): v for n, v in one.items() if n.startswith(SURPRISE)}
            else:
                found = scorer.scores(pa.concat_tables([row] * size), one[ROW] // size * size, by_column=True)
                surprise = {name: float(np.mean(nats)) for name, nats in found.surprise.items()}
            most = sorted((n for n in surprise if n in row.column_names), key=lambda n: -surprise[n])
            cells = {
                n: {"value": str(row[n][0].as_py()), "nats": round(surprise[n], 2)}
                for n in most[:SHOWN_CELLS]
            }
            out.append({ROW: one[ROW], NATS: round(one[NATS], 3), BROKEN: one[BROKEN], "cells": cells})
        return sorted(out, key=_worst)


def _worst(one: dict[str, Any]) -> tuple:
    return not one[BROKEN], one[NATS], one[ROW]


def _lines(listed: list[dict[str, Any]], passed: _Pass) -> list[str]:
    """What a user should know of the rows."""
    out = [f"{passed.breaking:,} row(s) break a rule that always holds."] if passed.breaking else []
    for name, count in passed.unseen.most_common(20):
        out.append(f"Column {name}: {count:,} value(s) that the model never saw; they weigh nothing.")
    if listed:
        out.append("The least likely rows, counted from 0, with their most surprising cells (nats):")
    for one in listed:
        cells = ", ".join(f"{n} = {cell['value']} ({cell['nats']:.1f})" for n, cell in one["cells"].items())
        rule = f"; breaks {one[BROKEN]}" if one[BROKEN] else ""
        out.append(f"  {one[ROW]:>10,}  {one[NATS]:10.2f} nats  {cells}{rule}")
    return out


@contextlib.contextmanager
def _written(out: str | None, schema: pa.Schema) -> Iterator[Callable[[pa.Table], object]]:
    """What takes tables of scores, and writes them to a file if there is to be one."""
    if not out:
        yield lambda table: None
        return
    if not out.endswith((".parquet", ".csv")):
        raise OutputError(f"--out '{out}' is no file of scores.", "name a .parquet or a .csv file.")
    with storage.whole(uris.absolute(out)) as stream:
        kind: Any = pq.ParquetWriter if out.endswith(".parquet") else csv.CSVWriter
        writer, held = kind(stream, schema), list[pa.Table]()

        def flush(least: int) -> None:
            if len(held) >= least:
                writer.write_table(pa.concat_tables(held))
                held.clear()

        def write(table: pa.Table) -> None:
            held.append(table)
            flush(BLOCKS_AT_ONCE)

        yield write
        flush(1)
        writer.close()
