"""Categories that few real rows have, counted in other rows."""

import numpy as np
import pyarrow as pa
import pytest

from raygen.metrics import counted
from raygen.metrics.counts import Reference
from raygen.metrics.rare import rare_codes
from raygen.table.protection import Protection

KINDS = {"name": "categorical", "boss": "boolean", "x": "numeric"}


def rows(names: list, bosses: list) -> pa.Table:
    kind = pa.schema([("name", pa.string()), ("boss", pa.bool_()), ("x", pa.float64())])
    return pa.table({"name": names, "boss": bosses, "x": np.arange(len(names), dtype=float)}, schema=kind)


REAL = rows(["a"] * 10 + ["b"] * 5 + ["c"] * 2 + [None] * 3, [False] * 18 + [True] * 2)
HELD = rows(["b"] * 5, [False] * 5)


@pytest.mark.parametrize("tables", [[REAL], [REAL, HELD]])
@pytest.mark.parametrize(
    "protection", [Protection(8), Protection(3), Protection(8, {"name": 1}), Protection(6), Protection()]
)
def test_rows_with_a_category_of_few_real_rows_are_counted(protection, tables):
    made = rows(["a", "b", "b", "c", None, "new", "a"], [False] * 6 + [True])
    reference = Reference(REAL, KINDS)
    assert counted.scores(reference, reference.count_table(made)).rare_values is None, "nobody has asked"
    reference.rare = rare_codes(reference.names, tables, protection)
    halves = [reference.count(part, {"x": (0.0, 5.0)}) for part in (made.slice(0, 2), made.slice(2))]
    share = counted.scores(reference, halves[0].merge(halves[1])).rare_values
    assert share == pytest.approx(by_hand(protection, tables, made))
    assert protection.min_rows != 8 or share > 0


def by_hand(protection: Protection, tables: list[pa.Table], made: pa.Table) -> float:
    """The same, row by row."""
    known = pa.concat_tables(tables).to_pydict()

    def is_rare(name: str, value) -> bool:
        return 0 < known[name].count(value) < protection.of(name)

    hits = [any(is_rare(n, row[n]) for n in ("name", "boss")) for row in made.to_pylist()]
    return sum(hits) / len(hits)
