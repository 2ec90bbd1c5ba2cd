"""A latent report for a terminal: what the latent page says, without its figures."""

import textwrap

from raygen.report.latent import quantities, sentences
from raygen.report.latent.record import LatentReport, SamplerRecord, TableScores
from raygen.report.text import pair, show
from raygen.score_catalogue import SCORES

WIDTH = 110
HEADINGS = (*(SCORES[name].narrow_heading for name in sentences.COMPARED), "spread")


def lines(report: LatentReport) -> list[str]:
    """Samplers, split of the KL, rate, active dimensions and verdict, in ASCII of at most 110 columns.

    Args:
        report: As for `report.latent.page.render`.
    """
    headings = "".join(f"{heading:>8}" for heading in HEADINGS)
    out = [
        f"  {'sampler':10}{'nats over N(0, I)':>21}{'behind best':>18}{headings}{'fit s':>8}{'rows/s':>13}"
    ]
    for name in sentences.names(report):
        mark = "*" if name == report.chosen else " "
        out.append(f"{mark} {name[:10]:10}{_sampler(report.samplers[name])}")
    for name in sentences.TABLES:
        scores = getattr(report.tables, name)
        if scores != TableScores():
            out.append(f"  {name:49}{_scores(scores)}")
    out += [
        "  * drawn from; Shape and Trend error in %; C2ST 1: rows pass for real; spread 1: the "
        "variance of real rows",
        "",
    ]
    if parts := quantities.split(report):
        out.append(f"KL(q(z) || N(0, I)) {pair(report.kl.total, report.kl.error)} nats per row:")
        out += [f"  {name:12}{show(nats):>9}  {text}" for name, nats, text in parts] + [""]
    paragraphs = [
        " ".join(quantities.rate(report)),
        sentences.warning(report),
        " ".join(quantities.activity(report)),
    ]
    paragraphs += [
        sentences.headline(report),
        *report.unsettled,
        *sentences.explain(report),
        *sentences.options(report),
    ]
    for text in [*paragraphs, sentences.agreement(report), sentences.missing(report)]:
        out += textwrap.wrap(text, WIDTH, subsequent_indent="  ")
    return [line.encode("ascii", "replace").decode().rstrip() for line in out]


def _sampler(s: SamplerRecord) -> str:
    gain, behind = pair(s.nats, s.error, "+"), pair(s.behind, s.behind_error)
    cost = f"{_fixed(s.fit_seconds, 1):>8}{_fixed(s.rows_per_second, 0):>13}"
    return f"{gain or '-':>21}{behind or '-':>18}{_scores(s)}{cost}"


def _scores(scores: TableScores) -> str:
    cells = [_fixed(getattr(scores, name), SCORES[name].decimals) for name in sentences.COMPARED]
    return "".join(f"{cell:>8}" for cell in (*cells, _fixed(scores.variance_ratio, 3)))


def _fixed(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:,.{decimals}f}"
