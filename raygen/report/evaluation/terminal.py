"""A report of `raygen evaluate` for a terminal: what the report page says, without its figures."""

import textwrap

from raygen.report.evaluation import sentences
from raygen.report.evaluation.record import Report, Run
from raygen.report.evaluation.scores import figure, names_of

WIDTH = 110
WORST = 5  # columns and pairs of each run
COLUMN = 12  # characters of a run's scores
MOST = 4  # runs beside each other


def lines(report: Report) -> list[str]:
    """Scores with floor and ceiling, worst columns and pairs, problems, gate and verdict, in ASCII of at most
    110 columns."""
    runs = report.runs
    text = [*_wrap(f"Compared: {sentences.facts(report)}."), ""]
    for first in range(0, len(runs), MOST):
        text += _scores(runs[first : first + MOST], several=len(runs) > 1)
    for sentence in sentences.sizes(report):
        text += _wrap(sentence)
    for run in runs:
        text += _details(run, several=len(runs) > 1)
    for rule in report.gate:
        outcome = "passed" if rule.passed else "FAILED"
        whose = f" for {rule.run}" if rule.run else ""
        text += _wrap(f"Gate {outcome}: {rule.rule}{whose}{sentences.rule_value(rule)}")
    text.append("")
    for sentence in sentences.verdict(report):
        text += _wrap(sentence)
    return [line.encode("ascii", "replace").decode().rstrip() for line in text]


def _details(run: Run, several: bool) -> list[str]:
    """Worst columns and pairs, the budget and the problems of a run."""
    whose = f" of {run.name}" if several else ""
    text = []
    if columns := sentences.worst_columns(run)[:WORST]:
        named = ", ".join(f"{column} {error:.1f}" for column, error in columns)
        text += _wrap(f"Worst columns{whose} (Shape error %): {named}")
    if pairs := run.pairs.worst[:WORST]:
        named = ", ".join(f"{pair.columns[0]} with {pair.columns[1]} {pair.error:.1f}" for pair in pairs)
        text += _wrap(f"Worst pairs{whose} (%): {named}")
    for sentence in sentences.budget(run):
        text += _wrap(f"{run.name}: {sentence}" if several else sentence)
    for problem in run.problems:
        text += _wrap(f"Problem{whose}: {problem}")
    return text


def _scores(runs: list[Run], several: bool) -> list[str]:
    """The table of scores; that of one run has its intervals."""
    names = names_of(runs)
    if not names:
        return []
    headings = [run.name[: COLUMN - 2] if several else "value" for run in runs]
    interval = "" if several else f"{'95 % interval':>22}"
    heading = "".join(f"{heading:>{COLUMN}}" for heading in headings)
    text = [f"{'':26}{heading}{interval}{'shuffled':>{COLUMN}}{'real rows':>{COLUMN}}"]
    for name in names:
        scores = [figure(run, name) for run in runs]
        first = next(f for f in scores if f)
        values = "".join(f"{f.show() if f else '-':>{COLUMN}}" for f in scores)
        interval = "" if several else f"{first.show_interval() or '-':>22}"
        ends = "".join(
            f"{'-' if v is None else first.show(v):>{COLUMN}}" for v in (first.floor, first.ceiling)
        )
        text.append(f"{first.label[:25]:26}{values}{interval}{ends}")
    return [*text, ""]


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
