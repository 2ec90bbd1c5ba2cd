"""Which rows of a table break its relations: the first few of each, for messages."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from raygen.relations.relation import BREAKS, Relation

SHOWN = 3


def first_broken(
    relations: list[Relation], wanted: list[int], batches: Iterable[pa.RecordBatch]
) -> list[list[int]]:
    """Numbers of the first rows that break each relation, counted from 1.

    Args:
        relations: With the pairs of lookups.
        wanted: How many to look for, of each relation; at most SHOWN are.
        batches: The table's rows in order; no more of them are read than it takes.
    """
    found: list[list[int]] = [[] for _ in relations]
    wanted, before = [min(count, SHOWN) for count in wanted], 0
    if not any(wanted):
        return found
    for batch in batches:
        rows = pa.Table.from_batches([batch])
        for relation, own, count in zip(relations, found, wanted, strict=True):
            if len(own) < count:
                broken = np.flatnonzero(relation.keeps(rows) == BREAKS)[: count - len(own)]
                own += (before + 1 + broken).tolist()
        before += batch.num_rows
        if all(len(own) == count for own, count in zip(found, wanted, strict=True)):
            break
    return found


def in_words(numbers: list[int], count: int) -> str:
    """`"rows 7, 9, 12, ..."`, of so many in all."""
    more = ", ..." if count > len(numbers) else ""
    return f"row{'s' * (len(numbers) > 1)} {', '.join(f'{number:,}' for number in numbers)}{more}"
