"""The quantities of a latent report in words: the KL in its parts, the rate, active dimensions."""

from raygen.report.latent.record import LatentReport
from raygen.report.latent.sentences import rows_compared


def split(report: LatentReport) -> list[tuple[str, float, str]]:
    """The parts of KL(q(z) || N(0, I)): name, nats, what it means."""
    kl = report.kl
    parts = (
        ("scale", kl.scale, "dimensions whose mean is not 0 or whose variance is not 1; `diagonal` mends it"),
        ("correlation", kl.correlation, "dimensions that move together; `gaussian` mends it"),
        (
            "shape",
            kl.shape,
            "clusters, skew, tails, which no single normal has; a mixture or a flow mends it",
        ),
    )
    return [(name, nats, text) for name, nats, text in parts if nats is not None]


def rate(report: LatentReport) -> list[str]:
    """The rate beside ln(rows), and what z could tell of single rows."""
    nats, limit, information = report.rate, report.log_rows, report.mutual_information
    if nats is None:
        return []
    out = [
        f"Rate: z carries {nats:.1f} nats of a row."
        + ("" if limit is None else f" To name one of {rows_compared(report)} takes ln(rows) = {limit:.1f}.")
    ]
    if information is not None:
        out.append(
            f"{information:.1f} nats of the rate say which row it is; the rest is the distance from q(z) to "
            "N(0, I)."
        )
    if limit is not None and nats <= limit:
        out.append("The rate is not above ln(rows): z cannot name every single row.")
    return out


def activity(report: LatentReport) -> list[str]:
    """How many dimensions of z carry something, and how far their variance is from 1."""
    dimensions = report.dimensions
    if not dimensions:
        return []
    active = [d for d in dimensions if d.active]
    idle = len(dimensions) - len(active)
    text = (
        f"{len(active)} of {len(dimensions)} dimension{'s' if len(dimensions) > 1 else ''} of z "
        f"{'is' if len(active) == 1 else 'are'} active"
    )
    out = [
        text
        + (
            "; in the rest z_mean hardly moves from row to row, so that z is only noise there."
            if idle and active
            else "."
        )
    ]
    if variances := [d.variance for d in active if d.variance is not None]:
        mean = sum(variances) / len(variances)
        where = "in the active ones" if len(variances) > 1 else "in the active one"
        span = f", from {min(variances):.2g} to {max(variances):.2g}" if len(variances) > 1 else ""
        out.append(f"The variance of z {where} is {mean:.2g} on average{span}; N(0, I) has 1.")
    return out
