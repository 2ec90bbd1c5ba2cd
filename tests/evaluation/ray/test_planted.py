"""No figure, name or example of an evaluation's files is what few real rows have."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import raygen
from tests import planted
from tests.conftest import TINY
from tests.evaluation.ray.conftest import quick, silent

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("here")]
ROWS = 3000


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> str:
    """The planted table, with a number that is another one in each row."""
    path = tmp_path_factory.mktemp("planted") / "t.parquet"
    table = planted.table(ROWS)
    order = np.random.default_rng(1).permutation(ROWS)  # those of the end would all be held out, or none
    table = pa.table(dict(zip(table.column_names, (c.take(order) for c in table.columns), strict=True)))
    weight = np.random.default_rng(2).normal(70, 9, ROWS) * 1000
    pq.write_table(table.append_column("weight", pa.array(weight)), path)
    return str(path)


def figures(value) -> list[float]:
    """All numbers of a report but those of its config."""
    if isinstance(value, dict):
        return [number for key, one in value.items() if key != "config" for number in figures(one)]
    if isinstance(value, list):
        return [number for one in value for number in figures(one)]
    return [float(value)] if isinstance(value, int | float) else []


def assert_nothing_of_few(folder: Path, source: str) -> None:
    files = sorted(path.name for path in folder.rglob("*"))
    assert files == ["index.html", "report.json"]
    found = planted.found_below(folder)
    assert not found, found[:20]
    page = (folder / "index.html").read_text()
    assert not [text for text in planted.shown() if text in page]
    weights = set(pq.read_table(source)["weight"].to_pylist())
    assert not weights & set(figures(json.loads((folder / "report.json").read_text())))


@pytest.fixture(scope="module")
def run(source, local_ray, tmp_path_factory) -> raygen.Config:
    """The config of a run on the planted table, with its rows."""
    settings = TINY | {"run.folder": str(tmp_path_factory.mktemp("run")), "latent.report": True}
    config = quick(source, **settings)
    raygen.train(config, silent)
    raygen.generate(config, 2000, say=silent)
    return config


def test_a_run_beside_the_rows_that_it_learned(run, source, tmp_path):
    raygen.evaluate(run.override({"evaluate.target": "salary"}), out=str(tmp_path), say=silent)
    assert_nothing_of_few(tmp_path, source)


def test_anybodys_rows_beside_others(run, source, tmp_path):
    """Half of the planted rows lie on either side."""
    rows, paths = pq.read_table(source), [str(tmp_path / f"{k}.parquet") for k in range(2)]
    for k, path in enumerate(paths):
        pq.write_table(rows.take(np.arange(k, ROWS, 2)), path)
    settings = {"evaluate.holdout": paths[1], "evaluate.target": "level", "privacy.min_rows": 1}
    made, out = str(Path(run.run.folder) / "synthetic"), tmp_path / "out"
    raygen.evaluate(quick(paths[0], **settings), [made], str(out), say=silent)
    assert_nothing_of_few(out, source)
