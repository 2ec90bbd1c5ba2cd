"""What `raygen plan` says of time: measured steps and rows, and what follows from them; without Ray."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raygen.cluster import devices
from raygen.cluster.resources import Resources
from raygen.commands import plan, plan_training
from raygen.completion import speed as completion_speed
from raygen.completion.loaded import Loaded
from raygen.config import Config
from raygen.generation.shards import Plan
from raygen.model import folder as model_folder
from raygen.training import encoding
from raygen.training import speed as training_speed
from raygen.training.job import sized
from tests import untrained

pytestmark = pytest.mark.slow

ONE_NODE = Resources(4, 0.0, [(4.0, 0.0)])


def config_of(folder, table: pa.Table, **settings) -> Config:
    pq.write_table(table, folder / "table.parquet")
    own = {"data.source": str(folder / "table.parquet"), "run.folder": str(folder / "run")}
    return Config().override(untrained.SETTINGS | own | settings)


def test_time_follows_from_steps_and_scores():
    measured = training_speed.Speed(3.0, 10.0, 500.0, 40)
    config = Config().override({"train.steps": 1000, "train.holdout": 0.1, "train.num_workers": 2})
    assert measured.seconds(config, 10_000) == pytest.approx(3 + 100 + 20 * 500 / 500, rel=0.05)


def test_training_is_told_with_what_was_measured(tmp_path):
    settings = {"train.num_workers": 0, "train.batch_size": 64, "search.cost": "seconds"}
    config, said = config_of(tmp_path, untrained.table(), **settings), []
    answer = plan_training.forecast(config, ONE_NODE, said.append)
    train, text = answer["train"], " ".join(said)
    assert train["seconds"] > train["steps"] / train["steps_per_second"] > 0
    assert f"{train['steps_per_second']:,.1f} steps/s, as measured now over" in text
    assert "steps of 64 rows on this machine's CPUs" in text and "are not in it" in text
    assert "Search: raygen tune would refuse it: search.cost = 'seconds'" in text
    assert not (tmp_path / "run").exists()


def test_a_sample_is_encoded_though_its_rows_say_nothing_of_a_column(tmp_path):
    empty = pa.table({"a": pa.array([None] * 90, pa.float64()), "b": np.arange(90) % 7})
    config = config_of(tmp_path, empty).settled()
    source, schema, _ = encoding.describe(config)
    codec, rows = training_speed.sample(config, source, schema)
    assert len(rows[0]) == 90 and codec.num_columns >= 1


def test_completing_and_scoring_follow_from_rows_per_second():
    said, section = [], Config().generate
    measured = completion_speed.Speed(50.0, 200.0, 32, 5)
    answer = plan._completion(section, Plan(1000, 100), 2, measured, said.append)
    assert answer["complete"]["seconds"] == 10 and answer["score"]["seconds"] == 5
    assert "take 10 s by 2 actor(s) (50 rows/s for each actor, 32 particles for each" in said[0]
    assert "with 50% of their cells given" in said[0]
    assert "take 5 s by one process (200 rows/s on 1 CPU(s)" in said[1] and "--by-column 25 s" in said[1]


def test_rows_of_the_model_are_completed_and_scored(tmp_path):
    loaded = Loaded(model_folder.load(untrained.save(tmp_path / "model")))
    with devices.in_this_process(use_gpu=False):
        measured = completion_speed.measure(loaded, 70)
    assert measured.completed > 0 and measured.scored > 0 and measured.passes == 5


def test_a_share_of_the_batch_is_measured(tmp_path):
    config = config_of(tmp_path, untrained.table(), **{"train.num_workers": 2, "train.batch_size": 64})
    config = sized(config.settled(), 400)
    learned = training_speed.sample(config, *encoding.describe(config)[:2])
    with devices.in_this_process(use_gpu=False):
        measured = training_speed.measure(config, *learned)
    assert measured.steps_per_second > 0 and measured.steps % training_speed.STEPS == 0
