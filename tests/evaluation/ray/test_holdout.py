"""Evaluation beside real rows that were held out, on a real local Ray."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import raygen
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
    assert any("left out of AUC and macro F1: 'rare' (3 rows)" in note for note in report.notes)
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
