"""The training loop of one process: it learns, resumes exactly, and stops where it should."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from raygen.codec.codec import Codec
from raygen.config import Config
from raygen.errors import ClusterError
from raygen.table.schema import Schema, infer
from raygen.training import checkpoints, worker
from raygen.training.loader import Feed
from raygen.training.trainer import Loop, build

ROWS = 400


@pytest.fixture(scope="module")
def encoded():
    """A numeric column that decides a category, encoded."""
    import pyarrow as pa

    from raygen.codec import codec

    rng = np.random.default_rng(0)
    x = rng.normal(size=ROWS)
    table = pa.table({"x": np.round(x, 3), "sign": np.where(x > 0, "plus", "minus")})
    schema = Schema.of(table.schema, infer(table)[0], "test")
    built = Codec.fit(schema, codec.observe(schema, table), 16, 16)
    return built, *built.encode(table)


def config(**settings):
    tiny = {
        "model.latent_dim": 2,
        "model.hidden_units": [16, 16],
        "model.prior_components": 8,
        "train.batch_size": 64,
        "train.steps": 200,
        "train.holdout": 0.2,
    }
    return Config().override(tiny | settings)


def loop(encoded, settings):
    built, codes, offsets = encoded
    model = build(built, settings)
    model.set_tables(built.tables(), built.frequencies())
    return Loop(
        model,
        settings,
        Feed(lambda first, last: (codes[first:last], offsets[first:last]), len(codes), settings),
    )


def test_it_learns_that_the_columns_depend(encoded):
    trained = loop(encoded, config())
    before = trained.score()["held_out_nats"]
    trained.run(200)
    after = trained.score()["held_out_nats"]
    independent = np.log(2)  # nats of the category, which the number decides
    assert after < before - 0.7 * independent


def test_a_resumed_run_ends_in_the_same_weights(encoded):
    whole = loop(encoded, config())
    whole.run(60)
    first = loop(encoded, config())
    first.run(25)
    second = loop(encoded, config())
    second.load_state(checkpoints.unpack(checkpoints.pack(first.state())))
    second.run(35)
    assert second.step == whole.step == 60
    assert all(
        np.array_equal(a, b)
        for a, b in zip(whole.model.get_weights(), second.model.get_weights(), strict=True)
    )


def test_a_round_that_a_notice_broke_off_has_the_figures_of_a_whole_one(encoded, tmp_path):
    """Workers ask after 50 steps of a round of 120; the run goes on from the checkpoint that the notice led
    to."""
    settings, shown, lines = config(**{"train.steps": 2400}), SimpleNamespace(rows=lambda count: None), []
    whole, first, second = (loop(encoded, settings) for _ in range(3))
    parts = [worker.Part(), worker.Part()]
    kept = checkpoints.Checkpoints(str(tmp_path), lines.append)
    assert kept.load() is None
    worker._steps(whole, worker.Rounds(settings, lines.append, kept), [], parts[0], shown)
    assert lines == [] and kept.load() is None
    worker._steps(
        first,
        worker.Rounds(settings, lines.append, kept, noticed=lambda: True),
        [{"round": 1}],
        parts[1],
        shown,
    )
    assert lines == ["A node is about to be taken away: checkpoint at step 50."], (
        "the next one after ten seconds"
    )

    state = kept.load()
    assert checkpoints.rounds_of(state) == [{"round": 1}]
    second.load_state(state)
    rest = worker.Part(**json.loads(str(state["part"])))
    assert (second.step, rest.steps) == (50, 50)
    worker._steps(second, worker.Rounds(settings, lines.append, kept), [], rest, shown)
    assert second.step == rest.steps == 120
    for part in (parts[1], rest):
        assert (part.reconstruction, part.kl) == (parts[0].reconstruction, parts[0].kl)
    assert all(
        np.array_equal(a, b)
        for a, b in zip(whole.model.get_weights(), second.model.get_weights(), strict=True)
    )


def test_a_long_round_has_checkpoints_within(encoded, tmp_path):
    """Every minute, at the next question of the workers; here the last one is long ago."""
    settings, shown = config(**{"train.steps": 2400}), SimpleNamespace(rows=lambda count: None)
    kept = checkpoints.Checkpoints(str(tmp_path), print)
    assert kept.load() is None
    worker._steps(
        loop(encoded, settings),
        worker.Rounds(settings, print, kept, kept=-math.inf),
        [],
        worker.Part(),
        shown,
    )
    assert int(kept.load()["step"]) == 50


def test_a_worker_that_does_not_see_the_run_folder_is_told_what_it_must_be(tmp_path):
    with pytest.raises(ClusterError, match=rf"node \S+ does not see '{tmp_path}/encoded'") as caught:
        worker._read(str(tmp_path / "encoded"))
    assert "a mount that all nodes share" in caught.value.hint


def test_dropout_is_of_training_alone_and_goes_on_where_it_was(encoded):
    whole, first, second, plain = (
        loop(encoded, config(**{"model.dropout": share})) for share in (0.3, 0.3, 0.3, 0.0)
    )
    assert whole.score() == plain.score()
    assert whole.run(60)["reconstruction"] != plain.run(60)["reconstruction"]
    first.run(25)
    second.load_state(checkpoints.unpack(checkpoints.pack(first.state())))
    second.run(35)
    assert all(
        np.array_equal(a, b)
        for a, b in zip(whole.model.get_weights(), second.model.get_weights(), strict=True)
    )


def test_each_row_has_its_own_units_left_out_for_any_number_of_workers(encoded):
    trained = loop(encoded, config(**{"model.dropout": 0.25, "model.hidden_units": [16, 15]}))
    keep = trained._keep(64, 640).numpy()
    assert keep.shape == (64, 62) and set(np.unique(keep)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs(keep.mean() - 1) < 0.05 and len(np.unique(keep, axis=0)) == 64
    halves = [trained._keep(32, first).numpy() for first in (640, 672)]  # as two workers have them
    assert np.array_equal(np.concatenate(halves), keep)


def test_a_step_in_pieces_follows_the_losses_of_a_whole_one(encoded):
    """64 rows in pieces of 24, 24 and 16, each row with its own noise and its own units left out."""
    whole, pieces = (
        loop(encoded, config(**{"model.dropout": 0.2, "train.micro_batch_size": size})) for size in (0, 24)
    )
    for _ in range(3):
        losses = [one.run(20) for one in (whole, pieces)]
        assert losses[1]["reconstruction"] == pytest.approx(losses[0]["reconstruction"], rel=1e-4)
        assert losses[1]["kl"] == pytest.approx(losses[0]["kl"], rel=1e-3)
    assert pieces.score()["held_out_nats"] == pytest.approx(whole.score()["held_out_nats"], rel=1e-4)


def peak_mib(work) -> float:
    """By how much the resident memory of this process rises, at most, while `work` is done."""
    Path("/proc/self/clear_refs").write_text("5")  # Linux forgets the peak before
    before = memory_mib("VmRSS")
    work()
    return memory_mib("VmHWM") - before


def memory_mib(name: str) -> float:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def test_a_step_in_pieces_takes_the_memory_of_one(encoded):
    built, *arrays = encoded
    many = built, *(np.tile(a, (60, 1)) for a in arrays)
    large = {"train.batch_size": 16384, "model.hidden_units": [2048]}  # 128 MiB a layer
    loops = {size: loop(many, config(**large, **{"train.micro_batch_size": size})) for size in (1024, 0)}
    peaks = {size: peak_mib(lambda one=one: one.run(1)) for size, one in loops.items()}
    assert peaks[1024] < peaks[0] / 3, peaks


A_STEP = """
import tensorflow as tf
from raygen.model import VAE

model = VAE([5, 3], [True, False], 1, 2, [16, 16], "mixture", 8, 0)

@tf.function
def step(codes, offsets, noise):
    with tf.GradientTape() as tape:
        loss = sum(tf.reduce_sum(nats) for nats in model.bound(codes, offsets, noise))
    return tape.gradient(loss, model.trainable_variables)

step(tf.zeros((4, 2), tf.int32), tf.fill((4, 1), 0.5), tf.zeros((4, 2)))
"""


def test_tensorflow_optimises_the_graph_of_a_step():
    """It only warns of a rewrite of its own that fails, and then computes what was traced, a tenth slower."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "0", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(
        [sys.executable, "-c", A_STEP], env=environment, capture_output=True, text=True, check=True
    )
    assert "oneDNN" in done.stderr  # warnings are heard
    assert "optimization failure" not in done.stderr


def test_bfloat16_products_follow_the_losses_of_float32_and_scores_stay_float32(encoded):
    plain, low = (loop(encoded, config(**{"train.precision": kind})) for kind in ("float32", "bfloat16"))
    assert plain.score() == low.score()
    for _ in range(4):
        losses = [one.run(50) for one in (plain, low)]
        assert losses[0]["reconstruction"] != losses[1]["reconstruction"]
        assert losses[0]["reconstruction"] + losses[0]["kl"] == pytest.approx(
            losses[1]["reconstruction"] + losses[1]["kl"], abs=0.02
        )
    assert plain.score()["held_out_nats"] == pytest.approx(low.score()["held_out_nats"], abs=0.02)
    assert all(v.dtype == "float32" for v in low.model.weights)


def test_the_best_weights_come_back(encoded):
    trained = loop(encoded, config())
    trained.run(10)
    trained.keep_best()
    kept = [w.copy() for w in trained.model.get_weights()]
    trained.run(10)
    assert not np.array_equal(kept[0], trained.model.get_weights()[0])
    trained.restore_best()
    assert all(np.array_equal(a, b) for a, b in zip(kept, trained.model.get_weights(), strict=True))


@pytest.mark.parametrize(
    ("losses", "spent"),
    [
        ([3, 2, 1], False),
        ([1, 2, 2, 2], True),
        ([1, 2, 2], False),
        ([3, 1, 2, 0.5, 2, 2], False),
        ([3, 1, 2, 2, 2, 2], True),
    ],
)
def test_patience(losses, spent):
    history = [{"held_out_loss": loss} for loss in losses]
    assert worker._patience_spent(history, config(**{"train.patience": 3})) is spent
