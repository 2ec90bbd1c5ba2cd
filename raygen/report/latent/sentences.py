"""What a latent report says, in words: the sentences of the page and of the terminal.

A figure that is not known is left out, and so is a sentence that needs it.
"""

import math

from raygen.report.latent.record import LatentReport
from raygen.report.text import pair, show, whole
from raygen.sampler_catalogue import NAIVE, NEGLIGIBLE_NATS, SAMPLERS, title

TABLES = {
    "bound": "z of held-out rows, decoded: what no sampler can beat",
    "ceiling": "other real rows: the best score there is",
    "floor": "every column shuffled by itself: no dependence left",
}
COMPARED = ("shape_error", "trend_error", "c2st")  # scores of each sampler's rows
NEGLIGIBLE_C2ST = 0.01
TOLD_APART = 0.1  # C2ST below which it no longer says how far rows are from real ones


def names(report: LatentReport) -> list[str]:
    """The samplers of a report, cheapest first; those unknown here by their work per row, last."""
    order = list(SAMPLERS)
    return sorted(
        report.samplers,
        key=lambda name: (
            (order.index(name), 0.0)
            if name in order
            else (len(order), report.samplers[name].flops_per_row or 0.0)
        ),
    )


def candidates(report: LatentReport) -> list[str]:
    """Samplers that could be chosen, cheapest first: `naive` is there only to be seen."""
    return [n for n in names(report) if n != NAIVE and report.samplers[n].nats is not None]


def headline(report: LatentReport) -> str:
    """Which law to draw z from, and what it is worth."""
    chosen, rivals = report.chosen, candidates(report)
    if not chosen:
        return "No sampler was chosen."
    nats, error = report.sampler(chosen).nats, report.sampler(chosen).error or 0.0
    if chosen == "normal":
        level = [n for n in rivals if not _is_behind(report, "normal", n)]
        text = "Draw z from N(0, I): "
        if len(rivals) == 1:
            return text + "no other sampler was compared with it."
        return text + (
            "no other sampler gains more than its error."
            if len(level) == len(rivals)
            else "it was set so, though others fit z better."
        )
    text = f"Draw z from {title(chosen)}"
    if nats is None:
        return text + "."
    if abs(nats) <= error:
        return (
            f"{text}: it fits the z of held-out rows as well as N(0, I) does "
            f"({pair(nats, error, '+')} nats per row)."
        )
    word = "better" if nats > 0 else "worse"
    return (
        f"{text}: it fits the z of held-out rows {word} than N(0, I), by "
        f"{pair(abs(nats), error or None)} nats per row."
    )


def explain(report: LatentReport) -> list[str]:
    """What the headline's figure means, how sure it is, and whether a dearer or cheaper sampler would do."""
    chosen, out = report.chosen, []
    nats = report.sampler(chosen).nats if chosen else None
    if nats is not None and 0.05 < nats < 30:
        out.append(
            f"In other words, z of a typical held-out row is e^{nats:.2f} = {_times(math.exp(nats))} "
            "as likely under it as under N(0, I)."
        )
    total = report.kl.total
    if nats is not None and chosen != "normal" and total and total > 0.05 and nats > 0:
        out.append(
            f"q(z) of the training rows lies {show(total)} nats from N(0, I), so it gains "
            f"{min(100.0, 100 * nats / total):.0f} % of them. The rest "
            "is in part where single training rows lie, which no sampler should learn."
        )
    return out + rungs(report)


def rungs(report: LatentReport) -> list[str]:
    """Which dearer samplers earn their cost, and what the chosen one gains over the best of the cheaper
    ones."""
    chosen, rivals = report.chosen, candidates(report)
    out: list[str] = []
    if chosen not in rivals:
        return out
    nats = {n: report.sampler(n).nats or 0.0 for n in rivals}
    cheaper, dearer = rivals[: rivals.index(chosen)], rivals[rivals.index(chosen) + 1 :]
    if cheaper:
        rival = max(cheaper, key=lambda n: nats[n])
        gain, error = nats[chosen] - nats[rival], _paired_error(report, chosen, rival)
        if gain <= max(error or 0.0, NEGLIGIBLE_NATS):
            out.append(f"{_start(rival)} is cheaper and would do as well.")
        else:
            out.append(
                f"Over {title(rival)}, the best of the cheaper ones, it gains {pair(gain, error)} "
                "nats: it earns its cost."
            )
    for rival in dearer:
        gain, error = nats[rival] - nats[chosen], _paired_error(report, chosen, rival)
        who = f"{_start(rival)} is dearer{_work(report, rival, chosen)}"
        if gain <= 0:
            out.append(f"{who} and fits no better ({show(gain, '+')} nats): it does not earn its cost.")
        elif not _is_behind(report, chosen, rival):
            limit = (
                "less than a hundredth of a nat"
                if gain <= NEGLIGIBLE_NATS
                else "no more than one standard error"
            )
            out.append(f"{who} and gains {pair(gain, error)} nats, {limit}: it does not earn its cost.")
        else:
            out.append(
                f"{who} and gains {pair(gain, error)} nats, more than its error: it would earn its cost."
            )
    return out


def options(report: LatentReport) -> list[str]:
    """What the two options of the question would do: (a) `diagonal`, (b) `naive`."""
    out = []
    if report.sampler("diagonal").nats is not None:
        out.append(
            "(a) Mean and standard deviation of the sampled z in each dimension, which by the law of "
            "total variance is `diagonal` without its "
            f"sampling noise: {_effect(report, 'diagonal')}."
        )
    kept = _kept(report)
    if report.sampler("naive").nats is not None or kept is not None:
        effect = [_effect(report, "naive")] if report.sampler("naive").nats is not None else []
        if kept is not None:
            effect.append(f"at most {100 * kept:.2g} % of the variance of z is left in the active dimensions")
        out.append(
            "(b) Mean of z_mean, and exp of half the mean of z_log_var as standard deviation "
            f"(`naive`): {'; '.join(effect)}."
        )
    return out


def agreement(report: LatentReport) -> str:
    """Whether a classifier on the generated rows ranks the samplers as the nats do; `` with fewer than two to
    rank."""
    ranked = [n for n in candidates(report) if report.sampler(n).c2st is not None]
    if len(ranked) < 2:
        return ""
    if all((report.sampler(n).c2st or 0.0) < TOLD_APART for n in ranked):
        return (
            "The classifier (C2ST) tells the rows of every sampler from real ones nearly always, "
            "so it ranks none: that is the decoder's doing."
        )
    same, against = 0, []
    for i, low in enumerate(ranked):
        for high in ranked[i + 1 :]:
            score, score_error = _c2st_gain(report, low, high)
            gain, gain_error = _nats_gain(report, low, high)
            if abs(score) <= max(score_error, NEGLIGIBLE_C2ST) or abs(gain) <= max(
                gain_error, NEGLIGIBLE_NATS
            ):
                continue
            if (score > 0) == (gain > 0):
                same += 1
            else:
                against.append((high, low) if gain > 0 else (low, high))
    if not same + len(against):
        return (
            "The classifier (C2ST) cannot tell these samplers apart within its error, so it "
            "neither supports nor opposes the nats."
        )
    if not against:
        pairs = f"all {same} pairs" if same > 1 else "the one pair"
        return (
            f"The rows agree with the nats: the classifier (C2ST) puts {pairs} that both can tell "
            "apart in the same order."
        )
    ahead, behind = max(against, key=lambda p: abs(_c2st_gain(report, *p)[0]))
    scores = " against ".join(
        pair(report.sampler(n).c2st, report.sampler(n).c2st_error) for n in (ahead, behind)
    )
    return (
        f"The rows disagree with the nats in {len(against)} of {same + len(against)} pairs that both "
        f"can tell apart: {title(ahead)} fits z better "
        f"than {title(behind)}, yet its rows pass less well for real (C2ST {scores}). The nats weigh "
        "every part of z alike, the decoder does not: "
        "prefer the sampler whose rows pass."
    )


def missing(report: LatentReport) -> str:
    """How much of what rows still lack is the sampler's, and how much the decoder's."""
    bound, ceiling = report.tables.bound.c2st, report.tables.ceiling.c2st
    mine = report.sampler(report.chosen).c2st
    if bound is None or ceiling is None or mine is None:
        return ""
    return (
        f"C2ST of the chosen sampler is {mine:.3f}. A perfect sampler would reach about {bound:.3f}: "
        f"the {max(0.0, bound - mine):.3f} between is "
        f"the sampler's. The {max(0.0, ceiling - bound):.3f} from there to other real rows "
        f"({ceiling:.3f}) is the decoder's: no sampler mends it."
    )


def warning(report: LatentReport) -> str:
    """That z can index single rows; `` if it cannot."""
    nats, limit = report.rate, report.log_rows
    if nats is None or limit is None or nats <= limit:
        return ""
    return (
        "Warning: the rate is above ln(rows), so z can index single rows. This does not prove "
        "copying, for a sampler draws z anew; measure it: "
        "are generated rows nearer to training rows than to held-out ones?"
    )


def _start(name: str) -> str:
    """The title of a sampler at the start of a sentence."""
    return title(name)[0].upper() + title(name)[1:]


def rows_compared(report: LatentReport) -> str:
    return "the training rows" if report.rows is None else f"{whole(report.rows)} training rows"


def _times(ratio: float) -> str:
    return (
        f"{ratio:.1f} times" if ratio < 10 else f"{ratio:,.0f} times" if ratio < 1e6 else f"{ratio:.0e} times"
    )


def _paired_error(report: LatentReport, one: str, other: str) -> float | None:
    """Standard error of the difference of two samplers, if one of them is the best: only then was it
    measured."""
    for best, rest in ((one, other), (other, one)):
        if report.sampler(best).behind == 0:
            return report.sampler(rest).behind_error
    return None


def _is_behind(report: LatentReport, name: str, rival: str) -> bool:
    """Whether a sampler is behind a rival by more than one standard error and by more than a hundredth of a
    nat."""
    gain = (report.sampler(rival).nats or 0.0) - (report.sampler(name).nats or 0.0)
    return gain > max(
        _paired_error(report, name, rival) or report.sampler(name).behind_error or 0.0, NEGLIGIBLE_NATS
    )


def _difference(
    low: tuple[float | None, float | None], high: tuple[float | None, float | None]
) -> tuple[float, float]:
    """How much higher the second of two figures is, each with its error, and the error of that as if the two
    were independent."""
    return (high[0] or 0.0) - (low[0] or 0.0), math.hypot(low[1] or 0.0, high[1] or 0.0)


def _c2st_gain(report: LatentReport, low: str, high: str) -> tuple[float, float]:
    a, b = report.sampler(low), report.sampler(high)
    return _difference((a.c2st, a.c2st_error), (b.c2st, b.c2st_error))


def _nats_gain(report: LatentReport, low: str, high: str) -> tuple[float, float]:
    a, b = report.sampler(low), report.sampler(high)
    return _difference((a.nats, a.error), (b.nats, b.error))


def _work(report: LatentReport, dear: str, cheap: str) -> str:
    slow, fast = report.sampler(dear).rows_per_second, report.sampler(cheap).rows_per_second
    if slow and fast:
        return f" ({whole(slow)} rows/s instead of {whole(fast)})"
    more, less = report.sampler(dear).flops_per_row, report.sampler(cheap).flops_per_row
    return f" ({_times(more / less)} the work per row)" if more and less and more >= 2 * less else ""


def _kept(report: LatentReport) -> float | None:
    """Share of the variance of z that averaging z_log_var leaves, at most (Jensen), in the active
    dimensions."""
    active = [d for d in report.dimensions if d.active]
    left = sum(d.posterior_variance or 0.0 for d in active)
    variance = sum(d.variance or 0.0 for d in active)
    return left / variance if variance > 0 else None


def _effect(report: LatentReport, name: str) -> str:
    nats = report.sampler(name).nats or 0.0
    out = [f"{show(abs(nats))} nats per row {'better' if nats > 0 else 'worse'} than N(0, I)"]
    chosen = report.chosen
    if name == chosen:
        out.append("the one chosen")
    elif (mine := report.sampler(chosen).nats) is not None and mine > nats:
        out.append(f"{show(mine - nats)} behind {title(chosen)}")
    if (c2st := report.sampler(name).c2st) is not None:
        out.append(f"C2ST {c2st:.3f}")
    if (ratio := report.sampler(name).variance_ratio) is not None:
        out.append(f"generated columns have {ratio:.2g} times the variance of the real ones")
    return ", ".join(out)
