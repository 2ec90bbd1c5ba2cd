"""Memory: by how much rows pass for the rows that a model learned from better than for rows it never saw."""

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from raygen import rng
from raygen.metrics import fidelity, intervals
from raygen.metrics.intervals import NAN, Score
from raygen.metrics.row_codes import take


@dataclass(frozen=True)
class Memory:
    """What a classifier tells apart more easily in unseen rows.

    Attributes:
        rows: Of each table; the same for both comparisons.
        c2st_test: C2ST of the synthetic rows against unseen rows.
        c2st_train_n: Of the same synthetic rows against as many training rows.
        difference: How much greater the second is.
    """

    rows: int
    c2st_test: Score
    c2st_train_n: Score
    difference: Score


def memory(
    synthetic: pa.Table,
    train: pa.Table,
    holdout: pa.Table,
    kinds: dict[str, str],
    seed: int = 0,
    rounds: int = 3,
) -> Memory:
    """Compare the same synthetic rows with unseen rows and with as many training rows.

    The difference is 2 * (AUC against unseen rows - AUC against training rows): that of the two C2ST wherever
    both AUCs are above .5. Copies of training rows bring theirs far below, because the copy of a row that the
    classifier learned as real is judged real; C2ST ends at 1 there, the difference goes on.

    Args:
        synthetic: Rows to judge.
        train: Rows that the model learned from.
        holdout: Real rows that it did not.
        kinds: Kind by column name.
        seed: Picks rows, folds and trees.
        rounds: How often other folds and trees are taken; the scores are means.

    Returns:
        The difference is about 0 without memory. Its interval joins the error of both AUCs from the rows with
        the spread of the rounds; the two comparisons share their synthetic rows, which makes it rather wide.
        nan with fewer than 3 rows or no column that counts.
    """
    count = min(synthetic.num_rows, train.num_rows, holdout.num_rows)
    rows, seen, unseen = (
        take(table, rng.generator(seed, "memory rows", i).permutation(table.num_rows)[:count])
        for i, table in enumerate((synthetic, train, holdout))
    )
    test, train_n = (
        [fidelity.fold_aucs(real, rows, kinds, seed + i) for i in range(rounds)] for real in (unseen, seen)
    )
    return Memory(
        count,
        intervals.c2st_of(test, count),
        intervals.c2st_of(train_n, count),
        _difference(np.array(test), np.array(train_n), count),
    )


def _difference(test: np.ndarray, train_n: np.ndarray, rows: int) -> Score:
    """Of AUCs of shape (rounds, folds)."""
    if not test.size:
        return Score(NAN)
    of_rounds = 2 * (test.mean(axis=1) - train_n.mean(axis=1))
    spread = intervals.Z * float(np.std(of_rounds, ddof=1)) if len(of_rounds) > 1 else 0.0
    unseen, seen = float(test.mean()), float(train_n.mean())
    (low, high), (least, most) = (intervals.auc_interval(auc, rows, rows) for auc in (unseen, seen))
    value = float(of_rounds.mean())
    below = math.hypot(2 * (unseen - low), 2 * (most - seen), spread)
    above = math.hypot(2 * (high - unseen), 2 * (seen - least), spread)
    return Score(value, value - below, value + above)
