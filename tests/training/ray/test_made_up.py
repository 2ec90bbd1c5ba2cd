"""Columns of kind fake from the table to the rows: what is told, what a model folder holds of them, rows that
do not depend on actors, and what reads them."""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import raygen
from raygen.commands.inspect_model import inspect
from raygen.errors import ConfigError
from raygen.evaluation import driver as evaluation
from raygen.model import folder as model_folder
from raygen.table.part import Part
from raygen.training import encoding
from tests.conftest import TINY

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("here")]
ROWS = 1200
SECRET = "Zebulon Planted"
FAKE = {"name": "name", "mail": "email", "card": "card", "code": r"regex:[A-Z]{3}\d{4}"}


def silent(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def made(local_ray, tmp_path_factory):
    """A model of a table with made-up columns, and what its training said."""
    folder, n = tmp_path_factory.mktemp("made"), np.arange(ROWS)
    (folder / "table").mkdir()
    table = pa.table(
        {
            "name": pa.array([f"{SECRET} {i}" for i in n], mask=n % 4 == 0),
            "mail": [f"zebulon.planted{i}@secret.example" for i in n],
            "card": pa.array(4 * 10**15 + n * 37),
            "code": [f"ABC{i:04}" for i in n],
            "x": np.round(np.sin(n), 2),
            "kind": np.array(["a", "b", "c"])[n % 3],
        }
    )
    for i in (0, 1):
        pq.write_table(table.slice(600 * i, 600), folder / "table" / f"{i}.parquet")
    kinds = dict.fromkeys(FAKE, "fake") | {"x": "numeric", "kind": "categorical"}
    settings = {**TINY, "schema.columns": kinds, "schema.fake": FAKE, "train.steps": 30}
    settings |= {"data.source": str(folder / "table"), "run.folder": str(folder / "run")}
    settings |= {"generate.rows": 5000, "generate.rows_per_shard": 1100, "evaluate.sample_rows": 100}
    config, lines = raygen.Config().override(settings), []
    return config, raygen.train(config, lines.append), lines


def hashes(folder) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in Path(folder).glob("*.parquet")
    }


def test_what_is_in_common_is_told(made):
    config, _, lines = made
    notes = [line for line in lines if " is made up " in line]
    assert len(notes) == len(FAKE)
    assert (
        "Note: column 'name' is made up (name): 0 of its pool of 10,000 values are in the table too." in notes
    )
    assert any(f"(card): {ROWS:,} rows of the table have a value of this form" in line for line in notes)
    assert any(f"{ROWS:,} rows of the table have a value of this form, of 1.76e+08" in line for line in notes)
    assert set(encoding.encode(config, silent).notes) == set(FAKE), "and again by who finds it encoded"


def test_training_ends_by_what_to_guard(made):
    encoded = str(Path(made[0].run.folder) / "encoded")
    assert (
        made[2][-1].startswith(f"Note: '{encoded}/")
        and "guard it like the table, or delete it" in made[2][-1]
    )


def test_the_model_holds_nothing_of_them(made):
    model = Path(made[1].model)
    content = b"".join(path.read_bytes() for path in model.iterdir())
    assert b"Zebulon" not in content and b"secret.example" not in content
    found = model_folder.load(str(model))
    assert set(found.codec.blocks) == {Part("x"), Part("kind"), Part("name")}


def test_rows_do_not_depend_on_actors_and_resume(made, tmp_path):
    config, training, _ = made
    one = raygen.generate(config, out=str(tmp_path / "one"), say=silent)
    two = config.override({"generate.num_actors": 2, "generate.rows": 3000})
    raygen.generate(two, out=str(tmp_path / "two"), say=silent)
    raygen.generate(two.override({"generate.rows": 5000}), out=str(tmp_path / "two"), say=silent)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two") and len(hashes(tmp_path / "one")) == 5
    rows = pq.read_table(tmp_path / "one").select(list(FAKE))
    assert raygen.sample(training.model, 700, first_row=2000).select(list(FAKE)).equals(rows.slice(2000, 700))
    assert one.rows == rows.num_rows == 5000
    share = rows["name"].null_count / 5000
    assert 0.15 < share < 0.35
    assert not [
        text for name in ("name", "mail") for text in rows[name].to_pylist() if "Zebulon" in str(text)
    ]
    assert all(len(rows[name].unique()) == 5000 for name in ("mail", "card", "code"))
    other = raygen.sample(training.model, 700, seed=1, first_row=2000)
    assert not other["code"].equals(rows["code"].slice(2000, 700))


def test_what_reads_columns_understands_them(made, tmp_path):
    config, training, _ = made
    lines: list[str] = []
    columns = inspect(training.model, lines.append)["columns"]
    assert columns["name"] == {"kind": "fake", "type": "string", "codes": "name, en_US, missing"}
    assert columns["code"]["codes"] == r"regex:[A-Z]{3}\d{4}, en_US"
    for option in ({"where": "name = 'x'"}, {"where": "mail IS NULL"}, {"per": "code=10"}):
        with pytest.raises(ConfigError, match=r"column '\w+' is of kind fake, which is not learned"):
            raygen.sample(training.model, **({} if "per" in option else {"n": 10}), **option)
    with pytest.raises(ConfigError, match="column 'name' is of kind fake"):
        out = config.override({"generate.partition_by": ["name"]})
        raygen.generate(out, out=str(tmp_path / "cut"), say=silent)
    raygen.generate(config.override({"generate.rows": 400}), say=silent)
    report = evaluation.evaluate(config, say=silent).report
    text = report.model_dump_json()
    assert not report.runs[0].problems and report.real.columns == 2
    assert '"kind"' in text and "Zebulon" not in text
