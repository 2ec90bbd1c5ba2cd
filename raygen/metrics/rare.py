"""Categories that few real rows have: a row that has one may point at a person."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from raygen.metrics.row_codes import codes_of
from raygen.table.protection import Protection


def rare_codes(
    names: Mapping[str, pa.Array], tables: list[pa.Table], protection: Protection
) -> dict[str, np.ndarray]:
    """For each column of levels, whether each code (see `row_codes.CodedRows`) stands for a category, or for
    no value, that some real rows have, but too few; bool of shape (levels + 2,).

    Args:
        names: The real levels of each column.
        tables: All real rows.
        protection: How many rows are enough.
    """
    found = {}
    for name, known in names.items():
        counts = np.zeros(len(known) + 2, np.int64)
        for table in tables:
            counts += np.bincount(codes_of(table[name], known)[0], minlength=len(counts))
        found[name] = (counts > 0) & (counts < protection.of(name))
        found[name][-1] = False  # what no real row has points at nobody
    return found
