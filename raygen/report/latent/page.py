"""The latent page: where z of one trained VAE should be drawn from, as one HTML file that needs nothing
else."""

from collections.abc import Callable, Iterable

from raygen.report.latent import figures as latent_figures
from raygen.report.latent import quantities, sentences
from raygen.report.latent.record import COMPARED, LatentReport, Picture, SamplerRecord, TableScores
from raygen.report.page import fill, script
from raygen.report.text import pair, show, whole
from raygen.sampler_catalogue import SAMPLERS
from raygen.score_catalogue import SCORES

MAIN_PARTS = 3  # named components of a picture's direction
NEARLY_ALIKE, FAR_APART = 0.03, 0.15  # of a Kolmogorov-Smirnov distance


def render(report: LatentReport, title: str = "Where to draw z from") -> str:
    """A self-contained page for one latent report: verdict, samplers, split of the KL, dimensions, rate,
    pictures.

    Args:
        report: What is None in it is left out.
        title: Of the page.

    Returns:
        HTML with the script of the theme's button alone, and without fonts or images to load.
    """
    return fill("latent.html.j2", title=title, **script(), **_view(report))


def scored(report: LatentReport) -> dict:
    """The table of samplers and what it says of them; columns that no row fills are left out."""
    rows = [(name, _law(name), report.samplers[name]) for name in sentences.names(report)]
    below = [
        (name, text, SamplerRecord(**scores.to_dict()))
        for name, text in sentences.TABLES.items()
        if (scores := getattr(report.tables, name)) != TableScores()
    ]
    shown = [(heading, cell) for heading, cell in COLUMNS if any(cell(s) for _, _, s in rows + below)]
    if any(heading == "rows/s" for heading, _ in shown):
        shown = [(heading, cell) for heading, cell in shown if heading != "flops/row"]  # which says less
    return {
        "headings": [heading for heading, _ in shown],
        "samplers": [(name, text, [cell(s) for _, cell in shown]) for name, text, s in rows],
        "tables": [(name, text, [cell(s) for _, cell in shown]) for name, text, s in below],
        "compared": "" if report.rows_compared is None else whole(report.rows_compared),
        "agreement": sentences.agreement(report),
        "missing": sentences.missing(report),
    }


def _law(name: str) -> str:
    return SAMPLERS[name].law if name in SAMPLERS else ""


def _behind(s: SamplerRecord) -> str:
    return "best" if s.behind == 0 else pair(s.behind, s.behind_error)


def _fixed(value: float | None, decimals: int, error: float | None = None) -> str:
    """`0.861` or, if its error is known, `0.861 +- 0.006`."""
    if value is None:
        return ""
    return f"{value:,.{decimals}f}" + ("" if error is None else f" +- {error:.{decimals}f}")


def _score(name: str) -> tuple[str, Callable[[SamplerRecord], str]]:
    definition = SCORES[name]

    def cell(s: SamplerRecord) -> str:
        return _fixed(getattr(s, name), definition.decimals, s.c2st_error if name == "c2st" else None)

    return definition.heading, cell


COLUMNS: tuple[tuple[str, Callable[[SamplerRecord], str]], ...] = (  # heading, and a row's cell
    ("nats over N(0, I)", lambda s: pair(s.nats, s.error, "+")),
    ("behind best", _behind),
    *map(_score, COMPARED),
    ("spread", lambda s: _fixed(s.variance_ratio, 3)),
    ("fit seconds", lambda s: _fixed(s.fit_seconds, 1)),
    ("rows/s", lambda s: _fixed(s.rows_per_second, 0)),
    ("flops/row", lambda s: _fixed(s.flops_per_row, 0)),
)


def _view(report: LatentReport) -> dict:
    rates = (
        ("rate of this VAE", report.rate),
        ("ln(rows)", report.log_rows),
        ("tells which row", report.mutual_information),
    )
    pictures = [(name, s.picture) for name in sentences.names(report) if (s := report.samplers[name]).picture]
    return {
        "verdict": sentences.headline(report),
        "explain": sentences.explain(report),
        "options": sentences.options(report),
        "unsettled": report.unsettled,
        "facts": _facts(report),
        "chosen": report.chosen,
        "scored": scored(report),
        "kl": pair(report.kl.total, report.kl.error),
        "split": _shares(quantities.split(report), sum),
        "rate": quantities.rate(report),
        "warning": sentences.warning(report),
        "rates": _shares([(label, nats, "") for label, nats in rates if nats is not None], max),
        "activity": quantities.activity(report),
        "dimensions": latent_figures.dimensions(report.dimensions),
        "pictures": [view for name, picture in pictures if picture and (view := _picture(name, picture))],
    }


def _facts(report: LatentReport) -> str:
    """What was measured on what: `16 dimensions of z, ...`."""
    facts = (
        (report.rows, "training rows"),
        (report.held_out_rows, "held-out rows"),
        (report.latent_dim, "dimensions of z"),
    )
    return ", ".join(f"{whole(count)} {text}" for count, text in facts if count is not None)


def _shares(parts: list[tuple[str, float, str]], whole: Callable[[Iterable[float]], float]) -> list[dict]:
    """Parts as percentages of their sum or of the greatest of them; negative ones, which noise can make, have
    no width."""
    widths = [max(0.0, value) for _, value, _ in parts]
    full = whole(widths) if widths else 0.0
    return [
        {
            "name": name,
            "nats": show(value),
            "text": text,
            "percent": f"{100 * width / full if full > 0 else 0.0:.1f}",
        }
        for (name, value, text), width in zip(parts, widths, strict=True)
    ]


def _picture(name: str, picture: Picture) -> dict | None:
    svg = latent_figures.picture(name, picture)
    if not svg:
        return None
    distances = [d for d in picture.ks if d is not None]
    directions = [_direction(weights) for weights in picture.directions]
    caption = "KS distance " + " and ".join(f"{d:.3f}" for d in distances) if distances else ""
    if distances:
        worst = max(distances)
        caption += (
            ": nearly alike."
            if worst < NEARLY_ALIKE
            else ": clearly apart."
            if worst > FAR_APART
            else ": alike, but not the same."
        )
    axes = "; ".join(f"direction {i} is mostly {text}" for i, text in enumerate(directions, 1) if text)
    return {
        "name": name,
        "svg": svg,
        "caption": caption,
        "axes": axes[:1].upper() + axes[1:] + ("." if axes else ""),
    }


def _direction(weights: list[float | None]) -> str:
    """The components that make most of a direction: `z3, -z7`."""
    known = [(abs(w), i, w) for i, w in enumerate(w or 0.0 for w in weights)]
    main = [
        entry
        for entry in sorted(known, key=lambda entry: -entry[0])[:MAIN_PARTS]
        if entry[0] > 0.5 * max(known)[0]
    ]
    return ", ".join(f"{'-' if w < 0 else ''}z{i}" for _, i, w in main)
