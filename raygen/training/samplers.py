"""Latent samplers fitted when training has ended."""

from typing import Any

from raygen.config import Config
from raygen.latent import samplers as latent_samplers


def fit_samplers(loop, codec, config: Config, say) -> tuple[dict, dict, Any]:
    """Every sampler fitted to training rows and scored on held-out rows, the latent report with the choice,
    and the tables that it compares (see `latent_report`)."""
    from raygen.sampling import latent_report, sampler_comparison

    wanted, seed = config.latent.sampler, config.run.seed
    stored = loop.feed.some(config.latent.max_rows)
    kept = loop.feed.all_held()
    rows, held = (
        latent_samplers.Posteriors(*loop.posterior(*stored)),
        latent_samplers.Posteriors(*loop.posterior(*kept)),
    )
    check, scored = latent_samplers.halves(held)
    names = _fitted_names(config)
    samplers, seconds = latent_samplers.fit_all(
        names, rows, check, config.latent.mixture_components, config.latent.flow_steps, seed, say
    )
    prior = loop.model.prior
    if prior is not None:
        samplers["learned"] = latent_samplers.learned(
            *(w.numpy() for w in (prior.logits, prior.mean, prior.log_var))
        )
    scores: dict[str, dict] = latent_samplers.score(samplers, scored, seed)
    for name, took in seconds.items():
        scores[name]["fit_seconds"] = took
    tables = sampler_comparison.Comparison(loop.model, codec, stored, kept, held, seed)
    if config.latent.report or config.latent.min_rows_per_second:
        for name, sampler in samplers.items():
            scores[name]["rows_per_second"] = tables.speed(sampler)
    chosen = latent_samplers.choose(scores, config.latent.min_rows_per_second) if wanted == "auto" else wanted
    for name in latent_samplers.RUNGS:
        if name in scores:
            say(
                f"  {name:9} {scores[name]['nats']:8.3f} +- {scores[name]['error']:.3f} nats/row"
                + ("  <- chosen" if name == chosen else "")
            )
    if chosen == latent_samplers.NAIVE:
        say(
            "Warning: latent.sampler = 'naive' drops the variance of z_mean; its rows lie near the "
            "decoder's average row."
        )
    report = latent_report.describe(rows, scored, samplers, scores, chosen, seed, loop.feed.batches.num_rows)
    if config.latent.report:
        for number, (name, sampler) in enumerate(samplers.items(), 1):
            say(
                f"Comparing rows of sampler {number} of {len(samplers)} with real ones: {name}, "
                f"{tables.repeats} x {tables.rows:,} rows ..."
            )
            report["samplers"][name] |= tables.of_sampler(sampler)
        report |= {"tables": tables.references(), "rows_compared": tables.rows}
    return samplers, report, tables


def _fitted_names(config: Config) -> list[str]:
    """Samplers to fit, a flow's mixture before it."""
    wanted, d = config.latent.sampler, config.model.latent_dim
    with_flow = (
        wanted in ("auto", "flow") and config.latent.flow_steps > 0 and d <= latent_samplers.FLOW_LATENT_DIM
    )
    dear = {"mixture": wanted in ("auto", "mixture") or with_flow, "flow": with_flow}
    return [n for n in latent_samplers.RUNGS if n != "learned" and dear.get(n, True)]
