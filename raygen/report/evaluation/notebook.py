"""A report of `raygen evaluate` below a cell of a notebook: its scores as an HTML table."""

import html

from raygen.report.evaluation.record import Report
from raygen.report.evaluation.scores import figure, names_of


def table(report: Report) -> str:
    """Scores by row, synthetic tables by column, beside shuffled and other real rows."""
    rows = [["score", *(run.name for run in report.runs), "shuffled", "real rows"]]
    for name in names_of(report.runs):
        scores = [figure(run, name) for run in report.runs]
        first = next(score for score in scores if score)
        ends = ["-" if value is None else first.show(value) for value in (first.floor, first.ceiling)]
        rows.append([first.label, *(score.show() if score else "-" for score in scores), *ends])
    return html_table(rows)


def html_table(rows: list[list[str]], caption: str = "") -> str:
    """An HTML table, its first row the heading."""
    head, *body = rows
    return (
        f"<table><caption>{html.escape(caption)}</caption><thead>{_row('th', head)}</thead>"
        f"<tbody>{''.join(_row('td', row) for row in body)}</tbody></table>"
    )


def _row(kind: str, cells: list[str]) -> str:
    return f"<tr>{''.join(f'<{kind}>{html.escape(cell)}</{kind}>' for cell in cells)}</tr>"
