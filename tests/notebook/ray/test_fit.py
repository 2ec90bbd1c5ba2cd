"""`raygen.fit` of a frame, a table, a Dataset and a path, a Dataset of a model's rows, and a Ray that is
there already and stays as it was."""

import dataclasses
import inspect
import json
import logging
import os
import pickle
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import raygen
from raygen.config import Config
from raygen.errors import ConfigError, SchemaError
from raygen.notebook.fit import HOMES
from raygen.report import redrawn
from raygen.training.job import AFTERWARDS
from tests import processes, untrained
from tests.conftest import TINY

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("here")]
SETTINGS = {name.partition(".")[2]: value for name, value in TINY.items() if "generate" not in name}


def silent(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def frame(table) -> pd.DataFrame:
    """Rows of Adult as people have them in notebooks: an index, a categorical, a nullable integer."""
    rows = pq.ParquetDataset(table).read().to_pandas()[["age", "workclass", "sex", "income"]].copy()
    rows["income"] = rows["income"].astype("category")
    rows["age"] = rows["age"].astype("Int64").mask(np.arange(len(rows)) % 17 == 0)
    return rows.set_index(np.arange(len(rows)) * 2)


@pytest.fixture(scope="module")
def of_frame(frame, local_ray, tmp_path_factory):
    """The run folder of a model of the frame, the model, and what `fit` said."""
    folder, lines = tmp_path_factory.mktemp("fit"), []
    return folder, raygen.fit(frame, folder, lines.append, **SETTINGS), lines


def test_a_frame_gives_a_frame_of_its_types(of_frame, frame):
    folder, model, lines = of_frame
    rows = model.sample(500)
    assert isinstance(rows, pd.DataFrame) and rows.dtypes.equals(frame.dtypes)
    assert set(rows.income) <= set(frame.income) and 10 < rows.age.isna().sum() < 100
    assert isinstance(model.sample(5, to_pandas=False), pa.Table)
    assert isinstance(raygen.load(folder / "model").sample(5), pd.DataFrame)
    assert sum(line.startswith(redrawn.PROGRESS) for line in lines) > 3
    assert any("The rows are in" in line and "/data/frame-" in line for line in lines)
    (kept,) = (folder / "data").iterdir()
    assert str(kept) == model.found.config.data.source


def test_it_is_what_init_and_train_make(of_frame, tmp_path, run_cli):
    _, model, _ = of_frame
    assert run_cli("init", model.found.config.data.source, "-o", tmp_path / "mine.toml")[0] == 0
    config = Config.load(str(tmp_path / "mine.toml")).override({**TINY, "run.folder": str(tmp_path / "run")})
    assert raygen.train(config, silent).fingerprint == model.fingerprint


def test_the_same_call_returns_at_once(of_frame, frame):
    folder, model, _ = of_frame
    lines: list[str] = []
    assert raygen.fit(frame, folder, lines.append, **SETTINGS).fingerprint == model.fingerprint
    assert not any(line.startswith(("step", "Training on")) for line in lines)


def test_tables_datasets_and_paths_give_tables_of_the_same_rows(of_frame, frame, local_ray, tmp_path):
    import ray.data

    rows = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata()
    pq.write_table(rows, tmp_path / "rows.parquet")
    blocks = [rows.slice(first, 700) for first in range(0, rows.num_rows, 700)]
    given = {
        "table": rows,
        "path": tmp_path / "rows.parquet",
        "dataset": ray.data.from_arrow(blocks).map_batches(lambda batch: batch, batch_format="pyarrow"),
    }
    models = {name: raygen.fit(data, tmp_path / name, silent, **SETTINGS) for name, data in given.items()}
    made = {name: model.sample(300) for name, model in models.items()}
    assert all(isinstance(one, pa.Table) and one.equals(made["table"]) for one in made.values())
    assert made["table"].to_pylist() == of_frame[1].sample(300, to_pandas=False).to_pylist()
    written = pq.ParquetDataset(tmp_path / "dataset" / "data" / "dataset").read()
    assert sorted(written.to_pylist(), key=str) == sorted(rows.to_pylist(), key=str)


def test_a_dataset_of_the_rows_of_generate(of_frame, local_ray, free_cpus):
    import ray.data

    model = of_frame[1]
    rows = 300_000
    drawn = model.dataset(rows, num_actors=2, seed=5)
    assert isinstance(drawn, ray.data.Dataset)
    made = pa.concat_tables(
        batch for batch in drawn.iter_batches(batch_size=None, batch_format="pyarrow") if batch.num_rows
    )
    expected = model.sample(rows, seed=5, to_pandas=False)
    assert made.cast(expected.schema).equals(expected)
    free_cpus()
    rich = model.dataset(3000, num_actors=2, where="age > 60", first_row=100).materialize()
    assert rich.count() == 3000 and rich.min("age") > 60
    free_cpus()
    assert rich.take(1)[0] == model.sample(1, where="age > 60", first_row=100, to_pandas=False).to_pylist()[0]
    with pytest.raises(ConfigError, match="num_actors = 0"):
        model.dataset(10, num_actors=0)


def test_a_model_in_map_batches(of_frame, local_ray):
    """What runs afterwards gets none of those processes, whose threads are as TensorFlow chose them."""
    import ray.data

    model = of_frame[1]
    drawn = ray.data.range(2, override_num_blocks=1).map_batches(
        lambda batch: model.sample(len(batch["id"]), to_pandas=False), batch_size=None
    )
    assert drawn.take_all() == model.sample(2, to_pandas=False).to_pylist()
    assert model.dataset(10, num_actors=1, where="age > 60").count() == 10


def test_a_ray_that_is_there_is_used_and_left_as_it_was(frame, local_ray, tmp_path):
    import ray
    from ray.data import DataContext

    context = DataContext.get_current()
    loggers = [logging.getLogger(name) for name in ("ray.data", "ray.train", "ray.tune", "tensorflow")]

    def state():
        levels = [logger.level for logger in loggers]
        options = (context.enable_progress_bars, context.execution_options.preserve_order)
        return levels, options, dict(os.environ), ray.get_runtime_context().get_job_id()

    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.INFO)
    try:
        before = state()
        model = raygen.fit(ray.data.from_pandas(frame.head(500)), tmp_path, silent, **SETTINGS)
        model.sample(10)
        raygen.generate(model, 100, out=str(tmp_path / "out"), say=silent)
        model.dataset(10).count()
        assert state() == before and ray.is_initialized()
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def test_it_evaluates_itself(of_frame, frame):
    folder, model, lines = of_frame[0], of_frame[1], []
    done = model.evaluate(frame.tail(300), rows=600, say=lines.append, sample_rows=100)
    assert 0 < done.scores["c2st"] < 1 and any(line.startswith("C2ST") for line in lines)
    assert done.report.holdout.rows == 300 and done.folder == str(folder / "report")
    assert len(repr(done)) < 200 and done._repr_html_().count("<tr>") > 5
    other = raygen.evaluate(model, [f"{folder}/report/rows-{model.fingerprint[:8]}-600"], say=silent)
    assert other.scores["shape_error"] == pytest.approx(done.scores["shape_error"], abs=2)


def test_ray_train_s_result_and_its_checkpoint(trained, tiny, tmp_path):
    done = raygen.train(tiny(trained.fresh_run(tmp_path), {"train.num_workers": 1}), silent)
    assert raygen.load(done.result.checkpoint).fingerprint == done.fingerprint
    assert raygen.load(done.checkpoint).path == done.model
    assert done.result.metrics["step"] == 60 and done.result.error is None
    assert list(done.result.metrics_dataframe.step)[-1] == 60
    assert "result" not in json.loads(json.dumps(done.to_dict()))
    assert trained.training.result is None
    assert raygen.load(trained.training.checkpoint).fingerprint == trained.training.fingerprint
    assert pickle.loads(pickle.dumps(dataclasses.replace(done, result=None))) == done


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        ({"stepss": 5}, r"fit\(\) has no setting 'stepss'", "did you mean 'steps'"),
        ({"train": {"stps": 5}}, r"unknown setting 'train\.stps'", "did you mean 'train.steps'"),
        ({"train.stps": 5}, r"unknown setting 'train\.stps'", "did you mean 'train.steps'"),
        ({"steps": -1}, r"train\.steps = -1", "optimizer steps"),
        ({"columns": {"agee": "drop"}}, "no column 'agee'", "did you mean 'age'"),
    ],
)
def test_a_wrong_setting_is_told(settings, message, hint, table, tmp_path):
    with pytest.raises((ConfigError, SchemaError), match=message) as caught:
        raygen.fit(str(table), str(tmp_path / "run"), silent, **settings)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1, 2], "data is a list"),
        (pd.DataFrame({"a": [1, "b", 2.0]}), "cannot be read as a table"),
        (pd.DataFrame(), "no columns"),
        (pd.DataFrame({"a": pd.Series([], dtype="float64")}), "row"),
        ("nowhere.parquet", "nowhere.parquet"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_table_is_told(data, message, tmp_path):
    with pytest.raises(SchemaError, match=message):
        raygen.fit(data, tmp_path, silent)


def test_every_setting_of_training_has_a_name_of_its_own_but_one():
    """`columns` is that of the schema; privacy.columns is set by its full name."""
    names = [
        name
        for field, info in Config.model_fields.items()
        if (info.alias or field) not in AFTERWARDS
        for name in type(info.default).model_fields
        if name not in ("folder", "source")
    ]
    assert sorted(names) == sorted([*HOMES, "columns"]) and HOMES["columns"] == "schema.columns"
    assert set(inspect.signature(raygen.fit).parameters) == {"data", "folder", "say", *HOMES}


PROGRAM = """
import os, ray, sys, raygen
from raygen.cluster import connection
names = connection.ENVIRONMENT | connection.DRIVER_ENVIRONMENT
model, before = raygen.load(sys.argv[1]), [os.environ.get(name) for name in names]
lazy = model.dataset(3000, num_actors=1)
rows = lazy.materialize()
assert ray.is_initialized() and [os.environ.get(name) for name in names] == before
stored = sum(node["Resources"]["object_store_memory"] for node in ray.nodes())
assert stored <= connection.OBJECT_STORE_BYTES, stored
print(rows.count(), rows.take(1)[0] == model.sample(1, to_pandas=False).to_pylist()[0])
with connection.connected():
    pass
assert ray.is_initialized(), "what others find is left to those who came before"
print(lazy.count())
"""


def test_a_dataset_starts_ray_as_all_else_does_and_leaves_it(tmp_path):
    """It is drawn later, so that Ray runs as long as the process."""
    model = untrained.save(tmp_path / "model")
    with processes.commands() as begin:
        done = begin(sys.executable, "-c", PROGRAM, model)
        assert done.finish() == 0, done.output
    assert "3000 True\n" in done.output and done.output.endswith("3000\n"), done.output
    assert "Started a local Ray instance" not in done.output


def test_a_dataset_tells_of_a_cluster_that_is_not_there(tmp_path):
    program = (
        "import sys, raygen\n"
        "try:\n    raygen.load(sys.argv[1]).dataset(3)\n"
        "except raygen.RaygenError as error:\n    print(error)"
    )
    with processes.commands() as begin:
        model = untrained.save(tmp_path / "model")
        done = begin(sys.executable, "-c", program, model, env={"RAY_ADDRESS": "127.0.0.1:9"})
        assert done.finish() == 0, done.output
    assert "RAY_ADDRESS = '127.0.0.1:9' cannot be reached" in done.output
