"""How the rows of a table stand to its relations, counted, and how each relation is used by these counts."""

import dataclasses
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from raygen.relations.relation import Relation
from raygen.relations.syntax import Column

from raygen.relations.conditions import is_missing
from raygen.relations.pairs import Pairs, counted
from raygen.relations.reduction import Use, difference, explains

GIVES_VALUES = ("function", "lookup")


@dataclass(frozen=True)
class Evidence:
    """Rows by what they say of one relation.

    Attributes:
        rows: All of them.
        holds, breaks: Rows where the relation says something, and is right or wrong; of a lookup only once
            all rows are counted (see `settled`).
        strays: Rows in which a value is missing on one side alone: of those it says nothing.
        missing: Rows in which the relation's own column has no value.
        pairs: Of a lookup, rows with each key and value.
    """

    rows: int = 0
    holds: int = 0
    breaks: int = 0
    strays: int = 0
    missing: int = 0
    pairs: Counter = field(default_factory=Counter)

    @classmethod
    def observe(cls, relation: Relation, table: pa.Table) -> "Evidence":
        there = [~is_missing(table.column(name)) for name in (relation.column, *relation.inputs)]
        missing = int((~there[0]).sum())
        if relation.kind == "lookup":
            strays = there[0] != np.logical_and.reduce(there[1:])
            pairs = Counter(counted(table, (*relation.inputs, relation.column)))
            return cls(table.num_rows, 0, 0, int(strays.sum()), missing, pairs)
        kept = relation.keeps(table)
        strays = np.zeros(len(kept), bool)
        if relation.kind == "function":
            strays = (kept == -1) & ~explains(relation, table)
        elif relation.kind == "order":
            strays = there[0] & ~np.logical_and.reduce(there)
        holds, breaks = int((kept == 1).sum()), int((kept == 0).sum())
        return cls(len(kept), holds, breaks, int(strays.sum()), missing)

    def merge(self, other: "Evidence") -> "Evidence":
        counts = [
            getattr(self, name) + getattr(other, name)
            for name in ("rows", "holds", "breaks", "strays", "missing")
        ]
        return Evidence(*counts, pairs=self.pairs + other.pairs)

    def settled(self, relation: Relation) -> tuple[Relation, "Evidence"]:
        """The relation, if a lookup with the pairs of all rows that were counted, and how often it holds."""
        if relation.kind != "lookup":
            return relation, self
        pairs = Pairs.of_counts(self.pairs)
        holds = sum(pairs.support)
        breaks = self.pairs.total() - holds
        return relation.with_pairs(pairs), dataclasses.replace(self, holds=holds, breaks=breaks)

    @property
    def share(self) -> float:
        """Of the rows where the relation says something, those in which it is right."""
        return self.holds / max(1, self.holds + self.breaks)


def uses(relations: list[Relation], evidence: list[Evidence], schema: pa.Schema) -> tuple[Use, ...]:
    """How each relation is used, those that stand first taking precedence."""
    chosen: list[Use] = []
    for relation, counts in zip(relations, evidence, strict=True):
        taken = {u.how for u in chosen if u.relation.column == relation.column}
        chosen.append(Use(relation, _how(relation, counts, schema, taken), not counts.missing))
    return tuple(chosen)


def _how(relation: Relation, counts: Evidence, schema: pa.Schema, taken: set[str]) -> str:
    if "computed" in taken or not counts.holds:
        return "checked"
    if relation.kind in GIVES_VALUES:
        exact = relation.is_total and not counts.breaks and not counts.strays
        return "computed" if exact and not taken else "tied"
    if counts.breaks or not relation.is_total:
        return "checked"
    if relation.kind == "order" and _subtracts(relation, schema):
        if not counts.strays and "difference" not in taken:
            return "difference"
        return "override" if relation.rule.sign in ("<=", ">=") else "checked"
    return "override" if relation.kind == "missing" or relation.gives else "checked"


def _subtracts(relation: Relation, schema: pa.Schema) -> bool:
    """Whether an order is of two columns whose differences are exact."""
    if not isinstance(relation.rule.of, Column):
        return False
    y, x = (schema.field(name).type for name in (relation.column, relation.inputs[0]))
    if x != y or pa.types.is_dictionary(y) or pa.types.is_uint64(y) or pa.types.is_decimal256(y):
        return False
    empty = pa.array([], y)
    try:
        difference(empty, empty)
    except pa.ArrowException:
        return False
    return True
