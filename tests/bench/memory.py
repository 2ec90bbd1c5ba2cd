"""Rows per second end to end and peak memory of `raygen generate` for some numbers of rows, and what `raygen
verify` says, one JSON line each.

    python tests/bench/memory.py MODEL [--rows 1e6 1e7] [--actors 2]

Memory is the resident size, sampled five times a second, of the largest decode actor and of the driver.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

SHARD_ROWS = 250_000


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("model")
    args.add_argument("--rows", nargs="+", type=float, default=[1e6, 1e7])
    args.add_argument("--actors", type=int, default=2)
    a = args.parse_args()
    for rows in map(int, a.rows):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(a.model, f"{folder}/model")
            config = Path(folder) / "bench.toml"
            config.write_text(
                f'run.folder = "{folder}"\ngenerate.rows = {rows}\ngenerate.num_actors = '
                f"{a.actors}\ngenerate.rows_per_shard = {SHARD_ROWS}\n"
            )
            found = watched([sys.executable, "-m", "raygen.cli", "generate", str(config)])
            verify = [sys.executable, "-m", "raygen.cli", "verify", f"{folder}/synthetic"]
            began = time.perf_counter()
            said = subprocess.run(
                verify, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            ).stdout.splitlines()[-1]
            verified = {"verify": said, "seconds_of_verify": round(time.perf_counter() - began, 1)}
            print(json.dumps({"rows": rows, "actors": a.actors, **found, **verified}), flush=True)


def watched(command: list[str]) -> dict:
    """Peak megabytes of the actors and the driver, and the last rows per second that it said."""
    with tempfile.TemporaryFile("w+") as log:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.DEVNULL, text=True)
        driver, peaks = psutil.Process(process.pid), {"actor": 0.0, "driver": 0.0}
        while process.poll() is None:
            time.sleep(0.2)
            try:
                peaks["driver"] = max(peaks["driver"], driver.memory_info().rss / 2**20)
                for child in driver.children(recursive=True):
                    if "MapWorker" in " ".join(child.cmdline()):
                        peaks["actor"] = max(peaks["actor"], child.memory_info().rss / 2**20)
            except psutil.Error:
                continue
        log.seek(0)
        said = log.read().splitlines()
    speeds = [line.split("rows/s")[0].split()[-1] for line in said if "rows/s" in line]
    seconds = time.perf_counter() - began
    return {
        "peak_mib": {k: round(v) for k, v in peaks.items()},
        "seconds_with_start": round(seconds, 1),
        "rows_per_second": speeds[-1:],
    }


if __name__ == "__main__":
    main()
