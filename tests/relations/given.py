"""A table of categories that relations give: computed, set, tied, and each of them of one another."""

import numpy as np
import pyarrow as pa

from raygen import rng
from raygen.relations.language import parse

TEXTS = {
    "borough": ("lookup(zone)", "always"),  # computed
    "brand": ("missing where payment = 'cash'", "always"),  # set
    "bank": ("missing at least where payment = 'cash'", "always"),
    "channel": ("'till' where payment = 'cash'", "always"),
    "copied": ("channel", "always"),
    "ship_to": ("bill_to", "often"),  # tied
    "big": ("lookup(zone)", "often"),  # a truth
}


def table(rows: int, seed: int = 0) -> pa.Table:
    draws = rng.generator(seed, "table of given categories")
    zone = draws.choice(8, rows, p=[0.008, *[0.992 / 7] * 7])
    cash = draws.random(rows) < 0.3
    channel = np.where(cash, "till", draws.choice(["web", "phone"], rows))
    bill_to = draws.choice(["A", "B"], rows)
    brand = draws.choice(["rare", "visa"], rows, p=[0.01, 0.99])
    return pa.table(
        {
            "amount": draws.gamma(2, 10, rows).round(2),
            "zone": [f"zone {z}" for z in zone],
            "borough": [f"borough {(z + 3) // 4}" for z in zone],
            "payment": np.where(cash, "cash", "card"),
            "brand": pa.array(brand, mask=cash),
            "bank": pa.array(draws.choice(["north", "south"], rows), mask=cash | (draws.random(rows) < 0.1)),
            "channel": channel,
            "copied": channel,
            "bill_to": bill_to,
            "ship_to": np.where(draws.random(rows) < 0.7, bill_to, draws.choice(["A", "B", "C"], rows)),
            "big": (zone % 3 == 0) ^ (draws.random(rows) < 0.02),
        }
    )


RELATIONS = [parse(name, text, holds, table(9).schema) for name, (text, holds) in TEXTS.items()]
