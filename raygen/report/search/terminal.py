"""A search for a terminal or a job's log: what the search page says, without its figures."""

import textwrap

from raygen.report.search import sentences
from raygen.report.search.record import SearchRecord
from raygen.report.search.trials import Search, Trial
from raygen.report.text import pair, value_text
from raygen.score_catalogue import SCORES

WIDTH = 120
CELL = 18  # characters, at most, of a setting's value
REASON = 220  # characters, at most, of why a trial failed
FIGURES = (
    (SCORES["c2st"].narrow_heading, "c2st", SCORES["c2st"].decimals),
    ("nats/row", "value_nats", 2),
    ("rows/s", "rows_per_second", 0),
    ("train s", "training_seconds", 0),
    ("steps", "steps", 0),
)


def lines(record: SearchRecord) -> list[str]:
    """Trials with the settings that differ between them, gain over the defaults, Pareto front, failures,
    time; ASCII of at most 120 columns.

    Args:
        record: As `raygen tune` writes it to search.json.
    """
    search = Search(record)
    out = [*_wrap(f"{sentences.facts(search)}:"), *_table(search)]
    for sentence in sentences.verdict(search):
        out += _wrap(sentence)
    out += _wrap(sentences.front_words(search))
    for trial in search.trials:
        if trial.state == "failed":
            out += _wrap(f"Trial {trial.number} failed: {cut(trial.reason, REASON) or 'no reason was given'}")
    out += _wrap(" ".join(sentences.spent(search)))
    return [line.encode("ascii", "replace").decode().rstrip() for line in out]


def cut(text: str, most: int) -> str:
    """One line of printable text, with its start only if it is long."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= most else text[: most - 2].rstrip() + ".."


def _table(search: Search) -> list[str]:
    """Blocks of columns below each other, as many as the settings need; each begins with the trials'
    numbers."""
    rows = search.ranked
    if not rows:
        return []
    first = [["trial", *(str(t.number) for t in rows)], ["state", *(t.state for t in rows)]]
    figures = [
        ["C2ST" if search.by_classifier else "nats/row", *(pair(t.objective, t.error) or "-" for t in rows)]
    ]
    for heading, key, decimals in FIGURES:
        if heading != figures[0][0] and any(getattr(t, key) is not None for t in rows):
            figures.append(
                [heading, *("-" if (v := getattr(t, key)) is None else f"{v:,.{decimals}f}" for t in rows)]
            )
    keys, names = search.differing, search.settings
    settings = [
        [cut(names[key], 2 * CELL), *(cut(value_text(t.params.get(key)), CELL) or "-" for t in rows)]
        for key in keys
    ]
    first, figures, settings = (
        [[*_broken(heading), *cells] for heading, *cells in part] for part in (first, figures, settings)
    )
    marks = ["", "", *(_mark(search, t) for t in rows)]
    out = _block([*first, *figures], settings, marks)
    while settings:
        out += ["", *_block(first[:1], settings, [""] * len(marks))]
    return [*out, ""]


def _block(columns: list[list[str]], more: list[list[str]], marks: list[str]) -> list[str]:
    """The lines of some columns and as many of `more`, which are taken from it, as fit; at least one if there
    would be only a number."""

    def width(column: list[str]) -> int:
        return max(map(len, column))

    shown, room = list(columns), WIDTH - sum(width(c) + 2 for c in columns) - width(marks) - 2
    while more and (width(more[0]) + 2 <= room or len(shown) == 1):
        room -= width(more[0]) + 2
        shown.append(more.pop(0))
    left = {id(c) for c in shown if c[1] == "state"}
    aligned = [
        [f"{text:<{width(c)}}" if id(c) in left else f"{text:>{width(c)}}" for text in c] for c in shown
    ]
    found = ["  ".join([*cells, mark]).rstrip() for *cells, mark in zip(*aligned, marks, strict=True)]
    return found if found[0] else found[1:]


def _broken(heading: str) -> tuple[str, str]:
    """A heading in two lines, broken at the underscore nearest its middle: `learning_`, `rate`."""
    places = [i + 1 for i, c in enumerate(heading) if c == "_" and i]
    at = min(places, key=lambda i: abs(2 * i - len(heading)), default=0)
    return heading[:at], heading[at:]


def _mark(search: Search, t: Trial) -> str:
    return ", ".join(["<- best"] * (t is search.best) + ["defaults"] * (t is search.own))


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(cut(text, 4000), WIDTH, subsequent_indent="  ", break_on_hyphens=False)
