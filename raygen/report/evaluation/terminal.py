"""A report of `raygen evaluate` for a terminal: what the report page says, without its figures."""

import textwrap

from raygen.report.evaluation import sentences
from raygen.report.evaluation.scores import Figure, figure, figures

WIDTH = 110
WORST = 5  # columns and pairs of each run
COLUMN = 12  # characters of a run's scores
MOST = 4  # runs beside each other


def lines(report: dict) -> list[str]:
    """Scores with floor and ceiling, worst columns and pairs, problems, gate and verdict, in ASCII of at most
    110 columns.

    Args:
        report: As for `report.evaluation.page.render`.
    """
    runs = sentences.runs(report)
    out = []
    if facts := sentences.facts(report):
        out += [*_wrap(f"Compared: {facts}."), ""]
    for first in range(0, len(runs), MOST):
        out += _scores(runs[first : first + MOST], several=len(runs) > 1)
    for run in runs:
        name = f" of {run['name']}" if len(runs) > 1 else ""
        if columns := sentences.worst_columns(run)[:WORST]:
            out += _wrap(
                f"Worst columns{name} (Shape error %): "
                + ", ".join(f"{column} {error:.1f}" for column, error in columns)
            )
        if pairs := sentences.worst_pairs(run)[:WORST]:
            out += _wrap(
                f"Worst pairs{name} (%): " + ", ".join(f"{a} with {b} {error:.1f}" for a, b, error in pairs)
            )
        for sentence in sentences.budget_words(run):
            out += _wrap(f"{run['name']}: {sentence}" if name else sentence)
        for problem in sentences.problems(run):
            out += _wrap(f"Problem{name}: {problem}")
    for rule in report.get("gate") or []:
        if rule:
            value = f" ({rule['value']:.4g})" if sentences.number(rule.get("value")) is not None else ""
            who = f" for {rule['run']}" if rule.get("run") else ""
            out += _wrap(
                f"Gate {'passed' if rule.get('passed') else 'FAILED'}: {rule.get('rule') or ''}{who}{value}"
            )
    out += [""] * bool(out)
    for sentence in sentences.verdict(report):
        out += _wrap(sentence)
    return [line.encode("ascii", "replace").decode().rstrip() for line in out]


def _scores(runs: list[dict], several: bool) -> list[str]:
    names = list(dict.fromkeys(f.name for run in runs for f in figures(run)))
    if not names:
        return []
    headings = [run["name"][: COLUMN - 2] if several else "value" for run in runs]
    interval = f"{'95 % interval':>22}" if not several else ""
    out = [
        f"{'':26}"
        + "".join(f"{heading:>{COLUMN}}" for heading in headings)
        + interval
        + f"{'shuffled':>{COLUMN}}{'real rows':>{COLUMN}}"
    ]
    for name in names:
        found = [figure(run, name) for run in runs]
        first = next(f for f in found if f)
        span = f"{_interval(first):>22}" if not several else ""
        ends = "".join(
            f"{'-' if v is None else first.show(v):>{COLUMN}}" for v in (first.floor, first.ceiling)
        )
        out.append(
            f"{first.label[:25]:26}"
            + "".join(f"{f.show() if f else '-':>{COLUMN}}" for f in found)
            + span
            + ends
        )
    return [*out, ""]


def _interval(f: Figure) -> str:
    return (
        "-" if f.low is None or f.high is None else f"{f.show(f.low).removesuffix(' %')} to {f.show(f.high)}"
    )


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
