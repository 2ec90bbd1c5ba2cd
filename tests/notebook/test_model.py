"""A Model: rows in memory, by any name of it, handed to other processes, shown in a notebook; without Ray."""

import inspect
import os
import pickle
import shutil
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import raygen
from raygen.config_sections import GenerateSettings
from raygen.errors import ConfigError, ModelError
from raygen.notebook import given
from raygen.sampling.rows import DRAWN_BY
from raygen.training.driver import Training
from tests import processes, untrained

pytestmark = pytest.mark.slow

WHERE = "letter = 'letter 2'"


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> str:
    return untrained.save(tmp_path_factory.mktemp("run") / "model")


@pytest.fixture(scope="module")
def model(path) -> raygen.Model:
    return raygen.load(path)


def test_its_rows_are_those_of_sample_and_of_generate(model, path, tmp_path):
    rows = model.sample(5000)
    assert isinstance(rows, pa.Table) and rows.equals(raygen.sample(path, 5000))
    raygen.generate(model, 5000, out=str(tmp_path / "out"), say=lambda line: None, rows_per_shard=1700)
    assert rows.equals(pq.ParquetDataset(tmp_path / "out").read())
    assert rows.slice(0, 10).equals(model.sample(10))
    assert rows.slice(3001, 7).equals(model.sample(7, first_row=3001))


@pytest.mark.parametrize(
    "settings",
    [{"seed": 3}, {"temperature": 0.5}, {"where": WHERE}, {"oversample": 2}, {"sampler": "normal"}],
    ids=str,
)
def test_its_settings_are_those_of_a_generation(model, path, settings):
    rows = model.sample(300, **settings)
    assert rows.equals(raygen.sample(path, 300, **settings))
    assert not rows.equals(model.sample(300))
    assert rows.equals(model.sample(300, **settings)), "the same again, after other ones"


def test_per_says_how_many(model):
    assert model.sample(per="letter=3").num_rows == 15
    with pytest.raises(ConfigError, match="neither a number of rows nor per"):
        model.sample()
    with pytest.raises(ConfigError, match=r"no setting 'temprature'") as caught:
        model.sample(5, temprature=1.0)
    assert "did you mean 'temperature'" in caught.value.hint


def test_pandas_if_it_is_asked_for(model):
    frame = model.sample(20, to_pandas=True)
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == list(model.columns) and len(frame) == 20
    assert frame.equals(model.sample(20).to_pandas())


def test_a_model_goes_by_its_path(model, path, tmp_path):
    training = Training(path, model.fingerprint, {}, "gaussian")
    for named in (Path(path), training, model, path):
        assert raygen.load(named).fingerprint == model.fingerprint
        assert raygen.sample(named, 5).equals(model.sample(5))
    said: list[str] = []
    assert raygen.inspect(training, said.append)["fingerprint"] == model.fingerprint
    assert model.inspect(lambda line: None)["model"] == model.path == os.fspath(model) == path
    done = raygen.generate(training, 5, out=str(tmp_path / "rows.csv"), say=lambda line: None)
    assert done.rows == 5 and (tmp_path / "rows.csv").read_text().count("\n") == 6


def test_other_processes_get_its_path(model, path, tmp_path):
    packed = pickle.dumps(model)
    assert len(packed) < 1000
    assert pickle.loads(packed).sample(50).equals(model.sample(50))
    moved = shutil.copytree(path, tmp_path / "model")
    other = raygen.load(moved)
    packed = pickle.dumps(other)
    shutil.rmtree(moved)
    untrained.save(moved, untrained.table(300))
    with pytest.raises(ModelError, match="its fingerprint is"):
        pickle.loads(packed)


def test_completing_and_scoring_load_nothing_again(path, tmp_path):
    own = raygen.load(shutil.copytree(path, tmp_path / "model"))
    given = own.sample(5).select(["letter"])
    shutil.rmtree(tmp_path / "model")
    whole = own.complete(given, say=print)
    network, kept = own.loaded.network, own.loaded.particles(32, 0)
    assert own.complete(given, say=print).equals(whole)
    assert own.score(whole, say=print).num_rows == 5
    assert own.loaded.particles(32, 0) is kept, "traced once"
    own.complete(given, say=print, seed=1)
    assert own.loaded.network is network and own.loaded.particles(32, 0) is not kept, "one is kept, not all"


def test_it_is_shown_shortly(model, path):
    assert repr(model) == f"Model('{path}', 4 columns, fingerprint {model.fingerprint})"
    shown = model._repr_html_()
    assert shown.count("<tr>") == 5 and "<td>moment</td><td>datetime</td><td>timestamp[ms]</td>" in shown
    assert len(repr(Training(path, model.fingerprint, {"history": [{}] * 9}, "gaussian"))) < len(path) + 120


def test_help_shows_the_settings():
    expected = {*DRAWN_BY, "self", "n", "to_pandas"}
    assert set(inspect.signature(raygen.Model.sample).parameters) == expected
    expected = {*DRAWN_BY, "self", "rows", "num_actors"}
    assert set(inspect.signature(raygen.Model.dataset).parameters) == expected
    assert "rows" in GenerateSettings.model_fields


def test_a_process_is_left_as_it_was(path):
    """Neither Ray nor lines of TensorFlow; environment and log levels are those of before."""
    program = (
        "import logging, os, sys, raygen\n"
        f"model, before = raygen.load({path!r}), dict(os.environ)\n"
        "logging.getLogger('tensorflow').setLevel(logging.INFO)\n"
        "rows = model.sample(3000)\n"
        "assert dict(os.environ) == before and 'ray' not in sys.modules\n"
        "assert logging.getLogger('tensorflow').level == logging.INFO\n"
        "print(rows.num_rows)"
    )
    with processes.commands() as begin:
        done = begin(sys.executable, "-c", program)
        assert done.finish() == 0, done.output
    assert done.output == "3000\n"


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_what_is_no_model_is_told(name, tmp_path):
    with pytest.raises(ModelError, match="no model"):
        raygen.load(tmp_path / name)


def test_rows_in_memory_are_named_by_their_content(tmp_path):
    frame, said = pd.DataFrame({"a": [1, 2, 3], "b": list("xyz")}), []
    first = given.source_of(frame, str(tmp_path), said.append)
    again = given.source_of(frame.copy(), str(tmp_path), said.append)
    other = given.source_of(frame.head(2), str(tmp_path), said.append)
    table = given.source_of(pa.table({"a": [1, 2, 3]}), str(tmp_path), said.append)
    assert first == again != other and "/data/frame-" in other and "/data/table-" in table
    assert len(list((tmp_path / "data").iterdir())) == 3 and len(said) == 4
    assert pd.read_parquet(first).equals(frame)
    assert given.source_of(tmp_path / "x.parquet", "nowhere", said.append) == str(tmp_path / "x.parquet")
    assert given.source_of("s3://bucket/x", "nowhere", said.append) == "s3://bucket/x" and len(said) == 4
