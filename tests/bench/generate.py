"""Rows per second of generation by stage, beside the matmul floor of the decoder, in one run.

    python tests/bench/generate.py MODEL [--rows N] [--json]

The floor is the time of the decoder's own matrix products (`Decoder.flops_per_row`) at the rate that the same matrices reach here by
themselves, on one thread, as an actor of one CPU has.
"""

import argparse
import io
import json
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("model")
    args.add_argument("--rows", type=int, default=200_000)
    args.add_argument("--seed", type=int, default=0)
    a = args.parse_args()
    import pyarrow as pa
    import pyarrow.parquet as pq
    import tensorflow as tf

    from raygen import artifact
    from raygen.formats import Format
    from raygen.sampling import Rows

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    pa.set_cpu_count(1)
    rows = Rows(artifact.load(a.model), a.seed)
    decoder, size = rows.decoder, rows.block_rows
    blocks = max(1, a.rows // size)

    def timed(work) -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    def draw():
        for i in range(blocks):
            kept.append(decoder.block(i))

    def unencode():
        for i, (codes, position) in enumerate(kept):
            tables.append(rows.codec.decode(codes, position, i * size))

    def write():
        group = Format("parquet", "zstd").group_rows // size
        for i in range(0, blocks, group):
            pq.write_table(pa.concat_tables(tables[i : i + group]), io.BytesIO(), compression="zstd")

    kept, tables = [], []
    decoder.block(0)
    seconds = {"draw_and_decode": timed(draw), "un_encode": timed(unencode), "write": timed(write)}
    total = blocks * size
    matrices = [w for layer in decoder.model.decoder.layers for w in layer.get_weights() if w.ndim == 2]
    matrices.append(decoder.model.code_kernel.table().numpy().T)

    @tf.function
    def products(x):
        for m in matrices:
            x = tf.matmul(x[:, : m.shape[0]], m)
        return x

    x = tf.random.normal((size, max(m.shape[0] for m in matrices)))
    products(x)
    floor = timed(lambda: [products(x) for _ in range(blocks)])
    whole = sum(seconds.values())
    answer = {
        "rows": total,
        "rows_per_second": total / whole,
        "floor_rows_per_second": total / floor,
        "share_of_floor": floor / whole,
        "gflops_of_floor": decoder.flops_per_row * total / floor / 1e9,
        "flops_per_row": decoder.flops_per_row,
        **{f"{k}_rows_per_second": total / s for k, s in seconds.items()},
    }
    print(json.dumps({k: round(v, 4) if v < 10 else round(v) for k, v in answer.items()}))


if __name__ == "__main__":
    main()
