"""Whether numbers that one row of a small table has come more often in generated rows than their neighbours.

    python -m tests.bench.singles                    # 1,000 rows, 400 steps, 200,000 rows drawn
    python -m tests.bench.singles --steps 30 --drawn 1000000

A table of persons is learned with the default network: salary and amount (to the cent), birth date, postcode,
card number and name. For each column of numbers, the values that exactly one row has are compared with those
one and two steps beside them (a cent, a day, a number) that no row has. Prints one JSON line for each column:
how many values, how often each side comes in a million generated rows, their ratio with its 95 % interval
over values, and the most often that one comes. A ratio of 1: the rows tell nobody which value was real.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import raygen
from raygen import Config

STEPS = {"salary": 0.01, "amount": 0.01, "born": 1, "postcode": 1, "card": 1}
KINDS = {"name": "categorical", "salary": "numeric", "amount": "numeric", "born": "datetime"}
KINDS |= {"postcode": "numeric", "card": "numeric"}
BESIDE = (-2, -1, 1, 2)  # steps
DRAWS = 2000  # of the bootstrap over values


def table(rows: int, seed: int) -> pa.Table:
    """Persons; each column of numbers has values of single rows, dense or far apart."""
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "name": [f"Person {k}" for k in range(rows)],
            "salary": np.round(rng.lognormal(7.5, 0.3, rows), 2),
            "amount": np.round(rng.gamma(2, 5, rows), 2),
            "born": pa.array(rng.integers(-7000, 12_000, rows).astype(np.int32), pa.date32()),
            "postcode": rng.integers(10_000, 99_999, rows),
            "card": 4_000_000_000_000_000 + rng.integers(0, 10**15, rows),
        }
    )


def places(column: pa.ChunkedArray, step: float) -> np.ndarray:
    """Values in steps, int64."""
    if pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    values = column.to_numpy()
    return values.astype(np.int64) if values.dtype.kind == "i" else np.rint(values / step).astype(np.int64)


def compared(real: np.ndarray, drawn: np.ndarray, seed: int) -> dict:
    """Values of single rows beside their neighbours that no row has."""
    values, counts = np.unique(real, return_counts=True)
    single = values[counts == 1]
    found, times = np.unique(drawn, return_counts=True)

    def often(wanted: np.ndarray) -> np.ndarray:
        at = np.searchsorted(found, wanted).clip(max=len(found) - 1)
        return np.where(found[at] == wanted, times[at], 0)

    beside = single[:, None] + np.array(BESIDE)
    free = ~np.isin(beside, values)
    single, beside, free = (each[free.any(axis=1)] for each in (single, beside, free))
    own = often(single)
    near = np.where(free, often(beside), 0).sum(axis=1) / free.sum(axis=1)
    scale, rng, ratio, low, high = 1e6 / len(drawn), np.random.default_rng(seed), None, None, None
    if near.sum():
        again = rng.integers(0, len(own), (DRAWS, len(own)))
        ratios = own[again].sum(axis=1) / near[again].sum(axis=1).clip(min=1)
        ratio, low, high = (
            round(float(one), 3) for one in (own.sum() / near.sum(), *np.quantile(ratios, [0.025, 0.975]))
        )
    return {
        "single_values": len(own),
        "per_million": round(own.sum() * scale, 1),
        "beside_per_million": round(near.sum() * scale, 1),
        "ratio": ratio,
        "low": low,
        "high": high,
        "most_of_one": int(own.max()),
        "most_beside": int(near.max()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--drawn", type=int, default=200_000)
    parser.add_argument("--min-rows", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    real = table(asked.rows, asked.seed)
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(real, Path(folder) / "t.parquet")
        settings = {"data.source": str(Path(folder) / "t.parquet"), "run.folder": str(Path(folder) / "run")}
        settings |= {"schema.columns": KINDS, "train.num_workers": 0, "train.steps": asked.steps}
        settings |= {"privacy.min_rows": asked.min_rows, "latent.flow_steps": 0, "latent.proposal_steps": 0}
        settings |= {"latent.report": False, "latent.density_ratio": False}
        raygen.train(Config().override(settings), lambda line: print(line, file=sys.stderr, flush=True))
        drawn = pa.table(raygen.sample(str(Path(folder) / "run" / "model"), asked.drawn))
    told = {"bench": "singles", "rows": asked.rows, "drawn": drawn.num_rows, "min_rows": asked.min_rows}
    for name, step in STEPS.items():
        answer = compared(*(places(one[name], step) for one in (real, drawn)), asked.seed)
        print(json.dumps(told | {"column": name} | answer), flush=True)
    names = set(real["name"].to_pylist()) & set(drawn["name"].to_pylist())
    print(json.dumps(told | {"column": "name", "real_names_drawn": len(names)}), flush=True)


if __name__ == "__main__":
    main()
