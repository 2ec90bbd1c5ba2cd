"""The scores of one table of synthetic rows beside real ones, each with its interval, its floor and its
ceiling."""

import math

import numpy as np
import pandas as pd

from raygen import rng
from raygen.metrics import coverage, intervals, precision_recall, privacy, utility
from raygen.metrics import fidelity as metrics
from raygen.metrics.intervals import Score
from raygen.score_catalogue import SCORES

BETTER = {definition.name: definition.better for definition in SCORES.values()}


def sample(table: pd.DataFrame, rows: int, seed: int) -> pd.DataFrame:
    """So many rows in random order, all of them if there are fewer."""
    return table.iloc[rng.generator(seed, "scored rows").permutation(len(table))[:rows]].reset_index(
        drop=True
    )


def likeness(
    real: pd.DataFrame, table: pd.DataFrame, kinds: dict[str, str], seed: int = 0
) -> dict[str, Score]:
    """Scores of a table by itself against real rows: fidelity and coverage."""
    seen, spanned = coverage.categories(real, table, kinds), coverage.ranges(real, table, kinds)
    gaps = [column["error"].value for column in coverage.missing(real, table, kinds).values()]
    return {
        "shape_error": intervals.shape_error(real, table, kinds, seed),
        "trend_error": intervals.trend_error(real, table, kinds, seed),
        "c2st": intervals.c2st(real, table, kinds, seed),
        "alpha_precision": precision_recall.alpha_precision(real, table, kinds, seed),
        "beta_recall": precision_recall.beta_recall(real, table, kinds, seed),
        "category_coverage": _mean(column["mass"].value for column in seen.values()),
        "range_coverage": _mean(column.value for column in spanned.values()),
        "outside": coverage.outside_rows(real, table, kinds),
        "missing_error": _mean(100 * gap for gap in gaps),
    }


def copying(
    train: pd.DataFrame, holdout: pd.DataFrame, table: pd.DataFrame, kinds: dict[str, str], seed: int = 0
) -> dict[str, Score]:
    """Scores that need rows the table was not made from: whether it gives training rows away."""
    return {
        "dcr_share": privacy.dcr_share(table, train, holdout, kinds, seed),
        "dcr_2_percent": privacy.dcr_quantile(table, train, holdout, kinds, seed)["synthetic"],
        "exact_copies": privacy.exact_copies(table, train, holdout, kinds)["synthetic"],
        "membership_auc": privacy.membership_inference(table, train, holdout, kinds, seed),
    }


def use(
    table: pd.DataFrame, test: pd.DataFrame, target: str, kinds: dict[str, str], seed: int = 0
) -> tuple[str, Score]:
    """The measure, and how well a model of the table predicts `target` of real rows."""
    found = utility.mle(table, test, target, kinds, seed)
    measure = "auc" if "auc" in found else "rmse"
    return measure.upper(), found[measure]


class Ends:
    """Floor and ceiling of every score: columns shuffled by themselves, and real rows beside other real rows.

    Args:
        real: Rows that synthetic rows are compared with.
        apart: Real rows and other real rows, for the ceiling.
        knows: Whether the synthetic rows were made from the first of `apart` and without the other, so that
            copying can be told.
        target: Column of the machine-learning efficiency; empty: none.
        rows: Of each table at most.
    """

    def __init__(
        self,
        real: pd.DataFrame,
        apart: tuple[pd.DataFrame, pd.DataFrame],
        kinds: dict[str, str],
        knows: bool,
        target: str,
        rows: int,
        seed: int = 0,
    ):
        self.kinds, self.knows, self.target, self.seed = kinds, knows, target, seed
        self.real = sample(real, rows, seed)
        count = min(rows, *map(len, apart))
        self.train, self.holdout = sample(apart[0], rows, seed), sample(apart[1], count, seed + 1)
        shuffled = metrics.floor(self.real, seed)
        self.floor, self.ceiling = (
            likeness(self.real, shuffled, kinds, seed),
            likeness(self.train[:count], self.holdout, kinds, seed),
        )
        self.measure = ""
        if target:
            self.measure, self.floor["mle"] = use(shuffled, self.holdout, target, kinds, seed)
            self.ceiling["mle"] = use(self.train, self.holdout, target, kinds, seed)[1]
        if knows:
            self.floor |= copying(self.train, self.holdout, shuffled, kinds, seed)
            self.ceiling["dcr_2_percent"] = privacy.dcr_quantile(
                shuffled, self.train, self.holdout, kinds, seed
            )["holdout"]
            self.ceiling["exact_copies"] = privacy.exact_copies(shuffled, self.train, self.holdout, kinds)[
                "holdout"
            ]

    def judge(self, synthetic: pd.DataFrame) -> dict[str, dict]:
        """Every score of synthetic rows: {value, low, high, floor, ceiling, better}, None where a number has
        no meaning."""
        count = min(len(self.real), len(synthetic))
        table = sample(synthetic, count, self.seed)
        found = likeness(self.real[:count], table, self.kinds, self.seed)
        if self.target:
            found["mle"] = use(table, self.holdout, self.target, self.kinds, self.seed)[1]
        if self.knows:
            found |= copying(self.train, self.holdout, table, self.kinds, self.seed)
        out: dict[str, dict] = {}
        for name in (n for n in BETTER if n in found):
            floor, ceiling = self.floor.get(name), self.ceiling.get(name)
            score = found[name]
            out[name] = {
                "value": known(score.value),
                "low": known(score.low),
                "high": known(score.high),
                "better": BETTER[name],
            }
            out[name] |= {
                "floor": known(floor.value) if floor else None,
                "ceiling": known(ceiling.value) if ceiling else None,
            }
        if self.target and "mle" in out:
            out["mle"] |= {
                "measure": self.measure,
                "target": self.target,
                "better": "higher" if self.measure == "AUC" else "lower",
            }
        return out


def gate(found: dict[str, dict], under: dict[str, float], over: dict[str, float]) -> list[dict]:
    """Rules that scores must keep: at least `under`, at most `over`; a score that could not be taken keeps
    none."""
    out = []
    for limits, sign in ((under, ">="), (over, "<=")):
        for name, limit in limits.items():
            value = found.get(name, {}).get("value")
            passed = value is not None and (value >= limit if sign == ">=" else value <= limit)
            out.append({"rule": f"{name} {sign} {limit:g}", "value": value, "passed": bool(passed)})
    return out


def known(value: float) -> float | None:
    """A finite number, or None."""
    return float(value) if value is not None and math.isfinite(value) else None


def _mean(values) -> Score:
    kept = [v for v in values if not math.isnan(v)]
    return Score(float(np.mean(kept)) if kept else math.nan)
