"""What is wrong with a VAE, in words, from the figures that `diagnosis` measured: the worst first."""

from raygen.errors import listed
from raygen.report.latent.record import LatentReport
from raygen.report.text import show
from raygen.sampler_catalogue import NAIVE, title

SEVERITY = ("breaks", "harms")  # rows cannot come out right; rows come out worse than they need to
CONVENTIONS = {
    "log_var": "a log variance, in the draw and in the KL",
    "log_sigma": "a log standard deviation, in the draw and in the KL",
    "mixed": "a log standard deviation in the draw, std = exp(o), but a log variance in the KL",
}
BOUNDED_SHARE = 0.01  # of the numbers outside what the decoder can give
MISFED = 1.1  # squared error over variance, the median over columns
UNEVEN = 30.0  # greatest over smallest standard deviation of a column
NARROW, WIDE = 0.8, 1.25  # mean variance of z in active dimensions
PRIOR_NATS = 0.1  # that the chosen law gains over N(0, I)
HOLES = 0.05  # share of draws where hardly any z of a row lies; 0.01 by definition if there are none


def find(figures: dict, report: LatentReport) -> list[dict[str, str]]:
    """Defects, each with `severity`, `name`, `text` and `mend`.

    Args:
        figures: As `diagnosis.measurements.outputs`, `holes` and `read_convention` give them, by the same
            names.
        report: The latent report (see `sampling.latent_report.describe`).
    """
    found = [
        *_outputs(figures["outputs"]),
        *_spread(figures["convention"]),
        *_prior(report, figures["holes"]),
    ]
    active = [d for d in report.dimensions if d.active]
    if not active:
        text = (
            f"None of the {len(report.dimensions)} dimensions of z is active: z_mean is the "
            "same for every row, so z says nothing about the row."
        )
        found.append(_defect("breaks", "collapsed", text, "weigh the KL less, or warm its weight up from 0"))
    return sorted(found, key=lambda d: SEVERITY.index(d["severity"]))


def _outputs(o: dict) -> list[dict[str, str]]:
    found = []
    if o["columns_out"] == 1 < o["columns"]:
        text = (
            f"The decoder gives one number; a row has {o['columns']}. The squared error holds it "
            "against all of them and does not complain."
        )
        found.append(
            _defect("breaks", "broadcast", text, f"end the decoder in Dense({o['columns']}), and train again")
        )
    if o["constant"]:
        every = len(o["constant"]) == o["columns"]
        which = (
            "any column"
            if every
            else f"{len(o['constant'])} of {o['columns']} columns ({listed(o['constant'], 3)})"
        )
        zero = (
            " It is 0: a relu that has died, as it does on standardised data." if o["constant_zero"] else ""
        )
        text = f"The decoder's output does not move with z in {which}.{zero}"
        found.append(
            _defect(
                "breaks",
                "constant",
                text,
                "end the decoder in a Dense layer without activation, and train again",
            )
        )
    if o["outside"] > BOUNDED_SHARE and not (o["constant"] and len(o["constant"]) == o["columns"]):
        below = o["below"] >= o["above"]
        side, limit, share = (
            ("below", o["lowest"], o["below"]) if below else ("above", o["highest"], o["above"])
        )
        kind = " An output that ends in relu cannot be negative." if below and limit == 0 else ""
        reach = f"what the decoder can give in their column (in '{o['worst']}' {limit:.3g})"
        text = f"{100 * share:.0f} % of the numbers in the table are {side} {reach}.{kind}"
        found.append(
            _defect(
                "breaks",
                "range",
                text,
                "end the decoder in a Dense layer without activation, or scale the table to its "
                "range, and train again",
            )
        )
    if o["misfit"] > MISFED:
        text = (
            f"Reconstructions of held-out rows are {o['misfit']:.3g} times as far off as the "
            "column's mean would be (squared; the median column). "
        )
        text += (
            "Either the table is not what the network was trained on, or the network learned nothing of it."
        )
        found.append(
            _defect(
                "breaks",
                "misfed",
                text,
                "give the table exactly as the encoder was fed: the same columns, order and scaling",
            )
        )
    if o["uneven"] > UNEVEN:
        text = (
            f"Column '{o['widest']}' varies {o['uneven']:.3g} times as much as '{o['narrowest']}': "
            "the squared error sees the wide columns only."
        )
        found.append(_defect("harms", "unscaled", text, "standardise the columns, and train again"))
    return found


def _spread(c: dict) -> list[dict[str, str]]:
    if c["convention"] != "mixed":
        return []
    text = (
        "The draw takes the encoder's second output as a log standard deviation, std = exp(o), the "
        "KL as a log variance: the two do not agree."
    )
    return [
        _defect(
            "harms",
            "convention",
            text + " z then has about half the variance of N(0, I).",
            "draw with exp(0.5 * o), or write the KL with exp(2 * o)",
        )
    ]


def _prior(report: LatentReport, holes: dict) -> list[dict[str, str]]:
    fair = [n for n in report.samplers if n not in (NAIVE, "normal")]
    best = report.chosen if report.chosen in fair else max(fair, key=lambda n: report.samplers[n].nats or 0.0)
    nats, normal = report.samplers[best].nats or 0.0, report.samplers["normal"]
    active = [d.variance or 0.0 for d in report.dimensions if d.active]
    found = []
    if active and nats > max(PRIOR_NATS, 2 * (normal.behind_error or 0.0)):
        mean = sum(active) / len(active)
        name = "over-dispersed" if mean < NARROW else "under-dispersed" if mean > WIDE else "prior"
        text = (
            f"N(0, I) is not the law of z: {title(best)} fits z of held-out rows better by "
            f"{show(nats)} nats a row."
        )
        if name != "prior":
            does = f"{name.replace('dispersed', 'disperses')} about {max(mean, 1 / mean):.2g}-fold"
            text += f" Var z is {mean:.3g} on average in the active dimensions, so N(0, I) {does}."
        text += f" {100 * holes['normal']:.0f} % of its draws lie where at most 1 % of the z of rows do"
        if normal.variance_ratio is not None:
            text += (
                f"; what the decoder makes of them has {normal.variance_ratio:.2f} times the "
                "variance of the real rows"
            )
        found.append(_defect("harms", name, text + ".", f"draw z from {title(best)}"))
    if active and holes["gaussian"] > HOLES:
        share = f"{100 * holes['gaussian']:.0f} %"
        text = (
            f"q(z) has holes: even of a Gaussian with its mean and covariance {share} of the draws "
            "lie where at most 1 % of the z of rows do."
        )
        found.append(
            _defect("harms", "holes", text, "draw z from a mixture or a flow (`--generate` chooses)")
        )
    return found


def _defect(severity: str, name: str, text: str, mend: str) -> dict[str, str]:
    return {"severity": severity, "name": name, "text": text, "mend": mend}
