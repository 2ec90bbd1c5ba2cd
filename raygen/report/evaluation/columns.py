"""The columns of the report page: a table of their figures, and real beside generated rows drawn."""

from dataclasses import dataclass
from typing import Any

from raygen.report.evaluation import figures
from raygen.report.evaluation.record import Column, Run

DRAWN, OPEN = 40, 12  # columns, worst first, that get a figure; that are seen without a click
MEASURES = (  # of a column: heading, attribute, factor to percent
    ("Shape error %", "shape_error", 1.0),
    ("missing, real %", "missing_real", 100.0),
    ("missing %", "missing_synthetic", 100.0),
    ("outside %", "outside", 100.0),
    ("unseen %", "unseen", 100.0),
    ("coverage %", "coverage", 100.0),
)


@dataclass(frozen=True)
class Key:
    """A run in the legend: its name, and the class of its colour."""

    name: str
    css: str


def table(runs: list[Run]) -> dict[str, Any]:
    """The table of columns, worst first: headings and rows of cells, without columns that no run fills."""
    tables = [_by_name(run) for run in runs]
    measures: list[tuple[str, int, str, float]] = []
    for heading, key, factor in MEASURES:
        having = [i for i, run in enumerate(runs) if any(getattr(c, key) is not None for c in run.columns)]
        if key == "missing_real":
            measures += [(heading, i, key, factor) for i in having[:1]]
        else:
            names = [f" {run.name}" if len(runs) > 1 else "" for run in runs]
            measures += [(heading + names[i], i, key, factor) for i in having]
    rows = []
    for name in _worst_first(runs):
        cells = [_percent(tables[i].get(name), key, factor) for _, i, key, factor in measures]
        rows.append((name, _kind(name, tables), cells))
    return {"headings": [heading for heading, *_ in measures], "rows": rows}


def overlays(runs: list[Run]) -> list[dict[str, Any]]:
    """A figure for each of the worst columns."""
    tables = [_by_name(run) for run in runs]
    drawings: list[dict[str, Any]] = []
    for name in _worst_first(runs):
        columns = [table.get(name) for table in tables]
        histograms = [column.histogram if column else None for column in columns]
        svg = figures.column(f"column-{len(drawings)}", histograms, _kind(name, tables))
        if not svg:
            continue
        errors = [
            (i, f"{column.shape_error:.1f} %")
            for i, column in enumerate(columns)
            if column and column.shape_error is not None
        ]
        text = ", ".join(f"{runs[i].name} {error}" if len(runs) > 1 else error for i, error in errors)
        drawings.append(
            {
                "name": name,
                "svg": svg,
                "errors": [(figures.CLASSES[i % 3], error) for i, error in errors],
                "alt": f"Shape error {text}." if text else "",
            }
        )
        if len(drawings) == DRAWN:
            break
    return drawings


def _by_name(run: Run) -> dict[str, Column]:
    return {column.name: column for column in run.columns}


def _worst_first(runs: list[Run]) -> list[str]:
    """Names of all columns by the greatest Shape error that any run has; those without one last."""
    worst: dict[str, float] = {}
    for run in runs:
        for column in run.columns:
            error = -1.0 if column.shape_error is None else column.shape_error
            worst[column.name] = max(worst.get(column.name, -1.0), error)
    return sorted(worst, key=lambda name: -worst[name])


def _kind(name: str, tables: list[dict[str, Column]]) -> str:
    return next(table[name].kind for table in tables if name in table)


def _percent(column: Column | None, key: str, factor: float) -> str:
    value = getattr(column, key) if column else None
    return "" if value is None else f"{factor * value:.2f}"
