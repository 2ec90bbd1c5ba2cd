"""The scores of a run as they are shown: what each is called, and where a value lies between bad and good."""

from dataclasses import dataclass

from raygen.report.evaluation.record import Run
from raygen.score_catalogue import SCORES, ScoreDefinition


@dataclass(frozen=True)
class Figure:
    """One score of one run that has a value."""

    definition: ScoreDefinition
    label: str
    value: float
    low: float | None
    high: float | None
    floor: float | None
    ceiling: float | None
    ideal: float | None
    rows: int | None
    sign: float  # 1 if higher is better, -1 if lower

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def meaning(self) -> str:
        return self.definition.meaning

    def show(self, value: float | None = None) -> str:
        """The value of the score, or another value of it, with its unit."""
        return self.definition.show(self.value if value is None else value)

    def show_interval(self) -> str:
        """`0.779 to 0.803`; empty without an interval."""
        if self.low is None or self.high is None:
            return ""
        return f"{self.show(self.low).removesuffix(' %')} to {self.show(self.high)}"

    def loss(self) -> float:
        """What a perfect score has least of: how far the value is from ideal, or its negative if higher is
        better."""
        return abs(self.value - self.ideal) if self.ideal is not None else -self.sign * self.value

    def ends(self) -> tuple[float, float] | None:
        """The value of shuffled columns and that of other real rows, or what stands in for them; None if
        there is none."""
        if self.ideal is not None:
            return None
        floor, ceiling = self.floor, self.ceiling
        if ceiling is None:
            ceiling = self.definition.good
        if floor is None or ceiling is None or self.sign * (ceiling - floor) <= 0:
            floor = self.definition.bad
        if floor is None or ceiling is None or self.sign * (ceiling - floor) <= 0:
            return None
        return floor, ceiling

    def span(self) -> float | None:
        """Length of the scale."""
        ends = self.ends()
        return None if ends is None else abs(ends[1] - ends[0])

    def progress(self) -> float | None:
        """Share of the way from shuffled columns (0) to other real rows (1)."""
        ends = self.ends()
        return None if ends is None else (self.value - ends[0]) / (ends[1] - ends[0])

    def reaches_ceiling(self) -> bool:
        """Whether the interval holds the value of other real rows, or something better."""
        if self.ceiling is None:
            return False
        end = self.high if self.sign > 0 else self.low
        return self.sign * ((self.value if end is None else end) - self.ceiling) >= 0

    def suspicion(self) -> int:
        """Whether rows are copied: 0 no sign, 1 some sign, 2 a clear one."""
        if self.name in ("exact_copies", "copies_of_one"):
            if self.ceiling is None:
                return 1 if self.value > 0.01 else 0
            if self.value <= 2 * self.ceiling + 0.001:
                return 0
            return 2 if self.value > 0.01 else 1
        if self.name == "rare_values":
            return (self.value > 0) + (self.value > self.definition.much)
        chance = self.ceiling if self.name == "rare_numbers" else self.ideal
        if chance is None:
            return 0
        excess, definition = self.value - chance, self.definition
        is_certain = self.low > chance if self.low is not None else excess > 2 * definition.some
        if excess <= definition.some or not is_certain:
            return 0
        return 2 if excess > definition.much else 1


def figure(run: Run, name: str) -> Figure | None:
    """A score of a run; None if it has no value."""
    record = run.scores.get(name)
    if record is None or record.value is None:
        return None
    definition = SCORES[name]
    label = " ".join(filter(None, [definition.label, record.measure]))
    return Figure(
        definition,
        f"{label} of {record.target}" if record.target else label,
        record.value,
        record.low,
        record.high,
        record.floor,
        record.ceiling,
        record.better if isinstance(record.better, float) else None,
        record.rows,
        -1.0 if record.better == "lower" else 1.0,
    )


def figures(run: Run) -> list[Figure]:
    """All scores of a run that have a value, in the order of the catalogue."""
    return [score for name in run.scores if (score := figure(run, name))]


def names_of(runs: list[Run]) -> list[str]:
    """The scores that any run has, in the order of the catalogue."""
    return [name for name in SCORES if any(figure(run, name) for run in runs)]


def axis(scores: list[Figure]) -> tuple[float, float] | None:
    """The values at the left (worse) and right (better) end of the scale that some runs share; an ideal one
    has its ideal in the middle."""
    first = scores[0]
    values = [v for f in scores for v in (f.value, f.low, f.high, f.ceiling) if v is not None]
    if first.ideal is not None:
        reach = max(0.2, 1.1 * max(abs(v - first.ideal) for v in values))
        return first.ideal - reach, first.ideal + reach
    ends = first.ends()
    if ends is None:
        return None
    marks = [*values, *ends]
    return (min(marks), max(marks)) if first.sign > 0 else (max(marks), min(marks))
