"""`raygen init`: the config it writes loads again with the same settings and kinds, whatever the columns are
called."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raygen.commands.init import init, looked
from raygen.config import Config
from raygen.config_toml import TITLES
from raygen.errors import OutputError, SchemaError
from raygen.table.schema import infer
from tests import planted

ROWS = 40
NAMES = [
    "plain",
    "under_score-9",
    "with space",
    "dots.in.name",
    'double "quotes"',
    "single 'quotes'",
    "back\\slash \\u0041",
    "new\nline\r\ttab",
    "# comment = 1",
    "[section]",
    "\u00e4\u00df\u4e2d\U0001f600\u2028",
    "\x00\x01\x1f\x7f\x80",
    "",
    " ",
    "-",
    "true",
    "1979-05-27",
    "columns",
]


def written(path: Path, table: pa.Table, name="t.parquet", **options) -> str:
    """Run init on a table; the path of its config."""
    pq.write_table(table, path / name)
    return str(init(str(path / name), str(path / "c.toml"), **options))


def test_any_column_name(tmp_path):
    draws = np.random.default_rng(0)
    columns = [
        draws.choice(["a", "b"], ROWS),
        draws.normal(size=ROWS),
        np.arange(ROWS),
        [b""] * ROWS,
        [True] * ROWS,
    ]
    table = pa.Table.from_arrays(
        [pa.array(columns[i % len(columns)]) for i in range(len(NAMES))], names=NAMES
    )
    config = Config.load(written(tmp_path, table))
    assert config.schema_.columns == infer(table)[0]
    assert list(config.schema_.columns) == NAMES
    assert set(config.schema_.columns.values()) == {"categorical", "numeric", "id", "drop", "boolean"}


def test_settings_are_the_defaults_with_a_comment_each(tmp_path):
    path = written(tmp_path, pa.table({"x": [1.5, 2.5] * 10}))
    expected = {
        "data.source": str(tmp_path / "t.parquet"),
        "run.folder": "runs/c",
        "schema.columns": {"x": "numeric"},
        "schema.relations": [],
    }
    assert Config.load(path) == Config().override(expected)
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    assert all("#" in line for line in lines if line)
    settings = tomllib.loads("\n".join(lines))
    assert {section: set(settings[section]) for section in settings} == {
        s: set(v) for s, v in Config().to_dict().items()
    }
    assert set(TITLES) == set(settings)


def test_no_value_of_few_rows_is_in_the_config(tmp_path):
    text = Path(written(tmp_path, planted.table(600))).read_text(encoding="utf-8")
    assert not [one for one in planted.shown() if one in text]
    source = {"data.source": str(tmp_path / "t.parquet"), "schema.find_relations": False}
    config = Config().override({**source, "privacy.public": ["salary", "born"]})
    told = " ".join(looked(config).described.values())
    assert {"9876543.21", "1803-02-04"} <= {one for one in planted.shown() if one in told}


def test_notes_are_beside_the_kinds_and_cannot_break_the_file(tmp_path):
    inner = pa.array([{"a\nb = 1": 1}] * ROWS)
    table = pa.table(
        {
            "key": np.arange(ROWS),
            "same": ["x"] * ROWS,
            "inner": inner,
            "x": np.random.default_rng(0).normal(size=ROWS),
        }
    )
    path = written(tmp_path, table)
    text = Path(path).read_text(encoding="utf-8")
    assert (
        f'key = "id"  # int64, {ROWS} values, about 3 to 35: every row has its own number; numbered anew\n'
        in text
    )
    assert 'same = "categorical"  # string, 1 value: is constant\n' in text
    assert f'x = "numeric"  # double, {ROWS} values, ' in text
    assert Config.load(path).schema_.columns["inner"] == "drop"


@pytest.mark.parametrize(
    "name", ["\u00e4 \U0001f600 'x' \"y\" \\n.parquet", "a#b%20c.parquet", "x\x7f.parquet"]
)
def test_any_path(tmp_path, name):
    config = Config.load(written(tmp_path, pa.table({"x": [1.5, 2.5] * 10}), name))
    assert config.data.source == str(tmp_path / name)


@pytest.mark.parametrize(
    ("source", "out", "folder"),
    [
        ("census.csv.gz", "raygen.toml", "runs/census"),
        ("folder/", "raygen.toml", "runs/folder"),
        (".", "raygen.toml", "runs/table"),
        (".", "a.b.toml", "runs/a.b"),
    ],
)
def test_the_run_folder_is_named_by_the_config_or_by_the_source(tmp_path, monkeypatch, source, out, folder):
    monkeypatch.chdir(tmp_path)
    rows = "x\n" + "1.5\n2.5\n" * 10
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.csv").write_text(rows)
    pa.output_stream("census.csv.gz", compression="gzip").write(rows.encode())
    assert Config.load(str(init(source, out))).run.folder == folder


def test_a_file_that_is_there_already(tmp_path):
    table = pa.table({"x": [1.5, 2.5] * 10})
    (tmp_path / "c.toml").write_text("mine")
    with pytest.raises(OutputError) as caught:
        written(tmp_path, table)
    assert caught.value.message == f"'{tmp_path}/c.toml' exists already."
    assert caught.value.hint == "choose another file with -o, or replace it with --force."
    assert (tmp_path / "c.toml").read_text() == "mine"
    assert Config.load(written(tmp_path, table, force=True)).schema_.columns == {"x": "numeric"}


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("nowhere/c.toml", "No such file or directory"),
        ("t.parquet/c.toml", "Not a directory"),
        (".", "Is a directory"),
    ],
)
def test_a_place_that_cannot_be_written(tmp_path, out, reason):
    pq.write_table(pa.table({"x": [1.5, 2.5] * 10}), tmp_path / "t.parquet")
    with pytest.raises(OutputError, match=f"cannot be written: {reason}"):
        init(str(tmp_path / "t.parquet"), str(tmp_path / out), force=True)


TABLES = {
    "no rows": (pa.table({"x": pa.array([], pa.float64())}), "has no rows; at least 10 are needed"),
    "one row": (pa.table({"x": [1.5]}), "has 1 row; at least 10 are needed"),
    "nine rows": (pa.table({"x": [1.5] * 9}), "has 9 rows; at least 10 are needed"),
    "row numbers alone": (
        pa.table({"key": range(20)}),
        "has no column to learn: all are of kind id, fake or drop. Found: key (1).",
    ),
    "bytes alone": (pa.table({"blob": [b"x"] * 20}), "has no column to learn"),
    "a name twice": (
        pa.Table.from_arrays([pa.array([1.5] * 20)] * 2, names=["a", "a"]),
        "more than one column 'a'",
    ),
    "no columns": (pa.table({}), "has no columns"),
}


@pytest.mark.parametrize(("table", "message"), TABLES.values(), ids=TABLES)
def test_tables_that_cannot_be_learned(tmp_path, table, message):
    with pytest.raises(SchemaError) as caught:
        written(tmp_path, table)
    assert message in caught.value.message
    assert caught.value.hint
    assert not (tmp_path / "c.toml").exists()


@pytest.mark.parametrize(
    "column",
    [[7] * 10, pa.nulls(10), pa.nulls(10, pa.int8()), np.arange(10) / 7],
    ids=["constant", "null", "no values", "distinct"],
)
def test_ten_rows_of_one_column_are_enough(tmp_path, column):
    assert list(Config.load(written(tmp_path, pa.table({"x": column}))).schema_.columns) == ["x"]


def test_the_tables_of_the_package_and_their_kinds():
    from importlib import resources

    adult = pq.read_table(resources.files("raygen") / "datasets" / "adult.parquet")
    kinds, notes = infer(adult)
    assert json.dumps(sorted(set(kinds.values()))) == '["categorical", "numeric"]'
    assert not notes


def test_columns_of_many_rare_values_are_named_and_no_relation_names_one(tmp_path):
    draws, rows = np.random.default_rng(0), 600
    town = [f"t{k % 6}" for k in range(rows - 5)] + ["Quux"] * 5
    table = pa.table(
        {
            "job": [f"job {k}" if k % 3 else f"rare {k // 6}" for k in range(rows)],
            "sex": draws.choice(["f", "m"], rows),
            "town": town,
            "bonus": np.where(np.isin(town, ["t0", "Quux"]), np.nan, draws.integers(1, 10**6, rows)),
        }
    )
    told: list[str] = []
    init_path = written(tmp_path, table, say=told.append)
    (line,) = [line for line in told if "privacy.public" in line]
    assert line.startswith("Note: job = 'categorical': ") and "fewer than 8 of 600 rows" in line
    assert "together 100 %: " in line and "draws _rare_ instead" in line
    assert Config.load(init_path).privacy == Config().privacy
    named = str(Config.load(init_path).schema_.relations)
    assert "Quux" not in named
    without = table.filter(pa.array([one != "Quux" for one in town]))
    assert "bonus" in str(
        Config.load(written(tmp_path, without, force=True, say=told.append)).schema_.relations
    )
