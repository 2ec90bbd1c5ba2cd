"""What `raygen evaluate` finds, as records: from the scores to report.json and the page.

report.json is the dump of a `Report`, and `read` checks one. A number that is nan or infinite is None in a
record. Shares are 0 to 1, errors percent.
"""

from typing import Any, Literal

from pydantic import ValidationError, field_validator

from raygen.errors import OutputError
from raygen.report.latent.record import LatentReport
from raygen.report.record import Number, Record
from raygen.score_catalogue import SCORES

FORMAT = 2  # of report.json
BROKEN = 0.001  # share of the rows that break a rule of all real rows, above which they are not good


class ScoreRecord(Record):
    """One score of one table.

    Attributes:
        low, high: 95 % interval.
        floor, ceiling: The score of rows whose columns were shuffled, and of other real rows.
        better: As in `score_catalogue`.
        measure, target: Of the machine-learning efficiency: "AUC" or "RMSE", and the predicted column.
        rows: Of each table that it compares at most; of a counted score, all synthetic rows.
    """

    value: Number = None
    low: Number = None
    high: Number = None
    floor: Number = None
    ceiling: Number = None
    better: Literal["lower", "higher"] | float
    measure: str = ""
    target: str = ""
    rows: int | None = None


class NumberHistogram(Record):
    """Shares of the known values within the bins of a number column; seconds since 1970 for datetimes. Values
    outside the real range make up to 1, and real ones of bins that hold too few to be shown."""

    edges: list[float]
    real: list[Number]
    synthetic: list[Number]


class LevelHistogram(Record):
    """Shares of all rows at the most frequent real levels; None is the level of missing values.

    Attributes:
        others: How many more levels the real rows have; what `real` and `synthetic` lack to 1 is theirs, and
            that of levels which no real row has.
    """

    levels: list[str | None]
    others: int = 0
    real: list[Number]
    synthetic: list[Number]


class Column(Record):
    """One column of the synthetic table beside the real one.

    Attributes:
        error_bound: By how much (percent) the exact Shape error may be larger.
        outside: Share of values beyond the real range.
        unseen: Share of rows with a level that the real table lacks; `unseen_examples` names a few.
        coverage: Share of `real_range` that is covered, or of real rows whose level occurs.
        level_coverage: Share of the real levels that occur, of `levels`.
        real_range: Of what may be shown: its ends are those of `privacy.min_rows` rows, or means of so many.
    """

    name: str
    kind: str
    shape_error: Number = None
    error_bound: Number = None
    missing_real: Number = None
    missing_synthetic: Number = None
    outside: Number = None
    unseen: Number = None
    unseen_examples: list[str] = []
    coverage: Number = None
    levels: int | None = None
    level_coverage: Number = None
    real_range: tuple[float, float] | None = None
    synthetic_range: tuple[float, float] | None = None
    histogram: NumberHistogram | LevelHistogram | None = None


class RuleKept(Record):
    """A rule that the real rows keep, and the share of other rows that keep it, of those where it says
    something.

    Attributes:
        always: Whether all real rows keep it.
        broken: Synthetic rows that break it.
    """

    column: str
    rule: str
    always: bool
    real: float
    held_out: Number = None
    synthetic: Number = None
    broken: int = 0

    @property
    def is_broken(self) -> bool:
        """Whether the rows clearly break what all real rows keep."""
        return self.always and self.synthetic is not None and 1 - self.synthetic > BROKEN


class PairError(Record):
    """The error of a pair of columns in percent."""

    columns: tuple[str, str]
    error: float


class Example(Record):
    """A column of a few generated rows, beside values that the real rows hold often; as text.

    Attributes:
        frequent: Real values with their share of the rows, the most frequent first.
        generated: Of each row in turn; None where missing.
    """

    name: str
    frequent: list[tuple[str, float]] = []
    generated: list[str | None] = []


class Pairs(Record):
    """Errors of pairs in percent: a matrix in the order of `names`, None where a pair does not count; and the
    worst pairs first."""

    names: list[str] = []
    errors: list[list[Number]] = []
    worst: list[PairError] = []


class BudgetScores(Record):
    """Scores of one of the tables of an error budget."""

    shape_error: Number = None
    trend_error: Number = None
    c2st: Number = None


class Budget(Record):
    """Other real rows, the same through encoder and decoder, and generated rows, all compared with as many
    real rows; and the pairs that encoder and decoder lose most of."""

    rows: int
    held_out: BudgetScores
    resynthesised: BudgetScores
    generated: BudgetScores
    pairs_lost: list[PairError] = []


class RuleRecord(Record):
    """A rule of the gate, such as `c2st >= 0.7`, whether a run keeps it; and the rows of the score."""

    rule: str
    value: Number = None
    passed: bool
    rows: int | None = None
    run: str = ""


class RealTable(Record):
    """Real rows.

    Attributes:
        columns: Learned columns.
        chose_model: Whether the rows, though the model did not learn from them, helped to choose it.
    """

    path: str
    rows: int
    columns: int | None = None
    chose_model: bool = False


class Run(Record):
    """One table of synthetic rows.

    Attributes:
        problems: Sentences: columns of another type, shards cut short, a manifest that disagrees.
        scores: By name, in the order of `score_catalogue`.
        memory_rows: Rows of each table that `memory` and its two parts compare.
        c2st_of_sample: C2ST of `evaluate.sample_rows` rows of each table, where `scores` have another
            number.
        rules: Rules that tie columns in the real rows, the worst kept first.
        examples: A few generated rows, column by column; none that equals a real row.
        latent: The latent report of the model that drew the rows.
    """

    name: str
    path: str = ""
    rows: int
    problems: list[str] = []
    scores: dict[str, ScoreRecord]
    memory_rows: int | None = None
    c2st_of_sample: ScoreRecord | None = None
    rules: list[RuleKept] = []
    examples: list[Example] = []
    columns: list[Column] = []
    pairs: Pairs = Pairs()
    budget: Budget | None = None
    latent: LatentReport | None = None

    @field_validator("scores")
    @classmethod
    def _in_the_catalogue(cls, scores: dict[str, ScoreRecord]) -> dict[str, ScoreRecord]:
        unknown = [name for name in scores if name not in SCORES]
        if unknown:
            raise ValueError(f"there is no score '{unknown[0]}'")
        return {name: scores[name] for name in SCORES if name in scores}


class Report(Record):
    """All that a report page shows.

    Attributes:
        raygen: Version that wrote it.
        holdout: Real rows that the synthetic ones were made without; None where none are known.
        scored_rows: Rows of each table that scores made by a model see, of which verdict and gate are.
        sample_rows: Rows of each table that C2ST sees once more.
        command: How to make the report again.
        config: All settings.
    """

    format: Literal[2] = 2
    raygen: str
    real: RealTable
    holdout: RealTable | None = None
    seed: int
    scored_rows: int | None = None
    sample_rows: int
    command: str = ""
    config: dict[str, Any] = {}
    notes: list[str] = []
    runs: list[Run]
    gate: list[RuleRecord] = []
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether every rule of the gate is kept."""
        return all(rule.passed for rule in self.gate)


def read(text: str | bytes) -> Report:
    """The report of the text of a report.json.

    Raises:
        OutputError: If it is none, or one of another version.
    """
    try:
        return Report.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        message = f"this is no report of format {FORMAT}: {place}: {first['msg']}."
        raise OutputError(message, "evaluate the rows again with this version of raygen.") from None
