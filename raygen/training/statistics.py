"""Ray Data's pass over the table: statistics of what is learned, and how its rows stand to the relations."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from raygen.codec import codec
from raygen.config import Config
from raygen.relations import language
from raygen.relations.evidence import Evidence, uses
from raygen.relations.reduction import Reduction, Use
from raygen.relations.relation import Relation
from raygen.relations.sample import find
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
    language.check(relations, schema.arrow, schema.learned)
    enforced = [r for r, one in zip(relations, named, strict=True) if one.enforce]
    return Ties(relations, enforced, True)


def statistics(dataset, head: pa.Table, schema: Schema, tied: Ties, say: Say) -> tuple[dict, Reduction]:
    """Statistics of every part of what is learned, and what relations leave to learn.

    How a relation is used is guessed from the first rows, `head`, and the whole table is read once more where
    they have misled.

    Args:
        dataset: The table, a Ray Dataset of Arrow blocks.
    """
    head = tied.kept(head.cast(schema.arrow))
    relations, evidence = _settled(tied.relations, [Evidence.observe(r, head) for r in tied.relations])
    while True:
        reduction = Reduction(schema, uses(relations, evidence, schema.arrow))
        total, counts, left_out = _observed(dataset, schema, tied, reduction)
        seen, evidence = _settled(relations, counts)
        used = uses(seen, evidence, schema.arrow)
        if [(u.how, u.is_complete) for u in used] == [(u.how, u.is_complete) for u in reduction.uses]:
            break
        say("The first rows mislead about relations: reading the table once more ...")
        relations = seen
    final = [new if new.how == "computed" else old for new, old in zip(used, reduction.uses, strict=True)]
    _tell(tied, final, evidence, left_out, say)
    return total, Reduction(schema, tuple(final))


def _settled(relations: list[Relation], counts: list[Evidence]) -> tuple[list[Relation], list[Evidence]]:
    settled = [one.settled(relation) for relation, one in zip(relations, counts, strict=True)]
    return [relation for relation, _ in settled], [one for _, one in settled]


def _observed(dataset, schema: Schema, tied: Ties, reduction: Reduction) -> tuple[dict, list[Evidence], int]:
    """Statistics by part, evidence by relation, and the number of rows that an enforced relation leaves
    out."""
    import pickle

    def observe(block: pa.Table) -> pa.Table:
        kept = tied.kept(block.cast(schema.arrow))
        stats = codec.observe(reduction.inner, reduction.reduce(kept))
        counts = [Evidence.observe(relation, kept) for relation in tied.relations]
        seen = pickle.dumps(
            (stats, counts, block.num_rows - kept.num_rows)
        )  # between Ray's own processes only
        return pa.table({"seen": pa.array([seen], pa.large_binary())})

    empty = schema.arrow.empty_table()
    stats = codec.observe(reduction.inner, reduction.reduce(empty))
    evidence, left_out = [Evidence() for _ in tied.relations], 0
    for row in dataset.map_batches(observe, batch_format="pyarrow", batch_size=None).iter_rows():
        more, counts, count = pickle.loads(row["seen"])
        stats, left_out = codec.merge(stats, more), left_out + count
        evidence = [a.merge(b) for a, b in zip(evidence, counts, strict=True)]
    return stats, evidence, left_out


def _tell(tied: Ties, used: list[Use], evidence: list[Evidence], left_out: int, say: Say) -> None:
    """A line on each relation, and on what the table says against it."""
    for use, counts in zip(used, evidence, strict=True):
        relation = use.relation
        say(f"Relation: {relation.column} {relation.phrase}, {_how_often(counts)}")
        if relation.is_total and counts.breaks:
            learned = "learned as one that holds often" if use.how == "tied" else "not kept"
            say(f"Note: {counts.breaks:,} rows break it, which was to hold always; it is {learned}.")
    if left_out:
        texts = " or ".join(f"'{r.column} {r.phrase}'" for r in tied.enforced)
        say(f"Note: {left_out:,} rows that break {texts} are left out.")


def _how_often(counts: Evidence) -> str:
    if not counts.breaks:
        return f"in all of {counts.holds:,} rows"
    return f"in {100 * counts.share:.3g} % of {counts.holds + counts.breaks:,} rows"
