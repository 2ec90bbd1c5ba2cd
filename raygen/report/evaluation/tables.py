"""Sections of the report page that are a table for each run; `SECTIONS` has one function for each."""

from collections.abc import Callable
from dataclasses import dataclass

from raygen.report.evaluation.columns import Key
from raygen.report.evaluation.record import Report

LETTERS = 40  # of a value in a cell


@dataclass(frozen=True)
class Table:
    """The part of a section that is about one run.

    Attributes:
        headings: Of its columns; the first is the row's name.
        rows: Texts, as many as headings.
    """

    key: Key
    headings: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Section:
    """A section: its place in the page, its title, what it says, and a table for each run that has one."""

    id: str
    title: str
    text: str
    tables: list[Table]


def generated_rows(report: Report, keys: list[Key]) -> Section | None:
    """Some generated rows beside what real rows often hold."""
    tables = []
    for key, run in zip(keys, report.runs, strict=True):
        if run.examples and run.examples[0].generated:
            count = len(run.examples[0].generated)
            headings = ["Column", "often in real rows", *(f"row {i + 1}" for i in range(count))]
            rows = [
                [
                    example.name,
                    ", ".join(f"{_shown(value)} {100 * share:.1f} %" for value, share in example.frequent),
                    *map(_shown, example.generated),
                ]
                for example in run.examples
            ]
            tables.append(Table(key, headings, rows))
    text = (
        "Generated rows, none of which equals a real row in every column; beside them the values that real "
        "rows hold most often. No real row is shown, and no real value that few rows hold."
    )
    return Section("rows", "Some generated rows", text, tables) if tables else None


def _shown(value: str | None) -> str:
    if value is None:
        return "<missing>"
    return value if len(value) <= LETTERS else value[: LETTERS - 2] + ".."


SECTIONS: tuple[Callable[[Report, list[Key]], Section | None], ...] = (generated_rows,)
