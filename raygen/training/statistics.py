"""Ray Data's pass over the table: statistics of what is learned, and how its rows stand to the relations."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from raygen.codec import codec
from raygen.config import Config
from raygen.errors import ConfigError
from raygen.relations import checks, language
from raygen.relations.counts import Count, Counts
from raygen.relations.reduction import Reduction, Use
from raygen.relations.relation import Relation
from raygen.relations.sample import find
from raygen.relations.uses import uses
from raygen.table.schema import Schema
from raygen.table.source import Source

Say = Callable[[str], None]


@dataclass(frozen=True)
class Ties:
    """Relations of a table.

    Attributes:
        relations: All of them.
        enforced: Those that a row must keep to be learned.
        declared: Whether a user named them; else they were found.
    """

    relations: list[Relation]
    enforced: list[Relation]
    declared: bool

    def kept(self, table: pa.Table) -> pa.Table:
        """The rows that break no enforced relation."""
        if not self.enforced:
            return table
        return table.filter(pa.array(np.logical_and.reduce([r.keeps(table) != 0 for r in self.enforced])))


def ties(config: Config, source: Source, schema: Schema) -> Ties:
    """The relations that the config names, or those that are found in the first rows of the source.

    Raises:
        ConfigError: If one cannot be read, or does not go with the table.
    """
    named = config.schema_.relations
    if named is None:
        looked = config.schema_.find_relations and config.schema_.numeric == "bars"
        found = find(schema, source.head(), config.run.seed) if looked else []
        return Ties([one.relation for one in found], [], False)
    relations = [language.parse(one.column, one.is_, one.holds, schema.arrow) for one in named]
    checks.check(relations, schema.arrow)
    _check_learned(relations, schema)
    enforced = [r for r, one in zip(relations, named, strict=True) if one.enforce]
    return Ties(relations, enforced, True)


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


def statistics(dataset, head: pa.Table, schema: Schema, tied: Ties, say: Say) -> tuple[dict, Reduction]:
    """Statistics of every part of what is learned, and what relations leave to learn.

    How a relation is used is guessed from the first rows, `head`, and the whole table is read once more where
    they have misled.

    Args:
        dataset: The table, a Ray Dataset of Arrow blocks.
    """
    counts = Counts(tied.relations)
    counts.observe(tied.kept(head.cast(schema.arrow)))
    relations = counts.verified()
    while True:
        reduction = Reduction(schema, uses(relations, counts.counts, schema.arrow))
        total, counts, left_out = _observed(dataset, schema, tied, reduction)
        used = uses(counts.verified(), counts.counts, schema.arrow)
        if [(u.how, u.is_complete) for u in used] == [(u.how, u.is_complete) for u in reduction.uses]:
            break
        say("The first rows mislead about relations: reading the table once more ...")
        relations = counts.verified()
    final = [new if new.how == "computed" else old for new, old in zip(used, reduction.uses, strict=True)]
    _tell(tied, final, counts.counts, left_out, say)
    return total, Reduction(schema, tuple(final))


def _observed(dataset, schema: Schema, tied: Ties, reduction: Reduction) -> tuple[dict, Counts, int]:
    """Statistics by part, the rows that keep each relation, and the number of rows that an enforced one
    leaves out."""
    import pickle  # between Ray's own processes only

    def observe(block: pa.Table) -> pa.Table:
        kept, counts = tied.kept(block.cast(schema.arrow)), Counts(tied.relations)
        counts.observe(kept)
        stats = codec.observe(reduction.inner, reduction.reduce(kept))
        seen = pickle.dumps((stats, counts, block.num_rows - kept.num_rows))
        return pa.table({"seen": pa.array([seen], pa.large_binary())})

    stats = codec.observe(reduction.inner, reduction.reduce(schema.arrow.empty_table()))
    counts, left_out = Counts(tied.relations), 0
    for row in dataset.map_batches(observe, batch_format="pyarrow", batch_size=None).iter_rows():
        more, others, count = pickle.loads(row["seen"])
        stats, left_out = codec.merge(stats, more), left_out + count
        counts.merge(others)
    return stats, counts, left_out


def _tell(tied: Ties, used: list[Use], counts: list[Count], left_out: int, say: Say) -> None:
    """A line on each relation, and on what the table says against it."""
    for use, count in zip(used, counts, strict=True):
        relation = use.relation
        say(f"Relation: {relation.column} {relation.phrase}, {_how_often(count)}")
        if relation.is_total and count.breaks:
            learned = "learned as one that holds often" if use.how == "tied" else "not kept"
            say(f"Note: {count.breaks:,} rows break it, which was to hold always; it is {learned}.")
    if left_out:
        texts = " or ".join(f"'{r.column} {r.phrase}'" for r in tied.enforced)
        say(f"Note: {left_out:,} rows that break {texts} are left out.")


def _how_often(count: Count) -> str:
    if not count.breaks:
        return f"in all of {count.holds:,} rows"
    return f"in {100 * count.share:.3g} % of {count.holds + count.breaks:,} rows"
