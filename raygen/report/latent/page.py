"""The latent page: where z of one trained VAE should be drawn from, as one HTML file that needs nothing
else."""

from raygen.report.latent import figures as latent_figures
from raygen.report.latent import quantities, sentences
from raygen.report.page import fill
from raygen.report.text import number, pair, show, whole

COLUMNS = (  # heading, how a row of figures shows it
    ("nats over N(0, I)", lambda s: pair(s.get("nats"), s.get("error"), "+")),
    (
        "behind best",
        lambda s: (
            pair(s.get("behind"), s.get("behind_error"))
            if s.get("behind")
            else "best"
            if s.get("behind") == 0
            else ""
        ),
    ),
    ("Shape error %", lambda s: _fixed(s, "shape_error", 2)),
    ("Trend error %", lambda s: _fixed(s, "trend_error", 2)),
    ("C2ST", lambda s: _fixed(s, "c2st", 3)),
    ("spread", lambda s: _fixed(s, "variance_ratio", 3)),
    ("fit seconds", lambda s: _fixed(s, "fit_seconds", 1)),
    ("rows/s", lambda s: _fixed(s, "rows_per_second", 0)),
    ("flops/row", lambda s: _fixed(s, "flops_per_row", 0)),
)
RATES = (("rate of this VAE", "rate"), ("ln(rows)", "log_rows"), ("tells which row", "mutual_information"))
MAIN_PARTS = 3  # named components of a picture's direction
NEARLY_ALIKE, FAR_APART = 0.03, 0.15  # of a Kolmogorov-Smirnov distance


def render(report: dict, title: str = "Where to draw z from") -> str:
    """A self-contained page for one latent report: verdict, samplers, split of the KL, dimensions, rate,
    pictures.

    Args:
        report: Plain numbers, lists and strings; what is missing, None or nan is left out.
        title: Of the page.

    Returns:
        HTML without scripts, and without fonts or images to load.
    """
    return fill("latent.html.j2", title=title, **_view(report))


def scored(report: dict) -> dict:
    """The table of samplers and what it says of them; columns that no row fills are left out."""
    tables = report.get("tables") or {}
    rows = [
        (name, sentences.LAWS.get(name, ""), report["samplers"][name] or {})
        for name in sentences.names(report)
    ]
    below = [(name, text, tables[name]) for name, text in sentences.TABLES.items() if tables.get(name)]
    shown = [(heading, cell) for heading, cell in COLUMNS if any(cell(s) for _, _, s in rows + below)]
    if any(heading == "rows/s" for heading, _ in shown):
        shown = [(heading, cell) for heading, cell in shown if heading != "flops/row"]  # which says less
    return {
        "headings": [heading for heading, _ in shown],
        "samplers": [(name, text, [cell(s) for _, cell in shown]) for name, text, s in rows],
        "tables": [(name, text, [cell(s) for _, cell in shown]) for name, text, s in below],
        "compared": whole(report["rows_compared"]) if number(report.get("rows_compared")) else "",
        "agreement": sentences.agreement(report),
        "missing": sentences.missing(report),
    }


def _view(report: dict) -> dict:
    kl = report.get("kl") or {}
    return {
        "verdict": sentences.headline(report),
        "explain": sentences.explain(report),
        "options": sentences.options(report),
        "unsettled": sentences.unsettled(report),
        "facts": _facts(report),
        "chosen": report.get("chosen"),
        "scored": scored(report),
        "kl": pair(kl.get("total"), kl.get("error")),
        "split": _shares(quantities.split(report), sum),
        "rate": quantities.rate(report),
        "warning": sentences.warning(report),
        "rates": _shares(
            [(label, v, "") for label, key in RATES if (v := number(report.get(key))) is not None], max
        ),
        "activity": quantities.activity(report),
        "dimensions": latent_figures.dimensions(report.get("dimensions") or []),
        "pictures": [
            found
            for name in sentences.names(report)
            if (found := _picture(name, (report["samplers"][name] or {}).get("picture") or {}))
        ],
    }


def _facts(report: dict) -> str:
    """What was measured on what: `16 dimensions of z, ...`."""
    pieces = (
        ("rows", "training rows"),
        ("held_out_rows", "held-out rows"),
        ("latent_dim", "dimensions of z"),
    )
    facts = [f"{whole(report[key])} {text}" for key, text in pieces if number(report.get(key)) is not None]
    return ", ".join(facts)


def _fixed(figures: dict, key: str, decimals: int) -> str:
    """`0.861` or, if its error is known, `0.861 +- 0.006`."""
    value, error = number(figures.get(key)), number(figures.get(key.removesuffix("_error") + "_error"))
    if value is None:
        return ""
    own_error = error is not None and not key.endswith("_error")
    return f"{value:,.{decimals}f}" + (f" +- {error:.{decimals}f}" if own_error else "")


def _shares(parts: list[tuple[str, float, str]], whole) -> list[dict]:
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


def _picture(name: str, picture: dict) -> dict | None:
    svg = latent_figures.picture(name, picture)
    if not svg:
        return None
    distances = [d for d in (number(k) for k in picture.get("ks") or []) if d is not None]
    directions = [_direction(d) for d in picture.get("directions") or []]
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


def _direction(weights: list) -> str:
    """The components that make most of a direction: `z3, -z7`."""
    known = [(abs(w), i, w) for i, w in enumerate(number(w) or 0.0 for w in weights or [])]
    main = [
        entry
        for entry in sorted(known, key=lambda entry: -entry[0])[:MAIN_PARTS]
        if entry[0] > 0.5 * max(known)[0]
    ]
    return ", ".join(f"{'-' if w < 0 else ''}z{i}" for _, i, w in main)
