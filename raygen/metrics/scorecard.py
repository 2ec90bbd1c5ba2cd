"""The scores of one table of synthetic rows beside real ones, each with its interval, its floor and its
ceiling."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from raygen import rng
from raygen.metrics import attacks, coverage, fidelity, intervals, precision_recall, privacy, utility
from raygen.metrics.intervals import Score
from raygen.metrics.memory import memory
from raygen.metrics.row_codes import LEVELS, take
from raygen.report.evaluation.record import RuleRecord, ScoreRecord
from raygen.score_catalogue import SCORES

SCORED_ROWS = 10_000  # of each table at most: C2ST falls as rows grow, so verdict and gate have one number
OF_MEMORY = ("c2st_test", "c2st_train_n", "memory")  # scores of as many rows as are unseen


def sample(table: pa.Table, rows: int, seed: int) -> pa.Table:
    """So many rows in random order, all of them if there are fewer."""
    return take(table, _order(table.num_rows, rows, seed))


def _order(num_rows: int, rows: int, seed: int) -> np.ndarray:
    return rng.generator(seed, "scored rows").permutation(num_rows)[:rows]


def likeness(real: pa.Table, table: pa.Table, kinds: dict[str, str], seed: int = 0) -> dict[str, Score]:
    """Scores of a table by itself against real rows: fidelity and coverage."""
    shape, trend = intervals.shape_and_trend(real, table, kinds, seed)
    categories, ranges = coverage.categories(real, table, kinds), coverage.ranges(real, table, kinds)
    gaps = [column["error"].value for column in coverage.missing(real, table, kinds).values()]
    return {
        "shape_error": shape,
        "trend_error": trend,
        "c2st": intervals.c2st(real, table, kinds, seed),
        "alpha_precision": precision_recall.alpha_precision(real, table, kinds, seed),
        "beta_recall": precision_recall.beta_recall(real, table, kinds, seed),
        "category_coverage": _mean(column["mass"].value for column in categories.values()),
        "range_coverage": _mean(column.value for column in ranges.values()),
        "outside": coverage.outside_rows(real, table, kinds),
        "missing_error": _mean(100 * gap for gap in gaps),
    }


def copying(
    train: pa.Table,
    holdout: pa.Table,
    table: pa.Table,
    kinds: dict[str, str],
    seed: int = 0,
    rounds: int = 3,
) -> dict[str, Score]:
    """Scores that need rows the table was not made from: whether it gives training rows away.

    Args:
        rounds: Of `memory`, which takes most of the time.
    """
    remembered = memory(table, train, holdout, kinds, seed, rounds)
    return {
        "c2st_test": remembered.c2st_test,
        "c2st_train_n": remembered.c2st_train_n,
        "memory": remembered.difference,
        "dcr_share": privacy.dcr_share(table, train, holdout, kinds, seed),
        "dcr_2_percent": privacy.dcr_quantile(table, train, holdout, kinds, seed)["synthetic"],
        "exact_copies": privacy.exact_copies(table, train, holdout, kinds)["synthetic"],
        "membership_auc": privacy.membership_inference(table, train, holdout, kinds, seed),
    }


@dataclass(frozen=True)
class Utility:
    """How well a model of a table predicts a column of real rows: the measure of "mle", "AUC" or "RMSE",
    and the scores by name."""

    measure: str
    scores: dict[str, Score]


def use(table: pa.Table, test: pa.Table, target: str, kinds: dict[str, str], seed: int = 0) -> Utility:
    """The machine-learning efficiency of a table."""
    scores = utility.mle(table, test, target, kinds, seed)
    if "rmse" in scores:
        return Utility("RMSE", {"mle": scores["rmse"]})
    others = {f"mle_{name}": score for name, score in scores.items() if name != "auc"}
    return Utility("AUC", {"mle": scores["auc"]} | others)


class Scorecard:
    """Floor and ceiling of every score, and the scores of synthetic tables beside them.

    The floor is of columns shuffled by themselves, the ceiling of real rows beside other real rows.

    Args:
        real: Rows that synthetic rows are compared with.
        apart: Real rows and other real rows, for the ceiling.
        has_unseen: Whether the synthetic rows were made from the first of `apart` and without the other, so
            that copying is known.
        target: Column of the machine-learning efficiency; empty: none.
        rows: Of each table at most.
        people: Whose each row of the two of `apart` is, int64 of shape (rows,); None: each is somebody's own.
    """

    def __init__(
        self,
        real: pa.Table,
        apart: tuple[pa.Table, pa.Table],
        kinds: dict[str, str],
        has_unseen: bool,
        target: str,
        rows: int,
        seed: int = 0,
        people: tuple[np.ndarray, np.ndarray] | None = None,
    ):
        self.kinds, self.has_unseen, self.target, self.seed = kinds, has_unseen, target, seed
        self.real = sample(real, rows, seed)
        count = min(rows, *(table.num_rows for table in apart))
        chosen = _order(apart[0].num_rows, rows, seed), _order(apart[1].num_rows, count, seed + 1)
        self.train, self.holdout = (take(*each) for each in zip(apart, chosen, strict=True))
        self.people = people and (people[0][chosen[0]], people[1][chosen[1]])
        shuffled = fidelity.floor(self.real, seed)
        self.floor = likeness(self.real, shuffled, kinds, seed)
        self.ceiling = likeness(self.train.slice(0, count), self.holdout, kinds, seed)
        self.measure = ""
        if target:
            floor = use(shuffled, self.holdout, target, kinds, seed)
            self.measure, self.floor = floor.measure, self.floor | floor.scores
            self.ceiling |= use(self.train, self.holdout, target, kinds, seed).scores
        if has_unseen:
            self.floor |= copying(self.train, self.holdout, shuffled, kinds, seed, rounds=1)
            self.ceiling |= self._ceiling_of_copying(shuffled)

    def memory_rows(self, synthetic: pa.Table) -> int | None:
        """Rows of each table that memory compares; None where no unseen rows are known."""
        return (
            min(table.num_rows for table in (synthetic, self.real, self.train, self.holdout))
            if self.has_unseen
            else None
        )

    def score(self, synthetic: pa.Table) -> dict[str, ScoreRecord]:
        """Every score of synthetic rows, in the order of the catalogue."""
        count = min(self.real.num_rows, synthetic.num_rows)
        table = sample(synthetic, count, self.seed)
        scores = likeness(self.real.slice(0, count), table, self.kinds, self.seed)
        if self.target:
            scores |= use(table, self.holdout, self.target, self.kinds, self.seed).scores
        if self.has_unseen:
            scores |= copying(self.train, self.holdout, table, self.kinds, self.seed)
            scores |= attacks.risks(table, self.train, self.holdout, self.kinds, self.seed, self.people)
        rows = dict.fromkeys(OF_MEMORY, self.memory_rows(table))
        return {
            name: self.record(name, scores[name], rows.get(name, count)) for name in SCORES if name in scores
        }

    def left_out(self) -> dict[str, int]:
        """Classes of the target with too few rows to count, and these rows."""
        is_level = self.kinds.get(self.target) in LEVELS
        return utility.left_out(self.holdout, self.target) if is_level else {}

    def record(self, name: str, score: Score, rows: int | None) -> ScoreRecord:
        """A score of so many rows, beside its floor and its ceiling."""
        definition = SCORES[name]
        record = ScoreRecord(
            value=score.value,
            low=score.low,
            high=score.high,
            floor=self.floor[name].value if definition.has_floor and name in self.floor else None,
            ceiling=self.ceiling[name].value if definition.has_ceiling and name in self.ceiling else None,
            better=definition.better,
            rows=rows,
        )
        if not name.startswith("mle"):
            return record
        record = record.model_copy(update={"target": self.target})
        if name != "mle":
            return record
        better = "higher" if self.measure == "AUC" else "lower"
        return record.model_copy(update={"measure": self.measure, "better": better})

    def _ceiling_of_copying(self, shuffled: pa.Table) -> dict[str, Score]:
        quantiles = privacy.dcr_quantile(shuffled, self.train, self.holdout, self.kinds, self.seed)
        copies = privacy.exact_copies(shuffled, self.train, self.holdout, self.kinds)
        return {
            "c2st_test": self.ceiling["c2st"],  # training rows beside unseen ones
            "dcr_2_percent": quantiles["holdout"],
            "exact_copies": copies["holdout"],
        }


def gate(scores: dict[str, ScoreRecord], under: dict[str, float], over: dict[str, float]) -> list[RuleRecord]:
    """Rules that scores must keep: at least `under`, at most `over`; a score without a value keeps none."""
    values = {name: record.value for name, record in scores.items()}
    rows = {name: record.rows for name, record in scores.items()}
    rules = []
    for name, limit in under.items():
        value = values.get(name)
        passed = value is not None and value >= limit
        rules.append(RuleRecord(rule=f"{name} >= {limit:g}", value=value, passed=passed, rows=rows.get(name)))
    for name, limit in over.items():
        value = values.get(name)
        passed = value is not None and value <= limit
        rules.append(RuleRecord(rule=f"{name} <= {limit:g}", value=value, passed=passed, rows=rows.get(name)))
    return rules


def _mean(values: Iterable[float]) -> Score:
    known = [value for value in values if not math.isnan(value)]
    return Score(float(np.mean(known)) if known else math.nan)
