"""A table with a relation of every kind, and noise beside it."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raygen import rng

TOTAL = {
    "total": "price + tax",
    "ended": ">= started",
    "borough": "lookup(zone)",
    "tip": "0 where payment = 'cash'",
    "card": "missing where payment = 'cash'",
    "doubled": "2 * count",
    "year": "year(started)",
}
PARTIAL = {"paid": "bill"}


def table(rows: int, seed: int = 0) -> pa.Table:
    """The planted table; `doubled` is missing where `count` is."""
    draws = rng.generator(seed, "planted table")
    price, tax = np.round(draws.gamma(2, 10, rows), 2), np.round(draws.gamma(1, 3, rows), 2)
    started = np.datetime64("2024-01-01T00:00:00") + draws.integers(0, 3 * 10**7, rows).astype("m8[s]")
    ended = started + draws.integers(0, 3600, rows).astype("m8[s]")
    zone = draws.integers(0, 20, rows)
    cash = draws.random(rows) < 0.5
    bill = np.round(draws.gamma(1, 30, rows) + 1, 2)
    paid = np.where(draws.random(rows) < 0.3, bill, np.round(draws.gamma(1, 30, rows) + 1, 2))
    count = pa.array(draws.integers(0, 9, rows), mask=draws.random(rows) < 0.2)
    return pa.table(
        {
            "price": price,
            "tax": tax,
            "total": np.round(price + tax, 2),
            "started": started,
            "ended": ended,
            "zone": [f"zone {z}" for z in zone],
            "borough": [f"borough {z % 4}" for z in zone],
            "payment": np.where(cash, "cash", "card"),
            "tip": np.where(cash, 0, np.round(draws.gamma(1, 2, rows) + 0.01, 2)),
            "bill": bill,
            "paid": paid,
            "card": pa.array(draws.integers(1000, 9999, rows), mask=cash),
            "count": count,
            "doubled": pc.multiply(count, 2),
            "year": pc.year(pa.array(started)),
            "noise": draws.normal(size=rows),
            "colour": draws.choice(["red", "green", "blue"], rows),
        }
    )
