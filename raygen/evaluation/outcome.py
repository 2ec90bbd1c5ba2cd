"""What an evaluation returns."""

from dataclasses import dataclass

from raygen.report.evaluation import notebook
from raygen.report.evaluation.record import Report


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` made: its folder, whether the gate passed, and the report."""

    folder: str
    passed: bool
    report: Report

    @property
    def scores(self) -> dict[str, float | None]:
        """Scores of the first, often the only, synthetic table, by name."""
        return {name: score.value for name, score in self.report.runs[0].scores.items()}

    def __repr__(self) -> str:
        return f"Evaluation('{self.folder}', passed={self.passed}, {len(self.report.runs)} table(s))"

    def _repr_html_(self) -> str:
        return notebook.table(self.report)
