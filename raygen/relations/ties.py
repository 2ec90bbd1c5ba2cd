"""Which columns are computed from which, without circles."""

import dataclasses
from dataclasses import dataclass, field

from raygen.relations.checks import derives
from raygen.relations.relation import Relation


@dataclass(frozen=True)
class Finding:
    """A relation, and how many rows of the sample keep it.

    Attributes:
        gain: Nats per row that it saves beyond chance.
        gaps: Of a function: rows where only one is missing, the value that it gives or that of the column.
    """

    relation: Relation
    rows: int
    holds: int
    breaks: int
    missing: int
    gain: float
    gaps: int = 0

    @property
    def share(self) -> float:
        """Of the rows that keep or break it, those that keep it."""
        return self.holds / max(self.holds + self.breaks, 1)

    def as_it_holds(self) -> "Finding":
        """With `holds` as the sample has it."""
        relation = dataclasses.replace(self.relation, holds="often" if self.breaks else "always")
        return dataclasses.replace(self, relation=relation)


@dataclass
class Ties:
    """The findings chosen so far.

    Attributes:
        chosen: In the order of choice.
        derived: Columns that a relation gives in all rows.
        decided: Columns of categories that the ranges of a number decide, where it is there.
        before: For each column those from which it is computed in some rows, directly or not.
        wholly: The same of relations that always hold.
    """

    chosen: list[Finding] = field(default_factory=list)
    derived: set[str] = field(default_factory=set)
    decided: set[str] = field(default_factory=set)
    before: dict[str, set[str]] = field(default_factory=dict)
    wholly: dict[str, set[str]] = field(default_factory=dict)

    def add(self, finding: Finding) -> bool:
        """Choose it, unless its column is derived already or a circle would close."""
        relation = finding.relation
        if not derives(relation):
            self.chosen.append(finding)
            return True
        if relation.column in self.derived or relation.column in _above(relation, self.before):
            return False
        _put(relation, self.before)
        if relation.is_total:
            _put(relation, self.wholly)
            self.derived.add(relation.column)
        self.chosen.append(finding)
        return True

    def are_tied(self, one: str, other: str) -> bool:
        """Whether one of two columns is always computed from the other, or both from a third one."""
        above, others = ({name} | self.wholly.get(name, set()) for name in (one, other))
        return bool(above & others)

    def are_linked(self, one: str, other: str) -> bool:
        """Whether one of two columns is computed from the other in some rows at least."""
        return one in self.before.get(other, ()) or other in self.before.get(one, ())


def _above(relation: Relation, before: dict[str, set[str]]) -> set[str]:
    return set(relation.inputs).union(*(before.get(name, set()) for name in relation.inputs))


def _put(relation: Relation, before: dict[str, set[str]]) -> None:
    above = _above(relation, before)
    for column in [relation.column, *(c for c, names in before.items() if relation.column in names)]:
        before[column] = before.get(column, set()) | above
