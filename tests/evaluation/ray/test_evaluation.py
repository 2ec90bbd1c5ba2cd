"""Evaluation on a real local Ray: what is read, what is refused, what is left behind."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import raygen
from raygen.errors import ConfigError, SchemaError
from raygen.evaluation import real_rows
from raygen.model import folder as model_folder
from raygen.report.evaluation import sentences
from raygen.report.evaluation.record import Report, Run, read
from raygen.sampling.rows import Rows
from raygen.score_catalogue import SCORES
from tests.evaluation.ray.conftest import quick, silent

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("here")]


@pytest.fixture(scope="module")
def synthetic(trained, here, tmp_path_factory) -> Path:
    """1,500 rows in three shards, with their manifest."""
    folder = tmp_path_factory.mktemp("rows") / "synthetic"
    raygen.generate(
        trained.config.override({"generate.rows": 1500, "generate.rows_per_shard": 600}),
        out=str(folder),
        say=silent,
    )
    return folder


@pytest.fixture(scope="module")
def few(table, tmp_path_factory) -> str:
    """300 real rows, for tests of other things than scores."""
    path = tmp_path_factory.mktemp("few") / "real.parquet"
    pq.write_table(pq.read_table(table).slice(0, 300), path)
    return str(path)


GATE = {"c2st": 0.5}


@pytest.fixture(scope="module")
def reported(real, synthetic, tmp_path_factory) -> Report:
    """The report of the 1,500 rows beside all real ones, as anybody's."""
    folder = tmp_path_factory.mktemp("reported")
    return raygen.evaluate(quick(real), [str(synthetic)], str(folder), GATE, say=silent).report


def test_a_run_is_evaluated_against_rows_it_learned_and_rows_it_did_not(trained, synthetic, tmp_path):
    lines = []
    config = trained.config.override({"evaluate.target": "income"})
    done = raygen.evaluate(
        config, [str(synthetic)], str(tmp_path / "out"), {"c2st": 0.0}, {"shape_error": 0.0}, say=lines.append
    )
    report = read((tmp_path / "out" / "report.json").read_text())
    assert report == done.report and report.format == 2
    assert not done.passed and [rule.passed for rule in report.gate] == [True, False]
    (run,) = report.runs
    assert (run.name, run.rows, run.problems) == ("synthetic", 1500, [])
    assert report.real.rows + report.holdout.rows == 2000
    assert list(run.scores) == list(SCORES)
    assert run.memory_rows == report.holdout.rows and run.scores["memory"].low is not None
    assert run.budget.rows == report.holdout.rows and run.budget.resynthesised.c2st is not None
    assert run.latent.chosen == model_folder.load(trained.model).sampler
    assert len(run.columns) == 15
    assert report.holdout.chose_model and real_rows.CHOSE_MODEL in report.notes
    page = (tmp_path / "out" / "index.html").read_text()
    assert "capital_gain" in page and 'src="http' not in page and 'href="http' not in page
    assert f"{run.memory_rows:,} unseen rows" in page and "not quite unseen" in page


def test_rows_that_were_chosen_are_compared_with_a_note_and_without_a_budget(trained, tmp_path):
    lines, folder = [], tmp_path / "rows"
    given = {"where": "age < 60 AND income = '>50K'", "temperature": 0.8}
    raygen.generate(trained.config, 600, out=str(folder), say=silent, **given)
    report = raygen.evaluate(
        trained.config,
        [str(folder)],
        str(tmp_path / "out"),
        say=lines.append,
    ).report
    how = "where = \"age < 60 AND income = '>50K'\", temperature = 0.8"
    note = f"the rows of '{folder}' were generated with {how}, and are compared with all real rows."
    assert note in report.notes and f"Note: {note}" in lines
    assert report.runs[0].budget is None and report.runs[0].latent
    assert "are compared with all real rows." in (tmp_path / "out" / "index.html").read_text()


def test_anybodys_rows_side_by_side(real, reported, tmp_path):
    rows = pq.read_table(real)
    pq.write_table(rows, tmp_path / "copy.parquet")
    shuffled = {
        n: rows[n].take(np.random.default_rng(i).permutation(len(rows)))
        for i, n in enumerate(rows.column_names)
    }
    pq.write_table(pa.table(shuffled), tmp_path / "shuffled.parquet")
    paths = [str(tmp_path / "copy.parquet"), str(tmp_path / "shuffled.parquet")]
    done = raygen.evaluate(quick(real), paths, str(tmp_path / "out"), say=silent)
    copy, shuffled = (run.scores for run in done.report.runs)
    ours = reported.runs[0].scores
    assert copy["shape_error"].value == copy["trend_error"].value == 0
    assert shuffled["shape_error"].value < 1e-9 and shuffled["trend_error"].value > 15
    assert copy["c2st"].value > 0.9 > 0.5 > shuffled["c2st"].value
    assert "dcr_share" not in ours  # no rows are known that anybody's rows were made without
    assert any("copying cannot be told" in note for note in done.report.notes)


def test_rows_decoded_by_argmax_are_caught_by_shape_and_coverage(trained, real, reported, tmp_path):
    """The same model and z: the most likely code of every column, in turn, instead of a draw from its
    softmax."""
    coldest = Rows(model_folder.load(trained.model), seed=0, temperature=1e-3)
    pq.write_table(coldest.table(0, 1500), tmp_path / "argmax.parquet")
    rows = [str(tmp_path / "argmax.parquet")]
    report = raygen.evaluate(quick(real), rows, str(tmp_path / "out"), say=silent).report
    argmax, drawn = (each.runs[0].scores for each in (report, reported))
    assert argmax["shape_error"].value > 3 * drawn["shape_error"].value
    assert argmax["category_coverage"].value < drawn["category_coverage"].value - 0.1


def test_the_same_input_gives_the_same_report(real, synthetic, reported, tmp_path):
    again = raygen.evaluate(quick(real), [str(synthetic)], str(tmp_path), GATE, say=silent).report
    assert again.model_copy(update={"seconds": reported.seconds}) == reported


def test_verdict_and_gate_do_not_hang_on_sample_rows(real, synthetic, reported, tmp_path):
    settings, many = {"evaluate.sample_rows": 400}, reported
    few = raygen.evaluate(quick(real, **settings), [str(synthetic)], str(tmp_path), GATE, say=silent).report
    assert few.runs[0].scores == many.runs[0].scores and few.gate == many.gate
    assert sentences.verdict(few) == sentences.verdict(many)
    assert few.scored_rows == 10_000 and few.runs[0].scores["c2st"].rows == few.gate[0].rows == 1500
    assert few.runs[0].c2st_of_sample.rows == 400 and many.runs[0].c2st_of_sample is None
    assert few.runs[0].c2st_of_sample.value != few.runs[0].scores["c2st"].value


def damaged(synthetic, tmp_path) -> Path:
    return Path(shutil.copytree(synthetic, tmp_path / "damaged"))


@pytest.fixture(scope="module")
def wrong(few, synthetic, tmp_path_factory) -> list[Run]:
    """What the report says of runs that are wrong in ways that can still be compared, side by side: a folder
    whose manifest disagrees, a column too many and one of another type, another category."""
    tmp_path = tmp_path_factory.mktemp("wrong")
    folder = damaged(synthetic, tmp_path)
    (folder / "part-00000001.parquet").unlink()
    first = pq.read_table(folder / "part-00000000.parquet")
    pq.write_table(first.slice(0, 10), folder / "part-00000000.parquet")
    pq.write_table(first.slice(0, 0), folder / "empty.parquet")
    rows = pq.read_table(synthetic)
    retyped = rows.set_column(0, "age", pc.cast(rows["age"], pa.float32()))
    retyped = retyped.append_column("more", pa.array(np.zeros(len(rows))))
    pq.write_table(retyped, tmp_path / "retyped.parquet")
    at = rows.column_names.index("sex")
    robots = rows.set_column(at, "sex", pa.array(["Robot"] * len(rows)))
    pq.write_table(robots, tmp_path / "robots.parquet")
    paths = [str(folder), str(tmp_path / "retyped.parquet"), str(tmp_path / "robots.parquet")]
    return raygen.evaluate(quick(few), paths, str(tmp_path / "out"), say=silent).report.runs


def test_a_manifest_that_disagrees_is_named(wrong):
    found = " ".join(wrong[0].problems)
    assert "names shard 'part-00000001.parquet', which is not there" in found
    assert "'part-00000000.parquet' has 10 rows; its manifest says 600" in found
    assert "'empty.parquet' is not in the manifest" in found and "'empty.parquet' has no rows" in found
    assert "of the 1,500 that were asked for" in found


def test_extra_and_retyped_columns_are_named(wrong):
    assert wrong[1].problems == [
        "Column 'age' is float in the synthetic table and int64 in the real one.",
        "Column 'more' of the synthetic table is not in the real one.",
    ]


def test_other_categories_are_named(wrong):
    assert wrong[2].scores["outside"].value == 1
    (column,) = (c for c in wrong[2].columns if c.name == "sex")
    assert column.shape_error == 100


def test_what_is_dropped_is_no_problem(synthetic, table, tmp_path):
    rows = pq.read_table(table).append_column("note", pa.array(["x"] * 2000)).slice(0, 300)
    pq.write_table(rows, tmp_path / "real.parquet")
    kinds = {
        **dict.fromkeys(rows.column_names, "categorical"),
        "note": "drop",
        "fnlwgt": "numeric",
        "age": "numeric",
    }
    kinds |= dict.fromkeys(("education_num", "capital_gain", "capital_loss", "hours_per_week"), "numeric")
    config = quick(str(tmp_path / "real.parquet"), **{"schema.columns": kinds})
    report = raygen.evaluate(config, [str(synthetic)], str(tmp_path / "out"), say=silent).report
    assert report.runs[0].problems == []


def holdout_of(kind, table, tmp_path) -> str:
    rows = pq.read_table(table)
    changed = {
        "no row": rows.slice(0, 0),
        "a number made text": rows.set_column(0, "age", pa.array(["old"] * len(rows))),
        "a column missing": rows.drop_columns(["age"]),
    }
    pq.write_table(changed[kind], tmp_path / "holdout.parquet")
    return str(tmp_path / "holdout.parquet")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("no row", "holds no row"),
        ("a number made text", "column 'age' of another type"),
        ("a column missing", "no column 'age'"),
    ],
)
def test_a_holdout_that_cannot_tell_copying_is_refused(kind, message, real, synthetic, table, tmp_path):
    config = quick(real, **{"evaluate.holdout": holdout_of(kind, table, tmp_path)})
    with pytest.raises(SchemaError, match=message):
        raygen.evaluate(config, [str(synthetic)], str(tmp_path / "out"), say=silent)


def broken(kind, synthetic, tmp_path) -> Path:
    folder = damaged(synthetic, tmp_path)
    shard = folder / "part-00000000.parquet"
    rows = pq.read_table(folder)
    if kind == "truncated":
        shard.write_bytes(shard.read_bytes()[:-500])
    elif kind == "a column missing":
        shutil.rmtree(folder)
        folder.mkdir()
        pq.write_table(rows.drop_columns(["age"]), shard)
    elif kind == "a number made text":
        shutil.rmtree(folder)
        folder.mkdir()
        pq.write_table(rows.set_column(0, "age", pc.cast(rows["age"], pa.string())), shard)
    elif kind == "no rows":
        shutil.rmtree(folder)
        folder.mkdir()
        pq.write_table(rows.slice(0, 0), shard)
    elif kind == "a column missing in one":
        pq.write_table(rows.drop_columns(["age"]), shard)
    elif kind == "nothing there":
        shutil.rmtree(folder)
    return folder


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("truncated", "part-00000000.parquet|cannot be read"),
        ("a column missing", "age.*Column 'age' is missing"),
        ("a number made text", "age.*is string in the synthetic table"),
        ("no rows", "hold no row"),
        ("a column missing in one", "part-00000000.parquet' has no column 'age'"),
        ("nothing there", "does not exist"),
    ],
)
def test_rows_that_cannot_be_compared_are_refused(kind, message, real, synthetic, tmp_path):
    folder = broken(kind, synthetic, tmp_path)
    with pytest.raises(SchemaError, match=message) as caught:
        raygen.evaluate(quick(real), [str(folder)], str(tmp_path / "out"), say=silent)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("settings", "under", "message"),
    [
        ({}, {"c2zt": 0.5}, "there is no score 'c2zt'"),
        ({"evaluate.target": "incme"}, {}, "evaluate.target = 'incme' is no learned column"),
    ],
)
def test_a_mistake_in_what_is_asked_is_refused(settings, under, message, real, synthetic, tmp_path):
    with pytest.raises(ConfigError, match=message):
        raygen.evaluate(quick(real, **settings), [str(synthetic)], str(tmp_path / "out"), under, say=silent)


def test_the_command_exits_with_1_where_the_gate_fails(few, synthetic, tmp_path, run_cli):
    arguments = [
        "--real",
        few,
        "--synthetic",
        str(synthetic),
        "--out",
        str(tmp_path / "out"),
        "--json",
    ]
    status, out, _ = run_cli("evaluate", *arguments, "--fail-under", "c2st=0.999")
    assert status == 1 and "c2st >= 0.999" in out
    assert json.loads(out.splitlines()[-1])["passed"] is False
    status, out, _ = run_cli("evaluate", *arguments, "--compare", str(synthetic), "--fail-under", "c2st=0")
    assert status == 0 and len(json.loads(out.splitlines()[-1])["scores"]) == 2
    status, _, err = run_cli("evaluate", *arguments, "--fail-over", "c2st=much")
    assert status == 2 and "is no limit" in err
