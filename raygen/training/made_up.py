"""Ray Data's pass over the columns of kind fake: what their made-up values and the table have in common."""

from typing import TYPE_CHECKING

import pyarrow as pa

from raygen.fakes import shared
from raygen.fakes.columns import Fakes

if TYPE_CHECKING:
    from ray.data import Dataset


def notes(dataset: "Dataset", fakes: Fakes | None) -> dict[str, str]:
    """A sentence on each column of kind fake; nothing is read where there is none.

    Args:
        dataset: The table, a Ray Dataset of Arrow blocks.
        fakes: What is made up.
    """
    if not fakes:
        return {}
    import pickle  # between Ray's own processes only

    def count(block: pa.Table) -> pa.Table:
        counted = pickle.dumps(shared.count(fakes, block))
        return pa.table({"counted": pa.array([counted], pa.large_binary())})

    some = dataset.select_columns(list(fakes.columns))
    total: shared.Counts = {}
    for row in some.map_batches(count, batch_format="pyarrow", batch_size=None).iter_rows():
        counts = pickle.loads(row["counted"])
        total = shared.merge(total, counts) if total else counts
    return shared.notes(fakes, total)
