"""How likely rows are under a model, which of their cells make them unlikely, and which rules they break."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from raygen.completion.givens import Encoder, Givens
from raygen.completion.loaded import Loaded
from raygen.completion.partial import FILL_ABSENT, Reader
from raygen.relations.relation import BREAKS, Relation

ROW, NATS, BROKEN, SURPRISE = "row", "log_likelihood", "breaks", "surprise_"


@dataclass(frozen=True)
class Scores:
    """What is said of some rows.

    Attributes:
        nats: log p(row), float64 of shape (rows,), of the cells that the model has seen.
        surprise: By column, log p(others) - log p(row), which is -log p(cell | others); empty where it was
            not asked for.
        broken: Rules that always hold and that each row breaks, as text; "" for none.
        unseen: By column, values that the model never saw.
    """

    nats: np.ndarray
    surprise: dict[str, np.ndarray]
    broken: list[str]
    unseen: dict[str, int]


class Scorer:
    """Scores blocks of rows.

    Args:
        loaded: The model.
        columns: Of the rows; those that lack are left out of the likelihood.
        particles: Draws behind each likelihood.
        seed: Of the draws.
    """

    def __init__(self, loaded: Loaded, columns: pa.Schema, particles: int = 32, seed: int = 0):
        found = loaded.found
        self.codec, self.reader = found.codec, Reader(found.codec, columns, FILL_ABSENT)
        self.encoder = Encoder(found.codec)
        self.particles = loaded.particles(particles, seed)
        self.rules = [use.relation for use in found.codec.reduction.uses if use.relation.is_total]
        self.blocks: dict[str, list[int]] = {}
        for i, part in enumerate(found.codec.parts):
            self.blocks.setdefault(part.column, []).append(i)

    def scores(self, rows: pa.Table, first: int, by_column: bool = False) -> Scores:
        """Of rows from number `first` on, which is a multiple of `particles.rows`, so many at most."""
        partial, size = self.reader.read(rows), self.particles.rows
        count, number = partial.num_rows, first // size
        givens = self.encoder.of(partial)
        padded = givens.padded(size)
        nats = self.particles.cloud(number, padded).log_probability[:count]
        surprise = {}
        for name, blocks in self.blocks.items() if by_column else ():
            without = self.particles.cloud(number, self._without(padded, blocks)).log_probability[:count]
            surprise[name] = without - nats
        broken = [_broken(one, partial.table, partial.known) for one in self.rules]
        texts = [f"{one.column} {one.phrase}" for one in self.rules]
        said = [
            "; ".join(text for text, breaks in zip(texts, broken, strict=True) if breaks[row])
            for row in range(count)
        ]
        unseen = {name: int(lost.sum()) for name, lost in givens.unseen.items() if lost.any()}
        return Scores(nats, surprise, said, unseen)

    def _without(self, givens: Givens, blocks: list[int]) -> Givens:
        """The same where some blocks are not known."""
        known, codes, allowed = givens.known.copy(), givens.codes.copy(), givens.allowed.copy()
        known[:, blocks], codes[:, blocks] = 0, 0
        for i in blocks:
            start = int(self.encoder.starts[i])
            allowed[:, start : start + self.codec.cardinalities[i]] = 0.0
        return Givens(known, codes, givens.places, allowed, givens.unseen)

    def tables(
        self, source: Callable[[int, int], pa.Table], rows: int, by_column: bool
    ) -> Iterator[tuple[pa.Table, Scores]]:
        """Blocks of scores as a table, with the numbers of their rows counted from 0, and as they are."""
        size = self.particles.rows
        for first in range(0, rows, size):
            scored = self.scores(source(first, min(first + size, rows)), first, by_column)
            columns = {
                ROW: pa.array(np.arange(first, first + len(scored.nats))),
                NATS: pa.array(scored.nats),
                BROKEN: pa.array(scored.broken, pa.string()),
            }
            columns |= {SURPRISE + name: pa.array(nats) for name, nats in scored.surprise.items()}
            yield pa.table(columns), scored


def _broken(relation: Relation, rows: pa.Table, known: dict[str, np.ndarray]) -> np.ndarray:
    """Whether each row breaks a relation all of whose columns it has."""
    has = np.logical_and.reduce([known[name] for name in (relation.column, *relation.inputs)])
    return has & (relation.keeps(rows) == BREAKS)


def nothing(scorer: Scorer, by_column: bool) -> pa.Table:
    """Scores of no rows."""
    kinds = {ROW: pa.int64(), NATS: pa.float64(), BROKEN: pa.string()}
    kinds |= {SURPRISE + name: pa.float64() for name in scorer.blocks if by_column}
    return pa.table({name: pa.array([], kind) for name, kind in kinds.items()})
