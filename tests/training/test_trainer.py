"""The training loop of one process: it learns, resumes exactly, and stops where it should."""

import math
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from raygen.codec import parts
from raygen.codec.codec import Codec
from raygen.config import Config
from raygen.errors import ClusterError
from raygen.model.vae import VAE
from raygen.table.schema import Schema, infer
from raygen.training import checkpoints, rounds, worker
from raygen.training.job import WorkerContext
from raygen.training.loader import Feed
from raygen.training.rounds import Rounds
from raygen.training.trainer import Loop, vae_settings

ROWS = 400


@pytest.fixture(scope="module")
def encoded():
    """A numeric column that decides a category, encoded."""
    import pyarrow as pa

    rng = np.random.default_rng(0)
    x = rng.normal(size=ROWS)
    table = pa.table({"x": np.round(x, 3), "sign": np.where(x > 0, "plus", "minus")})
    schema = Schema.of(table.schema, infer(table)[0], "test")
    built = Codec.fit(schema, parts.observe(schema, table), 16, 16)
    return built, *built.encode(table)


def config(**settings):
    tiny = {
        "model.latent_dim": 2,
        "model.hidden_units": [16, 16],
        "model.prior_components": 8,
        "model.dropout": 0.0,
        "train.batch_size": 64,
        "train.steps": 200,
        "train.holdout": 0.2,
    }
    return Config().override(tiny | settings)


def loop(encoded, settings):
    built, codes, offsets = encoded
    model = VAE(**vae_settings(built, settings))
    model.set_tables(built.tables(), built.frequencies())
    return Loop(
        model,
        settings,
        Feed(lambda first, last: (codes[first:last], offsets[first:last]), len(codes), settings),
    )


@pytest.mark.slow
def test_it_learns_that_the_columns_depend(encoded):
    trained = loop(encoded, config())
    before = trained.score()["held_out_nats"]
    trained.run(200)
    after = trained.score()["held_out_nats"]
    independent = np.log(2)  # nats of the category, which the number decides
    assert after < before - 0.7 * independent


@pytest.mark.slow
def test_a_round_that_a_notice_broke_off_has_the_figures_of_a_whole_one(encoded, tmp_path):
    """Workers ask after 50 steps of a round of 120; the run goes on from the checkpoint that the notice led
    to."""
    settings, gauges, lines = config(**{"train.steps": 2400}), SimpleNamespace(rows=lambda count: None), []
    kept = checkpoints.Checkpoints(str(tmp_path), lines.append)
    assert kept.load() is None

    def rounds_with(is_node_leaving):
        context = WorkerContext(lines.append, kept, is_node_leaving=is_node_leaving)
        return Rounds(loop(encoded, settings), context, None, gauges, "")

    whole, first, second = (rounds_with(leaving) for leaving in (lambda: False, lambda: True, lambda: False))
    whole.take_steps()
    assert lines == [] and kept.load() is None
    before = [{"round": 1, "step": 0, "seconds": 0.5, "held_out_nats": 9.0}]
    first.history = before
    first.take_steps()
    assert lines == ["A node is about to be taken away: checkpoint at step 50."], (
        "the next one after ten seconds"
    )

    state = kept.load()
    assert checkpoints.rounds_of(state) == before
    second.resume(state)
    assert (second.history, second.loop.step, second.sums.steps) == (before, 50, 50)
    second.take_steps()
    assert second.loop.step == second.sums.steps == 120
    for sums in (first.sums, second.sums):
        assert (sums.reconstruction, sums.kl) == (whole.sums.reconstruction, whole.sums.kl)
    assert all(
        np.array_equal(a, b)
        for a, b in zip(whole.loop.model.get_weights(), second.loop.model.get_weights(), strict=True)
    )


@pytest.mark.slow
def test_a_long_round_has_checkpoints_within(encoded, tmp_path):
    """Every minute, at the next question of the workers; here the last one is long ago."""
    settings, gauges = config(**{"train.steps": 2400}), SimpleNamespace(rows=lambda count: None)
    kept = checkpoints.Checkpoints(str(tmp_path), print)
    assert kept.load() is None
    long = Rounds(loop(encoded, settings), WorkerContext(print, kept), None, gauges, "")
    long.last_checkpoint = -math.inf
    long.take_steps()
    assert int(kept.load()["step"]) == 50


def test_a_worker_that_does_not_see_the_run_folder_is_told_what_it_must_be(tmp_path):
    with pytest.raises(ClusterError, match=rf"node \S+ does not see '{tmp_path}/encoded'") as caught:
        worker._read(str(tmp_path / "encoded"))
    assert "a mount that all nodes share" in caught.value.hint


@pytest.mark.slow
def test_a_resumed_run_ends_in_the_same_weights_and_dropout_is_of_training_alone(encoded):
    """Units are left out where they would have been, too."""
    whole, first, second, plain = (
        loop(encoded, config(**{"model.dropout": share})) for share in (0.3, 0.3, 0.3, 0.0)
    )
    assert whole.score() == plain.score()
    assert whole.run(60)["reconstruction"] != plain.run(60)["reconstruction"]
    first.run(25)
    second.load_state(checkpoints.unpack(checkpoints.pack(first.state() | {"history": np.array("[]")})))
    second.run(35)
    assert second.step == whole.step == 60
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_step_in_pieces_takes_the_memory_of_one(encoded):
    built, *arrays = encoded
    many = built, *(np.tile(a, (60, 1)) for a in arrays)
    large = {"train.batch_size": 16384, "model.hidden_units": [2048]}  # 128 MiB a layer
    loops = {size: loop(many, config(**large, **{"train.micro_batch_size": size})) for size in (1024, 0)}
    peaks = {size: peak_mib(lambda one=one: one.run(1)) for size, one in loops.items()}
    assert peaks[1024] < peaks[0] / 3, peaks


A_STEP = """
import tensorflow as tf
from raygen.model.vae import VAE

model = VAE([5, 3], [True, False], 1, 2, [16, 16], "mixture", 8, 0, decoder="autoregressive")

@tf.function
def step(codes, offsets, noise):
    with tf.GradientTape() as tape:
        loss = sum(tf.reduce_sum(nats) for nats in model.bound(codes, offsets, noise))
    return tape.gradient(loss, model.trainable_variables)

step(tf.zeros((4, 2), tf.int32), tf.fill((4, 1), 0.5), tf.zeros((4, 2)))
"""


@pytest.mark.slow
def test_tensorflow_optimises_the_graph_of_a_step():
    """It only warns of a rewrite of its own that fails, and then computes what was traced, a tenth slower."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "0", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(
        [sys.executable, "-c", A_STEP], env=environment, capture_output=True, text=True, check=True
    )
    assert "I0000" in done.stderr  # even what only informs is heard
    assert "optimization failure" not in done.stderr


@pytest.mark.slow
def test_bfloat16_products_follow_the_losses_of_float32_and_scores_stay_float32(encoded):
    plain, low = (loop(encoded, config(**{"train.precision": kind})) for kind in ("float32", "bfloat16"))
    assert plain.score() == low.score()
    for _ in range(4):
        losses = [one.run(50) for one in (plain, low)]  # processors that know bfloat16 round otherwise
        assert losses[0]["reconstruction"] != losses[1]["reconstruction"]
        assert losses[0]["reconstruction"] + losses[0]["kl"] == pytest.approx(
            losses[1]["reconstruction"] + losses[1]["kl"], rel=0.03
        )
    assert plain.score()["held_out_nats"] == pytest.approx(low.score()["held_out_nats"], rel=0.03)
    assert all(v.dtype == "float32" for v in low.model.weights)


@pytest.mark.slow
def test_the_best_weights_come_back(encoded):
    trained = loop(encoded, config())
    trained.run(10)
    trained.keep_best()
    nats, best = trained.score()["held_out_nats"], [w.copy() for w in trained.best]
    trained.run(10)
    assert trained.score()["held_out_nats"] != nats
    trained.restore_best()
    assert all(
        np.array_equal(a, b.numpy()) for a, b in zip(best, trained.model.trainable_variables, strict=True)
    )
    assert trained.score()["held_out_nats"] == pytest.approx(nats, rel=1e-6)


@pytest.mark.slow
def test_scores_are_of_averaged_weights_and_training_goes_on_with_its_own(encoded):
    """The average of the first step's weights is those weights; later it moves more slowly than they do."""
    trained = loop(encoded, config())
    trained.run(1)
    for average, variable in zip(trained.average, trained.variables, strict=True):
        np.testing.assert_array_equal(average.numpy(), variable.numpy())
    expected = trained.average[0].numpy()
    for step in range(1, 6):
        trained.run(1)
        stay = (step / (step + 1)) ** 8
        expected = stay * expected + (1 - stay) * trained.variables[0].numpy()
    np.testing.assert_allclose(trained.average[0].numpy(), expected, rtol=1e-4, atol=1e-6)
    before = [variable.numpy() for variable in trained.variables]
    trained.score()
    for variable, weight in zip(trained.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), weight)


@pytest.mark.slow
def test_a_run_that_diverges_goes_back_with_half_the_rate_and_says_so(encoded, tmp_path):
    """A weight that is no number is what a step too large leaves."""
    settings, lines = config(**{"train.steps": 40, "train.patience": 0}), []
    trained = loop(encoded, settings)
    run, broken = trained.run, []

    def breaks_once(count, told):
        figures = run(count, told)
        if trained.step >= 20 and not broken:
            broken.append(trained.step)
            trained.variables[0].assign(trained.variables[0] * np.nan)
            trained.average[0].assign(trained.average[0] * np.nan)
        return figures

    trained.run = breaks_once
    context = WorkerContext(lines.append, checkpoints.Checkpoints(str(tmp_path), lines.append))
    gauges = SimpleNamespace(rows=lambda count: None, round=lambda figures: None)
    history = Rounds(trained, context, None, gauges, str(tmp_path / "history.jsonl")).run()
    assert broken and history[-1]["step"] == 40 and np.isfinite(history[-1]["held_out_nats"])
    (line,) = (line for line in lines if "diverged" in line)
    assert re.search(r"diverged at step 20 .* goes back to step 18, with 0.5 of train.learning_rate", line)
    assert float(trained.rate.factor.numpy()) == 0.5
    assert "the weights of step" in lines[-1]


SHAPES = {
    "only categories": {"a": ["x", "y"] * 30, "b": ["p", "q", "r"] * 20},
    "only counts": {"a": [0, 1, 2] * 20},
    "one column": {"a": ["x", "y"] * 30},
    "one number": {"a": [0.37 * i for i in range(60)]},
    "a constant": {"a": [1] * 60, "b": ["x"] * 60},
    "a constant alone": {"a": ["x"] * 60},
}


@pytest.mark.parametrize("decoder", ["autoregressive", "independent"])
@pytest.mark.parametrize("columns", SHAPES.values(), ids=SHAPES)
@pytest.mark.slow
def test_tables_of_any_shape_are_trained(columns, decoder):
    """Some weights have no gradient then: the last column says nothing to others, and there may be no
    offsets."""
    import pyarrow as pa

    table = pa.table(columns)
    schema = Schema.of(table.schema, infer(table)[0], "test")
    built = Codec.fit(schema, parts.observe(schema, table), 16, 16)
    settings = config(**{"train.batch_size": 16, "model.decoder": decoder, "model.context_dropout": 0.2})
    trained = loop((built, *built.encode(table)), settings)
    trained.run(5)
    assert np.isfinite(trained.score()["held_out_nats"])


@pytest.mark.parametrize(
    ("nats", "kept", "spent"),
    [
        ([3, 2, 1], 3, False),
        ([1, 1.1, 2, 2], 2, True),
        ([1, 1.1, 2, 1.3], 2, True),
        ([1, 1.1, 2, 1.14], 4, False),
        ([1, 2, 0.5, 0.6], 4, False),
    ],
)
def test_the_last_round_that_is_as_good_as_the_best_is_kept(nats, kept, spent):
    history = [{"held_out_nats": n, "round": i + 1, "step": 10 * (i + 1)} for i, n in enumerate(nats)]
    assert rounds.kept_round(history)["round"] == kept
    assert rounds.patience_spent(history, config(**{"train.patience": 2})) is spent
