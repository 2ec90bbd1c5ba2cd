"""Values of few rows are in no file of a run and in no generated row."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import raygen
from raygen.config import Config
from raygen.table.part import Part
from raygen.training import encoding
from tests import planted

pytestmark = pytest.mark.ray
ROWS, DRAWN = 3000, 100_000
SMALL = {
    "train.num_workers": 0,
    "train.steps": 40,
    "model.hidden_units": [16],
    "model.latent_dim": 3,
    "model.prior_components": 4,
    "latent.flow_steps": 20,
    "latent.mixture_components": 4,
    "latent.proposal_steps": 20,
}
NO_MORE = {"latent.report": False, "latent.density_ratio": False, "latent.proposal_steps": 0}


def config(table: pa.Table, folder: Path, **settings) -> Config:
    path = folder / "t.parquet"
    pq.write_table(table, path)
    return Config().override({"data.source": str(path), "run.folder": str(folder / "run")} | SMALL | settings)


@pytest.fixture(scope="module")
def run(local_ray, tmp_path_factory):
    """A run on the planted table: its config, and what was told."""
    told: list[str] = []
    made = config(planted.table(ROWS), tmp_path_factory.mktemp("planted"))
    raygen.train(made, told.append)
    return made, told


def test_no_file_of_a_run_holds_what_few_rows_have(run):
    found = planted.found_below(Path(run[0].run.folder))
    assert not found, found[:20]


def test_no_generated_row_holds_what_few_rows_have(run):
    made, _ = run
    drawn = pa.table(raygen.sample(str(Path(made.run.folder) / "model"), DRAWN))
    real = pq.read_table(made.data.source)
    assert drawn.num_rows == DRAWN
    for name in planted.COLUMNS:
        column = drawn[name].combine_chunks()
        texts = set(pc.unique(column.cast(pa.string())).to_pylist())
        assert not texts & set(planted.SECRETS), name
        if pa.types.is_dictionary(column.type):
            assert not set(column.dictionary.to_pylist()) & set(planted.SECRETS), name
        few = real[name].slice(ROWS - planted.FEW, 1).cast(pa.string())[0].as_py()
        assert few not in texts, (name, few)


def test_what_was_merged_is_told(run):
    lines = [line for line in run[1] if "fewer than 8 rows" in line]
    assert any(
        line.startswith("Note: column 'city': 1 of 21 categories have fewer than 8 rows and are merged into")
        for line in lines
    ), lines


def test_the_walk_finds_what_is_not_protected(local_ray, tmp_path):
    made = config(planted.table(ROWS), tmp_path, **NO_MORE, **{"privacy.min_rows": 1})
    raygen.train(made, lambda line: None)
    found = "\n".join(planted.found_below(Path(made.run.folder) / "model"))
    for secret in ("Zebediah Quux", "Quuxville", "Quuxland", "quux-level", str(planted.SALARY)):
        assert secret in found, secret


@pytest.mark.parametrize("rows", [10, 40, 200])
def test_a_small_table_trains_with_what_is_left(rows, local_ray, tmp_path):
    rng = np.random.default_rng(rows)
    table = pa.table(
        {
            "name": [f"n{k}" for k in range(rows)],
            "sex": rng.choice(["f", "m"], rows),
            "age": rng.integers(18, 90, rows),
            "pay": rng.normal(size=rows).round(3),
            "born": pa.array(rng.integers(0, 9000, rows).astype(np.int32), pa.date32()),
            "boss": np.arange(rows) < 3,
        }
    )
    told: list[str] = []
    kinds = {f"schema.columns.{name}": "categorical" for name in ("name", "sex")}
    kinds |= {"schema.columns.age": "numeric", "schema.columns.pay": "numeric"}
    kinds |= {"schema.columns.born": "datetime", "schema.columns.boss": "boolean"}
    raygen.train(config(table, tmp_path, **kinds, **NO_MORE), told.append)
    drawn = pa.table(raygen.sample(str(tmp_path / "run" / "model"), 300))
    assert set(drawn["name"].to_pylist()) == {"_rare_"}
    assert any("column 'name': all" in line and "are '_rare_', 100 % of" in line for line in told), told
    assert any(f"of {rows} rows, numbers and moments keep at most" in line for line in told), told


def test_a_unit_counts_people(local_ray, tmp_path):
    """A town of 30 rows is of three customers, another one of thirty."""
    rows = 900
    rng = np.random.default_rng(0)
    customer = [f"k{k // 10}" if k < 30 else f"k{k}" for k in range(rows)]
    town = ["Quux"] * 30 + ["Busy"] * 100 + list(rng.choice(["A", "B"], rows - 130))
    table = pa.table({"customer": customer, "town": town, "x": rng.normal(size=rows)})
    kinds = {"customer": "id", "town": "categorical", "x": "numeric"}
    settings = {f"schema.columns.{name}": kind for name, kind in kinds.items()}
    told: list[str] = []
    members = {}
    for unit in ("", "customer"):
        made = config(table, tmp_path, **settings, **{"privacy.unit": unit})
        members[unit] = set(encoding.encode(made.settled(), told.append).codec.blocks[Part("town")].members)
    assert members[""] == {"Quux", "Busy", "A", "B"} and members["customer"] == {"Busy", "A", "B"}
    line = "privacy.unit = 'customer': 873 of them have 10 rows at most, so that 80 rows stand for 8 of them."
    assert line in told
