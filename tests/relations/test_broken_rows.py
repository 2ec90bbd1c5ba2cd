"""The first rows that break a relation."""

import pyarrow as pa

from raygen.relations.broken_rows import first_broken, in_words
from raygen.relations.language import parse

TABLE = pa.table({"x": list(range(100)), "y": [n if n % 30 else -1 for n in range(100)]})


def test_rows_are_counted_through_all_batches():
    copied = parse("y", "x", "always", TABLE.schema)
    above = parse("y", ">= x", "always", TABLE.schema)
    whole = parse("x", ">= 0", "always", TABLE.schema)
    for size in (7, 100):
        batches = TABLE.to_batches(max_chunksize=size)
        found = first_broken([copied, above, whole], [4, 2, 0], batches)
        assert found == [[1, 31, 61], [1, 31], []]


def test_no_more_rows_are_read_than_it_takes():
    copied = parse("y", "x", "always", TABLE.schema)

    def batches():
        yield from TABLE.slice(0, 40).to_batches()
        raise AssertionError("two rows were found")

    assert first_broken([copied], [2], batches()) == [[1, 31]]
    assert first_broken([copied], [0], iter([None])) == [[]]


def test_they_are_told():
    assert in_words([1], 1) == "row 1"
    assert in_words([1, 2001, 3], 7) == "rows 1, 2,001, 3, ..."
