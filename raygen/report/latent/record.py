"""The latent report as records: from the figures of z and of each sampler to latent.json and the page.

latent.json is what `LatentReport.to_dict` gives, and `LatentReport.model_validate_json` checks one. A figure
that was not measured, or is nan or infinite, is None. All nats are per row.
"""

from raygen.report.record import Count, Number, Record


class KL(Record):
    """KL(q(z) || N(0, I)) with its standard error, and its three exact parts."""

    total: Number = None
    error: Number = None
    scale: Number = None
    correlation: Number = None
    shape: Number = None


class Dimension(Record):
    """One dimension of z.

    Attributes:
        kl: Mean KL of a row's posterior to N(0, 1).
        mean_variance: Variance of z_mean over the rows.
        posterior_variance: Mean over the rows of exp z_log_var.
        variance: Of z, the sum of both.
        active: Whether z_mean moves from row to row.
    """

    kl: Number = None
    mean_variance: Number = None
    posterior_variance: Number = None
    variance: Number = None
    active: bool = False


class Picture(Record):
    """q(z) and a sampler in the two directions in which they differ most.

    Attributes:
        directions: Weights of the dimensions of z in each direction.
        ks: Kolmogorov-Smirnov distance in each.
        range: Ends of the grid in each.
        posterior, sampler: Counts on one grid, the first direction first.
    """

    directions: list[list[Number]] = []
    ks: list[Number] = []
    range: list[list[Number]] = []
    posterior: list[list[Count]] = []
    sampler: list[list[Count]] = []


class TableScores(Record):
    """Scores of a table of rows: errors in percent, and the variance of number columns as a multiple of the
    real."""

    shape_error: Number = None
    trend_error: Number = None
    c2st: Number = None
    variance_ratio: Number = None
    c2st_error: Number = None


class References(Record):
    """Scores of rows decoded from z of held-out rows (bound), of other real rows (ceiling), and of rows whose
    columns were shuffled (floor)."""

    bound: TableScores = TableScores()
    ceiling: TableScores = TableScores()
    floor: TableScores = TableScores()


class SamplerRecord(TableScores):
    """One sampler, with the scores of rows drawn from it.

    Attributes:
        nats, error: What it gains over N(0, I) on held-out rows, and the standard error.
        behind, behind_error: The paired difference to the best sampler.
        rows_per_second: From random numbers to codes, in one process.
    """

    nats: Number = None
    error: Number = None
    behind: Number = None
    behind_error: Number = None
    fit_seconds: Number = None
    rows_per_second: Number = None
    flops_per_row: Count = None
    picture: Picture | None = None


class LatentReport(Record):
    """All that is known of z of one VAE, and of where it could be drawn from.

    Attributes:
        chosen: Name of the sampler that is drawn from.
        unsettled: Sentences about what is not settled.
        rows, held_out_rows: Rows of training, and kept out of it.
        rate: Mean KL of a row's posterior to N(0, I).
        log_rows: ln of the training rows.
        mutual_information: Of z and the row.
        samplers: By name.
        rows_compared: Rows of each table that was scored.
    """

    chosen: str = ""
    unsettled: list[str] = []
    rows: Count = None
    held_out_rows: Count = None
    latent_dim: Count = None
    rate: Number = None
    log_rows: Number = None
    mutual_information: Number = None
    kl: KL = KL()
    dimensions: list[Dimension] = []
    samplers: dict[str, SamplerRecord] = {}
    tables: References = References()
    rows_compared: Count = None

    def sampler(self, name: str) -> SamplerRecord:
        """The record of a sampler; an empty one if it was not fitted."""
        return self.samplers.get(name, SamplerRecord())
