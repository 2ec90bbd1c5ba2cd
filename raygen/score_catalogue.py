"""Every score of synthetic rows: its name, how it is shown, which way is better, and what it means.

Whoever adds a score writes it here and computes it in `metrics`; the command line, the report, the gate and
the JSON read this catalogue.
"""

from dataclasses import dataclass
from typing import Literal

from raygen.errors import ConfigError, did_you_mean

Better = Literal["lower", "higher"] | float


@dataclass(frozen=True)
class ScoreDefinition:
    """One score.

    Attributes:
        name: In files, settings and on the command line.
        label: In a table or a sentence.
        meaning: One line for a reader who meets the score for the first time.
        better: "lower", "higher", or the ideal value where both more and less are worse.
        decimals: Digits after the point.
        percent: Factor that turns a value into percent (1 where it is percent already); None: no unit.
        has_floor: Whether rows whose columns were shuffled are scored beside it.
        has_ceiling: Whether other real rows are scored beside it.
        bad, good: Ends of its scale where there is no floor or no ceiling.
        counted: Whether it is counted over all rows, not over a sample.
        copying: Whether it says that training rows are copied or remembered.
        some, much: How far beyond the ideal value it is some sign of copying, and a clear one.
        shortfall: Whether the verdict names it where it is far from other real rows.
        short: Label in a narrow table; the label itself if empty.
    """

    name: str
    label: str
    meaning: str
    better: Better
    decimals: int = 3
    percent: float | None = None
    has_floor: bool = True
    has_ceiling: bool = True
    bad: float | None = None
    good: float | None = None
    counted: bool = False
    copying: bool = False
    some: float = 0.02
    much: float = 0.1
    shortfall: bool = True
    short: str = ""

    @property
    def ideal(self) -> float | None:
        """The value from which more and less are worse; None for a score without one."""
        return None if isinstance(self.better, str) else self.better

    @property
    def higher_is_better(self) -> bool:
        return self.better == "higher"

    @property
    def heading(self) -> str:
        """Of a column of values without their unit."""
        return self.label + (" %" if self.percent is not None else "")

    @property
    def narrow_heading(self) -> str:
        """Of a column of values in a narrow table."""
        return self.short or self.label

    def show(self, value: float) -> str:
        """A value with its unit: `2.88 %`, `0.791`."""
        if self.percent is not None:
            shown = self.percent * value
            return f"{shown:.{self.decimals}f} %" if abs(value) < 1e5 else f"{shown:.2g} %"
        if abs(value) < 1000:
            return f"{value:.{self.decimals}f}"
        return f"{value:,.0f}" if abs(value) < 1e7 else f"{value:.3g}"


_DEFINITIONS = (
    ScoreDefinition(
        "shape_error",
        "Shape error",
        "distance of single columns to the real ones; 0 is best",
        better="lower",
        short="Shape",
        decimals=2,
        percent=1.0,
        bad=10.0,
        good=0.0,
        counted=True,
    ),
    ScoreDefinition(
        "trend_error",
        "Trend error",
        "distance of pairs of columns to the real ones; 0 is best",
        better="lower",
        short="Trend",
        decimals=2,
        percent=1.0,
        bad=30.0,
        good=0.0,
        counted=True,
    ),
    ScoreDefinition(
        "c2st",
        "C2ST",
        "how well rows pass for training rows before a classifier; 1 always, 0 never",
        better="higher",
        bad=0.0,
        good=1.0,
    ),
    ScoreDefinition(
        "c2st_test",
        "C2ST, unseen rows",
        "the same against real rows that the model was made without: what it knows beyond the rows it saw",
        better="higher",
        bad=0.0,
        good=1.0,
    ),
    ScoreDefinition(
        "c2st_train_n",
        "C2ST, as many seen",
        "the same against as many training rows as there are unseen rows, to compare with",
        better="higher",
        has_ceiling=False,
        bad=0.0,
        good=1.0,
        shortfall=False,
    ),
    ScoreDefinition(
        "memory",
        "Memory",
        "by how much rows pass for training rows better than for as many unseen rows; 0 is ideal",
        better=0.0,
        has_floor=False,
        has_ceiling=False,
        copying=True,
        some=0.03,
        much=0.3,
        shortfall=False,
    ),
    ScoreDefinition("mle", "MLE", "a model trained on these rows and tested on real ones", better="higher"),
    ScoreDefinition(
        "mle_accuracy",
        "MLE accuracy",
        "share of real rows whose class that model guesses",
        better="higher",
        shortfall=False,
    ),
    ScoreDefinition(
        "mle_macro_f1",
        "MLE macro F1",
        "how well that model finds each class, rare ones as much as frequent ones",
        better="higher",
        shortfall=False,
    ),
    ScoreDefinition(
        "mle_weighted_f1",
        "MLE weighted F1",
        "how well that model finds each class, by its rows",
        better="higher",
        shortfall=False,
    ),
    ScoreDefinition(
        "rules_kept",
        "Rules kept",
        "of the rules that tie columns in the real rows, how much these rows keep; 1 is best",
        better="higher",
        bad=0.0,
        good=1.0,
    ),
    ScoreDefinition(
        "alpha_precision",
        "alpha-precision",
        "share of rows where real rows lie; 1 is best",
        better="higher",
        bad=0.0,
        good=1.0,
    ),
    ScoreDefinition(
        "beta_recall",
        "beta-recall",
        "share of real rows with such rows around; 1 is best",
        better="higher",
        bad=0.0,
        good=1.0,
    ),
    ScoreDefinition(
        "dcr_share",
        "DCR share",
        "rows nearer to a training row than to a held-out one; .5 is ideal",
        better=0.5,
        has_ceiling=False,
        bad=0.0,
        good=1.0,
        copying=True,
        shortfall=False,
    ),
    ScoreDefinition(
        "dcr_2_percent",
        "DCR of the nearest 2 %",
        "distance to a training row of the rows nearest to one, where copies would be",
        better="higher",
        copying=True,
        shortfall=False,
    ),
    *(
        ScoreDefinition(
            name,
            label,
            f"rows {meaning}",
            better="lower",
            decimals=2,
            percent=100.0,
            has_floor=False,
            bad=bad,
            good=0.0,
            counted=True,
            copying=True,
            much=much,
            shortfall=False,
        )
        for name, label, meaning, bad, much in (
            ("exact_copies", "Exact copies", "equal to a training row in every column", 0.05, 0.01),
            (
                "copies_of_one",
                "Copies of one",
                "equal to a training row that only one row, or person (privacy.unit), has",
                0.05,
                0.01,
            ),
            (
                "rare_values",
                "Rare categories",
                "with a category that too few real rows have (privacy.min_rows), which may point at a person",
                0.05,
                0.01,
            ),
            (
                "rare_numbers",
                "Rare numbers",
                "with a number or moment that too few training rows have, which happens by chance too",
                1.0,
                0.1,
            ),
        )
    ),
    ScoreDefinition(
        "membership_auc",
        "Membership AUC",
        "how well one guesses who was in the training table; .5 is guessing",
        better=0.5,
        has_ceiling=False,
        bad=0.0,
        good=1.0,
        copying=True,
        shortfall=False,
    ),
    *(
        ScoreDefinition(
            name,
            label,
            f"how much more often {attack} than of unseen ones; 0 is ideal",
            better=0.0,
            has_floor=False,
            has_ceiling=False,
            copying=True,
            some=0.05,
            much=0.3,
            shortfall=False,
        )
        for name, label, attack in (
            (
                "singling_out",
                "Singling out",
                "a search that these rows suggest finds one of the training rows alone",
            ),
            (
                "linkability",
                "Linkability",
                "these rows tell which two halves belong together of training rows",
            ),
            ("inference", "Inference", "these rows give a value away, from the others, of training rows"),
        )
    ),
    ScoreDefinition(
        "category_coverage",
        "Category coverage",
        "real categories that appear",
        better="higher",
        decimals=2,
        percent=100.0,
        bad=0.0,
        good=1.0,
        counted=True,
    ),
    ScoreDefinition(
        "range_coverage",
        "Range coverage",
        "part of the real range that is used",
        better="higher",
        decimals=2,
        percent=100.0,
        bad=0.0,
        good=1.0,
        counted=True,
    ),
    ScoreDefinition(
        "outside",
        "Outside",
        "rows with a value outside the real range or a category no real row has",
        better="lower",
        decimals=2,
        percent=100.0,
        bad=0.1,
        good=0.0,
        counted=True,
        shortfall=False,
    ),
    ScoreDefinition(
        "missing_error",
        "Missing error",
        "difference in how often values are missing",
        better="lower",
        decimals=2,
        percent=1.0,
        bad=10.0,
        good=0.0,
        counted=True,
    ),
)
SCORES: dict[str, ScoreDefinition] = {definition.name: definition for definition in _DEFINITIONS}


def definition(name: str) -> ScoreDefinition:
    """The definition of a score.

    Raises:
        ConfigError: If there is no such score.
    """
    if name not in SCORES:
        raise ConfigError(f"there is no score '{name}'.", did_you_mean(name, SCORES))
    return SCORES[name]
