"""The search page: what a hyperparameter search found, as one HTML file that needs nothing else."""

from raygen.config_toml import as_toml
from raygen.report.page import fill, script
from raygen.report.search import figures, importance, parallel, sentences
from raygen.report.search.importance import Importance
from raygen.report.search.record import SearchRecord, Trial
from raygen.report.search.trials import Search, axes, rule_text
from raygen.report.text import listed, pair, show, value_text
from raygen.score_catalogue import SCORES

LONG = 120  # characters of a reason that are seen without a click
KEY = {  # of the marks: sign, words
    "best": ("\u2605", "best"),
    "defaults": ("\u25a0", "the config's own settings"),
    "finished": ("\u25cf", "finished"),
    "stopped": ("\u25c7", "stopped early"),
    "unfinished": ("\u25b3", "did not end"),
    "failed": ("\u00d7", "failed"),
}
MEASURES = (  # of a trial: heading, figure, decimals
    ("nats per row", "value_nats", 3),
    ("nats per row of codes", "held_out_nats", 3),
    *((SCORES[name].heading, name, SCORES[name].decimals) for name in ("c2st", "shape_error", "trend_error")),
    ("rows/s", "rows_per_second", 0),
    ("seconds", "seconds", 0),
    ("training s", "training_seconds", 0),
    ("steps", "steps", 0),
)
FIRST = ("C2ST", "nats per row", "rows/s")  # that stand before the settings


def render(record: SearchRecord, title: str = "What the search found") -> str:
    """A self-contained page for one search: verdict, settings, its course, which settings matter, speed, all
    trials.

    Args:
        record: As `raygen tune` writes it to search.json; a figure that is None is left out.
        title: Of the page.

    Returns:
        HTML with one inline script, which sorts the table and switches the theme, and nothing to load. The
        same for the same search.
    """
    return fill("search.html.j2", title=title, **script(), **_view(Search(record)))


def _view(search: Search) -> dict:
    found = importance.of(search)
    space = [axis for axis in axes(search) if axis.key in search.differing]
    space = sorted(
        space, key=lambda axis: list(found.shares).index(axis.key) if axis.key in found.shares else len(space)
    )
    course, beyond = figures.course(search)
    seen = {figures.look(search, t) for t in search.trials}
    best, unplaced = search.best, [t for t in search.trials if t.number not in search.placed]
    return {
        "facts": sentences.facts(search),
        "verdict": sentences.verdict(search),
        "state": sentences.state(search),
        "unit": search.unit,
        "better": "higher" if search.by_classifier else "lower",
        "best": best,
        "settings": _settings(search),
        "toml": as_toml({key: best.params[key] for key in _changed(search)}) if best else "",
        "key": [(name, *KEY[name]) for name in KEY if name in seen],
        "course": course,
        "beyond": beyond,
        "by_classifier": search.by_classifier,
        "unplaced": listed(
            [f"{n} {name}" for name in ("failed", "stopped") if (n := sum(t.state == name for t in unplaced))]
        ),
        "limited": search.limit > 0,
        "projected": len(search.projected) > sum(t.finished for t in search.trials),
        "curves": figures.curves(search),
        "importance": figures.importance(found, search.settings),
        "importance_words": importance_words(found, search.settings),
        "slices": [
            {"name": search.settings[key], "key": key, "svg": svg}
            for key, svg in figures.slices(search, space)
        ],
        "parallel": parallel.parallel(search, space),
        "speed": figures.speed(search),
        "front": sentences.front_words(search),
        "table": _table(search),
        "failed": any(t.state == "failed" for t in search.trials),
        "errors": any(t.error is not None for t in search.trials),
        "sources": _sources(search),
        "command": search.record.command,
    }


def importance_words(found: Importance, names: dict[str, str]) -> list[str]:
    """Which settings matter, how that was told, and how far to believe it."""
    if found.why_not:
        return [f"Which settings matter cannot be told: {found.why_not}."]
    sure = [f"`{names[key]}`" for key in found.shares if key in found.clear]
    rest = len(found.shares) - len(sure)
    if not sure:
        return [
            f"No setting's effect is more than chance may give in {found.trials} trials; the bars are "
            "guesses."
        ]
    others = f" What the other{'s' * (rest > 1)} did may be chance." if rest else ""
    return [f"More than chance: {listed(sure)}.{others}"]


def _changed(search: Search) -> list[str]:
    best, own = search.best, search.defaults
    return (
        [
            key
            for key, value in best.params.items()
            if value is not None and (key not in own or own[key] != value)
        ]
        if best
        else []
    )


def _settings(search: Search) -> dict:
    """The best trial's settings and figures beside the config's own."""
    best, own, changed = search.best, search.own, _changed(search)
    rows = [
        {
            "name": name,
            "key": key,
            "best": value_text(best.params.get(key)) if best else "",
            "own": value_text(search.defaults.get(key)),
            "range": rule_text(search.space.get(key)),
            "changed": key in changed,
        }
        for key, name in search.settings.items()
    ]
    both = [t for t in (best, own) if t]
    measured = [(search.unit, _objective(best), _objective(own))]
    measured += [
        (heading, _fixed(best, name, d), _fixed(own, name, d))
        for heading, name, d in MEASURES
        if not _is_objective(both, name)
    ]
    measured += [("sampler", (best and best.sampler) or "", (own and own.sampler) or "")]
    return {"rows": rows, "measured": [entry for entry in measured if any(entry[1:])], "own": own}


def _table(search: Search) -> dict:
    """Headings and a row for each trial, the best first: objective, speed, settings, the other figures."""
    found = search.ranked
    columns = [(search.unit, [show(t.objective) for t in found]), ("error", [show(t.error) for t in found])]
    measures = [
        (heading, [_fixed(t, name, decimals) for t in found])
        for heading, name, decimals in MEASURES
        if not _is_objective(found, name)
    ]
    first = [column for column in measures if column[0] in FIRST]
    columns += [
        *first,
        *((name, [value_text(t.params.get(key)) for t in found]) for key, name in search.settings.items()),
    ]
    columns += [
        *(column for column in measures if column not in first),
        ("sampler", [t.sampler or "" for t in found]),
    ]
    columns = [column for column in columns if any(column[1])]
    rows = []
    for i, t in enumerate(found):
        notes = ["best"] * (t is search.best) + ["defaults"] * (t is search.own)
        look, long = figures.look(search, t), len(t.reason) > LONG
        rows.append(
            {
                "number": t.number,
                "look": look,
                "sign": KEY[look][0],
                "state": t.state,
                "note": ", ".join(notes),
                "cells": [cells[i] for _, cells in columns],
                "start": f"{t.reason[:LONG]}\u2026" if long else "",
                "reason": t.reason,
            }
        )
    return {"headings": [heading for heading, _ in columns], "rows": rows}


def _is_objective(trials: list[Trial], name: str) -> bool:
    """Whether a figure says the same as the objective."""
    return all(getattr(t, name) in (t.objective, None) for t in trials)


def _sources(search: Search) -> list[tuple[str, str]]:
    found = [
        ("Model of the best trial", (search.best and search.best.model) or ""),
        ("Table", search.record.source),
        ("Slowest allowed", f"{search.limit:,.0f} rows/s" if search.limit else ""),
        ("Time", " ".join(sentences.spent(search))),
    ]
    return [entry for entry in found if entry[1]]


def _objective(t: Trial | None) -> str:
    if t is None or t.objective is None:
        return ""
    text = pair(t.objective, t.error)
    return text if t.state == "finished" else f"{text} ({t.state})"


def _fixed(t: Trial | None, name: str, decimals: int) -> str:
    value = None if t is None else getattr(t, name)
    return "" if value is None else f"{value:,.{decimals}f}"
