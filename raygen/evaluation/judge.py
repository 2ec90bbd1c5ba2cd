"""What synthetic rows are judged by: the real rows, their counts, and the floor and ceiling of each score."""

from dataclasses import dataclass

import pyarrow as pa

from raygen import score_catalogue
from raygen.config import Config
from raygen.config_privacy import PrivacySettings
from raygen.evaluation import real_rows
from raygen.evaluation.real_rows import RealRows
from raygen.evaluation.rules import Rules
from raygen.metrics import counted, rare, scorecard, utility
from raygen.metrics.counted import CountedScores
from raygen.metrics.counts import Counts, Reference
from raygen.metrics.intervals import Score
from raygen.metrics.scorecard import Scorecard
from raygen.report.evaluation.record import ScoreRecord
from raygen.report.redrawn import Say
from raygen.table.protection import Protection


@dataclass(frozen=True)
class Judge:
    """What synthetic rows are judged by.

    Attributes:
        held: Counts of all held-out rows; None without any.
    """

    real: RealRows
    reference: Reference
    scorecard: Scorecard
    rules: Rules
    held: Counts | None

    def scores(self, sample: pa.Table, counts: Counts, all_rows: CountedScores) -> dict[str, ScoreRecord]:
        """The scores of a sample, with those of all rows in their place; an interval keeps its width."""
        card, scores = self.scorecard, self.scorecard.score(sample)
        for name, value in _of_all_rows(all_rows).items():
            record = scores.get(name, card.record(name, Score(value), all_rows.rows))
            if record.value is None:
                continue
            moved = value - record.value
            low, high = (None if end is None else max(0.0, end + moved) for end in (record.low, record.high))
            scores[name] = record.model_copy(
                update={"value": value, "low": low, "high": high, "rows": all_rows.rows}
            )
        if "rare_numbers" in scores:
            others = (self.held.num_rare_numbers, self.held.num_rows) if self.held else None
            score = rare.share_of_numbers(counts.num_rare_numbers, counts.num_rows, others)
            scores["rare_numbers"] = card.record("rare_numbers", score, all_rows.rows)
        return scores

    def left_out(self) -> list[str]:
        """A note on the classes of the target that are too few to count, if there are any; what too few real
        rows have is not named."""
        card, found = self.scorecard, self.scorecard.left_out()
        if not found:
            return []
        known, few = self.reference.names[card.target], self.reference.rare[card.target]
        secret = {"<missing>" if code == 0 else known[code - 1].as_py() for code in few.nonzero()[0].tolist()}
        named = [f"'{name}' ({rows} rows)" for name, rows in found.items() if name not in secret]
        if hidden := len(found) - len(named):
            named.append(f"{hidden} that too few real rows have")
        note = (
            f"classes of evaluate.target = '{card.target}' with fewer than {utility.CLASS_ROWS} rows to test "
            f"by are left out of AUC and macro F1: {', '.join(named)}."
        )
        return [note]


def judge_of(real: RealRows, config: Config, say: Say) -> Judge:
    """Score the floor and the ceiling."""
    say(
        f"Real rows: {real.table.num_rows:,}, and {real.holdout.num_rows:,} others. "
        "Scoring floor and ceiling ..."
    )
    settings, protection = config.evaluate, _protection(config)
    card = Scorecard(
        real.table,
        real_rows.apart(real),
        real.kinds,
        real.has_unseen,
        settings.target,
        scorecard.SCORED_ROWS,
        settings.seed,
        real.people if real.has_unseen else None,
    )
    reference = Reference(real.table, real.kinds, protection=protection)
    parts = 2 if real.chose_model else 1  # those that helped to choose the model are the model's too
    people = list(real.people[:parts]) if real.people else None
    rare.look(reference, [real.table, real.holdout][:parts], protection, people)
    held = None
    if real.holdout.num_rows:  # counted over all real and all held-out rows, as the synthetic rows are
        held = reference.count_table(real.holdout)
        scores = counted.scores(reference, held)
        card.ceiling |= {name: Score(value) for name, value in _of_all_rows(scores).items()}
    rules = Rules.of(real.table, real.holdout, real.kinds, settings.seed, protection)
    return Judge(real, reference, card, rules, held)


def _protection(config: Config) -> Protection:
    """How many real rows, or people, a value needs, so as not to be rare; as ever where the config asks for
    one."""
    usual, asked = PrivacySettings().min_rows, config.privacy.min_rows
    return Protection(asked if asked > 1 else usual, config.privacy.of_columns)


def _of_all_rows(scores: CountedScores) -> dict[str, float]:
    """The scores that are counted over all rows and have a value."""
    names = [name for name, definition in score_catalogue.SCORES.items() if definition.counted]
    values = {name: getattr(scores, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}
