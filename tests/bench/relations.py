"""How generated rows keep what is planted in a table (tests/relations/planted.py), one JSON line: rows that
break what always holds, and the shares of what often does.

    python tests/bench/relations.py [--rows 8000] [--made 100000] [--steps 400]
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))


def main():
    from raygen.sampling.rows import sample
    from tests import trained
    from tests.relations.planted import PARTIAL, TOTAL, kept, planted

    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--rows", type=int, default=8000)
    args.add_argument("--made", type=int, default=100_000)
    args.add_argument("--steps", type=int, default=400)
    a = args.parse_args()
    real = planted(a.rows)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        settings = {"model.dropout": 0.35, "train.steps": a.steps}
        model = trained.save(Path(folder) / "model", real, settings)
        middle = time.perf_counter()
        made = sample(model, a.made)
    seconds = {"training": round(middle - began, 1), "rows": round(time.perf_counter() - middle, 1)}
    counts, own = kept(real, made), kept(real, real)
    broken = {column: counts[column][1] for column in TOTAL if counts[column][1]}
    shares = {c: [round(rows[c][0] / sum(rows[c]), 4) for rows in (own, counts)] for c in PARTIAL}
    told = {"rows": a.made, "steps": a.steps, "broken": broken, "real and generated share": shares}
    print(json.dumps(told | {"seconds": seconds}))


if __name__ == "__main__":
    main()
