"""What scores lose to noise, to the decoder and to the sampler, from an error budget."""

from dataclasses import dataclass

from raygen.report.evaluation.record import Budget, BudgetScores
from raygen.score_catalogue import SCORES


@dataclass(frozen=True)
class Loss:
    """How far generated rows are from perfect in one score, in three parts; each is at least 0."""

    name: str
    noise: float
    decoder: float
    sampler: float

    @property
    def total(self) -> float:
        return self.noise + self.decoder + self.sampler

    @property
    def fault(self) -> str:
        """The greatest part."""
        parts = {
            "the noise of the sample": self.noise,
            "the decoder": self.decoder,
            "the sampler": self.sampler,
        }
        return max(parts, key=lambda part: parts[part])


def losses(budget: Budget) -> list[Loss]:
    """The loss of each score of the budget that has all its figures."""
    return [loss for name in BudgetScores.model_fields if (loss := _loss(budget, name))]


def _loss(budget: Budget, name: str) -> Loss | None:
    noise, through, drawn = (
        getattr(scores, name) for scores in (budget.held_out, budget.resynthesised, budget.generated)
    )
    if noise is None or through is None or drawn is None:
        return None
    sign, perfect = (-1.0, 1.0) if SCORES[name].higher_is_better else (1.0, 0.0)
    parts = (sign * (noise - perfect), sign * (through - noise), sign * (drawn - through))
    return Loss(name, *(max(0.0, part) for part in parts))
