"""Rows per second on one core of each provider of kind fake, and of Faker itself called for each row.

    python tests/bench/fakes.py [--rows 1e6] [--locale en_US]

Makes the pools, then the values of columns of text, 131,072 rows at a time as `raygen generate` does. Prints
one JSON line.
"""

import argparse
import json
import time
from collections.abc import Callable

import pyarrow as pa
from faker import Faker

from raygen.fakes import pools
from raygen.fakes.columns import PROVIDERS
from raygen.table.schema import Schema

BLOCK_ROWS = 131_072
FEW = 2000  # calls of Faker
NAMES = {"phone": "phone_number", "street": "street_address", "card": "credit_card_number", "uuid": "uuid4"}


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--rows", type=float, default=1e6)
    args.add_argument("--locale", default="en_US")
    a = args.parse_args()
    providers = {name: name for name in PROVIDERS[:-1]} | {"pattern": r"regex:[A-Z]{3}\d{4}"}
    schema = Schema(pa.schema([(name, pa.string()) for name in providers]), dict.fromkeys(providers, "fake"))
    began = time.perf_counter()
    fakes = pools.make(schema, providers, a.locale, 0)
    seconds = time.perf_counter() - began
    rows = {
        field.name: rate(lambda n, f=field: fakes.column(f, 1, n, BLOCK_ROWS), a.rows)
        for field in schema.arrow
    }
    faker = Faker(a.locale)
    each = {name: called(getattr(faker, NAMES.get(name, name))) for name in PROVIDERS[:-1]}
    print(json.dumps({"pool_seconds": round(seconds, 1), "rows_per_second": rows, "faker_each_row": each}))


def rate(make: Callable, rows: float) -> int:
    """Rows per second of blocks."""
    began = time.perf_counter()
    blocks = range(max(1, int(rows) // BLOCK_ROWS))
    for block in blocks:
        make(block * BLOCK_ROWS)
    return round(len(blocks) * BLOCK_ROWS / (time.perf_counter() - began))


def called(function: Callable) -> int:
    """Calls per second."""
    began = time.perf_counter()
    for _ in range(FEW):
        function()
    return round(FEW / (time.perf_counter() - began))


if __name__ == "__main__":
    main()
