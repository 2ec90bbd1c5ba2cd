"""Blocks of rows that are drawn and decoded at once."""

from collections.abc import Iterator

BLOCK_ROWS = 2048  # decoded at once


def blocks(first: int, last: int, block_rows: int) -> Iterator[tuple[int, int, int]]:
    """Blocks that rows [first, last) lie in: number of the block, and the first and last row wanted, counted
    inside it."""
    for number in range(first // block_rows, -(-last // block_rows)):
        start = number * block_rows
        yield number, max(first - start, 0), min(last - start, block_rows)
