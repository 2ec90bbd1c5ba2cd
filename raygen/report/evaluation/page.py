"""The report page: how good generated rows are and whether they are copied, as one HTML file that needs
nothing else.

It shows report.json, which `raygen evaluate` writes. The keys of format 1; all but `runs` may be missing or
null, and every number may be nan or null: what is not there is left out.

    format          1
    raygen          version that wrote it, "0.2.0"
    verdict         list of sentences; without it they are written from the scores
    real            {path, rows, columns}: the training rows
    holdout         {path, rows}: real rows that neither network nor sampler saw
    seed            of samples, folds and trees
    sample_rows     rows used by scores that train a model
    command         how to make the report again
    config          {section: {setting: value}}
    seconds         that it took
    gate            [{rule: "c2st >= 0.7", value, passed: true | false, run: name}]; `run` only where there
    are several runs            one generated table each, to be compared if there are several:
      name, path, rows
      problems      list of sentences: columns missing, extra or of another type, shards cut short, a manifest
          that disagrees
      unusable      true if the problems make the table unfit for any use
      scores        {name: {value, low, high, floor, ceiling, better}}; low, high: 95 % interval; floor:
      shuffled columns;
                    ceiling: other real rows; better: "lower", "higher" or the ideal value. Names, with their
                        unit:
                      percent: shape_error, trend_error, missing_error
                      0 to 1: c2st (1: a classifier cannot tell), alpha_precision, beta_recall,
                          category_coverage,
                        range_coverage, outside (rows beyond the real range or with unseen categories),
                        exact_copies
                      0 to 1 with ideal .5: dcr_share, membership_auc
                      dcr_2_percent (of the rows nearest to real ones), mle (with measure "AUC" | "RMSE" |
                      "R2", target)
                    others are shown by their name
      columns       [{name, kind, shape_error (percent), missing_real, missing_synthetic, outside, unseen,
      coverage (all 0 to 1), histogram}]
                    histogram: {edges, real, synthetic} of a number column, seconds since 1970 if kind is
                        "datetime";
                    {levels, real, synthetic} of a categorical one, the level null for missing values; counts
                    or shares
      pairs         {names, error: [[percent or null]], worst: [[column, column, percent]]}; null where a pair
      does not count budget        {held_out, resynthesised, generated}: each {shape_error, trend_error,
      c2st}, for other real rows, for those through
                    encoder and decoder, and for generated rows; pairs_lost: as `worst`, the pairs that the
                    decoder keeps least
      latent        a latent report, as of `report.latent.page.render`, or the relative path of its page
"""

import json
import re

from raygen.report.evaluation import figures as report_figures
from raygen.report.evaluation import sentences as words
from raygen.report.evaluation.scores import Figure, axis, figure, figures
from raygen.report.latent import page
from raygen.report.latent import sentences as latent_words
from raygen.report.page import fill, script
from raygen.report.text import number, whole

DRAWN, OPEN = 40, 12  # columns, worst first, that get a figure; that are seen without a click
MEASURES = (  # of a column: heading, key, factor to percent
    ("Shape error %", "shape_error", 1.0),
    ("missing, real %", "missing_real", 100.0),
    ("missing %", "missing_synthetic", 100.0),
    ("outside %", "outside", 100.0),
    ("unseen %", "unseen", 100.0),
    ("coverage %", "coverage", 100.0),
)


def render(report: dict, title: str = "How good the generated rows are") -> str:
    """A self-contained page for one report: verdict, scores, columns, pairs, what is at fault, privacy, how
    to make it again.

    Args:
        report: As described above.
        title: Of the page.

    Returns:
        HTML with one inline script, which sorts tables and switches the theme, and nothing to load.
    """
    return fill("report.html.j2", title=title, **script(), **_view(report))


def _view(report: dict) -> dict:
    runs = words.runs(report)
    several = len(runs) > 1
    keys = [{"name": run["name"], "class": report_figures.CLASSES[i % 3]} for i, run in enumerate(runs)]
    sections = list(zip(keys, runs, strict=True))
    privacy = [(key, sentences) for key, run in sections if (sentences := words.privacy(run))]
    return {
        "facts": words.facts(report),
        "verdict": [_spoken(text, keys if several else []) for text in words.verdict(report)],
        "state": words.state(report),
        "several": several,
        "keys": keys,
        "gate": _gate(report),
        "scores": _scores(runs),
        "columns": _columns(runs),
        "overlays": _overlays(runs),
        "pairs": _pairs(sections),
        "budgets": [
            (key, found, words.budget_words(run))
            for key, run in sections
            if (found := _budget(run)) or words.budget_words(run)
        ],
        "latent": [part for key, run in sections if (part := _latent(key, run.get("latent")))],
        "privacy": privacy,
        "problems": [(key, texts) for key, run in sections if (texts := words.problems(run))],
        "sources": _sources(report, runs),
        "command": str(report.get("command") or ""),
        "config": json.dumps(report["config"], indent=2, default=str, ensure_ascii=False)
        if report.get("config")
        else "",
        "open": OPEN,
    }


def _spoken(text: str, keys: list[dict]) -> dict:
    """A sentence of the verdict, apart from the name of the run it is about."""
    key = next((key for key in keys if text.startswith(f"{key['name']}: ")), None)
    return {"key": key, "text": text.removeprefix(f"{key['name']}: ") if key else text}


def _gate(report: dict) -> list[dict]:
    return [
        {
            "rule": str(rule.get("rule") or ""),
            "run": str(rule.get("run") or ""),
            "value": _short(rule.get("value")),
            "passed": bool(rule.get("passed")),
        }
        for rule in report.get("gate") or []
        if rule
    ]


def _scores(runs: list[dict]) -> list[dict]:
    """A row per score: what it is, each run's value and interval, and where they lie on a scale."""
    rows = []
    for name in dict.fromkeys(f.name for run in runs for f in figures(run)):
        found = [figure(run, name) for run in runs]
        first = next(f for f in found if f)
        winner = words.best(runs, name)
        cells = [
            {"text": f.show() if f else "", "interval": _interval(f), "best": i == winner}
            for i, f in enumerate(found)
        ]
        ends = [
            None if first.ideal is not None or v is None else first.show(v)
            for v in (first.floor, first.ceiling)
        ]
        rows.append(
            {
                "label": first.label,
                "meaning": first.meaning,
                "cells": cells,
                "scale": _scale(found),
                "floor": ends[0] or "",
                "ceiling": ends[1] or "",
            }
        )
        if first.ideal is not None:
            rows[-1]["ceiling"] = (
                first.show(first.ceiling) if first.ceiling is not None else f"{first.ideal:g} is ideal"
            )
    return rows


def _scale(found: list[Figure | None]) -> dict | None:
    """Percent from the left end (worse) to the right (better) of ticks, dots and intervals; None for a score
    without a scale."""
    known = [f for f in found if f]
    ends = axis(known)
    if ends is None:
        return None

    def place(value: float | None) -> float | None:
        return (
            None
            if value is None
            else round(max(0.0, min(100.0, 100 * (value - ends[0]) / (ends[1] - ends[0]))), 1)
        )

    first, dots = known[0], []
    for i, f in enumerate(found):
        if f:
            low, high = (
                sorted((place(f.low) or 0.0, place(f.high) or 0.0))
                if f.low is not None and f.high is not None
                else (0.0, 0.0)
            )
            dots.append(
                {
                    "class": report_figures.CLASSES[i % 3],
                    "at": place(f.value),
                    "low": low,
                    "width": round(high - low, 1),
                    "level": (i + 0.5) / len(found),
                }
            )
    ticks = (
        [] if first.ideal is not None else [("floor", place(first.floor)), ("ceiling", place(first.ceiling))]
    )
    ticks += [("ceiling", place(first.ideal))] if first.ideal is not None else []
    return {
        "dots": dots,
        "ticks": [tick for tick in ticks if tick[1] is not None],
        "height": max(1.2, 0.75 * len(found)),
        "ideal": first.ideal is not None,
    }


def _columns(runs: list[dict]) -> dict:
    """The table of columns, worst first: headings and rows of cells, without columns that no run fills."""
    tables = [{str(c.get("name")): c for c in run.get("columns") or [] if c} for run in runs]
    headings: list[tuple[str, int, str, float]] = []
    for heading, key, factor in MEASURES:
        having = [
            i for i, table in enumerate(tables) if any(number(c.get(key)) is not None for c in table.values())
        ]
        having = having[:1] if key == "missing_real" else having
        headings += [
            (
                f"{heading} {runs[i]['name']}" if len(runs) > 1 and key != "missing_real" else heading,
                i,
                key,
                factor,
            )
            for i in having
        ]
    rows = []
    for name in _worst_first(runs):
        cells = [_percent(tables[i].get(name, {}).get(key), factor) for _, i, key, factor in headings]
        rows.append(
            (name, next((str(t[name]["kind"]) for t in tables if t.get(name, {}).get("kind")), ""), cells)
        )
    return {"headings": [heading for heading, *_ in headings], "rows": rows}


def _worst_first(runs: list[dict]) -> list[str]:
    """Names of all columns by the greatest Shape error that any run has; those without one last."""
    worst: dict[str, float] = {}
    for run in runs:
        for column in run.get("columns") or []:
            if column:
                error = number(column.get("shape_error"))
                worst[str(column.get("name"))] = max(
                    worst.get(str(column.get("name")), -1.0), -1.0 if error is None else error
                )
    return sorted(worst, key=lambda name: -worst[name])


def _overlays(runs: list[dict]) -> list[dict]:
    out: list[dict] = []
    tables = [{str(c.get("name")): c for c in run.get("columns") or [] if c} for run in runs]
    for name in _worst_first(runs):
        of_runs = [table.get(name, {}) for table in tables]
        kind = next((str(c["kind"]) for c in of_runs if c.get("kind")), "")
        svg = report_figures.column(f"column-{len(out)}", [c.get("histogram") for c in of_runs], kind)
        if svg:
            errors = [
                (i, f"{error:.1f} %")
                for i, c in enumerate(of_runs)
                if (error := number(c.get("shape_error"))) is not None
            ]
            told = ", ".join(f"{runs[i]['name']} {error}" if len(runs) > 1 else error for i, error in errors)
            marks = [(report_figures.CLASSES[i % 3], error) for i, error in errors]
            out.append(
                {"name": name, "svg": svg, "errors": marks, "told": f"Shape error {told}." if told else ""}
            )
        if len(out) == DRAWN:
            break
    return out


def _pairs(sections: list) -> list[dict]:
    """A heat map for each run, in shades of one scale, and its worst pairs."""
    given = [run.get("pairs") or {} for _, run in sections]
    matrices = [report_figures.errors(p.get("names") or [], p.get("error") or []) for p in given]
    tops = [float(m[m == m].max()) for m in matrices if m is not None]
    out = []
    for i, ((key, run), p) in enumerate(zip(sections, given, strict=True)):
        svg, shown = report_figures.pairs(
            f"pairs-{i}", p.get("names") or [], p.get("error") or [], max(tops, default=None)
        )
        worst = [(a, b, f"{error:.1f}") for a, b, error in words.worst_pairs(run)[:10]]
        if svg or worst:
            out.append(
                {"key": key, "svg": svg, "shown": len(shown), "of": len(p.get("names") or []), "worst": worst}
            )
    return out


def _budget(run: dict) -> list[dict]:
    out = []
    for part in words.budget(run):
        total = part.noise + part.decoder + part.sampler
        if total > 0:
            unit = "" if part.name == "c2st" else " %"
            decimals = 3 if part.name == "c2st" else 2
            pieces = [("noise", part.noise), ("decoder", part.decoder), ("sampler", part.sampler)]
            shares = [
                {"name": n, "loss": f"{v:.{decimals}f}{unit}", "percent": f"{100 * v / total:.1f}"}
                for n, v in pieces
            ]
            out.append({"label": part.label, "total": f"{total:.{decimals}f}{unit}", "parts": shares})
    return out


def _latent(key: dict, latent) -> dict | None:
    if isinstance(latent, str) and re.fullmatch(r"(?!/)[\w./ %-]+\.html?", latent):
        return {"key": key, "link": latent}
    if not isinstance(latent, dict) or not latent.get("samplers"):
        return None
    return {
        "key": key,
        "link": "",
        "sentences": [latent_words.headline(latent), *latent_words.explain(latent)],
        "warning": latent_words.warning(latent),
        "scored": page.scored(latent),
        "chosen": latent.get("chosen"),
    }


def _sources(report: dict, runs: list[dict]) -> list[tuple[str, str]]:
    """Where everything came from: name and text."""
    out = [
        (label, _table(report.get(key) or {}))
        for label, key in (("Real rows", "real"), ("Held-out rows", "holdout"))
    ]
    out += [(run["name"] if len(runs) > 1 else "Generated rows", _table(run)) for run in runs]
    out += [
        (
            "Rows for scores that train a model",
            whole(report["sample_rows"]) if number(report.get("sample_rows")) is not None else "",
        )
    ]
    out += [
        (
            "Seed",
            str(report["seed"])
            if report.get("seed") is not None and report["seed"] == report["seed"]
            else "",
        )
    ]
    out += [
        ("Seconds", f"{report['seconds']:,.0f}" if number(report.get("seconds")) is not None else ""),
        ("raygen", str(report.get("raygen") or "")),
    ]
    out += [("Note", str(note)) for note in report.get("notes") or []]
    return [entry for entry in out if entry[1]]


def _table(given: dict) -> str:
    rows = f"{whole(given['rows'])} rows" if number(given.get("rows")) is not None else ""
    return ", ".join(text for text in (str(given.get("path") or ""), rows) if text)


def _interval(f: Figure | None) -> str:
    return (
        ""
        if f is None or f.low is None or f.high is None
        else f"{f.show(f.low).removesuffix(' %')} to {f.show(f.high)}"
    )


def _percent(value, factor: float) -> str:
    return "" if number(value) is None else f"{factor * value:.2f}"


def _short(value) -> str:
    return "" if number(value) is None else f"{value:.4g}"
