"""Completed and scored files: the same rows as in memory, resumed, and told."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.dataset as pads
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

import raygen
from raygen import cli
from raygen.errors import ConfigError, OutputError, SchemaError
from tests import untrained
from tests.completion.test_completed import RELATIONS, holes
from tests.relations import every_use

pytestmark = pytest.mark.slow


def silent(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return untrained.save(tmp_path_factory.mktemp("plain") / "model")


@pytest.fixture(scope="module")
def partial():
    return holes(untrained.table(300), 0.3).drop_columns(["flag"])


@pytest.fixture(scope="module")
def whole(model, partial):
    """The rows, completed in memory."""
    return raygen.complete(model, partial, say=silent)


@pytest.fixture
def file(partial, tmp_path):
    pq.write_table(partial, tmp_path / "partial.parquet", row_group_size=70)
    return str(tmp_path / "partial.parquet")


def rows_of(folder) -> pa.Table:
    return pads.dataset([str(p) for p in sorted(folder.rglob("*.parquet"))]).to_table()


def test_files_hold_what_is_completed_in_memory(model, whole, file, tmp_path):
    done = raygen.complete(model, file, str(tmp_path / "out"), silent, rows_per_shard=128)
    assert (done.rows, done.shards, done.kept) == (300, 3, 0) and done.told["rows"] == 300
    assert rows_of(tmp_path / "out").equals(whole)
    assert json.loads((tmp_path / "out" / "_manifest.json").read_text())["holds_given_cells"] is True
    again = raygen.complete(model, file, str(tmp_path / "out"), silent, rows_per_shard=128)
    assert again.kept == 3
    (tmp_path / "out" / "part-00000001.parquet").unlink()
    assert raygen.complete(model, file, str(tmp_path / "out"), silent, rows_per_shard=128).kept == 2


def test_the_command_writes_one_file(model, partial, file, tmp_path, capsys):
    out = tmp_path / "whole.csv"
    assert cli.main(["complete", model, file, "--out", str(out), "--draws", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["rows"] == 600 and told["folder"] == str(out)
    assert csv.read_csv(out)["draw"].to_pylist()[:4] == [1, 2, 1, 2]


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "feather"])
def test_every_format_that_is_read_is_completed(model, partial, whole, tmp_path, ending):
    path = tmp_path / f"partial.{ending}"
    frame = partial.to_pandas()
    if ending == "feather":
        feather.write_feather(partial, str(path))
    elif ending == "jsonl":
        frame.to_json(path, orient="records", lines=True, date_format="iso")
    else:
        frame.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",")
    raygen.complete(model, str(path), str(tmp_path / "out"), silent)
    made = rows_of(tmp_path / "out")
    assert made["letter"].equals(whole["letter"]) and made["flag"].equals(whole["flag"])
    assert np.allclose(made["number"].to_numpy(), whole["number"].to_numpy())


def test_another_completion_of_the_folder_is_refused(model, file, tmp_path):
    raygen.complete(model, file, str(tmp_path / "out"), silent)
    with pytest.raises(OutputError, match="holds shards of another generation"):
        raygen.complete(model, file, str(tmp_path / "out"), silent, seed=1)


def test_mistakes_are_told(model, partial, tmp_path):
    pq.write_table(partial.slice(0, 0), tmp_path / "empty.parquet")
    with pytest.raises(SchemaError, match="has no rows to complete"):
        raygen.complete(model, str(tmp_path / "empty.parquet"), say=silent)
    with pytest.raises(ConfigError, match=r"complete\(\) has no setting 'draw'"):
        raygen.complete(model, partial, say=silent, draw=2)
    for verb in (raygen.complete, raygen.score):
        with pytest.raises(SchemaError, match=r"data is a list: expected a DataFrame"):
            verb(model, [1, 2], say=silent)
    with pytest.raises(SchemaError, match="has no rows to score"):
        raygen.score(model, str(tmp_path / "empty.parquet"), say=silent)
    with pytest.raises(ConfigError, match="top = -1"):
        raygen.score(model, partial, top=-1, say=silent)
    pq.write_table(partial, tmp_path / "partial.parquet")
    with pytest.raises(OutputError, match="no file of scores"):
        raygen.score(model, str(tmp_path / "partial.parquet"), str(tmp_path / "out"), say=silent)


def test_scores_of_files_are_those_of_rows_in_memory(model, tmp_path, capsys):
    rows = untrained.table(200)
    pq.write_table(rows, tmp_path / "rows.parquet", row_group_size=60)
    out = tmp_path / "scores.parquet"
    assert cli.main(["score", model, str(tmp_path / "rows.parquet"), "--out", str(out), "--top", "3"]) == 0
    said = capsys.readouterr().out
    wanted = raygen.score(model, rows, say=silent)
    assert pq.read_table(out).equals(wanted)
    least = int(np.argmin(wanted["log_likelihood"].to_numpy()))
    assert f"{least:>10,}  " in said and "nats a row over 200 rows" in said
    frame = raygen.load(model).score(rows.to_pandas(), by_column=True, say=silent)
    assert list(frame.columns)[3:] == [f"surprise_{name}" for name in ("number", "moment", "letter", "flag")]
    assert (frame["surprise_flag"] > -0.5).all()


def test_rows_that_break_a_rule_come_first(tmp_path):
    planted = every_use.table(800)
    tied = untrained.save(tmp_path / "model", planted, relations=RELATIONS)
    wrong = planted["total"].to_numpy().copy()
    wrong[17] += 1.0
    rows = planted.set_column(planted.schema.get_field_index("total"), "total", pa.array(wrong)).slice(0, 100)
    pq.write_table(rows, tmp_path / "rows.parquet")
    found = raygen.score(tied, str(tmp_path / "rows.parquet"), top=2, say=silent)
    assert found.breaking == 1 and found.top[0]["row"] == 17
    assert found.top[0]["breaks"] == "total = price + tax" and found.top[1]["breaks"] == ""
    assert np.isfinite(found.top[0]["log_likelihood"])
