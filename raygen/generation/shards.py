"""Which rows a shard holds, what its files are called, which shards a part of the manifest names: nothing
that grows with the rows."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from raygen import storage

FILES_PER_FOLDER = 1000
MAX_PARTS = 4096  # of the manifest, whatever the number of shards
ITEMS_PER_ACTOR = 32


@dataclass(frozen=True)
class Plan:
    """Rows of a generation, cut into shards of `rows_per_shard` (the last may hold fewer).

    Attributes:
        first_row: Number of the first row.
        suffix: Ending of the files' names.
        partitions: Folders, such as "income=%3E50K", of which each has one file of every shard; "": the
            output folder itself.
        file: Name of the one file beside the folder that is the only shard; "": shards lie in the folder.
    """

    rows: int
    rows_per_shard: int
    first_row: int = 0
    suffix: str = ".parquet"
    partitions: tuple[str, ...] = ("",)
    file: str = ""

    @property
    def num_shards(self) -> int:
        return -(-self.rows // self.rows_per_shard)

    @property
    def shards_per_part(self) -> int:
        return -(-self.num_shards // MAX_PARTS)

    @property
    def num_parts(self) -> int:
        """Parts of the manifest, the smallest unit of work; the same for any number of actors."""
        return -(-self.num_shards // self.shards_per_part)

    def span(self, shard: int) -> tuple[int, int]:
        """First row of a shard, and the row after its last.

        Raises:
            IndexError: If there is no such shard.
        """
        if not 0 <= shard < self.num_shards:
            raise IndexError(f"shard {shard} of {self.num_shards}")
        return self.first_row + shard * self.rows_per_shard, self.first_row + min(
            self.rows, (shard + 1) * self.rows_per_shard
        )

    def part_of(self, shard: int) -> int:
        """The part of the manifest that names a shard."""
        return shard // self.shards_per_part

    def part(self, number: int) -> range:
        """The shards that a part of the manifest names."""
        return range(number * self.shards_per_part, min(self.num_shards, (number + 1) * self.shards_per_part))

    def part_name(self, number: int) -> str:
        """File of a part, relative to the manifest's folder: the first and the last shard that it names."""
        shards = self.part(number)
        return f"{shards[0]:08d}-{shards[-1]:08d}.jsonl"

    def prefix(self, shard: int) -> str:
        """Folder of a shard below the output folder or its partitions, or "" when all shards lie in those
        themselves."""
        return f"{shard // FILES_PER_FOLDER:06d}" if self.num_shards > FILES_PER_FOLDER else ""

    def folders(self, shard: int) -> list[str]:
        """Folders of a shard's files, relative to the output folder."""
        if self.file:
            return [".."]
        return ["/".join(filter(None, [partition, self.prefix(shard)])) for partition in self.partitions]

    def files(self, shard: int) -> list[str]:
        """Files of a shard, relative to the output folder: one for each partition; in prefix folders when
        there are many."""
        if self.file:
            return [f"../{self.file}"]
        return [
            "/".join(filter(None, [folder, f"part-{shard:08d}{self.suffix}"]))
            for folder in self.folders(shard)
        ]

    def own(self, folder: str, name: str) -> str:
        """A file of the generation to write or delete (see `storage.own`); that of one file lies beside the
        folder."""
        if self.file and name.startswith("../"):
            return storage.own(storage.parent(folder), name.removeprefix("../"))
        return storage.own(folder, name)

    def all_folders(self) -> Iterator[str]:
        """Every folder that shards lie in."""
        for shard in range(0, self.num_shards if self.prefix(0) else 1, FILES_PER_FOLDER):
            yield from self.folders(shard)

    def items(self, num_actors: int) -> list[tuple[int, int]]:
        """Ranges of parts to hand out, at most `ITEMS_PER_ACTOR` for each actor."""
        count = min(self.num_parts, num_actors * ITEMS_PER_ACTOR)
        edges = [i * self.num_parts // count for i in range(count + 1)]
        return list(itertools.pairwise(edges))

    def seconds(self, num_actors: int, rows_per_second: float) -> float:
        """Time of so many actors: that of the one with the most shards."""
        return min(self.rows, -(-self.num_shards // num_actors) * self.rows_per_shard) / rows_per_second

    def actors_within(self, seconds: float, rows_per_second: float) -> int:
        """Fewest actors that finish in time; 0 if one shard alone takes longer."""
        shards_each = (
            self.num_shards
            if self.rows <= seconds * rows_per_second
            else int(seconds * rows_per_second // self.rows_per_shard)
        )
        return -(-self.num_shards // shards_each) if shards_each else 0
