"""What of a table a codec holds: strings, extremes and atoms, and how many rows stand behind each."""

from dataclasses import asdict, dataclass

import numpy as np

from raygen.codec.bins import NumericBlock
from raygen.codec.categories import CategoryBlock
from raygen.codec.codec import Codec
from raygen.codec.parts import holds_days
from raygen.table.part import Part


@dataclass(frozen=True)
class Content:
    """Of one part of a column, or of a lookup.

    Attributes:
        name: Of the column; that of a lookup with what it looks up.
        what: "categories", "pairs" or "numbers".
        count: Strings, pairs, or atoms.
        rows: Fewest rows behind one of these, about; None where there are none.
        min_rows: What the model was fitted with.
        ends: Least and greatest number that can be drawn, as text; None of what has none.
        rare: What stands for rarer categories.
    """

    name: str
    what: str
    count: int
    rows: int | None
    min_rows: int
    ends: tuple[str, str] | None = None
    rare: str = ""

    def to_dict(self) -> dict:
        return asdict(self)

    @property
    def sentence(self) -> str:
        """What is there, in a few words."""
        behind = f" of {self.rows:,} rows or more" if self.rows is not None else ""
        if self.what != "numbers":
            rarer = {"star": "; rarer ones are _rare_", "missing": "; rarer ones are missing"}
            one = {"categories": "category", "pairs": "pair"}[self.what]
            what = one if self.count == 1 else self.what
            return f"{self.count:,} {what}{behind}{rarer.get(self.rare, '')}"
        single = " (of single rows)" if self.min_rows == 1 else ""
        ends = " to ".join(self.ends) + single if self.ends else ""
        atoms = f"{self.count:,} frequent value{'s' * (self.count > 1)}{behind}" if self.count else ""
        return ", ".join(filter(None, [ends, atoms])) or "only how it is spread"


def contents(codec: Codec, rows: int) -> list[Content]:
    """What a codec holds of a table of so many rows, column by column, lookups last."""
    found = []
    for part, block in codec.blocks.items():
        there = rows * (1 - block.missing) * (1 - sum(codec.explained.get(part, ())))
        least, ends, rare, what, count = None, None, "", "numbers", 0
        if isinstance(block, CategoryBlock):
            least, what, count = _least(block.shares, there), "categories", len(block.members)
            rare = block.rare if block.min_rows > 1 else ""
        elif isinstance(block, NumericBlock):
            atoms = (block.high - block.low)[~block.is_bar]
            least, count, ends = _least(atoms, there), len(atoms), _ends(codec, part, block)
        found.append(Content(part.title, what, count, least, block.min_rows, ends, rare))
    for use in codec.reduction.uses:
        pairs = use.relation.pairs
        if pairs is not None:
            told, support = f"{use.relation.column} = {use.relation.text}", pairs.support
            found.append(Content(told, "pairs", len(pairs), min(support, default=None), 1))
    return found


def _ends(codec: Codec, part: Part, block: NumericBlock) -> tuple[str, str] | None:
    """The least and the greatest value, days as a calendar has them."""
    if not len(block.grid) or part.role == "time":
        return None
    low, high = block.ends.tolist()
    if holds_days(codec.reduction.inner, part):
        return str(np.datetime64(int(low), "D")), str(np.datetime64(int(high), "D"))
    return f"{low:.15g}", f"{high:.15g}"


def _least(shares: np.ndarray, rows: float) -> int | None:
    return round(float(shares.min()) * rows) if len(shares) else None
