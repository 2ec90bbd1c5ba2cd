"""What a report shows of rows: generated ones alone, and of the real ones no rare value."""

import numpy as np
import pyarrow as pa

from raygen.metrics.counts import Reference
from raygen.metrics.examples import examples

KINDS = {"name": "categorical", "amount": "numeric", "when": "datetime"}


def table(first: int, rows: int) -> pa.Table:
    names = ["often" if i % 2 else f"only once {i}" for i in range(first, first + rows)]
    days = pa.array(np.arange(first, first + rows) % 2, pa.int32()).cast(pa.date32())
    return pa.table({"name": names, "amount": np.arange(first, first + rows) % 7 * 1.5, "when": days})


def test_copies_of_real_rows_are_not_shown():
    real, made = table(0, 100), table(1000, 3)
    rows = pa.concat_tables([real, made])
    shown = examples(real, rows, Reference(real, KINDS))
    assert [example.name for example in shown] == list(KINDS)
    assert [example.generated for example in shown] == [
        ["only once 1000", "only once 1002"],
        ["9", "1.5"],
        ["1970-01-01", "1970-01-01"],
    ]
    assert not examples(real, real, Reference(real, KINDS))[0].generated


def test_real_values_are_shown_where_many_rows_hold_them():
    real = table(0, 100)
    name, amount, when = examples(real, table(1000, 3), Reference(real, KINDS))
    assert name.frequent == [("often", 0.5)]
    assert amount.frequent == [("0", 0.15), ("1.5", 0.15), ("3", 0.14)]
    assert when.frequent == [("1970-01-01", 0.5), ("1970-01-02", 0.5)]
