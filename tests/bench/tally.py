"""Rows per second on one core and peak memory of counting synthetic rows against UCI Adult, for a number of
rows and for ten times as many.

    python tests/bench/tally.py [--rows 1e6]

Writes Parquet shards (rows of Adult drawn anew, one number blurred), reads their ranges from the footers,
counts them block by block in a process of its own and scores them. Prints one JSON line.
"""

import argparse
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from raygen.metrics import counted as counted_scores
from raygen.metrics.column_ranges import ranges_of
from raygen.metrics.counts import Reference

SHARD_ROWS = 250_000
BLOCK_ROWS = 2**17


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--rows", type=float, default=1e6)
    args.add_argument("--count", help=argparse.SUPPRESS)
    a = args.parse_args()
    if a.count:
        print(json.dumps(counted(a.count)))
        return
    real = adult()
    out = {"columns": real.num_columns, "real_rows": real.num_rows}
    for times in (1, 10):
        with tempfile.TemporaryDirectory() as folder:
            write(real, int(a.rows) * times, Path(folder))
            done = subprocess.run(
                [sys.executable, __file__, "--count", folder], capture_output=True, text=True, check=True
            )
            out[f"{times}x"] = json.loads(done.stdout)
    print(json.dumps(out))


def adult() -> pa.Table:
    return pq.read_table(resources.files("raygen") / "datasets" / "adult.parquet")


def write(real: pa.Table, rows: int, folder: Path) -> None:
    for shard, start in enumerate(range(0, rows, SHARD_ROWS)):
        rng = np.random.default_rng([0, shard])
        drawn = real.take(rng.integers(0, real.num_rows, min(SHARD_ROWS, rows - start)))
        blurred = drawn["fnlwgt"].to_numpy() + rng.integers(-500, 500, drawn.num_rows)
        pq.write_table(
            drawn.set_column(real.column_names.index("fnlwgt"), "fnlwgt", pa.array(blurred)),
            folder / f"{shard:05}.parquet",
        )


def counted(folder: str) -> dict:
    pa.set_cpu_count(1)
    real = adult()
    kinds = {
        field.name: "numeric" if pa.types.is_integer(field.type) else "categorical" for field in real.schema
    }
    began = time.perf_counter()
    reference = Reference(real, kinds)
    prepared = time.perf_counter()
    files = sorted(map(str, Path(folder).iterdir()))
    ranges = ranges_of(files, kinds)
    footers = time.perf_counter()
    spent, tallies = 0.0, None
    for batch in itertools.chain.from_iterable(
        pq.ParquetFile(file).iter_batches(BLOCK_ROWS) for file in files
    ):
        start = time.perf_counter()
        part = reference.count(pa.Table.from_batches([batch]), ranges)
        tallies = tallies.merge(part) if tallies else part
        spent += time.perf_counter() - start
    read = time.perf_counter() - footers
    start = time.perf_counter()
    scores = counted_scores.scores(reference, tallies)
    return {
        "rows": tallies.num_rows,
        "rows_per_second": round(tallies.num_rows / spent),
        "rows_per_second_with_reading": round(tallies.num_rows / read),
        "reference_seconds": round(prepared - began, 2),
        "footers_seconds": round(footers - prepared, 3),
        "scores_seconds": round(time.perf_counter() - start, 3),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10),
        "shape_error": round(scores.shape_error, 4),
        "trend_error": round(scores.trend_error, 4),
    }


if __name__ == "__main__":
    main()
