"""Training tables of some numbers of rows, and training by several workers, one JSON line each.

    python tests/bench/train.py tables MODEL [--rows 1e6 1e7] [--steps 3000] [--set SECTION.KEY=VALUE ...]
    python tests/bench/train.py workers [--table FILE] [--batch 512 2048] [--steps 600] [--set
    SECTION.KEY=VALUE ...] python tests/bench/train.py pieces [--table FILE] [--batch 16384] [--micro 0 4096
    512] [--steps 60] [--set SECTION.KEY=VALUE ...]

`tables` draws each table from MODEL (raygen generate), trains on it by one worker, and tells rows/s, the
share of time in which the worker waited for rows, the held-out nats, and peak memory (resident, sampled five
times a second) of the worker, the driver and the largest other process of Ray.

`workers` trains one table by one worker of two CPUs, by two of one CPU each, and by two runs side by side of
one CPU and half the batch each, which compute what each of the two workers does and tell each other nothing;
times are medians over the rounds after the first.

`pieces` trains one table by one worker, its steps computed so many rows at a time (0: all), and tells rows/s,
the loss and the peak memory.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from raygen.commands import demo

BRIEF = ["latent.sampler=normal", "latent.density_ratio=false", "latent.report=false"]


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("what", choices=["tables", "workers", "pieces"])
    args.add_argument("model", nargs="?", default="")
    args.add_argument("--rows", nargs="+", type=float, default=[1e6, 1e7])
    args.add_argument("--batch", nargs="+", type=int, default=[512])
    args.add_argument("--micro", nargs="+", type=int, default=[0, 4096, 512])
    args.add_argument("--steps", type=int, default=0)
    args.add_argument("--table", default=demo.adult())
    args.add_argument("--set", nargs="*", default=[])
    a = args.parse_args()
    for found in {"tables": tables, "workers": workers, "pieces": pieces}[a.what](a):
        print(json.dumps(found), flush=True)


def tables(a):
    for rows in map(int, a.rows):
        with tempfile.TemporaryDirectory() as folder:
            raygen("generate", a.model, "--rows", str(rows), "--out", f"{folder}/table")
            history, metrics, seen = trained(
                f"{folder}/table", f"{folder}/run", [f"train.steps={a.steps or 3000}", *a.set]
            )
            later = history[1:]
            waited = sum(h["wait_share"] * h["round_seconds"] for h in later) / sum(
                h["round_seconds"] for h in later
            )
            speed = round(statistics.median(h["rows_per_second"] for h in later))
            yield {
                "rows": rows,
                "rows_per_second": speed,
                "wait_share": round(waited, 4),
                "nats": round(metrics["held_out_nats"], 4),
                **seen,
            }


def workers(a):
    always = [*BRIEF, f"train.steps={a.steps or 600}", *a.set]
    for batch in a.batch:
        runs = {
            "1 x 2 CPUs": (1, 1, 2, batch),
            "2 x 1 CPU": (1, 2, 1, batch),
            "2 x 1 CPU, apart": (2, 1, 1, batch // 2),
        }
        for name, (count, num_workers, cpus, rows) in runs.items():
            size = [
                f"train.num_workers={num_workers}",
                f"train.cpus_per_worker={cpus}",
                f"train.batch_size={rows}",
            ]
            with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(count) as side_by_side:
                done = list(
                    side_by_side.map(
                        lambda i, size=size, to=folder: trained(a.table, f"{to}/{i}", [*size, *always]),
                        range(count),
                    )
                )
            milliseconds = statistics.median(
                1000 * rows / h["rows_per_second"] for history, _, _ in done for h in history[1:]
            )
            losses = [round(h["held_out_loss"], 4) for h in done[0][0][4::5]]
            yield {
                "workers": name,
                "batch": batch,
                "rows_per_second": round(1000 * batch / milliseconds),
                "step_ms": round(milliseconds, 2),
                "held_out_loss": losses,
            }


def pieces(a):
    for batch, micro in itertools.product(a.batch, a.micro):
        sizes = [
            f"train.batch_size={batch}",
            f"train.micro_batch_size={micro}",
            f"train.steps={a.steps or 60}",
        ]
        with tempfile.TemporaryDirectory() as folder:
            history, metrics, seen = trained(a.table, f"{folder}/run", [*BRIEF, *sizes, *a.set])
        speed = round(statistics.median(h["rows_per_second"] for h in history[1:]))
        yield {
            "batch": batch,
            "micro": micro,
            "rows_per_second": speed,
            "nats": round(metrics["held_out_nats"], 4),
            **seen,
        }


def trained(table: str, folder: str, settings: list[str]) -> tuple[list[dict], dict, dict]:
    """History, metrics, and peaks of memory in MiB, of one training."""
    config = Path(folder).parent / f"{Path(folder).name}.toml"
    config.write_text(f'[data]\nsource = "{table}"\n[run]\nfolder = "{folder}"\n')
    seen = raygen("train", str(config), "--set", *settings)
    metrics = json.loads((Path(folder) / "model" / "raygen.json").read_text())["metrics"]
    history, before = metrics["history"], 0.0
    for h in history:
        h["round_seconds"], before = h["seconds"] - before, h["seconds"]
    return history, metrics, seen


def raygen(*arguments: str) -> dict:
    """Run a verb; its seconds and peak MiB by process."""
    began, peaks = time.perf_counter(), {"worker": 0.0, "driver": 0.0, "other": 0.0}
    process = subprocess.Popen([sys.executable, "-m", "raygen.cli", *arguments], stdout=sys.stderr)
    driver = psutil.Process(process.pid)
    while process.poll() is None:
        time.sleep(0.2)
        try:
            sizes = [("driver", driver), *((kind(child), child) for child in driver.children(recursive=True))]
            for name, one in sizes:
                peaks[name] = max(peaks[name], one.memory_info().rss / 2**20)
        except psutil.Error:
            continue
    if process.returncode:
        raise SystemExit(f"raygen {' '.join(arguments)} ended with status {process.returncode}")
    return {
        "peak_mib": {k: round(v) for k, v in peaks.items()},
        "seconds": round(time.perf_counter() - began, 1),
    }


def kind(process: psutil.Process) -> str:
    return "worker" if "RayTrainWorker" in " ".join(process.cmdline()) else "other"


if __name__ == "__main__":
    main()
