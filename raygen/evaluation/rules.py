"""Rules that the real rows keep: found in them alone, and counted in every table."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from raygen import rng
from raygen.evaluation.counting import each_piece
from raygen.relations.counts import Counts
from raygen.relations.relation import BREAKS, HOLDS, Relation
from raygen.relations.sample import find
from raygen.report.evaluation.record import RuleKept, ScoreRecord
from raygen.table import arrow
from raygen.table.protection import UNPROTECTED, Protection
from raygen.table.schema import Schema
from raygen.table.source import Source


@dataclass(frozen=True)
class Rules:
    """What ties the columns of the real table.

    Attributes:
        relations: Lookups with the pairs of all real rows.
        real: Share of the real rows that keep each, of those where it says something.
        held_out: The same of real rows that the synthetic ones were made without; None without any.
        floor: The same of the real rows with every column shuffled by itself.
        schema: Of the real rows.
    """

    relations: list[Relation]
    real: list[float]
    held_out: list[float | None]
    floor: list[float | None]
    schema: pa.Schema

    @classmethod
    def of(
        cls,
        table: pa.Table,
        held_out: pa.Table,
        kinds: dict[str, str],
        seed: int,
        protection: Protection = UNPROTECTED,
    ) -> "Rules":
        """Find them in the real rows.

        Args:
            held_out: Other real rows; none are needed.
            kinds: Of the learned columns.
            protection: What too few rows have is named by no rule.
        """
        findings = find(Schema(table.schema, kinds), table, seed, protection)
        counts = Counts([finding.relation for finding in findings])
        counts.observe(table)
        relations = counts.verified()
        draws = rng.generator(seed, "shuffled for rules")
        columns = [table.select([name]) for name in table.column_names]
        columns = [arrow.taken(one, draws.permutation(table.num_rows))[0] for one in columns]
        shuffled = pa.table(columns, schema=table.schema)
        return cls(
            relations,
            [count.share for count in counts.counts],
            _shares(_counted(relations, held_out)) if held_out.num_rows else [None] * len(relations),
            _shares(_counted(relations, shuffled)),
            table.schema,
        )

    def records(self, source: Source) -> list[RuleKept]:
        """Each rule beside the rows of a synthetic table, all of them; the worst first."""
        if not self.relations:
            return []
        names = sorted({name for one in self.relations for name in (one.column, *one.inputs)})
        types = pa.schema([self.schema.field(name) for name in names])

        def work(blocks: Iterable[pa.Table]) -> np.ndarray:
            return sum((_counted(self.relations, _cast(block, types)) for block in blocks), self._nothing)

        counts = sum(each_piece(source, names, work), self._nothing)
        records = [
            RuleKept(
                column=relation.column,
                rule=relation.phrase,
                always=share == 1.0,
                real=share,
                held_out=held_out,
                synthetic=synthetic,
                broken=int(broken),
            )
            for relation, share, held_out, synthetic, broken in zip(
                self.relations, self.real, self.held_out, _shares(counts), counts[:, 1], strict=True
            )
        ]
        return sorted(records, key=lambda record: (record.synthetic or 0.0) - record.real)

    @property
    def _nothing(self) -> np.ndarray:
        return np.zeros((len(self.relations), 2), np.int64)

    def score(self, records: list[RuleKept], rows: int) -> ScoreRecord | None:
        """The score "rules kept" of synthetic rows; None where there are no rules."""
        value = kept([(record.real, record.synthetic) for record in records])
        if value is None:
            return None
        floor, ceiling = (kept(list(zip(self.real, of, strict=True))) for of in (self.floor, self.held_out))
        return ScoreRecord(value=value, floor=floor, ceiling=ceiling, better="higher", rows=rows)


def kept(shares: list[tuple[float, float | None]]) -> float | None:
    """How much of what real rows keep other rows keep, 0 to 1, of pairs of the shares of both; a rule that
    says nothing of any of the others is left out. None where none is left."""
    told = [(real, other) for real, other in shares if other is not None]
    if not told:
        return None
    return sum(min(pair) for pair in told) / max(sum(real for real, _ in told), 1e-300)


def _counted(relations: list[Relation], table: pa.Table) -> np.ndarray:
    """Rows that keep and that break each relation, int64 of shape (relations, 2)."""
    kept = [relation.keeps(table) for relation in relations]
    return np.array([[(k == HOLDS).sum(), (k == BREAKS).sum()] for k in kept], np.int64).reshape(-1, 2)


def _shares(counts: np.ndarray) -> list[float | None]:
    return [None if not kept + broken else float(kept / (kept + broken)) for kept, broken in counts]


def _cast(block: pa.Table, types: pa.Schema) -> pa.Table:
    """A block in the types of the real rows, where its own can be cast to them."""
    columns = []
    for field in types:
        column = block[field.name]
        try:
            columns.append(column.cast(field.type))
        except pa.ArrowException:  # a value that the real type cannot hold breaks no rule of its own
            columns.append(column)
    return pa.table(columns, names=types.names)
