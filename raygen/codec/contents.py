"""What of a table a codec holds: strings, extremes and atoms, and how many rows stand behind each."""

from dataclasses import asdict, dataclass

import numpy as np

from raygen.codec.bins import NumericBlock
from raygen.codec.categories import CategoryBlock
from raygen.codec.codec import Codec
from raygen.codec.parts import TIME


@dataclass(frozen=True)
class Content:
    """Of one part of a column, or of a lookup.

    Attributes:
        name: Of the column; that of a lookup with what it looks up.
        what: "categories", "pairs" or "numbers".
        count: Strings, pairs, or atoms.
        rows: Fewest rows behind one of these, about; None where there are none.
        min_rows: What the model was fitted with.
        ends: Least and greatest number that can be drawn, in the column's units; None of categories.
        rare: What stands for rarer categories.
    """

    name: str
    what: str
    count: int
    rows: int | None
    min_rows: int
    ends: tuple[float, float] | None = None
    rare: str = ""

    def to_dict(self) -> dict:
        return asdict(self)

    @property
    def sentence(self) -> str:
        """What is there, in a few words."""
        behind = f" of {self.rows:,} rows or more" if self.rows is not None else ""
        if self.what != "numbers":
            rarer = {"star": "; rarer ones are _rare_", "missing": "; rarer ones are missing"}
            return f"{self.count:,} {self.what}{behind}{rarer.get(self.rare, '')}"
        ends = "" if self.ends is None else f"{self.ends[0]:.10g} to {self.ends[1]:.10g}"
        atoms = f"{self.count:,} frequent values{behind}" if self.count else ""
        of = " (of single rows)" if self.min_rows == 1 and ends else ""
        return ", ".join(filter(None, [ends + of, atoms])) or "no values"


def contents(codec: Codec, rows: int) -> list[Content]:
    """What a codec holds of a table of so many rows, column by column, lookups last."""
    found = []
    for name, block in codec.blocks.items():
        there = rows * (1 - block.missing) * (1 - sum(codec.explained.get(name, ())))
        title = name.removesuffix(TIME) + (" (time of day)" if name.endswith(TIME) else "")
        if isinstance(block, CategoryBlock):
            least = _least(block.shares, there)
            found.append(
                Content(title, "categories", len(block.members), least, block.min_rows, None, _rare(block))
            )
        elif isinstance(block, NumericBlock):
            atoms = (block.high - block.low)[~block.is_bar]
            ends = None
            if len(block.grid):
                low, high = block.ends
                ends = float(low), float(high)
            found.append(Content(title, "numbers", len(atoms), _least(atoms, there), block.min_rows, ends))
        else:
            found.append(Content(title, "numbers", 0, None, block.min_rows))
    for use in codec.reduction.uses:
        pairs = use.relation.pairs
        if pairs is not None:
            title, support = f"{use.relation.column} = {use.relation.text}", pairs.support
            found.append(Content(title, "pairs", len(pairs), min(support, default=None), 1))
    return found


def _least(shares: np.ndarray, rows: float) -> int | None:
    return round(float(shares.min()) * rows) if len(shares) else None


def _rare(block: CategoryBlock) -> str:
    return block.rare if block.min_rows > 1 else ""
