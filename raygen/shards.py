"""Which rows a shard holds and what its file is called: arithmetic on numbers, nothing that grows with the rows."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

FILES_PER_FOLDER = 1000
ITEMS_PER_ACTOR = 32


@dataclass(frozen=True)
class Plan:
    """Rows 0 to `rows` - 1 of a generation, cut into shards of `rows_per_shard` (the last may hold fewer)."""

    rows: int
    rows_per_shard: int

    @property
    def num_shards(self) -> int:
        return -(-self.rows // self.rows_per_shard)

    def span(self, shard: int) -> tuple[int, int]:
        """First row of a shard, and the row after its last.

        Raises:
            IndexError: If there is no such shard.
        """
        if not 0 <= shard < self.num_shards:
            raise IndexError(f"shard {shard} of {self.num_shards}")
        return shard * self.rows_per_shard, min(self.rows, (shard + 1) * self.rows_per_shard)

    def name(self, shard: int) -> str:
        """File of a shard, relative to the output folder; in prefix folders when there are many."""
        file = f"part-{shard:08d}.parquet"
        return file if self.num_shards <= FILES_PER_FOLDER else f"{shard // FILES_PER_FOLDER:06d}/{file}"

    def items(self, num_actors: int) -> list[tuple[int, int]]:
        """Ranges of shards to hand out, at most `ITEMS_PER_ACTOR` for each actor."""
        count = min(self.num_shards, num_actors * ITEMS_PER_ACTOR)
        edges = [i * self.num_shards // count for i in range(count + 1)]
        return list(itertools.pairwise(edges))


def blocks(first: int, last: int, block_rows: int) -> Iterator[tuple[int, int, int]]:
    """Blocks that rows [first, last) lie in: number of the block, and the first and last row wanted, counted inside it."""
    for number in range(first // block_rows, -(-last // block_rows)):
        start = number * block_rows
        yield number, max(first - start, 0), min(last - start, block_rows)
