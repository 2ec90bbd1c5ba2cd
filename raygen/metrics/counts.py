"""Counts of synthetic rows against a real table, block by block, in memory that does not grow with the number
of rows.

    reference = Reference(real, kinds)
    counts = reference.count(block_1, ranges).merge(reference.count(block_2, ranges))
    counted.scores(reference, counts)

What is kept has the size of the real table, not of the synthetic one: counts at and between the real values
of a number column, counts of the real levels and of the real pairs of levels, and one more for all that the
real table lacks. That is enough for the exact Kolmogorov-Smirnov and total variation distances, because there
the real table's share is constant or 0.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from raygen.metrics import histograms
from raygen.metrics.cells import CUTS, DENSE_CELLS, at_cells, cramers_v, cut
from raygen.metrics.column_ranges import NOTHING, NUMBERS, Range, floats, merged, observed, range_of
from raygen.metrics.correlations import Moments
from raygen.metrics.row_codes import LEVELS, CodedRows, codes_of, level_names, row_hashes
from raygen.table.protection import UNPROTECTED, Protection

MAX_KNOTS = 100_000  # values of a real number column that are counted one by one; of more, so many quantiles
EXAMPLES = 5  # unseen levels that are kept by name
SLICE_ROWS = 2**17  # counted at a time: what a slice needs fits the processor's cache
# Of a pair with fewer real rows for each cell, the rarer levels are pooled, down to so many levels at least:
# other real rows fill the cells that are left as well, so that they come nearer than shuffled columns.
ROWS_PER_CELL, FEW_LEVELS = 20, 10
STRONG_CORRELATION, STRONG_ASSOCIATION = 0.5, 0.3  # as in metrics.fidelity.trend_error

Joint = tuple[str, str]


@dataclass
class Counts:
    """What was counted of some rows; those of two sets of rows add up, in any order.

    Attributes:
        ranges: Of all rows that are compared, not only of those counted here: the bins of a number beside a
            level depend on it.
        num_rows, num_copies: Rows, and those equal to a real row in every column.
        num_outside, num_unseen, num_beyond: Rows with a number outside the real range, with a level that the
            real table lacks, with either.
        num_sole: Rows equal to a real row that nobody else's repeats (see `Reference.sole`).
        num_rare, num_rare_numbers: Rows with a level, or with a number, that too few real rows have (see
            `Reference.rare`).
        numbers: By name, counts below, at and between the knots of `Reference`, shape (2 * knots + 1,).
        extremes: By name, range of the rows counted here.
        histograms: By name, counts of values within the real range in the bins of `Reference.edges`.
        levels: By name, counts of null, of each real level, and of all others, shape (levels + 2,).
        unseen: By name, a few of the others: the first in alphabetical order.
        joints: By pair of names, counts at each pair of values that the real table holds, and of all others.
        moments: Of each pair of number columns, in units of about the range, so that squares stay finite.
    """

    ranges: dict[str, Range]
    num_rows: int = 0
    num_copies: int = 0
    num_outside: int = 0
    num_unseen: int = 0
    num_beyond: int = 0
    num_sole: int = 0
    num_rare: int = 0
    num_rare_numbers: int = 0
    numbers: dict[str, np.ndarray] = field(default_factory=dict)
    extremes: dict[str, Range] = field(default_factory=dict)
    histograms: dict[str, np.ndarray] = field(default_factory=dict)
    levels: dict[str, np.ndarray] = field(default_factory=dict)
    unseen: dict[str, list[str]] = field(default_factory=dict)
    joints: dict[Joint, np.ndarray] = field(default_factory=dict)
    moments: Moments = field(default_factory=lambda: Moments.empty(0))

    def merge(self, other: "Counts") -> "Counts":
        """The counts of the rows of both.

        Raises:
            ValueError: If the two were counted with different ranges.
        """
        if self.ranges != other.ranges:
            raise ValueError("the rows were counted with different ranges.")
        out = Counts(self.ranges, self.num_rows + other.num_rows, self.num_copies + other.num_copies)
        out.num_outside, out.num_unseen = (
            self.num_outside + other.num_outside,
            self.num_unseen + other.num_unseen,
        )
        out.num_beyond = self.num_beyond + other.num_beyond
        out.num_sole = self.num_sole + other.num_sole
        out.num_rare = self.num_rare + other.num_rare
        out.num_rare_numbers = self.num_rare_numbers + other.num_rare_numbers
        out.numbers = {name: counts + other.numbers[name] for name, counts in self.numbers.items()}
        out.extremes = merged([self.extremes, other.extremes])
        out.histograms = {name: counts + other.histograms[name] for name, counts in self.histograms.items()}
        out.levels = {name: counts + other.levels[name] for name, counts in self.levels.items()}
        out.unseen = {
            name: sorted({*some, *other.unseen[name]})[:EXAMPLES] for name, some in self.unseen.items()
        }
        out.joints = {pair: counts + other.joints[pair] for pair, counts in self.joints.items()}
        out.moments = self.moments.merge(other.moments)
        return out


class Reference:
    """A real table, made ready to count other rows against it; it does not keep the table.

    Memory grows with the real rows: up to 8 bytes for each, and for each and pair of columns that counts. It
    can be sent to workers.

    Args:
        real: Rows to compare with.
        kinds: Kind by column name; "numeric" and "datetime" columns are numbers, "categorical" and "boolean"
            ones levels, others left out.
        all_pairs: Count every pair with a level column, not only those that depend on each other in the real
            table.
        protection: How many rows what is shown of the real table stands for.

    Attributes:
        knots: By name, the distinct real values in ascending order; of more than `MAX_KNOTS`, that many
            quantiles.
        shown: By name, the range that may be shown; None of a column without one.
        edges: By name, edges of the histogram's bins.
        names: By name, the real levels as text (bool "True", 1.0 "1"), the most frequent first.
        alone: By pair of names, how many levels of each, the most frequent, are not pooled.
        cells: By pair of names, the real pairs of codes as `first * width + second`, ascending.
        own: The real table's own counts.
        rare: By name, which codes of levels, or spots of numbers, stand for what too few real rows have;
            empty where nobody has asked (see `rare.look`).
        hashes, sole: Of the real rows, ascending, each once; and which of them only one row, or one person,
            has.

    Raises:
        KeyError: If `real` lacks a column of a kind that counts.
        pyarrow.ArrowInvalid: If a number column holds something else.
    """

    def __init__(
        self,
        real: pa.Table,
        kinds: Mapping[str, str],
        all_pairs: bool = False,
        protection: Protection = UNPROTECTED,
    ):
        self.kinds = {name: kind for name, kind in kinds.items() if kind in NUMBERS + LEVELS}
        self.all_pairs, self.protection = all_pairs, protection
        self.names = {name: level_names(real[name]) for name, kind in self.kinds.items() if kind in LEVELS}
        self.rare: dict[str, np.ndarray] = {}
        coded = self._coded(real)
        self.knots = {name: _knots(values) for name, values in coded.numbers.items()}
        self.shown: dict[str, Range | None] = {}
        self.edges: dict[str, np.ndarray] = {}
        for name, knots in self.knots.items():
            least, values = protection.of(name), coded.numbers[name]
            places = histograms.shown(knots, values, least)
            self.shown[name] = (float(places[0]), float(places[-1])) if len(places) else None
            self.edges[name] = histograms.edges(places, knots, values, least)
        ranges = {name: range_of(values) for name, values in coded.numbers.items()}
        self.hashes = np.unique(row_hashes(coded))
        self.sole = np.zeros(len(self.hashes), bool)
        self.alone = self._alone(coded)
        self.cells = self._real_cells(coded, ranges)
        self.own = self.count(real, ranges)

    def count(self, block: pa.Table, ranges: Mapping[str, Range]) -> Counts:
        """Count rows.

        Args:
            block: Any number of rows; columns in any order and integer width, plain or dictionary-encoded.
            ranges: Lowest and highest value by number column of all rows that are to be compared, of which
                these are a part (see `ranges`).

        Raises:
            KeyError: If `block` or `ranges` lacks a column.
        """
        counts = self._empty(ranges)
        self.add(block, counts)
        return counts

    def are_copies(self, table: pa.Table) -> np.ndarray:
        """Whether each row equals a real one in every column, bool of shape (rows,)."""
        return _are_members(self.hashes_of(table), self.hashes)

    def hashes_of(self, table: pa.Table) -> np.ndarray:
        """One hash for each row (see `row_codes.row_hashes`)."""
        return row_hashes(self._coded(table))

    def spots(self, name: str, values: np.ndarray) -> np.ndarray:
        """Where the values of a number column lie: even between two knots, odd at one; behind them, NaN."""
        knots = self.knots[name]
        place = np.searchsorted(knots, values)  # the first knot that is not below
        spots = 2 * place + (np.append(knots, np.nan)[place] == values)
        spots[np.isnan(values)] = 2 * len(knots) + 1
        return spots

    def count_table(self, table: pa.Table) -> Counts:
        """Count all rows of a table in memory."""
        return self.count(table, observed(table, self.kinds))

    def add(self, block: pa.Table, counts: Counts) -> None:
        """Add rows to counts in place; quicker than `merge` where a worker sees many small
        blocks."""
        for start in range(0, block.num_rows, SLICE_ROWS):
            self._count(self._coded(block.slice(start, SLICE_ROWS)), counts)

    def _empty(self, ranges: Mapping[str, Range]) -> Counts:
        out = Counts({name: ranges[name] for name in self.knots})
        out.numbers = {name: np.zeros(2 * len(knots) + 1, np.int64) for name, knots in self.knots.items()}
        out.extremes = dict.fromkeys(self.knots, NOTHING)
        out.histograms = {name: np.zeros(len(edges) - 1, np.int64) for name, edges in self.edges.items()}
        out.levels = {name: np.zeros(len(names) + 2, np.int64) for name, names in self.names.items()}
        out.unseen = {name: [] for name in self.names}
        out.joints = {pair: np.zeros(len(cells) + 1, np.int64) for pair, cells in self.cells.items()}
        out.moments = Moments.empty(len(self.knots))
        return out

    def _count(self, rows: CodedRows, out: Counts) -> None:
        """Add coded rows to counts in place."""
        out.num_rows += rows.num_rows
        hashes = row_hashes(rows)
        out.num_copies += int(_are_members(hashes, self.hashes).sum())
        out.num_sole += int(_are_members(hashes, self.hashes[self.sole]).sum())
        out.extremes = merged(
            [out.extremes, {name: range_of(values) for name, values in rows.numbers.items()}]
        )
        outside, unseen, rare, rare_numbers = np.zeros((4, rows.num_rows), bool)
        for name, values in rows.numbers.items():
            spots = self.spots(name, values)
            outside |= self._count_numbers(name, values, spots, out)
            if name in self.rare:
                rare_numbers |= self.rare[name][spots]
        for name, codes in rows.levels.items():
            out.levels[name] += np.bincount(codes, minlength=len(out.levels[name]))
            out.unseen[name] = sorted({*out.unseen[name], *rows.unseen[name]})[:EXAMPLES]
            unseen |= codes == len(out.levels[name]) - 1
            if name in self.rare:
                rare |= self.rare[name][codes]
        out.num_outside += int(outside.sum())
        out.num_unseen += int(unseen.sum())
        out.num_beyond += int((outside | unseen).sum())
        out.num_rare += int(rare.sum())
        out.num_rare_numbers += int(rare_numbers.sum())
        binned = {
            b: cut(rows.numbers[b], out.ranges[b]) for b in {b for _, b in self.cells} & rows.numbers.keys()
        }
        for (a, b), cells in self.cells.items():
            height, width = self._size(a, b)
            out.joints[a, b] += at_cells(self._keys(a, b, rows, binned), cells, height * width)
        if rows.numbers:
            units = [
                2.0 ** np.frexp(high - low)[1] if high > low else 1.0 for low, high in out.ranges.values()
            ]  # powers of two round nothing
            out.moments = out.moments.merge(
                Moments.observe(np.stack([v / u for v, u in zip(rows.numbers.values(), units, strict=True)]))
            )

    def _count_numbers(self, name: str, values: np.ndarray, spots: np.ndarray, out: Counts) -> np.ndarray:
        """Count a number column; true where a value is outside the real range."""
        edges, last = self.edges[name], 2 * len(self.knots[name])
        out.numbers[name] += np.bincount(spots, minlength=last + 2)[:-1]
        inside = (spots > 0) & (spots < last)
        bins = np.searchsorted(edges[1:-1], values[inside], side="right")
        out.histograms[name] += np.bincount(bins, minlength=len(edges) - 1)
        return (spots == 0) | (spots == last)

    def _coded(self, rows: pa.Table) -> CodedRows:
        numbers = {name: floats(rows[name], kind) for name, kind in self.kinds.items() if kind in NUMBERS}
        levels, unseen = {}, {}
        for name, names in self.names.items():
            levels[name], unseen[name] = codes_of(rows[name], names)
        return CodedRows(rows.num_rows, numbers, levels, unseen)

    def _alone(self, real: CodedRows) -> dict[Joint, tuple[int, int]]:
        """Of each pair with a level column, which comes first."""
        sizes = {name: len(names) for name, names in self.names.items()} | dict.fromkeys(self.knots, CUTS)
        well_known = {
            name: int((np.bincount(codes)[1:] >= ROWS_PER_CELL).sum()) for name, codes in real.levels.items()
        }
        most, out = real.num_rows // ROWS_PER_CELL, {}
        for a, b in [*itertools.combinations(self.names, 2), *itertools.product(self.names, self.knots)]:
            first, second = sizes[a], sizes[b]
            if first * second > most:
                less = min(first, second, max(FEW_LEVELS, math.isqrt(most)))
                more = max(FEW_LEVELS, most // less)
                first, second = (
                    min(size, less if size == min(sizes[a], sizes[b]) else more, well_known.get(name, CUTS))
                    for name, size in ((a, first), (b, second))
                )
            out[a, b] = first, second
        return out

    def _size(self, a: str, b: str) -> tuple[int, int]:
        """Of the joint table of a pair, with a place for null and one for the rest."""
        first, second = self.alone[a, b]
        return first + 2, second + 2

    def _keys(self, a: str, b: str, rows: CodedRows, binned: Mapping[str, np.ndarray]) -> np.ndarray:
        """The cell of each row; the rarer a level, the greater its code."""
        height, width = self._size(a, b)
        first, second = rows.levels[a], binned[b] if b in binned else rows.levels[b]
        return np.minimum(first, height - 1) * width + np.minimum(second, width - 1)

    def _real_cells(self, real: CodedRows, ranges: Mapping[str, Range]) -> dict[Joint, np.ndarray]:
        """The pairs of columns whose joint counts, and their cells."""
        out = {}
        binned = {name: cut(values, ranges[name]) for name, values in real.numbers.items()}
        for a, b in self.alone:
            height, width = self._size(a, b)
            keys = self._keys(a, b, real, binned)
            if height * width <= DENSE_CELLS:
                dense = np.bincount(keys, minlength=1)
                cells = np.flatnonzero(dense)
                counts = dense[cells]
            else:
                cells, counts = np.unique(keys, return_counts=True)
            if self.all_pairs or cramers_v(cells // width, cells % width, counts) > STRONG_ASSOCIATION:
                out[a, b] = cells
        return out


def _knots(values: np.ndarray) -> np.ndarray:
    known = np.sort(values[~np.isnan(values)])
    distinct = known[np.flatnonzero(np.append(True, known[1:] != known[:-1]))] if len(known) else known
    if len(distinct) <= MAX_KNOTS:
        return distinct
    return np.unique(known[np.arange(MAX_KNOTS) * (len(known) - 1) // (MAX_KNOTS - 1)])


def _are_members(hashes: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Which of the hashes are among the (ascending) real ones."""
    return np.append(real, np.uint64(0))[np.searchsorted(real, hashes)] == hashes
