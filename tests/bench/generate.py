"""Rows per second of generation by stage, beside the matmul floor of the decoder, in one run, of MODEL and of
the same network with the other kind of decoder.

    python tests/bench/generate.py MODEL [--rows N] [--actors 1 2]

The stages run as an actor of one CPU runs them, on one thread: row groups of as many blocks, written as
shards are. The floor is the time of the decoder's own matrix products (`Decoder.flops_per_row`) at the rate
that the same matrices reach here by themselves on that thread. Stages and floor take turns, and of each the
median counts, so that a machine whose speed changes does not favour one of them.

With --actors, a generation is run with so many actors of one CPU: rows per second between the first and the
last shard, and the seconds until the first shard is there, from the start of the process on. MODEL must be a
folder named `model`.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
TURNS = 9


def stages(model: str, seed: int) -> list[dict]:
    import pyarrow as pa
    import tensorflow as tf

    from raygen.generation.formats import Format
    from raygen.model import folder as model_folder
    from raygen.sampling.rows import Rows

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    pa.set_cpu_count(1)
    own = model_folder.load(model)
    form = Format("parquet", "zstd")
    work = {}
    for found in (own, other(own)):
        work |= stages_of(Rows(found, seed), form)
    seconds: dict[tuple, list[float]] = {name: [] for name in work}
    for _ in range(TURNS):
        for name, run in work.items():
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    took = {name: statistics.median(values) for name, values in seconds.items()}
    return [figures(rows, form.group_rows, took) for rows in dict.fromkeys(rows for rows, _ in work)]


def other(found):
    """The same model with the other kind of decoder: as fast as one that was trained so."""
    from raygen.model.vae import VAE

    network = found.network()
    kind = "independent" if network.turn is not None else "autoregressive"
    twin = VAE(**network.settings | {"decoder": kind})
    turns = [w for one in (network, twin) if one.turn is not None for w in one.turn.weights]
    alone = {id(w) for w in turns}
    pairs = ([w for w in one.weights if id(w) not in alone] for one in (twin, network))
    for variable, same in zip(*pairs, strict=True):
        variable.assign(same)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vae.keras"
        twin.save(path)
        return replace(found, content=found.content | {"vae.keras": path.read_bytes()})


def stages_of(rows, form) -> dict:
    """What to time, by the rows that are made and a name."""
    import tensorflow as tf

    decoder, size, total = rows.decoder, rows.block_rows, form.group_rows
    blocks, matrices = total // size, decoder.matrices
    inputs = [tf.random.normal((size, m.shape[0])) for m in matrices]

    @tf.function
    def products():
        return [tf.matmul(x, m) for x, m in zip(inputs, matrices, strict=True)]

    def draw():
        for i in range(blocks):
            decoder.block(i)

    def write():
        form.write(io.BytesIO(), table.schema, [table])

    table = rows.table(0, total)
    work = {
        "floor": lambda: [products() for _ in range(blocks)],
        "draw_and_decode": draw,
        "with_un_encode": lambda: rows.table(0, total),
        "write": write,
    }
    return {(rows, name): run for name, run in work.items()}


def figures(rows, total: int, seconds: dict) -> dict:
    """Rates of the stages of some rows."""
    decoder, took = rows.decoder, {name: s for (of, name), s in seconds.items() if of is rows}
    whole = took["with_un_encode"] + took["write"]
    return {
        "decoder": "independent" if decoder.model.turn is None else "autoregressive",
        "rows_per_second": total / whole,
        "floor_rows_per_second": total / took["floor"],
        "share_of_floor": took["floor"] / whole,
        "gflops_of_floor": decoder.flops_per_row * total / took["floor"] / 1e9,
        "flops_per_row": decoder.flops_per_row,
        "draw_and_decode_rows_per_second": total / took["draw_and_decode"],
        "arrow_rows_per_second": total / took["with_un_encode"],
        "un_encode_rows_per_second": total / max(1e-9, took["with_un_encode"] - took["draw_and_decode"]),
        "write_rows_per_second": total / took["write"],
    }


GENERATE = """
import sys
from raygen import Config, generate
from raygen.model import folder
model, rows, count, per, out = sys.argv[1:]
config = Config.from_dict(folder.read_index(model)["config"])
asked = {"run.folder": model.rsplit("/", 1)[0], "generate.num_actors": int(count)}
asked |= {"generate.cpus_per_actor": 1, "generate.rows_per_shard": int(per)}
generate(config.override(asked), int(rows), out=out)
"""


def actors(model: str, rows: int, count: int) -> dict:
    """A generation in a process of its own: its steady rate, and when the first shard was there."""
    with tempfile.TemporaryDirectory() as folder:
        per, out = max(1, rows // (16 * count)), Path(folder) / "out"
        began = time.time()
        subprocess.run(
            [sys.executable, "-c", GENERATE, model, str(rows), str(count), str(per), str(out)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        seconds = time.time() - began
        ends = sorted(path.stat().st_mtime for path in out.rglob("part-*.parquet"))
        steady = per * (len(ends) - count) / (ends[-1] - ends[count - 1])
    return {
        "actors": count,
        "rows_per_second": steady,
        "seconds_to_first_shard": ends[0] - began,
        "seconds": seconds,
    }


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("model")
    args.add_argument("--rows", type=int, default=2_000_000, help="rows for each run with actors")
    args.add_argument("--actors", type=int, nargs="*", default=[])
    args.add_argument("--seed", type=int, default=0)
    a = args.parse_args()
    for answer in stages(a.model, a.seed):
        rates = {k: round(v, 4) if v < 10 else round(v) for k, v in answer.items() if k != "decoder"}
        print(json.dumps({"decoder": answer["decoder"]} | rates), flush=True)
    for count in a.actors:
        found = actors(a.model, a.rows, count)
        print(json.dumps({k: round(v, 2) if v < 100 else round(v) for k, v in found.items()}), flush=True)


if __name__ == "__main__":
    main()
