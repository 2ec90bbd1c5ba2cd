"""What a search minimises or maximises: figures of rows, not of a loss, that mean the same whatever setting
is searched."""

import math
from typing import TYPE_CHECKING, Any

from raygen.codec import log_volume
from raygen.codec.codec import Codec
from raygen.latent import samplers as latent_samplers
from raygen.latent.samplers import SamplerScore
from raygen.training.samplers import FittedSamplers

if TYPE_CHECKING:
    from raygen.training.trainer import Loop

HIGHER_IS_BETTER = {"nats": False, "c2st": True}
ROUND_ROWS = 8192  # training rows that the samplers of a round are fitted to
ROUND_COMPONENTS = 32
COMPARED_ROWS = 65_536


def heard(figures: dict[str, Any], kind: str) -> dict[str, Any]:
    """A round's figures as Ray Tune hears them: those that a judge has seen with the search's `objective`,
    nan where only a trained model has one."""
    if not kind or "value_nats" not in figures:
        return figures
    return {**figures, "objective": figures["value_nats"] if kind == "nats" else math.nan}


class Judge:
    """What a trial of a search reports: `value_nats` after each round, by which it may be stopped, and the
    objective at its end.

    - `nats`: the negative ELBO of held-out rows under the sampler that rows would be drawn from, in nats per
      row of the values at each column's own resolution (see `log_volume`). Neither beta nor the way in which
      the table was encoded changes its meaning.
    - `c2st`: of rows drawn from that sampler against held-out rows: against rows that were learned, a network
      that copies them would score well. In the middle of training it says little (on Adult, trials that ended
      at .97 and .86 had .24 and .25), so trials are stopped by nats whatever the objective.

    In a round the sampler is the learned prior, or the best of three cheap ones for a network without it; at
    the end it is the model's own.

    Args:
        kind: "nats" or "c2st".
        loop: The training loop of this worker. All workers must make a judge; that of rank 0 judges.
        codec: The table's.
    """

    def __init__(self, kind: str, loop: "Loop", codec: Codec):
        self.kind, self.loop, self.codec = kind, loop, codec
        self.volume = loop.mean(log_volume.log_volume(codec, *loop.feed.held))

    def of_round(self, figures: dict) -> dict[str, Any]:
        """Figures of the weights as they are; `figures` are the loop's scores."""
        gains = {name: score.nats for name, score in self._cheap().items()}
        return {"value_nats": self._nats(figures, gains, max(gains, key=gains.__getitem__))}

    def of_model(self, figures: dict, fitted: FittedSamplers) -> dict[str, Any]:
        """Figures of a trained model: its `objective` with the standard error, `rows_per_second` of its
        sampler and what rows of it score.

        Args:
            figures: The loop's scores of the weights that were kept.
            fitted: The model's samplers.
        """
        name = fitted.report.chosen
        sampler, record = fitted.samplers[name], fitted.report.samplers[name]
        gains = {n: s.nats or 0.0 for n, s in fitted.report.samplers.items()}
        nats, c2st = self._nats(figures, gains, name), self._c2st(sampler)
        value = (
            {"objective": nats, "objective_error": figures["held_out_error"]}
            if self.kind == "nats"
            else {"objective": c2st}
        )
        compared = {"shape_error": record.shape_error, "trend_error": record.trend_error}
        return {
            "objective_kind": self.kind,
            **value,
            "value_nats": nats,
            "c2st": c2st,
            "rows_per_second": record.rows_per_second or fitted.tables.speed(sampler),
            **{key: score for key, score in compared.items() if score is not None},
        }

    def _nats(self, figures: dict, gains: dict[str, float], name: str) -> float:
        """The negative ELBO under the named sampler: under the network's own prior, less what the sampler
        gains on it."""
        own = "normal" if self.loop.model.prior is None else "learned"
        return figures["held_out_nats"] - (gains[name] - gains[own]) - self.volume

    def _cheap(self) -> dict[str, SamplerScore]:
        """Scores of samplers that cost little."""
        if self.loop.model.prior is not None:  # nats count from the network's own prior, as do the loop's
            return {"learned": SamplerScore(0.0, 0.0, 0.0, 0.0)}
        seed = self.loop.config.run.seed
        with self.loop.averaged():
            held = latent_samplers.Posteriors(*self.loop.posterior(*self.loop.feed.all_held()))
            rows = latent_samplers.Posteriors(*self.loop.posterior(*self.loop.feed.some(ROUND_ROWS)))
        check, scored = latent_samplers.halves(held)
        samplers, _ = latent_samplers.fit_all(
            ("normal", "gaussian", "mixture"), rows, check, ROUND_COMPONENTS, 0, seed
        )
        return latent_samplers.score(samplers, scored, seed)

    def _c2st(self, sampler: latent_samplers.Sampler) -> float:
        from raygen.sampling.sampler_comparison import Comparison

        stored, kept = self.loop.feed.some(COMPARED_ROWS), self.loop.feed.all_held()
        held = latent_samplers.Posteriors(*self.loop.posterior(*kept))
        seed = self.loop.config.run.seed
        scores = Comparison(self.loop.model, self.codec, stored, kept, held, seed).of_sampler(sampler)
        return math.nan if scores.c2st is None else scores.c2st
