"""Whether synthetic rows give training rows away: each figure beside what holdout rows, which the model never
saw, would give.

Holdout rows must come from the same population as the training rows and be in neither. Low figures do not
prove privacy: only differential privacy in training would; high ones prove copying.
"""

import collections

import numpy as np
import pyarrow as pa

from raygen import rng
from raygen.metrics import fidelity
from raygen.metrics.intervals import NAN, Score, auc, quantile, share
from raygen.metrics.nearest import Rows, embed, nearest

MOST_QUERIES = 4000  # rows whose nearest neighbour is looked up
MOST_NEIGHBORS = 20_000  # rows to look among


def dcr_share(
    synthetic: pa.Table, train: pa.Table, holdout: pa.Table, kinds: dict[str, str], seed: int = 0
) -> Score:
    """Share of synthetic rows nearer to a training row than to a holdout row, by the distance to the closest
    record (DCR).

    As in Platzer and Reutterer (2021), with equal numbers of training and holdout rows; ties count half.
    Manhattan distance, numbers in units of the training rows' range, 1 for levels that differ.

    Args:
        synthetic: Rows to judge; at most 4,000 of them are.
        train: Rows that the model learned from.
        holdout: Real rows that it did not; at most 20,000 of each.
        kinds: Kind by column name.
        seed: Picks the rows.

    Returns:
        0..1: .5 is ideal, more is copying; nan when a table has no rows or no column counts. With k times as
            many training as holdout rows, a
        copy of them gives .5 + .5 / k, because only so many training rows are looked among.
    """
    (near, far, rows), generator = embed(kinds, train, holdout, synthetic), rng.generator(seed, "dcr share")
    count = min(len(near), len(far), MOST_NEIGHBORS)
    if not count or not _counts(near, rows):
        return Score(NAN)
    queries = rows.sample(MOST_QUERIES, generator)
    (to_train, in_train), (to_holdout, in_holdout) = (
        nearest(queries, table.sample(count, generator)) for table in (near, far)
    )
    # Queries that share their nearest real row are one lot: the variance of the cluster bootstrap, less what
    # equal numbers of both take off.
    lots = np.bincount(np.where(to_train < to_holdout, in_train, count + in_holdout))
    spread = ((lots / len(queries)) ** 2).sum() - 1 / (2 * count)
    return share((to_train < to_holdout) + 0.5 * (to_train == to_holdout), 1 / max(spread, 1 / len(queries)))


def dcr_quantile(
    synthetic: pa.Table,
    train: pa.Table,
    holdout: pa.Table,
    kinds: dict[str, str],
    seed: int = 0,
    level: float = 0.02,
) -> dict[str, Score]:
    """How close the closest come: a low quantile of the distance from a row to its nearest training row.

    Args:
        synthetic, train, holdout, kinds, seed: As in `dcr_share`, also for the distance. All training rows up
            to 20,000 count.
        level: Which quantile.

    Returns:
        {"synthetic": Score, "holdout": Score}, each 0 or more: synthetic rows should be no closer than
        holdout rows; nan as in `dcr_share`.
    """
    (near, *others), generator = embed(kinds, train, holdout, synthetic), rng.generator(seed, "near copies")
    if not len(near) or not _counts(near, near):
        return {"synthetic": Score(NAN), "holdout": Score(NAN)}
    among = near.sample(MOST_NEIGHBORS, generator)
    far, close = (quantile(nearest(rows.sample(MOST_QUERIES, generator), among)[0], level) for rows in others)
    return {"synthetic": close, "holdout": far}


def exact_copies(
    synthetic: pa.Table, train: pa.Table, holdout: pa.Table, kinds: dict[str, str]
) -> dict[str, Score]:
    """Share of rows that equal a training row in every column that counts: numbers to the last bit of a
    float64, nulls equal to nulls.

    Where columns are few, rows repeat by nature: hence holdout rows beside, and the `unique` figures, which
    count a row only when it equals a training row that no other training row repeats, so that it would point
    at one individual.

    Returns:
        {"synthetic" | "holdout" | "synthetic_unique" | "holdout_unique": Score}, each 0..1; nan without rows
        or a column that counts.
    """
    numbers, levels = fidelity.columns(kinds, train, holdout, synthetic)
    columns = [*numbers.values(), *levels.values()]
    if not columns:
        return dict.fromkeys(("synthetic", "holdout", "synthetic_unique", "holdout_unique"), Score(NAN))
    known, *others = (_keys([parts[i] for parts in columns]) for i in range(3))
    counts = collections.Counter(known)
    out = {}
    for name, keys in zip(("holdout", "synthetic"), others, strict=True):
        out[name] = share(np.array([key in counts for key in keys], bool))
        out[f"{name}_unique"] = share(np.array([counts.get(key) == 1 for key in keys], bool))
    return out


def membership_inference(
    synthetic: pa.Table, train: pa.Table, holdout: pa.Table, kinds: dict[str, str], seed: int = 0
) -> Score:
    """How well the distance to the nearest synthetic row tells training rows from holdout rows: the AUC of an
    attack without shadow models.

    The attacker of Chen et al. (GAN-Leaks, 2020, full black box) takes a row for a training row when a
    synthetic one is near. Equal numbers of both, at most 4,000, among at most 20,000 synthetic rows; distance
    as in `dcr_share`.

    Returns:
        0..1: .5 is ideal, more is copying; nan as in `dcr_share`.
    """
    (near, far, rows), generator = embed(kinds, train, holdout, synthetic), rng.generator(seed, "membership")
    count = min(len(near), len(far), MOST_QUERIES)
    if not count or not _counts(near, rows):
        return Score(NAN)
    among = rows.sample(MOST_NEIGHBORS, generator)
    distances = [nearest(table.sample(count, generator), among)[0] for table in (near, far)]
    return auc(np.repeat([True, False], count), -np.concatenate(distances))


def _counts(real: Rows, rows: Rows) -> bool:
    return bool(len(rows)) and bool(real.numbers.shape[1] + real.codes.shape[1])


def _keys(columns: list[np.ndarray]) -> list[bytes]:
    """The bytes of each row; one pattern for null and one for zero."""
    values = np.column_stack(columns).astype(np.float64) + 0.0
    values[np.isnan(values)] = np.nan
    return [row.tobytes() for row in values]
