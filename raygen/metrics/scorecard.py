"""The scores of one table of synthetic rows beside real ones, each with its interval, its floor and its
ceiling."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from raygen import rng
from raygen.metrics import coverage, fidelity, intervals, precision_recall, privacy, utility
from raygen.metrics.intervals import Score
from raygen.metrics.memory import memory
from raygen.report.evaluation.record import RuleRecord, ScoreRecord
from raygen.score_catalogue import SCORES


def sample(table: pd.DataFrame, rows: int, seed: int) -> pd.DataFrame:
    """So many rows in random order, all of them if there are fewer."""
    order = rng.generator(seed, "scored rows").permutation(len(table))
    return table.iloc[order[:rows]].reset_index(drop=True)


def likeness(
    real: pd.DataFrame, table: pd.DataFrame, kinds: dict[str, str], seed: int = 0
) -> dict[str, Score]:
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
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    table: pd.DataFrame,
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
    """How well a model of a table predicts a column of real rows, and by which measure: "AUC" or "RMSE"."""

    measure: str
    score: Score


def use(
    table: pd.DataFrame, test: pd.DataFrame, target: str, kinds: dict[str, str], seed: int = 0
) -> Utility:
    """The machine-learning efficiency of a table."""
    scores = utility.mle(table, test, target, kinds, seed)
    measure = "auc" if "auc" in scores else "rmse"
    return Utility(measure.upper(), scores[measure])


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
    """

    def __init__(
        self,
        real: pd.DataFrame,
        apart: tuple[pd.DataFrame, pd.DataFrame],
        kinds: dict[str, str],
        has_unseen: bool,
        target: str,
        rows: int,
        seed: int = 0,
    ):
        self.kinds, self.has_unseen, self.target, self.seed = kinds, has_unseen, target, seed
        self.real = sample(real, rows, seed)
        count = min(rows, *map(len, apart))
        self.train, self.holdout = sample(apart[0], rows, seed), sample(apart[1], count, seed + 1)
        shuffled = fidelity.floor(self.real, seed)
        self.floor = likeness(self.real, shuffled, kinds, seed)
        self.ceiling = likeness(self.train[:count], self.holdout, kinds, seed)
        self.measure = ""
        if target:
            floor = use(shuffled, self.holdout, target, kinds, seed)
            self.measure, self.floor["mle"] = floor.measure, floor.score
            self.ceiling["mle"] = use(self.train, self.holdout, target, kinds, seed).score
        if has_unseen:
            self.floor |= copying(self.train, self.holdout, shuffled, kinds, seed, rounds=1)
            self.ceiling |= self._ceiling_of_copying(shuffled)

    def memory_rows(self, synthetic: pd.DataFrame) -> int | None:
        """Rows of each table that memory compares; None where no unseen rows are known."""
        return min(map(len, (synthetic, self.real, self.train, self.holdout))) if self.has_unseen else None

    def score(self, synthetic: pd.DataFrame) -> dict[str, ScoreRecord]:
        """Every score of synthetic rows, in the order of the catalogue."""
        count = min(len(self.real), len(synthetic))
        table = sample(synthetic, count, self.seed)
        scores = likeness(self.real[:count], table, self.kinds, self.seed)
        if self.target:
            scores["mle"] = use(table, self.holdout, self.target, self.kinds, self.seed).score
        if self.has_unseen:
            scores |= copying(self.train, self.holdout, table, self.kinds, self.seed)
        return {name: self.record(name, scores[name]) for name in SCORES if name in scores}

    def record(self, name: str, score: Score) -> ScoreRecord:
        """A score beside its floor and its ceiling."""
        definition = SCORES[name]
        record = ScoreRecord(
            value=score.value,
            low=score.low,
            high=score.high,
            floor=self.floor[name].value if definition.has_floor and name in self.floor else None,
            ceiling=self.ceiling[name].value if definition.has_ceiling and name in self.ceiling else None,
            better=definition.better,
        )
        if name != "mle":
            return record
        better = "higher" if self.measure == "AUC" else "lower"
        return record.model_copy(update={"measure": self.measure, "target": self.target, "better": better})

    def _ceiling_of_copying(self, shuffled: pd.DataFrame) -> dict[str, Score]:
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
    rules = []
    for name, limit in under.items():
        value = values.get(name)
        passed = value is not None and value >= limit
        rules.append(RuleRecord(rule=f"{name} >= {limit:g}", value=value, passed=passed))
    for name, limit in over.items():
        value = values.get(name)
        passed = value is not None and value <= limit
        rules.append(RuleRecord(rule=f"{name} <= {limit:g}", value=value, passed=passed))
    return rules


def _mean(values: Iterable[float]) -> Score:
    known = [value for value in values if not math.isnan(value)]
    return Score(float(np.mean(known)) if known else math.nan)
