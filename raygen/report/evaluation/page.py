"""The report page: how good generated rows are and whether they are copied, as one HTML file that needs
nothing else."""

import json
from typing import Any

from raygen.report.evaluation import columns, copying, figures, sentences, tables
from raygen.report.evaluation.columns import Key
from raygen.report.evaluation.losses import losses
from raygen.report.evaluation.record import RealTable, Report, Run
from raygen.report.evaluation.scores import Figure, axis, figure, names_of
from raygen.report.latent import page as latent_page
from raygen.report.latent import sentences as latent_sentences
from raygen.report.latent.record import LatentReport
from raygen.report.page import fill, script
from raygen.score_catalogue import SCORES

Section = tuple[Key, Run]


def render(report: Report, title: str = "How good the generated rows are") -> str:
    """A self-contained page for one report: verdict, scores, columns, pairs, what is at fault, privacy, how
    to make it again.

    Returns:
        HTML with one inline script, which sorts tables and switches the theme, and nothing to load.
    """
    return fill("report.html.j2", title=title, **script(), **view(report))


def view(report: Report) -> dict[str, Any]:
    """What the template shows."""
    runs = report.runs
    several = len(runs) > 1
    keys = [Key(run.name, figures.CLASSES[i % 3]) for i, run in enumerate(runs)]
    sections = list(zip(keys, runs, strict=True))
    return {
        "facts": sentences.facts(report),
        "verdict": [_spoken(text, keys if several else []) for text in sentences.verdict(report)],
        "state": sentences.state(report),
        "several": several,
        "keys": keys,
        "gate": [
            {"rule": rule.rule, "run": rule.run, "value": _short(rule.value), "passed": rule.passed}
            | {"rows": "" if rule.rows is None else f"{rule.rows:,}"}
            for rule in report.gate
        ],
        "scores": score_rows(runs),
        "sizes": sentences.sizes(report),
        "columns": columns.table(runs),
        "overlays": columns.overlays(runs),
        "pairs": _pairs(sections),
        "budgets": [(key, _losses(run), sentences.budget(run)) for key, run in sections if run.budget],
        "latent": [_latent(key, run.latent) for key, run in sections if run.latent],
        "privacy": [(key, texts) for key, run in sections if (texts := copying.privacy(report, run))],
        "more": [section for make in tables.SECTIONS if (section := make(report, keys))],
        "problems": [(key, run.problems) for key, run in sections if run.problems],
        "sources": _sources(report),
        "command": report.command,
        "config": json.dumps(report.config, indent=2, default=str, ensure_ascii=False)
        if report.config
        else "",
        "open": columns.OPEN,
    }


def score_rows(runs: list[Run]) -> list[dict[str, Any]]:
    """A row per score: what it is, each run's value and interval, and where they lie on a scale."""
    rows = []
    for name in names_of(runs):
        scores = [figure(run, name) for run in runs]
        first = next(f for f in scores if f)
        winner = sentences.best(runs, name)
        cells = [
            {
                "text": f.show() if f else "",
                "interval": f.show_interval() if f else "",
                "best": i == winner,
            }
            for i, f in enumerate(scores)
        ]
        floor, ceiling = _ends(first)
        rows.append(
            {
                "label": first.label,
                "meaning": first.meaning,
                "cells": cells,
                "scale": _scale(scores),
                "floor": floor,
                "ceiling": ceiling,
            }
        )
    return rows


def _spoken(text: str, keys: list[Key]) -> dict[str, Any]:
    """A sentence of the verdict, apart from the name of the run it is about."""
    key = next((key for key in keys if text.startswith(f"{key.name}: ")), None)
    return {"key": key, "text": text.removeprefix(f"{key.name}: ") if key else text}


def _ends(f: Figure) -> tuple[str, str]:
    """Floor and ceiling, or what is ideal, as text."""
    ceiling = "" if f.ceiling is None else f.show(f.ceiling)
    if f.ideal is not None:
        return "", ceiling or f"{f.ideal:g} is ideal"
    return "" if f.floor is None else f.show(f.floor), ceiling


def _scale(scores: list[Figure | None]) -> dict[str, Any] | None:
    """Percent from the left end (worse) to the right (better) of ticks, dots and intervals; None for a score
    without a scale."""
    known = [f for f in scores if f]
    ends = axis(known)
    if ends is None:
        return None
    left, right = ends

    def place(value: float) -> float:
        return round(max(0.0, min(100.0, 100 * (value - left) / (right - left))), 1)

    first, dots = known[0], []
    for i, f in enumerate(scores):
        if f:
            low, high = 0.0, 0.0
            if f.low is not None and f.high is not None:
                low, high = sorted((place(f.low), place(f.high)))
            dots.append(
                {
                    "class": figures.CLASSES[i % 3],
                    "at": place(f.value),
                    "low": low,
                    "width": round(high - low, 1),
                    "level": (i + 0.5) / len(scores),
                }
            )
    marks = [("floor", first.floor), ("ceiling", first.ceiling)]
    if first.ideal is not None:
        marks = [("ceiling", first.ideal)]
    return {
        "dots": dots,
        "ticks": [(kind, place(value)) for kind, value in marks if value is not None],
        "height": max(1.2, 0.75 * len(scores)),
        "ideal": first.ideal is not None,
    }


def _pairs(sections: list[Section]) -> list[dict[str, Any]]:
    """A heat map for each run, in shades of one scale, and its worst pairs."""
    tops = [error for _, run in sections for row in run.pairs.errors for error in row if error is not None]
    maps = []
    for i, (key, run) in enumerate(sections):
        svg, shown = figures.pairs(f"pairs-{i}", run.pairs, max(tops, default=None))
        worst = [(*pair.columns, f"{pair.error:.1f}") for pair in run.pairs.worst[:10]]
        if svg or worst:
            of = len(run.pairs.names)
            maps.append({"key": key, "svg": svg, "shown": len(shown), "of": of, "worst": worst})
    return maps


def _losses(run: Run) -> list[dict[str, Any]]:
    """The bars of the error budget."""
    bars = []
    for loss in losses(run.budget) if run.budget else []:
        if loss.total > 0:
            definition = SCORES[loss.name]
            parts = [("noise", loss.noise), ("decoder", loss.decoder), ("sampler", loss.sampler)]
            shares = [
                {"name": n, "loss": definition.show(v), "percent": f"{100 * v / loss.total:.1f}"}
                for n, v in parts
            ]
            bars.append({"label": definition.label, "total": definition.show(loss.total), "parts": shares})
    return bars


def _latent(key: Key, latent: LatentReport) -> dict[str, Any]:
    return {
        "key": key,
        "sentences": [latent_sentences.headline(latent), *latent_sentences.explain(latent)],
        "warning": latent_sentences.warning(latent),
        "scored": latent_page.scored(latent),
        "chosen": latent.chosen,
    }


def _sources(report: Report) -> list[tuple[str, str]]:
    """Where everything came from: name and text."""
    sources = [("Real rows", _table(report.real))]
    if report.holdout:
        sources.append(("Held-out rows", _table(report.holdout)))
    several = len(report.runs) > 1
    for run in report.runs:
        sources.append((run.name if several else "Generated rows", _table(run)))
    sources += [
        ("Rows for scores that train a model", f"{report.scored_rows or report.sample_rows:,}"),
        ("Seed", str(report.seed)),
        ("Seconds", f"{report.seconds:,.0f}"),
        ("raygen", report.raygen),
    ]
    return sources + [("Note", note) for note in report.notes]


def _table(table: RealTable | Run) -> str:
    return ", ".join(filter(None, [table.path, f"{table.rows:,} rows"]))


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
