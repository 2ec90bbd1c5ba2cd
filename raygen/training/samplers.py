"""Latent samplers fitted when training has ended."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from raygen.codec.codec import Codec
from raygen.config import Config
from raygen.latent import samplers as latent_samplers
from raygen.latent.samplers import Posteriors, Sampler, SamplerScore
from raygen.report.latent.record import LatentReport
from raygen.report.redrawn import Say
from raygen.sampler_catalogue import FITTED, NAIVE, SAMPLERS

if TYPE_CHECKING:
    from raygen.model.proposal import Proposal
    from raygen.sampling.sampler_comparison import Comparison
    from raygen.training.trainer import Loop


@dataclass(frozen=True)
class FittedSamplers:
    """Every sampler of a model by its name, the latent report with the choice, and the tables that it
    compares."""

    samplers: dict[str, Sampler]
    report: LatentReport
    tables: "Comparison"


def fit_samplers(loop: "Loop", codec: Codec, config: Config, say: Say) -> FittedSamplers:
    """Every sampler fitted to training rows, and scored on held-out rows."""
    from raygen.sampling import latent_report, sampler_comparison

    choice, seed = config.latent.sampler, config.run.seed
    stored, kept = loop.feed.some(config.latent.max_rows), loop.feed.all_held()
    rows, held = Posteriors(*loop.posterior(*stored)), Posteriors(*loop.posterior(*kept))
    check, scored = latent_samplers.halves(held)
    samplers, seconds = latent_samplers.fit_all(
        _fitted_names(config),
        rows,
        check,
        config.latent.mixture_components,
        config.latent.flow_steps,
        seed,
        say,
    )
    if (prior := loop.model.prior) is not None:
        arrays = (w.numpy() for w in (prior.logits, prior.mean, prior.log_var))
        samplers["learned"] = latent_samplers.learned(*arrays)
    scores = latent_samplers.score(samplers, scored, seed)
    tables = sampler_comparison.Comparison(loop.model, codec, stored, kept, held, seed)
    speeds: dict[str, float] = {}
    if config.latent.report or config.latent.min_rows_per_second:
        speeds = {name: tables.speed(sampler) for name, sampler in samplers.items()}
    slowest = config.latent.min_rows_per_second
    chosen = latent_samplers.choose(scores, speeds, slowest) if choice == "auto" else choice
    _tell(scores, chosen, say)
    report = latent_report.describe(rows, scored, samplers, scores, chosen, seed, loop.feed.batches.num_rows)
    report = with_costs(report, seconds, speeds)
    if config.latent.report:
        report = compared(report, samplers, tables, say)
    return FittedSamplers(samplers, report, tables)


def fit_proposal(loop: "Loop", config: Config, say: Say) -> "Proposal | None":
    """Where z of rows known in part may lie, learned from training rows, in no more steps than
    the network was; None where it is not wanted."""
    from raygen.model import proposal

    steps = min(config.latent.proposal_steps, loop.step)
    if not steps:
        return None
    say("Fitting the proposal by which raygen complete fills rows ...")
    columns = len(loop.model.settings["cardinalities"])
    rows = loop.feed.some(min(config.latent.max_rows, proposal.most_rows(columns)))
    posterior = loop.posterior(*rows)
    return proposal.fit(loop.model, rows, posterior, steps, config.run.seed)


def with_costs(report: LatentReport, seconds: dict[str, float], speeds: dict[str, float]) -> LatentReport:
    """The report with the seconds that each sampler's fit took, and its rows/s."""
    samplers = {}
    for name, record in report.samplers.items():
        costs = {"fit_seconds": seconds.get(name), "rows_per_second": speeds.get(name)}
        known = {key: value for key, value in costs.items() if value is not None}
        samplers[name] = record.model_copy(update=known)
    return report.model_copy(update={"samplers": samplers})


def compared(
    report: LatentReport, samplers: dict[str, Sampler], tables: "Comparison", say: Say
) -> LatentReport:
    """The report with the scores of what each sampler does to the table."""
    records = {}
    for number, (name, sampler) in enumerate(samplers.items(), 1):
        say(
            f"Comparing rows of sampler {number} of {len(samplers)} with real ones: {name}, "
            f"{tables.repeats} x {tables.rows:,} rows ..."
        )
        records[name] = report.samplers[name].model_copy(update=tables.of_sampler(sampler).to_dict())
    references = {"tables": tables.references(), "rows_compared": tables.rows}
    return report.model_copy(update={"samplers": records, **references})


def _tell(scores: dict[str, SamplerScore], chosen: str, say: Say) -> None:
    for name in SAMPLERS:
        if name in scores:
            mark = "  <- chosen" if name == chosen else ""
            say(f"  {name:9} {scores[name].nats:8.3f} +- {scores[name].error:.3f} nats/row{mark}")
    if chosen == NAIVE:
        say(
            "Warning: latent.sampler = 'naive' drops the variance of z_mean; its rows lie near the "
            "decoder's average row."
        )


def _fitted_names(config: Config) -> list[str]:
    """Samplers to fit, a flow's mixture before it."""
    sampler, d = config.latent.sampler, config.model.latent_dim
    with_flow = (
        sampler in ("auto", "flow") and config.latent.flow_steps > 0 and d <= latent_samplers.FLOW_LATENT_DIM
    )
    dear = {"mixture": sampler in ("auto", "mixture") or with_flow, "flow": with_flow}
    return [name for name in SAMPLERS if name in FITTED and dear.get(name, True)]
