"""Ray Data's pass over the table: statistics of what is learned, and how its rows stand to the relations."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from raygen.codec import parts
from raygen.config import Config
from raygen.errors import ConfigError, SchemaError
from raygen.relations import checks, language
from raygen.relations.broken_rows import first_broken, in_words
from raygen.relations.counts import Count, Counts, often
from raygen.relations.enforcement import keeping
from raygen.relations.reduction import Reduction, Use
from raygen.relations.relation import Relation
from raygen.relations.sample import find
from raygen.relations.uses import uses, why_unused
from raygen.report.redrawn import Say
from raygen.table.files import check_text
from raygen.table.part import Part
from raygen.table.protection import UNPROTECTED, Protection
from raygen.table.schema import Schema
from raygen.table.source import Source
from raygen.table.stats import Stats
from raygen.training.protection import levels_given

if TYPE_CHECKING:
    from ray.data import Dataset


@dataclass(frozen=True)
class TableRelations:
    """Relations of a table.

    Attributes:
        relations: All of them.
        enforced: Those that a row must keep to be learned.
    """

    relations: list[Relation]
    enforced: list[Relation]

    def kept(self, table: pa.Table) -> pa.Table:
        """The rows that break no enforced relation."""
        return keeping(self.enforced, table)


def relations_of(config: Config, source: Source, schema: Schema, protection: Protection) -> TableRelations:
    """The relations that the config names, or those that are found in some rows of the source.

    Raises:
        ConfigError: If one cannot be read, or does not go with the table.
    """
    named = config.schema_.relations
    if named is None:
        looked = config.schema_.find_relations and config.schema_.numeric == "bars"
        found = find(schema, source.spread(), config.run.seed, protection) if looked else []
        return TableRelations([one.relation for one in found], [])
    relations = [language.parse(one.column, one.is_, one.holds, schema.arrow) for one in named]
    checks.check(relations, schema.arrow)
    _check_learned(relations, schema)
    enforced = [r for r, one in zip(relations, named, strict=True) if one.enforce]
    return TableRelations(relations, enforced)


def _check_learned(relations: list[Relation], schema: Schema) -> None:
    for relation in relations:
        for name in (relation.column, *relation.inputs):
            if name not in schema.learned:
                kind = schema.kinds[name]
                raise ConfigError(
                    f"schema.relations: column '{relation.column}' {relation.phrase}: column '{name}' is of "
                    f"kind {kind}, which is not learned.",
                    f"give '{name}' another kind in [schema.columns], or delete this relation.",
                )


@dataclass
class TableStatistics:
    """What all rows of a table say.

    Attributes:
        parts: Statistics of every part of what is learned.
        explained: Rows that relations give (see `Reduction.explained`).
        levels: Statistics of the columns of dictionaries that relations give.
        counts: Rows that keep each relation.
        left_out: Rows that an enforced relation leaves out.
    """

    parts: dict[Part, Stats]
    explained: dict[str, np.ndarray]
    levels: dict[Part, Stats]
    counts: Counts
    left_out: int = 0

    @classmethod
    def of(cls, table: pa.Table, tied: TableRelations, reduction: Reduction) -> "TableStatistics":
        """Those of some rows, in the types of the schema."""
        kept, counts = tied.kept(table), Counts(tied.relations)
        counts.observe(kept)
        inner, ties = reduction.reduce(kept)
        levels = levels_given(reduction.schema, kept, reduction.touched)
        stats = parts.observe(reduction.inner, inner)
        return cls(stats, reduction.explained(ties), levels, counts, table.num_rows - kept.num_rows)

    def merge(self, other: "TableStatistics") -> None:
        """Add those of other rows."""
        self.parts = parts.merge(self.parts, other.parts)
        self.explained = {name: rows + other.explained[name] for name, rows in self.explained.items()}
        self.levels = parts.merge(self.levels, other.levels)
        self.counts.merge(other.counts)
        self.left_out += other.left_out


def statistics(
    dataset: "Dataset",
    where: str,
    some: pa.Table,
    schema: Schema,
    tied: TableRelations,
    say: Say,
    protection: Protection = UNPROTECTED,
    rows: Iterable[pa.RecordBatch] = (),
    numeric: str = "bars",
) -> tuple[TableStatistics, Reduction]:
    """Statistics of a table, and what relations leave of it to learn.

    How a relation is used is guessed from some rows, `some`, and the whole table is read once more where
    they have misled.

    Args:
        dataset: The table, a Ray Dataset of Arrow blocks.
        where: The source, for messages.
        rows: The table's rows in order; read as far as it takes to tell which break a relation.
        numeric: How numbers are learned, "bars" or "gaussian".

    Raises:
        SchemaError: If text is not that.
    """
    counts = Counts(tied.relations)
    counts.observe(tied.kept(some.cast(schema.arrow)))
    relations = counts.verified(protection)
    while True:
        reduction = Reduction(schema, uses(relations, counts.counts, schema, protection, numeric))
        total = _observed(dataset, where, schema, tied, reduction)
        counts = total.counts
        used = uses(counts.verified(protection), counts.counts, schema, protection, numeric)
        if _learned(used) == _learned(reduction.uses):
            break
        say("Some rows mislead about relations: reading the table once more ...")
        relations = counts.verified(protection)
    _tell(tied, used, counts.counts, total.left_out, rows, say)
    enforced = {(relation.column, relation.text) for relation in tied.enforced}
    marked = tuple(
        replace(use, is_enforced=(declared.column, declared.text) in enforced)
        for declared, use in zip(tied.relations, used, strict=True)
    )
    return total, Reduction(schema, marked)


def _learned(used: tuple[Use, ...]) -> list[tuple]:
    """What statistics depend on; the pairs of a lookup where it leaves some rows to be learned."""
    return [(u.how, u.is_complete, u.relation.pairs if u.how == "tied" else None) for u in used]


def _observed(
    dataset: "Dataset", where: str, schema: Schema, tied: TableRelations, reduction: Reduction
) -> TableStatistics:
    import pickle  # between Ray's own processes only

    def observe(block: pa.Table) -> pa.Table:
        seen: TableStatistics | SchemaError
        try:
            check_text(block, where)
            seen = TableStatistics.of(block.cast(schema.arrow), tied, reduction)
        except SchemaError as error:  # returned, as Ray would wrap it in another
            seen = error
        return pa.table({"seen": pa.array([pickle.dumps(seen)], pa.large_binary())})

    total = TableStatistics.of(schema.arrow.empty_table(), tied, reduction)
    for row in dataset.map_batches(observe, batch_format="pyarrow", batch_size=None).iter_rows():
        seen = pickle.loads(row["seen"])
        if isinstance(seen, SchemaError):
            raise seen
        total.merge(seen)
    return total


def _tell(
    tied: TableRelations,
    used: tuple[Use, ...],
    counts: list[Count],
    left_out: int,
    rows: Iterable[pa.RecordBatch],
    say: Say,
) -> None:
    """A line on each relation, and on what the table says against it."""
    broken = [
        count.breaks if relation.is_total else 0
        for relation, count in zip(tied.relations, counts, strict=True)
    ]
    numbers = first_broken([use.relation for use in used], broken, rows)
    for number, (relation, count) in enumerate(zip(tied.relations, counts, strict=True)):
        say(f"Relation: {relation.column} {relation.phrase}, {often(count.holds, count.breaks)}")
        if broken[number]:
            such = f": {in_words(numbers[number], broken[number])}" if numbers[number] else ""
            learned = (
                "It is learned as one that holds often."
                if used[number].how == "tied"
                else "It is not kept; with enforce = true these rows are left out and it is."
            )
            say(f"Note: {broken[number]:,} rows break it, which was to hold always{such}. {learned}")
        elif why := why_unused(number, used, counts):
            say(f"Note: it is not used: {why}.")
    if left_out:
        texts = " or ".join(f"'{r.column} {r.phrase}'" for r in tied.enforced)
        say(f"Note: {left_out:,} rows that break {texts} are left out.")
