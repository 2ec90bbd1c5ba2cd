"""Evaluation beside real rows that were held out, on a real local Ray."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import raygen
from raygen.errors import SchemaError
from raygen.evaluation import real_rows
from raygen.model import folder as model_folder
from raygen.report.evaluation import sentences
from tests.evaluation.ray.conftest import quick, silent
from tests.metrics.test_far_values import NO_PARQUET, ROWS, far, kinds

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("here")]


def test_held_out_rows_are_those_of_the_training(trained, table):
    """Found again from the source by the hash of their codes: as many, and none of them seen in training."""
    from raygen.codec import row_hash
    from raygen.training import encoding
    from raygen.training.job import sized

    found = model_folder.load(trained.model)
    whole = pq.read_table(table)
    learned, mask, tested = real_rows.split_of(found, whole)
    assert not tested.any() and np.array_equal(learned, ~mask)
    encoded = encoding.encode(trained.config, silent)
    held = encoded.feed(sized(trained.config, encoded.num_rows)).held
    codes, offsets = found.codec.encode(whole.filter(pa.array(mask)))
    assert sorted(row_hash.content_hash(codes, offsets)) == sorted(row_hash.content_hash(*held))
    assert real_rows.split_of(found, whole.slice(1)) is None
    ages = pc.add(whole["age"], pa.array([1] + [0] * 1999))
    assert (
        real_rows.split_of(found, whole.set_column(0, whole.schema.field("age"), pc.cast(ages, pa.int64())))
        is None
    )


def test_rows_kept_for_a_test_are_those_that_nothing_has_seen(trained, tiny, tmp_path):
    config = tiny(trained.fresh_run(tmp_path), {"data.test": 0.2, "train.steps": 20})
    model = raygen.train(config, say=silent).model
    found = model_folder.load(model)
    learned, held, tested = real_rows.split_of(found, pq.read_table(config.data.source))
    real = real_rows.real_rows(config, found)
    assert (real.table.num_rows, real.holdout.num_rows) == (learned.sum(), tested.sum())
    assert 300 < tested.sum() < 500 and held.sum() > 100 and learned.sum() + held.sum() + tested.sum() == 2000
    assert not real.chose_model and real.notes[0] == real_rows.TESTED


def test_values_that_pandas_cannot_hold_and_rare_classes_are_evaluated(tmp_path):
    paths = [str(tmp_path / f"{name}.parquet") for name in ("real", "rows")]
    for seed, path in enumerate(paths):
        target = ["rare" if i < 3 else "up" if i % 2 else "down" for i in range(ROWS)]
        rows = far(seed).append_column("target", pa.array(target)).drop_columns([NO_PARQUET, "bytes"])
        pq.write_table(rows, path)
    columns = {name: (kinds(False) | {"target": "categorical"})[name] for name in rows.column_names}
    settings = {"schema.columns": columns, "evaluate.target": "target", "evaluate.holdout": paths[1]}
    report = raygen.evaluate(
        quick(paths[0], **settings), [paths[1]], str(tmp_path / "out"), say=silent
    ).report
    assert any("left out of AUC and macro F1: 1 that too few real rows have." in n for n in report.notes)
    run = report.runs[0]
    assert run.scores["shape_error"].value < 30 and run.scores["mle_accuracy"].value is not None
    lines = sentences.verdict(report)
    assert lines[0].startswith("Do not publish these rows") and "category that too few real rows" in lines[0]
    assert any(line.startswith("60 rows show nothing") for line in lines)
    assert [example.name for example in run.examples] == list(columns)
    assert "year 12000" in (tmp_path / "out" / "index.html").read_text()


def test_a_holdout_makes_copying_known(real, tmp_path):
    rows = pq.read_table(real)
    for name, piece in (("train", rows.slice(0, 1000)), ("holdout", rows.slice(1000))):
        pq.write_table(piece, tmp_path / f"{name}.parquet")
    config = quick(str(tmp_path / "train.parquet"), **{"evaluate.holdout": str(tmp_path / "holdout.parquet")})
    done = raygen.evaluate(config, [str(tmp_path / "train.parquet")], str(tmp_path / "out"), say=silent)
    scores = done.report.runs[0].scores
    assert scores["exact_copies"].value == 1 and scores["dcr_share"].value > 0.9
    assert scores["memory"].value > 0.3 and not done.report.holdout.chose_model


OF_CUSTOMERS = {"who": "id", "town": "categorical", "x": "numeric", "y": "numeric"}


def of_customers(path, first: int, customers: int, seed: int, more: list[str] = ()) -> str:
    """Four rows of each customer, three of them with the same number."""
    rng, each = np.random.default_rng(seed), 4
    number = np.repeat(rng.normal(size=customers).round(6), each)
    number[::each] = rng.normal(size=customers).round(6)
    who = np.repeat(np.arange(first, first + customers), each)
    towns = [*more, *rng.choice(["A", "B", "C"], len(who) - len(more))]
    pq.write_table(pa.table({"who": who, "town": towns, "x": number, "y": rng.normal(size=len(who))}), path)
    return str(path)


def test_a_unit_is_counted_instead_of_its_rows(tmp_path):
    """Every row is there twice, a town in 24 rows is of three customers, and rows are copied."""
    rows = pq.read_table(of_customers(tmp_path / "real.parquet", 0, 100, 0, ["Quux"] * 12))
    source, made = (str(tmp_path / f"{name}.parquet") for name in ("twice", "made"))
    pq.write_table(pa.concat_tables([rows, rows]), source)
    pq.write_table(rows.slice(0, 100), made)
    others = of_customers(tmp_path / "others.parquet", 1000, 100, 1)
    settings, found = {"schema.columns": OF_CUSTOMERS, "evaluate.holdout": others}, {}
    for unit in ("", "who"):
        config = quick(source, **settings, **{"privacy.unit": unit})
        report = raygen.evaluate(config, [made], str(tmp_path / "out"), say=silent).report
        found[unit] = {name: score.value for name, score in report.runs[0].scores.items()}
        assert not any("privacy.unit" in note for note in report.notes)
    by_row, by_customer = found[""], found["who"]
    assert by_row["rare_values"] == 0 < by_customer["rare_values"] == 0.12
    assert by_row["copies_of_one"] == 0 < by_customer["copies_of_one"] == 1
    assert by_row["rare_numbers"] == by_customer["rare_numbers"] == 1
    assert by_customer["singling_out"] > 1.5 * by_row["singling_out"]


def test_held_out_rows_of_known_customers_are_told_and_a_table_without_them_is_refused(tmp_path):
    real = of_customers(tmp_path / "real.parquet", 0, 100, 0)
    others = of_customers(tmp_path / "others.parquet", 90, 100, 1)
    settings = {"schema.columns": OF_CUSTOMERS, "privacy.unit": "who", "evaluate.holdout": others}
    found = real_rows.real_rows(quick(real, **settings), None)
    note = "privacy.unit = 'who': 40 of 400 held-out rows are of those who have training rows too"
    assert [line for line in found.notes if line.startswith(note)]
    assert found.table.column_names == found.holdout.column_names == ["town", "x", "y"]
    pq.write_table(pq.read_table(others).drop_columns("who"), others)
    for unit, message in {
        "who": "holdout = .* has no column 'who', which",
        "whom": "no column 'whom'",
    }.items():
        with pytest.raises(SchemaError, match=message):
            real_rows.real_rows(quick(real, **settings | {"privacy.unit": unit}), None)


def test_a_row_without_a_unit_is_somebodys_own():
    one, other = real_rows._people(
        pa.chunked_array([["a", None, "a", None]]), pa.chunked_array([[None, "a"]])
    )
    assert one[0] == one[2] == other[1] and len({*one, *other}) == 4
