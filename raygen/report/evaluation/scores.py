"""The scores of an evaluation: what each is called, what it means, and where a value lies between bad and
good."""

from typing import NamedTuple

from raygen.report.text import number


class Score(NamedTuple):
    """How one score is shown.

    Args:
        label: In a table or a sentence.
        meaning: One line for a reader who meets it for the first time.
        percent: Factor that makes percent of a value; None for a score without unit.
        far: The bad end of its scale where the floor is none.
        near: The good end of its scale.
        ideal: Set if both more and less are worse.
    """

    label: str
    meaning: str
    percent: float | None = None
    far: float | None = None
    near: float | None = None
    ideal: float | None = None


SCORES = {
    "shape_error": Score(
        "Shape error", "distance of single columns to the real ones; 0 is best", 1.0, 10.0, 0.0
    ),
    "trend_error": Score(
        "Trend error", "distance of pairs of columns to the real ones; 0 is best", 1.0, 30.0, 0.0
    ),
    "c2st": Score(
        "C2ST", "how well rows pass for real before a classifier; 1 always, 0 never", None, 0.0, 1.0
    ),
    "mle": Score("MLE", "a model trained on these rows and tested on real ones"),
    "alpha_precision": Score(
        "alpha-precision", "share of rows where real rows lie; 1 is best", None, 0.0, 1.0
    ),
    "beta_recall": Score(
        "beta-recall", "share of real rows with such rows around; 1 is best", None, 0.0, 1.0
    ),
    "category_coverage": Score("Category coverage", "real categories that appear", 100.0, 0.0, 1.0),
    "range_coverage": Score("Range coverage", "part of the real range that is used", 100.0, 0.0, 1.0),
    "outside": Score(
        "Outside", "rows with a value outside the real range or a category no real row has", 100.0, 0.1, 0.0
    ),
    "missing_error": Score("Missing error", "difference in how often values are missing", 1.0, 10.0, 0.0),
    "dcr_share": Score(
        "DCR share", "rows nearer to a training row than to a held-out one; .5 is ideal", None, 0.0, 1.0, 0.5
    ),
    "dcr_2_percent": Score(
        "DCR of the nearest 2 %", "the same for the rows nearest to real ones, where copies would be"
    ),
    "exact_copies": Score("Exact copies", "rows equal to a training row in every column", 100.0, 0.05, 0.0),
    "membership_auc": Score(
        "Membership AUC",
        "how well one guesses who was in the training table; .5 is guessing",
        None,
        0.0,
        1.0,
        0.5,
    ),
}
COPYING = ("dcr_share", "dcr_2_percent", "exact_copies", "membership_auc")
SHORT = (
    "shape_error",
    "trend_error",
    "c2st",
    "mle",
    "alpha_precision",
    "beta_recall",
    "category_coverage",
    "range_coverage",
    "missing_error",
)


class Figure(NamedTuple):
    """One score of one run; numbers are finite, or None where there is none."""

    name: str
    label: str
    meaning: str
    percent: float | None
    value: float
    low: float | None
    high: float | None
    floor: float | None
    ceiling: float | None
    ideal: float | None
    far: float | None
    near: float | None
    sign: float  # 1 if higher is better, -1 if lower

    def show(self, value: float | None = None) -> str:
        value = self.value if value is None else value
        if self.percent is None or (self.name == "exact_copies" and value > 1):  # a count
            return (
                f"{value:,.0f}"
                if 1000 <= abs(value) < 1e7 or self.percent
                else f"{value:.3f}"
                if abs(value) < 1000
                else f"{value:.3g}"
            )
        return f"{self.percent * value:.2f} %" if abs(value) < 1e5 else f"{self.percent * value:.2g} %"

    def loss(self) -> float:
        """What a perfect score has least of: how far the value is from ideal, or its negative if higher is
        better."""
        return abs(self.value - self.ideal) if self.ideal is not None else -self.sign * self.value

    def ends(self) -> tuple[float, float] | None:
        """The value of shuffled columns and that of other real rows, or what stands in for them; None if
        there is no telling."""
        if self.ideal is not None:
            return None
        ceiling = self.ceiling if self.ceiling is not None else self.near
        floor = (
            self.floor
            if self.floor is not None and ceiling is not None and self.sign * (ceiling - self.floor) > 0
            else self.far
        )
        if floor is None or ceiling is None or self.sign * (ceiling - floor) <= 0:
            return None
        return floor, ceiling

    def span(self) -> float | None:
        ends = self.ends()
        return None if ends is None else abs(ends[1] - ends[0])

    def progress(self) -> float | None:
        """Share of the way from shuffled columns (0) to other real rows (1)."""
        ends = self.ends()
        return None if ends is None else (self.value - ends[0]) / (ends[1] - ends[0])

    def reaches_ceiling(self) -> bool:
        """Whether the interval holds the value of other real rows, or something better."""
        reach = self.high if self.sign > 0 else self.low
        return (
            self.ceiling is not None
            and self.sign * ((self.value if reach is None else reach) - self.ceiling) >= 0
        )


def score_of(name: str) -> Score:
    return SCORES.get(name, Score(name, ""))


def figure(run: dict, name: str) -> Figure | None:
    """A score of a run; None if it has no value."""
    given = (run.get("scores") or {}).get(name)
    given = given if isinstance(given, dict) else {"value": given}
    value = number(given.get("value"))
    if value is None:
        return None
    score, better, label = score_of(name), given.get("better"), score_of(name).label
    ideal = number(better) if number(better) is not None else score.ideal
    bad = score.far is not None and score.near is not None and score.near < score.far
    lower = better == "lower" or (better != "higher" and (bad or name == "exact_copies"))
    if name == "mle":
        measure, target = given.get("measure"), given.get("target")
        lower = lower or (better is None and measure == "RMSE")
        label += f" {measure}" * bool(measure) + f" of {target}" * bool(target)
    low, high, floor, ceiling = (number(given.get(key)) for key in ("low", "high", "floor", "ceiling"))
    sign = -1.0 if lower else 1.0
    return Figure(
        name,
        label,
        score.meaning,
        score.percent,
        value,
        low,
        high,
        floor,
        ceiling,
        ideal,
        score.far,
        score.near,
        sign,
    )


def figures(run: dict) -> list[Figure]:
    """All scores of a run that have a value: those known here in their order, then others."""
    scores = run.get("scores") or {}
    order = [name for name in SCORES if name in scores] + [name for name in scores if name not in SCORES]
    return [found for name in order if (found := figure(run, name))]


def axis(found: list[Figure]) -> tuple[float, float] | None:
    """The values at the left (worse) and right (better) end of the scale that some runs share; an ideal one
    has its ideal in the middle."""
    first = found[0]
    seen = [v for f in found for v in (f.value, f.low, f.high, f.ceiling) if v is not None]
    if first.ideal is not None:
        reach = max(0.2, 1.1 * max(abs(v - first.ideal) for v in seen))
        return first.ideal - reach, first.ideal + reach
    ends = first.ends()
    if ends is None:
        return None
    marks = [*seen, *ends]
    return (min(marks), max(marks)) if first.sign > 0 else (max(marks), min(marks))
