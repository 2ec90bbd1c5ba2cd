"""The share of a code that one value takes, which turns nats of codes into nats of values.

    nats of values = nats of codes and offsets - log_volume

A code with an offset stands for a range of values, and the wider the range, the fewer nats it costs. What the
value itself costs is the same for any `schema.bars`, `schema.max_categories` and `schema.numeric`, as far as
the codec draws the same law with them.
"""

from dataclasses import replace

import numpy as np

from raygen.codec.bins import NumericBlock
from raygen.codec.calendar_parts import Mover
from raygen.codec.categories import CategoryBlock
from raygen.codec.cells import GRID
from raygen.codec.codec import Codec
from raygen.codec.gaussian import GaussianBlock
from raygen.codec.grid import Grid
from raygen.table.stats import MAX_DECIMALS

OFFSETS = 256  # stored positions inside a bar
STEPS = 4 * OFFSETS  # positions of a bar at which its values are looked at
DIGITS = 10.0**-MAX_DECIMALS  # a column of full precision counts at so many significant digits
UNSEEN = np.log(0.5 / GRID)  # of a value so rare in its stepped bar that no step has it
FINEST_POSITION = 2.0**-52  # the smallest difference of two positions close to 1
LEAST = 1e-290
FLOAT64 = 2.0**-50  # of a value: a little more than the distance to its neighbours in float64


def log_volume(codec: Codec, codes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Sum over the blocks of log(du): how likely each row's values are, in nats, given its codes and a
    uniform offset.

    With x(u) the value that a block draws at position u of a code's cell, and x0 the row's value, du is the
    length of all u in [0, 1) whose x(u) rounds to x0. An atom, a category with a code of its own and a
    missing value have du = 1. A value of full precision counts at nine significant digits. Where the code and
    the offset do not tell the value, log(du) is its expectation over the values that are stored so: those of
    a group by their shares, those of 1/256 of a bar as they are drawn.

    A bar's grid is made of the table's own rows and knows them too well: with m rows between two of its
    points, a column of many values costs them log(m) - digamma(m), about 1 / (2 m), nats less than it costs
    new rows of the same law on a perfect grid.

    For a Gaussian block du is the column's resolution in standard deviations. That is for a density at the
    value: it may exceed 1.

    Args:
        codec: What the rows were encoded with.
        codes: uint16 of shape (rows, codec.num_columns).
        offsets: uint8 or float32 of shape (rows, codec.num_offsets), as `codec.encode` gives them.

    Returns:
        float64 of shape (rows,).
    """
    total = np.zeros(len(codes))
    for i, (part, block) in enumerate(codec.blocks.items()):
        own = codes[:, i] < block.cardinality  # the others stand for what a relation gives
        code = codes[own, i]
        if isinstance(block, CategoryBlock):
            total[own] += group_volume(block)[code]
        elif i >= codec.num_offsets:
            continue  # atoms alone, or nothing to learn
        elif isinstance(block, GaussianBlock):
            total[own] += np.where(code == 0, gaussian_volume(block, offsets[own, i]), 0.0)
        elif isinstance(block, NumericBlock):
            total[own] += bar_volume(block, codec.movers.get(part))[code, offsets[own, i]]
    return total


def group_volume(block: CategoryBlock) -> np.ndarray:
    """Expected log share of a member in its code, float64 of shape (cardinality,): minus the entropy of the
    group."""
    own = block.shares / np.bincount(block.codes, block.shares)[block.codes]
    return np.bincount(block.codes, own * np.log(own), block.cardinality)


def gaussian_volume(block: GaussianBlock, away: np.ndarray) -> np.ndarray:
    """Log of the resolution in standard deviations, float64, at values so many standard deviations `away`
    from the mean."""
    return np.log(resolution(block.mean + block.std * away.astype(float), block.spacing) / block.std)


def bar_volume(block: NumericBlock, mover: Mover | None = None) -> np.ndarray:
    """Expected log(du) of the values stored as a code and an offset, float64 of shape (cardinality,
    OFFSETS); of days of which a month or a weekday is known, with what moves them."""
    block = replace(block, reading="")  # places on the line
    bars = np.flatnonzero(block.is_bar)
    drawn = np.repeat(bars, STEPS)
    values = block.decode(drawn, np.tile((np.arange(STEPS) + 0.5) / STEPS, len(bars)))
    floats = values.astype(float)
    width = resolution(floats, block.spacing)
    cells = zip(bars, floats.reshape(-1, STEPS), width.reshape(-1, STEPS), strict=True)
    shares = np.array(
        [
            mover.share(int(bar), cell[0])
            if mover
            else share(block.grid[bar].astype(float), block.stepped[bar], *cell)
            for bar, *cell in cells
        ]
    )
    volume = np.log(np.maximum(shares, FINEST_POSITION)).reshape(-1)
    out = np.zeros((block.cardinality, OFFSETS))
    out[bars] = np.where(
        block.stepped[bars, None], UNSEEN, volume.reshape(-1, OFFSETS, STEPS // OFFSETS).mean(axis=2)
    )
    codes, offsets = block.encode(values)
    own = codes == drawn  # the others are values of an atom inside the bar, or of its neighbour
    stored = codes[own] * OFFSETS + offsets[own]
    count, sums = (np.bincount(stored, weights, out.size) for weights in (None, volume[own]))
    np.divide(sums.reshape(out.shape), count.reshape(out.shape), out=out, where=count.reshape(out.shape) > 0)
    return out


def share(points: np.ndarray, stepped: bool, values: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Share of a bar's positions at which it draws each of `values`: its grid `points` themselves, or what
    lies within +-`width` / 2."""
    if stepped:
        return (np.searchsorted(points, values, "right") - np.searchsorted(points, values, "left")) / len(
            points
        )
    inside = np.linspace(0, 1, len(points))
    upto = np.interp(values + width / 2, points, inside)  # of equal points, interp takes the last
    return upto - (1 - np.interp(width / 2 - values, -points[::-1], inside))


def resolution(values: np.ndarray, spacing: Grid) -> np.ndarray:
    """Distance between `values` and the next ones that the column can hold; it depends on the value and the
    column, not on the codec."""
    size = np.abs(values)
    if spacing.significant:
        digits = np.floor(np.log10(np.maximum(size, LEAST))) + 1 - spacing.significant
        return np.maximum(10.0**digits, 10.0**-spacing.decimals * (spacing.decimals < MAX_DECIMALS))
    if spacing.decimals >= MAX_DECIMALS:
        return DIGITS * np.maximum(size, DIGITS)
    return np.maximum(spacing.resolution, FLOAT64 * size)
