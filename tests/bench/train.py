"""Training with one worker of two CPUs beside two workers of one CPU, for the same global batch: rows per second and losses.

python tests/bench/train.py [--steps N] [--table FILE]
"""

import argparse
import json
import statistics
import tempfile

from raygen import Config, demo, train


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--steps", type=int, default=600)
    args.add_argument("--table", default=demo.adult())
    a = args.parse_args()
    histories = {}
    with tempfile.TemporaryDirectory() as folder:
        for workers, cpus in ((1, 2), (2, 1)):
            settings = {"data.source": a.table, "run.folder": f"{folder}/{workers}", "train.steps": a.steps}
            settings |= {"train.num_workers": workers, "train.cpus_per_worker": cpus, "latent.sampler": "normal"}
            histories[workers] = train(Config().override(settings), say=lambda line: None).metrics["history"]
    one, two = histories[1], histories[2]
    speed = {n: statistics.median(h["rows_per_second"] for h in history[1:]) for n, history in histories.items()}
    losses = [(a["step"], round(a["held_out_loss"], 4), round(b["held_out_loss"], 4)) for a, b in zip(one, two, strict=True)]
    print(json.dumps({"rows_per_second": speed, "ratio": speed[2] / speed[1], "held_out_loss_by_step_1_and_2_workers": losses[::4]}))


if __name__ == "__main__":
    main()
