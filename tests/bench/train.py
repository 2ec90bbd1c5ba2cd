"""Training tables of some numbers of rows, and training by several workers, one JSON line each.

    python tests/bench/train.py tables MODEL [--rows 1e6 1e7] [--steps 3000] [--set SECTION.KEY=VALUE ...]
    python tests/bench/train.py workers [--table FILE] [--batch 512 2048] [--steps 600] [--set
    SECTION.KEY=VALUE ...]
    python tests/bench/train.py pieces [--table FILE] [--batch 16384] [--micro 0 4096 512] [--steps 60] [--set
    SECTION.KEY=VALUE ...]
    python tests/bench/train.py decoders [--table FILE | --columns N] [--batch 512] [--steps 600] [--set
    SECTION.KEY=VALUE ...]

`tables` draws each table from MODEL (raygen generate), trains on it by one worker, and tells rows/s, the
share of time in which the worker waited for rows, the held-out nats, and peak memory (resident, sampled five
times a second) of the worker, the driver and the largest other process of Ray.

`workers` trains one table by one worker of two CPUs, by two of one CPU each, and by two runs side by side of
one CPU and half the batch each, which compute what each of the two workers does and tell each other nothing;
times are medians over the rounds after the first.

`pieces` trains one table by one worker, its steps computed so many rows at a time (0: all), and tells rows/s,
the loss and the peak memory.

`decoders` trains one table, or one of N columns, with the independent and with the autoregressive decoder in
this process, the steps of one and of the other taking turns: rows/s (medians), multiplications and additions
of the products with weights for one row, forward and backward, beside the rate at which this machine
multiplies matrices of that width, and the seconds until the first steps were taken. Beside rows/s stands what
their ratio is in seconds of CPUs, which tell more where others use the machine.
"""

import argparse
import itertools
import json
import math
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
WIDE_ROWS = 4000
DECODERS = ("independent", "autoregressive")


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("what", choices=["tables", "workers", "pieces", "decoders"])
    args.add_argument("model", nargs="?", default="")
    args.add_argument("--rows", nargs="+", type=float, default=[1e6, 1e7])
    args.add_argument("--batch", nargs="+", type=int, default=[512])
    args.add_argument("--micro", nargs="+", type=int, default=[0, 4096, 512])
    args.add_argument("--steps", type=int, default=0)
    args.add_argument("--table", default=demo.adult())
    args.add_argument("--columns", type=int, default=0)
    args.add_argument("--set", nargs="*", default=[])
    a = args.parse_args()
    measure = {"tables": tables, "workers": workers, "pieces": pieces, "decoders": decoders}[a.what]
    for figures in measure(a):
        print(json.dumps(figures), flush=True)


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


def decoders(a):
    from raygen.config import Config
    from raygen.training import encoding

    with tempfile.TemporaryDirectory() as folder:
        table = wide(Path(folder) / "wide.parquet", a.columns) if a.columns else a.table
        trained(table, f"{folder}/run", [*BRIEF, "train.steps=1", "train.num_workers=0", *a.set])
        stored = json.loads(Path(folder, "run", "model", "raygen.json").read_text())["config"]
        encoded = encoding.read_encoded(str(next(Path(folder, "run", "encoded").iterdir())))
        for batch in a.batch:
            yield from side_by_side(encoded, Config.from_dict(stored), batch, a.steps or 600)


def side_by_side(encoded, stored, batch: int, steps: int):
    """Figures of both decoders, whose steps take turns."""
    import tensorflow as tf

    from raygen.model.vae import VAE
    from raygen.training.job import sized
    from raygen.training.trainer import Loop, vae_settings

    loops, first = {}, {}
    speeds: dict[str, list[float]] = {kind: [] for kind in DECODERS}
    used: dict[str, list[float]] = {kind: [] for kind in DECODERS}
    for kind in DECODERS:
        settings = {"model.decoder": kind, "train.steps": steps, "train.batch_size": batch}
        config = sized(stored.override(settings), encoded.num_rows)
        model = VAE(**vae_settings(encoded.codec, config))
        model.set_tables(encoded.codec.tables(), encoded.codec.frequencies(), encoded.num_rows)
        loops[kind] = Loop(model, config, encoded.feed(config, 0, 1))
        began = time.perf_counter()
        loops[kind].run(1)
        first[kind] = time.perf_counter() - began
    each = max(1, steps // 12)
    for _ in range(12):
        for kind, loop in loops.items():
            began = time.process_time()
            speeds[kind].append(loop.run(each)["rows_per_second"])
            used[kind].append(time.process_time() - began)
    rate = multiplications_per_second(tf, batch, loops[kind].config.model.hidden_units[0])
    speed = {kind: statistics.median(values[1:]) for kind, values in speeds.items()}
    cpu = {kind: statistics.median(values[1:]) for kind, values in used.items()}
    for kind, loop in loops.items():
        flops = flops_per_row(loop.model)
        yield {
            "decoder": kind,
            "columns": len(loop.model.settings["cardinalities"]),
            "codes": loop.model.num_codes,
            "batch": batch,
            "rows_per_second": round(speed[kind]),
            "of_independent": round(speed[kind] / speed["independent"], 3),
            "of_independent_by_cpu_seconds": round(cpu["independent"] / cpu[kind], 3),
            "flops_per_row": flops,
            "floor_rows_per_second": round(rate / flops),
            "share_of_floor": round(speed[kind] * flops / rate, 3),
            "seconds_to_first_step": round(first[kind], 1),
        }


def wide(path: Path, columns: int) -> str:
    """A table of so many columns, numbers and categories in turn, all of them tied to one number."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from raygen import rng

    generator = rng.generator(0, "wide table")
    tie = generator.standard_normal(WIDE_ROWS)
    data = {}
    for i in range(columns):
        value = tie + generator.standard_normal(WIDE_ROWS)
        codes = np.digitize(value, np.linspace(-2, 2, 2 + i % 7))
        data[f"column_{i}"] = np.round(value, 3) if i % 2 else np.array(list("abcdefghij"))[codes]
    pq.write_table(pa.table(data), path)
    return str(path)


def flops_per_row(model) -> int:
    """Multiplications and additions of the products of one row with weights, forward and twice as many
    backward; vectors that groups of codes share are added, not multiplied."""
    shapes = [v.shape for v in model.trainable_variables if len(v.shape) > 1 and "shared" not in v.name]
    return 6 * sum(math.prod(shape) for shape in shapes)


def multiplications_per_second(tf, rows: int, width: int) -> float:
    """Multiplications and additions a second of matrix products of (rows, width) and (width, 1024)."""
    a, b, seconds = tf.random.normal((rows, width)), tf.random.normal((width, 1024)), []
    for _ in range(30):
        began = time.perf_counter()
        tf.matmul(a, b).numpy()
        seconds.append(time.perf_counter() - began)
    return 2 * rows * width * 1024 / statistics.median(seconds)


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
