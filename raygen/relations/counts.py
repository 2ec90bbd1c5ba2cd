"""How many rows keep each relation: counts that are taken in parts of a table and merged."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from raygen.relations.conditions import is_missing
from raygen.relations.differences import too_far
from raygen.relations.expressions import COUNTED, kind_of_type
from raygen.relations.pairs import Pairs, counted
from raygen.relations.relation import BREAKS, HOLDS, UNKNOWN, Relation
from raygen.relations.syntax import Column
from raygen.table.protection import UNPROTECTED, Protection

MOST_PAIRS = 200_000


def often(holds: int, breaks: int) -> str:
    """In how many rows a relation holds, of those where it says something; "all" is all."""
    rows = holds + breaks
    return f"in {'all' if not breaks else f'{min(100 * holds / rows, 99.99):.4g} %'} of {rows:,} rows"


@dataclass
class Count:
    """Rows of one relation.

    Attributes:
        kept, broken: Rows that keep it, and that do not; of lookups, `pairs` tell.
        missing: Rows of which it says nothing.
        gaps: Of a relation that gives values: rows where only one is missing, the value given or that of the
            column. Of one that compares: rows with a value and nothing to compare it with, or which it is
            too far from.
        others: Of one that compares two columns: rows with a value of the other one, and none to compare it
            with, or too far from it.
        absent: Rows in which the column has no value.
        pairs: Of a lookup: rows of each key and value.
        is_beyond: Whether there were more pairs than are kept; none is then.
    """

    kept: int = 0
    broken: int = 0
    missing: int = 0
    gaps: int = 0
    others: int = 0
    absent: int = 0
    pairs: dict[tuple[str, ...], int] = field(default_factory=dict)
    is_beyond: bool = False

    @property
    def holds(self) -> int:
        """Rows that keep it; of a lookup, those with the most frequent value of their key."""
        best: dict[tuple[str, ...], int] = {}
        for (*key, _), rows in self.pairs.items():
            best[tuple(key)] = max(rows, best.get(tuple(key), 0))
        return self.kept + sum(best.values())

    @property
    def breaks(self) -> int:
        return self.kept + self.broken + sum(self.pairs.values()) - self.holds

    @property
    def share(self) -> float:
        """Of the rows that keep or break it, those that keep it; 1 of none."""
        told = self.kept + self.broken + sum(self.pairs.values())
        return self.holds / told if told else 1.0


def _too_far(relation: Relation, table: pa.Table) -> np.ndarray:
    """Rows in which a column and the one that it is compared with have no difference."""
    if not isinstance(relation.rule.of, Column) or kind_of_type(relation.type) not in COUNTED:
        return np.zeros(table.num_rows, bool)
    return too_far(table.column(relation.column), table.column(relation.rule.of.name))


@dataclass
class Counts:
    """Counts of a list of relations, in its order; the same however rows are shared out.

    A lookup is judged by the most frequent value of each key in all rows, whatever pairs it came with.
    """

    relations: list[Relation]
    most_pairs: int = MOST_PAIRS
    counts: list[Count] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts = self.counts or [Count() for _ in self.relations]

    def observe(self, table: pa.Table) -> None:
        """Count the rows of a table, or of a part of it."""
        for relation, count in zip(self.relations, self.counts, strict=True):
            if relation.kind == "lookup":
                self._observe_pairs(relation, count, table)
                continue
            kept = relation.keeps(table)
            count.kept += int((kept == HOLDS).sum())
            count.broken += int((kept == BREAKS).sum())
            count.missing += int((kept == UNKNOWN).sum())
            own = is_missing(table.column(relation.column))
            count.absent += int(own.sum())
            if relation.kind == "order":
                far = _too_far(relation, table)
                count.gaps += int((((kept == UNKNOWN) & ~own) | far).sum())
                if isinstance(relation.rule.of, Column):
                    other = is_missing(table.column(relation.rule.of.name))
                    count.others += int((((kept == UNKNOWN) & ~other) | far).sum())
            if relation.gives:
                given = is_missing(relation.values(table))
                count.gaps += int(((own != given) & relation.applies(table)).sum())

    def _observe_pairs(self, relation: Relation, count: Count, table: pa.Table) -> None:
        own = is_missing(table.column(relation.column))
        keys = np.any([is_missing(table.column(name)) for name in relation.inputs], axis=0)
        count.absent += int(own.sum())
        count.missing += int((own | keys).sum())
        count.gaps += int((own != keys).sum())
        self._add(count, counted(table, (*relation.inputs, relation.column)))

    def _add(self, count: Count, pairs: dict[tuple[str, ...], int]) -> None:
        for key, rows in pairs.items():
            count.pairs[key] = count.pairs.get(key, 0) + rows
        if count.is_beyond or len(count.pairs) > self.most_pairs:
            count.is_beyond, count.pairs = True, {}

    def merge(self, other: "Counts") -> None:
        """Add the counts of other rows of the same relations."""
        for own, theirs in zip(self.counts, other.counts, strict=True):
            for name in ("kept", "broken", "missing", "gaps", "others", "absent"):
                setattr(own, name, getattr(own, name) + getattr(theirs, name))
            own.is_beyond |= theirs.is_beyond
            self._add(own, theirs.pairs)

    def verified(self, protection: Protection = UNPROTECTED) -> list[Relation]:
        """The relations, with the pairs of lookups as all rows have them, but for those of too few rows."""
        found = []
        for relation, count in zip(self.relations, self.counts, strict=True):
            if relation.kind == "lookup":
                least = protection.of(relation.column, *relation.inputs)
                kept = {pair: rows for pair, rows in count.pairs.items() if rows >= least}
                relation = relation.with_pairs(Pairs.of_counts(kept))
            found.append(relation)
        return found

    def to_dict(self) -> dict:
        counts = [
            vars(count) | {"pairs": [[*k, n] for k, n in sorted(count.pairs.items())]}
            for count in self.counts
        ]
        return {
            "relations": [relation.to_dict() for relation in self.relations],
            "most_pairs": self.most_pairs,
            "counts": counts,
        }

    @classmethod
    def from_dict(cls, state: dict) -> "Counts":
        relations = [Relation.from_dict(one) for one in state["relations"]]
        counts = [
            Count(**one | {"pairs": {tuple(key): n for *key, n in one["pairs"]}}) for one in state["counts"]
        ]
        return cls(relations, state["most_pairs"], counts)
