"""What a search minimises or maximises: figures of rows, not of a loss, that mean the same whatever setting is searched."""

from typing import Any

from raygen import latent, metrics, volume

HIGHER_IS_BETTER = {"nats": False, "c2st": True}
ROUND_ROWS = 8192  # training rows that the samplers of a round are fitted to, and that generated rows are compared with
FINAL_ROWS = 65_536
ROUND_COMPONENTS = 32


class Judge:
    """The objective of one trial, after each round and at its end.

    - `nats`: the negative ELBO of held-out rows under the sampler that rows would be drawn from, in nats per row of the values at each
      column's own resolution (see `volume`). beta does not enter, nor how the table was encoded.
    - `c2st`: of rows drawn from that sampler against training rows, FINAL_ROWS at most of each: with few rows the classifier finds too little
      to tell networks apart (measured: 8,192 rows of diamonds .928, .883 and .867 for three models of .765, .635 and .663 on all rows by
      XGBoost; 53,940 rows .775, .661 and .681). The rows it is held against were learned: a network that copies them would score well, which
      the share of rows nearer to training than to held-out rows tells apart (`raygen evaluate`, DCR).

    In a round the sampler is the learned prior, or the best of three cheap ones for a network without it; at the end it is the model's own.

    Args:
        kind: "nats" or "c2st".
        loop: The training loop of this worker. All workers must make a judge; that of rank 0 judges, by its share of the held-out rows
            where the loop's own scores, of all of them, do not suffice.
        codec: The table's.
    """

    def __init__(self, kind: str, loop, codec):
        self.kind, self.loop, self.codec = kind, loop, codec
        self.tables: dict[int, Any] = {}  # comparisons, by their rows: a graph traced once serves all rounds
        self.volume = loop.mean(volume.log_volume(codec, *loop.held))

    def of_round(self, figures: dict) -> dict[str, Any]:
        """`objective` and its kind for the weights as they are; `figures` are the loop's scores."""
        samplers, scores = self._cheap()
        best = max(scores, key=lambda name: scores[name]["nats"])
        if self.kind == "nats":
            return {"objective": self._nats(figures, scores, best), "objective_kind": self.kind}
        return {"objective": self._c2st(samplers[best], ROUND_ROWS), "objective_kind": self.kind}

    def of_model(self, figures: dict, samplers: dict, report: dict, tables) -> dict[str, Any]:
        """Figures of a trained model: its `objective` with the standard error, `rows_per_second` of its sampler and what rows of it score.

        Args:
            figures: The loop's scores of the weights that were kept.
            samplers, report, tables: As `worker.fit_samplers` returns them.
        """
        chosen = report["chosen"]
        found = report["samplers"][chosen]
        nats, c2st = self._nats(figures, report["samplers"], chosen), self._c2st(samplers[chosen], FINAL_ROWS)
        value = {"objective": nats, "objective_error": figures["held_out_error"]} if self.kind == "nats" else {"objective": c2st}
        speed = found.get("rows_per_second") or tables.speed(samplers[chosen])
        compared = {k: found[k] for k in ("shape_error", "trend_error") if k in found}
        return {"objective_kind": self.kind, **value, "value_nats": nats, "c2st": c2st, "rows_per_second": speed, **compared}

    def _nats(self, figures: dict, scores: dict, name: str) -> float:
        """The negative ELBO under the named sampler: under the network's own prior, less what the sampler gains on it."""
        own = "normal" if self.loop.model.prior is None else "learned"
        return figures["held_out_nats"] - (scores[name]["nats"] - scores[own]["nats"]) - self.volume

    def _cheap(self) -> tuple[dict, dict]:
        """Samplers that cost little, and their scores."""
        prior, seed = self.loop.model.prior, self.loop.config.run.seed
        if prior is not None:
            learned = latent.learned(*(w.numpy() for w in (prior.logits, prior.mean, prior.log_var)))
            return {"learned": learned}, {"learned": {"nats": 0.0}}  # nats count from the network's own prior, as do the loop's
        held = latent.Posteriors(*self.loop.posterior(*self.loop.held))
        rows = latent.Posteriors(*self.loop.posterior(self.loop.codes[:ROUND_ROWS].numpy(), self.loop.offsets[:ROUND_ROWS].numpy()))
        check, scored = latent.halves(held)
        samplers, _ = latent.fit_all(("normal", "gaussian", "mixture"), rows, check, ROUND_COMPONENTS, 0, seed)
        return samplers, latent.score(samplers, scored, seed)

    def _c2st(self, sampler, rows: int) -> float:
        from raygen.latent_report import Comparison

        if rows not in self.tables:
            stored = self.loop.codes[:rows].numpy(), self.loop.offsets[:rows].numpy()
            held = latent.Posteriors(*self.loop.posterior(*self.loop.held))
            size = len(stored[0])
            self.tables[rows] = Comparison(self.loop.model, self.codec, stored, self.loop.held, held, self.loop.config.run.seed, size)
        tables = self.tables[rows]
        return float(metrics.c2st(tables.real[0], tables.drawn(sampler)[0], tables.kinds, tables.seed))
