"""Completed rows of some rows given in part, by their numbers, in one process and without Ray."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from raygen.completion import likely
from raygen.completion.givens import Encoder, Givens
from raygen.completion.loaded import Loaded
from raygen.completion.partial import Partial, Reader
from raygen.completion.particles import Cloud
from raygen.completion.settings import DRAW, Settings
from raygen.completion.solving import Solver
from raygen.relations.relation import BREAKS
from raygen.sampling.row_blocks import BLOCK_ROWS
from raygen.table import arrow
from raygen.table.schema import MADE

NO_PROPOSAL = (
    "The model was trained without a proposal (latent.proposal_steps): z of a row is drawn as for a new one, "
    "so that fewer particles count. Train it again, or ask for more particles."
)
NUMBERS = 2**24  # codes of the rows completed at once, times particles
MOST_BLOCKS = 16
UNLIKELY = 12.0  # nats by which given cells may be rarer together than each by itself


@dataclass
class Told:
    """What is known of the rows completed so far.

    Attributes:
        rows: Of them.
        effective: Sum of their effective particles.
        unlikely: Numbers of the first rows whose given cells the model finds next to impossible together.
        num_unlikely: All of these.
        contradicting: Rows whose given cells break a relation that always holds.
        unseen: By column, given values that the model never saw.
    """

    rows: int = 0
    effective: float = 0.0
    unlikely: list[int] = field(default_factory=list)
    num_unlikely: int = 0
    contradicting: int = 0
    unseen: Counter = field(default_factory=Counter)

    def to_dict(self) -> dict:
        return vars(self) | {"unseen": dict(self.unseen)}

    def add(self, other: dict) -> None:
        self.rows += other["rows"]
        self.effective += other["effective"]
        self.unlikely = (self.unlikely + other["unlikely"])[:20]
        self.num_unlikely += other["num_unlikely"]
        self.contradicting += other["contradicting"]
        self.unseen.update(other["unseen"])

    def lines(self, particles: int) -> list[str]:
        """What a user should know."""
        out = [
            f"Effective particles: {self.effective / max(1, self.rows):.1f} of {particles} for a row, on "
            "average."
        ]
        if self.num_unlikely:
            first = ", ".join(map(str, self.unlikely[:5]))
            out.append(
                f"The model finds the given cells of {self.num_unlikely:,} row(s) next to impossible "
                f"together (more than {UNLIKELY:g} nats beyond each by itself); the first, counted from 0: "
                f"{first}."
            )
        if self.contradicting:
            out.append(
                f"The given cells of {self.contradicting:,} row(s) contradict a relation that always holds; "
                "they stay as they are."
            )
        for name, count in self.unseen.most_common(20):
            out.append(
                f"Column {name}: {count:,} given value(s) that the model never saw; they stay, and say "
                "nothing of the other cells."
            )
        return out


class Completed:
    """Completed rows by their numbers.

    Args:
        loaded: The model.
        reader: Of the rows given in part.
        source: Gives rows [first, last) of them.
        settings: How they are completed.
    """

    def __init__(
        self,
        loaded: Loaded,
        reader: Reader,
        source: Callable[[int, int], pa.Table],
        settings: Settings,
    ):
        found = loaded.found
        self.codec, self.reader, self.source, self.settings = found.codec, reader, source, settings
        self.encoder = Encoder(found.codec)
        self.particles = loaded.particles(settings.particles, settings.seed)
        self.solver = Solver(found.codec, self.encoder, self.particles)
        self.always = self.solver.always
        self.blocks = int(np.clip(NUMBERS // (BLOCK_ROWS * self.encoder.num_codes), 1, MOST_BLOCKS))
        self.entropy = -np.log(np.maximum(found.codec.frequencies(), 1e-12))
        self.told = Told()
        self.schema = settings.output(found.codec)

    def table(self, first: int, last: int) -> pa.Table:
        """Rows [first, last) of the completed ones, the same whichever are asked for with them; of several
        draws those of a row lie side by side."""
        draws, size, tables = self.settings.draws, self.particles.rows, [self.schema.empty_table()]
        begin = first // size * size
        while begin < last:
            end = min(last, begin + self.blocks * size)
            rows = self.source(begin // draws, -(-end // draws))
            whole = min(begin + self.blocks * size, -(-end // draws) * draws)  # which share their particles
            picks = np.arange(begin, whole) // draws - begin // draws
            made = self._rows(begin, arrow.taken(rows, picks), max(0, first - begin))
            tables.append(made.slice(0, end - max(begin, first)))
            begin = end
        return pa.concat_tables(tables)

    def _rows(self, first: int, rows: pa.Table, skipped: int) -> pa.Table:
        """The rows that some become, those `skipped` left out; `first` is the number of the first of them, at
        which a block begins."""
        given = self.reader.read(rows)
        deduced = given.deduced(self.always)
        givens = self.encoder.of(deduced)
        cloud = self.particles.cloud(first // self.particles.rows, givens.padded(self.particles.rows))
        made, cloud = self._made(cloud, deduced, first)
        self._tell(given, givens, cloud, made, first, skipped)
        if self.settings.draws > 1:
            draw = (np.arange(made.num_rows) + first) % self.settings.draws + 1
            made = made.append_column(DRAW, pa.array(draw, pa.int32()))
        return made.cast(self.schema).slice(skipped)

    def _made(self, cloud: Cloud, rows: Partial, first: int) -> tuple[pa.Table, Cloud]:
        """The rows that particles become, and these with the weights by which they did."""
        count, hard, drawn = rows.num_rows, self.solver.hard(rows), None
        if hard.any():
            drawn, other = self.solver.solve(cloud, rows)
            is_hard = np.pad(hard, (0, len(cloud.z) - count))[:, None]
            cloud = replace(cloud, log_weight=np.where(is_hard, other.log_weight, cloud.log_weight))
        numbers, size = np.arange(first, first + len(cloud.z)), self.particles.rows
        uniform, given = self.particles.uniform(first // size, len(numbers)), numbers // self.settings.draws
        row, one = (taken[:count] for taken in cloud.taken(uniform, given, size))
        codes, places = cloud.codes[row, one], cloud.places[row, one]
        own = self.codec.decode(codes, places, first, self.settings.seed, rows.given)
        made = own
        if self.settings.most_likely:
            drawn = drawn if drawn is not None else self.solver.drawn(cloud, rows)
            made = likely.rows(self.codec, drawn, cloud.weights[:count], rows, self.settings, self.always)
        elif drawn is not None:
            solved = arrow.taken(drawn, row * self.particles.count + one)
            both = pa.concat_tables([own, solved.cast(own.schema)])
            made = arrow.taken(both, np.where(hard, np.arange(count) + count, np.arange(count)))
        for name in (name for name, kind in self.codec.schema.kinds.items() if kind in MADE):
            made = made.set_column(made.schema.get_field_index(name), made.schema.field(name), own[name])
        return made, cloud

    def _tell(
        self, given: Partial, givens: Givens, cloud: Cloud, made: pa.Table, first: int, skipped: int
    ) -> None:
        """Take note of rows, each once however many draws there are of it."""
        numbers = np.arange(skipped, given.num_rows) + first
        rows = numbers[numbers % self.settings.draws == 0] - first
        own = self.entropy[(givens.codes + self.encoder.starts)] * givens.known
        unlikely = np.flatnonzero(
            (-cloud.log_probability[: given.num_rows] - own.sum(axis=1) > UNLIKELY)[rows]
        )
        broken = np.zeros(given.num_rows, bool)
        for relation in self.always:
            if any(given.known[name].any() for name in (relation.column, *relation.inputs)):
                broken |= relation.keeps(made) == BREAKS
        self.told.add(
            {
                "rows": len(rows),
                "effective": float(cloud.effective[rows].sum()),
                "unlikely": ((rows[unlikely] + first) // self.settings.draws).tolist(),
                "num_unlikely": len(unlikely),
                "contradicting": int(broken[rows].sum()),
                "unseen": {name: int(lost[rows].sum()) for name, lost in givens.unseen.items() if lost.any()},
            }
        )
