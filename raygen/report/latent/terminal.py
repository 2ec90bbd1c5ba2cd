"""A latent report for a terminal: what the latent page says, without its figures."""

import textwrap

from raygen.report.latent import quantities, sentences
from raygen.report.text import number, pair, show

WIDTH = 110
SCORES = (
    ("Shape", "shape_error", 2),
    ("Trend", "trend_error", 2),
    ("C2ST", "c2st", 3),
    ("spread", "variance_ratio", 3),
)
COST = (("fit s", "fit_seconds", 1, 8), ("rows/s", "rows_per_second", 0, 13))


def lines(report: dict) -> list[str]:
    """Samplers, split of the KL, rate, active dimensions and verdict, in ASCII of at most 110 columns.

    Args:
        report: As for `report.latent.page.render`.
    """
    out = [
        f"  {'sampler':10}{'nats over N(0, I)':>21}{'behind best':>18}"
        + "".join(f"{heading:>8}" for heading, *_ in SCORES)
    ]
    out[0] += "".join(f"{heading:>{width}}" for heading, _, _, width in COST)
    for name in sentences.names(report):
        s = report["samplers"][name] or {}
        gain, behind = pair(s.get("nats"), s.get("error"), "+"), pair(s.get("behind"), s.get("behind_error"))
        nats = f"{gain or '-':>21}{behind or '-':>18}"
        cost = "".join(f"{_fixed(s.get(key), decimals):>{width}}" for _, key, decimals, width in COST)
        out.append(f"{'*' if name == report.get('chosen') else ' '} {name[:10]:10}{nats}{_scores(s)}{cost}")
    tables = report.get("tables") or {}
    out += [f"  {name:49}{_scores(tables[name])}" for name in sentences.TABLES if tables.get(name)]
    out += [
        "  * drawn from; Shape and Trend error in %; C2ST 1: rows pass for real; spread 1: the "
        "variance of real rows",
        "",
    ]
    if parts := quantities.split(report):
        out.append(
            f"KL(q(z) || N(0, I)) {pair(report['kl'].get('total'), report['kl'].get('error'))} nats per row:"
        )
        out += [f"  {name:12}{show(nats):>9}  {text}" for name, nats, text in parts] + [""]
    paragraphs = [
        " ".join(quantities.rate(report)),
        sentences.warning(report),
        " ".join(quantities.activity(report)),
    ]
    paragraphs += [
        sentences.headline(report),
        *sentences.unsettled(report),
        *sentences.explain(report),
        *sentences.options(report),
    ]
    for text in [*paragraphs, sentences.agreement(report), sentences.missing(report)]:
        out += textwrap.wrap(text, WIDTH, subsequent_indent="  ")
    return [line.encode("ascii", "replace").decode().rstrip() for line in out]


def _scores(figures: dict) -> str:
    return "".join(f"{_fixed(figures.get(key), decimals):>8}" for _, key, decimals in SCORES)


def _fixed(value, decimals: int) -> str:
    return "-" if number(value) is None else f"{value:,.{decimals}f}"
