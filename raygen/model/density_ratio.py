"""How much more often a row occurs in the table than among the rows that a model draws: the density ratio, on
codes alone.

A classifier that tells real rows from drawn ones in equal numbers has, at its best, the log of the ratio as
its logit (Sugiyama, Suzuki and Kanamori 2012, sec. 4). Here it is gradient-boosted trees, stopped by held-out
rows, and then raked: an addend for each code, by which weighted rows have each code as often as the table
(Deming and Stephan 1940).
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from raygen import rng

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

TREES = 150  # at most; held-out rows choose
LEARNING_RATE = 0.2
LEAVES = 31
DEPTH = 10
ROWS_PER_LEAF = 40  # real and drawn ones, at least: a leaf of fewer would know single rows
ROWS_AT_ONCE = 256  # what is looked up then stays in the cache: three times as fast as 8,192
ROWS_RAKED = 8192  # looked up at once
LEAST_HELD = 100  # held-out rows that may choose trees
RAKINGS = 20
PRIOR_ROWS = (
    8.0  # added to both counts of a code when raking, so that what is hardly ever drawn weighs little
)
MOST_RAKED = 3.0  # nats


@dataclass(frozen=True)
class Ratio:
    """The log of the density ratio of rows, up to a constant.

    Attributes:
        roots: int32 of shape (trees,): the first node of each tree.
        feature: int32 of shape (nodes,): the block whose code a node looks at; 0 in a leaf.
        threshold: float64 of shape (nodes,): up to it a row goes to the left child, beyond it to the one
            after; infinite in a leaf.
        left: int32 of shape (nodes,): the left child; a leaf's own number.
        value: float64 of shape (nodes,): what a leaf adds, in nats; 0 elsewhere.
        depth: int: of the deepest tree.
        starts: int32 of shape (blocks,): the first code of each block.
        raked: float64 of shape (codes,): what each code of a row adds, in nats.
    """

    roots: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    value: np.ndarray
    depth: int
    starts: np.ndarray
    raked: np.ndarray

    def log(self, codes: np.ndarray) -> np.ndarray:
        """The log ratio in nats, float64 of shape (rows,), for codes of shape (rows, blocks).

        The place inside a bar, or a Gaussian block's value, does not count: stored rows have it only where
        values are, by which drawn ones would be known at once.
        """
        pieces = (codes[start : start + ROWS_RAKED] for start in range(0, len(codes), ROWS_RAKED))
        return np.concatenate(
            [self.of_trees(piece) + self.raked[piece + self.starts].sum(axis=1) for piece in pieces]
        )

    def of_trees(self, codes: np.ndarray) -> np.ndarray:
        """Sum of the trees' leaves that rows fall into, float64 of shape (rows,)."""
        total = np.empty(len(codes))
        for start in range(0, len(codes), ROWS_AT_ONCE):
            piece = codes[start : start + ROWS_AT_ONCE].astype(float)
            flat, row = piece.ravel(), (piece.shape[1] * np.arange(len(piece), dtype=np.int32))[:, None]
            node = np.broadcast_to(self.roots, (len(piece), len(self.roots)))
            for _ in range(self.depth):
                node = self.left.take(node) + (
                    flat.take(row + self.feature.take(node)) > self.threshold.take(node)
                )
            total[start : start + ROWS_AT_ONCE] = self.value.take(node).sum(axis=1)
        return total

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Ratio":
        """The ratio whose `to_arrays` gave these arrays."""
        own = {field.name: arrays[field.name] for field in fields(cls) if field.name != "depth"}
        found = cls(**own, depth=int(arrays["depth"]))
        nodes, whole = len(found.value), (found.roots, found.feature, found.left, found.starts)
        if any(one.dtype.kind not in "iu" or one.ndim != 1 for one in whole) or not 0 <= found.depth <= 64:
            raise ValueError("the density ratio has no trees of whole numbers")
        if any(one.shape != (nodes,) for one in (found.feature, found.threshold, found.left, found.value)):
            raise ValueError("the density ratio has nodes of different lengths")
        leaf = np.isinf(found.threshold)
        limits = (found.roots, nodes), (found.left + ~leaf, nodes), (found.feature, len(found.starts))
        if any(one.size and not 0 <= one.min() <= one.max() < most for one, most in limits):
            raise ValueError("the density ratio has nodes that lead nowhere")
        if np.isnan(found.threshold).any() or not np.isfinite(found.value).all():
            raise ValueError("the density ratio has numbers that are none")
        return found

    def fits(self, cardinalities: list[int]) -> bool:
        """Whether it is of blocks with so many codes."""
        starts = np.cumsum([0, *cardinalities[:-1]])
        raked = np.isfinite(self.raked).all() and self.raked.shape == (sum(cardinalities),)
        return bool(raked) and np.array_equal(self.starts, starts)


def fit(
    cardinalities: list[int],
    frequencies: np.ndarray,
    real: np.ndarray,
    drawn: np.ndarray,
    held: np.ndarray,
    fresh: np.ndarray,
    seed: int = 0,
) -> tuple[Ratio, float]:
    """Fit the ratio of real rows to drawn ones.

    Args:
        cardinalities: Codes of each block.
        frequencies: Share of the table's rows that have each code, float64 of shape (codes,).
        real, drawn: Codes of rows to learn from, integers of shape (rows, blocks).
        held, fresh: Those of real rows and of drawn ones beside them, by which the number of trees is chosen;
            none where they are too few.
        seed: Of the trees.

    Returns:
        The Ratio, and the mean loss of its trees on `held` and `fresh`, in nats: log 2 where they are of no
        use.
    """
    starts = np.cumsum([0, *cardinalities[:-1]]).astype(np.int32)
    none = np.zeros(0, np.int32)
    bare = Ratio(none, none, none, none, none, 0, starts, np.zeros(sum(cardinalities)))
    trees, loss = (
        _trees(bare, real, drawn, held, fresh, seed) if len(held) >= LEAST_HELD else (bare, math.log(2))
    )
    pool = np.concatenate([drawn, fresh])
    raked = rake(trees.log(pool), pool + starts, cardinalities, frequencies)
    return replace(trees, raked=raked), loss


def _trees(
    bare: Ratio, real: np.ndarray, drawn: np.ndarray, held: np.ndarray, fresh: np.ndarray, seed: int
) -> tuple[Ratio, float]:
    """The trees, as many as are best for held-out rows, and their loss there."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    x = np.concatenate([real, drawn]).astype(float)
    y = np.repeat([1, 0], [len(real), len(drawn)])
    weight = np.where(y == 1, len(drawn) / len(real), 1.0)
    options = {
        "max_iter": TREES,
        "learning_rate": LEARNING_RATE,
        "max_leaf_nodes": LEAVES,
        "max_depth": DEPTH,
        "min_samples_leaf": ROWS_PER_LEAF,
    }
    model = HistGradientBoostingClassifier(
        **options,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=rng.integer(seed, "density ratio trees"),
    )
    with threadpool_limits(1, "openmp"):  # as in `metrics.fidelity.c2st`
        model.fit(x, y, sample_weight=weight)
        stages = zip(
            *(model.staged_decision_function(rows.astype(float)) for rows in (held, fresh)), strict=True
        )
        losses = [
            math.log(2),
            *((np.logaddexp(0, -a).mean() + np.logaddexp(0, b).mean()) / 2 for a, b in stages),
        ]
    best = int(np.argmin(losses))
    return grown(bare, model, best), float(losses[best])


def grown(bare: Ratio, model: "HistGradientBoostingClassifier", count: int) -> Ratio:
    """A ratio with the first `count` trees of a fitted HistGradientBoostingClassifier; sklearn names no
    public way to their nodes."""
    nodes = [tree.nodes for (tree,) in model._predictors[:count]]
    if not nodes:
        return bare
    roots = np.cumsum([0, *map(len, nodes)])[:-1].astype(np.int32)
    parts = [_side_by_side(tree, root) for tree, root in zip(nodes, roots, strict=True)]
    feature, threshold, left, value = (np.concatenate(part) for part in zip(*parts, strict=True))
    depth = max(int(tree["depth"].max()) for tree in nodes)
    return replace(
        bare, roots=roots, feature=feature, threshold=threshold, left=left, value=value, depth=depth
    )


def _side_by_side(nodes: np.ndarray, root: int) -> tuple[np.ndarray, ...]:
    """Feature, threshold, left child and value of a tree's nodes from number `root` on, each right child
    after its left one."""
    order = [0]
    for at in order:  # it grows on the way
        if not nodes["is_leaf"][at]:
            order += [int(nodes["left"][at]), int(nodes["right"][at])]
    place = np.empty(len(nodes), np.int32)
    place[order] = np.arange(len(nodes))
    nodes, leaf = nodes[order], nodes["is_leaf"][order].astype(bool)
    left = np.where(leaf, np.arange(len(nodes)), place[np.where(leaf, 0, nodes["left"])]) + root
    feature = np.where(leaf, 0, nodes["feature_idx"])
    threshold = np.where(leaf, np.inf, nodes["num_threshold"])
    return feature.astype(np.int32), threshold, left.astype(np.int32), np.where(leaf, nodes["value"], 0.0)


def rake(
    log_weight: np.ndarray, index: np.ndarray, cardinalities: list[int], frequencies: np.ndarray
) -> np.ndarray:
    """What to add to rows' log weights for each code, so that weighted rows have the codes as often as
    `frequencies` say.

    Args:
        log_weight: Of drawn rows, float64 of shape (rows,).
        index: Their codes, those of all blocks side by side, of shape (rows, blocks).

    Returns:
        float64 of shape (codes,), in nats, within MOST_RAKED.
    """
    raked, rows, total = np.zeros(len(frequencies)), len(log_weight), log_weight
    ends = np.cumsum([0, *cardinalities])
    for _ in range(RAKINGS):
        for block, (start, stop) in enumerate(itertools.pairwise(ends)):
            own, weight = slice(start, stop), np.exp(total - total.max())
            count = np.bincount(index[:, block] - start, weight, stop - start) * rows / weight.sum()
            step = np.log((frequencies[own] * rows + PRIOR_ROWS) / (count + PRIOR_ROWS))
            step = np.clip(raked[own] + step, -MOST_RAKED, MOST_RAKED) - raked[own]
            raked[own] += step
            total = total + step[index[:, block] - start]
    return raked


def inclusion(log_ratio: np.ndarray, rows: int) -> np.ndarray:
    """Chance of each candidate to be one of `rows` taken, in proportion to its ratio, but 1 at most; float64
    of sum `rows`.

    Args:
        log_ratio: Of the candidates, more than `rows` of them.
    """
    chance = np.exp(log_ratio - log_ratio.max())
    order = np.argsort(-chance, kind="stable")
    ordered = chance[order]
    rest = np.cumsum(ordered[::-1])[::-1]  # of a candidate and all lighter ones
    sure = int(
        np.argmax(ordered * (rows - np.arange(len(ordered))) <= rest)
    )  # so many of the heaviest are taken for certain
    chance *= (rows - sure) / rest[sure]
    chance[order[:sure]] = 1.0
    return chance
