"""Hostile files at a large size: damaged files, damaged `_run.json`, and forged models of consistent hashes.

    python -m tests.bench.hostile                    # 2,000 + 100 + 100
    python -m tests.bench.hostile 200 10 10 --seed 7

Prints one JSON line: how each ended, and how many files of others were touched; and each input that ended in
a traceback, in a hang or in an unclear error.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from tests import hostile


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=[2000, 100, 100])
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        tallies, touched = hostile.run(
            Path(folder), *asked.sizes, asked.seed, lambda line: print(line, file=sys.stderr, flush=True)
        )
    wrong = [line for tally in tallies.values() for line in tally.wrong]
    print("\n".join(wrong), file=sys.stderr)
    ends = {kind: dict(tally.ends) for kind, tally in tallies.items()}
    seconds = round(time.perf_counter() - began)
    print(
        json.dumps({"bench": "hostile", **ends, "wrong": len(wrong), "touched": touched, "seconds": seconds})
    )
    return int(bool(wrong or touched))


if __name__ == "__main__":
    sys.exit(main())
