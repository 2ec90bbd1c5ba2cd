"""The three risks that the European guidance on anonymisation names (Article 29 Working Party, opinion
05/2014), each as an attack by someone who has the synthetic rows.

The attacks are those of Giomi et al. (2023, Anonymeter). Each is made on training rows and on as many real
rows that the model never saw: what succeeds on both is knowledge of the population, and only the rest is a
risk of those in the table. A low figure says that these attacks fail; it is no proof, and no differential
privacy.
"""

import math

import numpy as np
import pyarrow as pa

from raygen import rng
from raygen.metrics.intervals import NAN, Score, wilson
from raygen.metrics.nearest import Rows, embed, nearest

ATTEMPTS = 1000  # of each attack, on training rows and on others
TRIES = 10  # candidates for each search that singles out a synthetic row
MOST_ROWS = 10_000  # synthetic ones that the attacker looks among
FEWEST_ROWS = 100  # to attack
SEARCHED = 3  # columns of a search
SPLITS = 4  # of the columns in two halves
SECRETS = 8  # columns whose value is guessed
NEAR = 0.01  # of a number's range: guessed right


def risks(
    synthetic: pa.Table,
    train: pa.Table,
    holdout: pa.Table,
    kinds: dict[str, str],
    seed: int = 0,
    people: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, Score]:
    """Singling out, linkability and inference, by name.

    Args:
        synthetic: Rows to judge; at most 10,000 of them are looked among.
        train: Rows that the model learned from.
        holdout: Real rows that it did not.
        kinds: Kind by column name.
        seed: Picks rows, columns and searches.
        people: Whose each row of `train` and of `holdout` is, int64 of shape (rows,); None: each is
            somebody's own. Who finds several rows of one has singled out as well.

    Returns:
        By how much of what is left to gain the attack succeeds more often on training rows than on others,
        (p - q) / (1 - q): 0 is ideal, 1 is certain success; nan with fewer than 100 rows, or one column.
    """
    (near, far, rows), generator = embed(kinds, train, holdout, synthetic), rng.generator(seed, "attacks")
    count, columns = min(len(near), len(far)), near.numbers.shape[1] + near.codes.shape[1]
    if min(count, len(rows)) < FEWEST_ROWS or columns < 2:
        return dict.fromkeys(("singling_out", "linkability", "inference"), Score(NAN))
    chosen = [generator.permutation(len(table))[:count] for table in (near, far)]
    attacked = [table[places] for table, places in zip((near, far), chosen, strict=True)]
    whose = [places if people is None else people[i][places] for i, places in enumerate(chosen)]
    rows = rows.sample(MOST_ROWS, generator)
    return {
        "singling_out": _excess(*_singled_out(rows, attacked, whose, generator)),
        "linkability": _excess(*_linked(rows, attacked, generator)),
        "inference": _excess(*_inferred(rows, attacked, generator)),
    }


def _singled_out(
    rows: Rows, attacked: list[Rows], whose: list[np.ndarray], generator: np.random.Generator
) -> list[list[bool]]:
    """Whether searches that find one synthetic row alone find the rows of one person alone. A search asks for
    the categories of a synthetic row in some columns, and for numbers at least as far from the median."""
    synthetic, *real = (np.hstack([table.numbers, table.codes]) for table in (rows, *attacked))
    numbers = rows.numbers.shape[1]
    medians = np.median(rows.numbers, axis=0)

    def alone(points: np.ndarray, owners: np.ndarray, row: np.ndarray, columns: list[int]) -> bool:
        left = np.ones(len(points), bool)
        for column in columns:
            values, value = points[:, column], row[column]
            if column >= numbers:
                left &= values == value
            else:
                left &= values >= value if value >= medians[column] else values <= value
        found = owners[left]
        return len(found) > 0 and bool((found == found[0]).all())

    found: list[list[bool]] = [[], []]
    own = np.arange(len(synthetic))
    for _ in range(ATTEMPTS * TRIES):
        row = synthetic[generator.integers(len(synthetic))]
        columns = generator.permutation(synthetic.shape[1])[:SEARCHED].tolist()
        if alone(synthetic, own, row, columns):
            for hits, points, owners in zip(found, real, whose, strict=True):
                hits.append(alone(points, owners, row, columns))
        if len(found[0]) == ATTEMPTS:
            break
    return found


def _linked(rows: Rows, attacked: list[Rows], generator: np.random.Generator) -> list[list[bool]]:
    """Whether two halves of a real row have the same nearest synthetic row."""
    found: list[list[bool]] = [[], []]
    width = rows.numbers.shape[1] + rows.codes.shape[1]
    for _ in range(SPLITS):
        order = generator.permutation(width)
        halves = order[: width // 2], order[width // 2 :]
        for hits, table in zip(found, attacked, strict=True):
            targets = table.sample(ATTEMPTS // SPLITS, generator)
            one, other = (nearest(_of(targets, half), _of(rows, half))[1] for half in halves)
            hits += (one == other).tolist()
    return found


def _inferred(rows: Rows, attacked: list[Rows], generator: np.random.Generator) -> list[list[bool]]:
    """Whether a value of a real row is that of the synthetic row nearest in all other columns."""
    found: list[list[bool]] = [[], []]
    numbers, width = rows.numbers.shape[1], rows.numbers.shape[1] + rows.codes.shape[1]
    secrets = generator.permutation(width)[:SECRETS].tolist()
    for secret in secrets:
        others = np.delete(np.arange(width), secret)
        for hits, table in zip(found, attacked, strict=True):
            targets = table.sample(ATTEMPTS // len(secrets), generator)
            which = nearest(_of(targets, others), _of(rows, others))[1]
            own, guessed = (
                np.hstack([each.numbers, each.codes])[:, secret] for each in (targets, rows[which])
            )
            hits += (np.abs(own - guessed) <= (NEAR if secret < numbers else 0)).tolist()
    return found


def _of(rows: Rows, columns: np.ndarray) -> Rows:
    """Some columns, numbers counted before codes."""
    numbers = rows.numbers.shape[1]
    return Rows(
        rows.numbers[:, columns[columns < numbers]], rows.codes[:, columns[columns >= numbers] - numbers]
    )


def _excess(train: list[bool], others: list[bool]) -> Score:
    """By how much more often an attack succeeds on training rows, of what is left to gain, with its interval:
    both rates by Wilson (1927), their errors propagated."""
    if not train:
        return Score(NAN)
    (p, p_error), (q, q_error) = (wilson(sum(hits), len(hits)) for hits in (train, others))
    value, left = max((p - q) / (1 - q), -1.0), 1 - q
    error = math.hypot(p_error / left, (1 - p) / left**2 * q_error)
    return Score(value, max(value - error, -1.0), min(value + error, 1.0))
