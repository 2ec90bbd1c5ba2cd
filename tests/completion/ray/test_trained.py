"""What training gives completion: a proposal of the steps asked for, never more than the network had."""

import pyarrow.parquet as pq
import pytest

import raygen
from raygen.model import folder as model_folder

pytestmark = pytest.mark.ray


def test_training_fits_a_proposal_that_completion_uses(local_ray, tiny, table, tmp_path):
    lines = []
    done = raygen.train(tiny(tmp_path / "run", {"latent.proposal_steps": 30}), lines.append)
    assert "Fitting the proposal by which raygen complete fills rows ..." in lines
    found = model_folder.load(done.model)
    assert model_folder.PROPOSAL in found.content and found.proposal(found.network()) is not None
    rows, said = pq.read_table(table).slice(0, 40).select(["age", "income"]), []
    made = raygen.load(done.model).complete(rows, say=said.append)
    assert made.num_rows == 40 and made["income"].to_pylist() == rows["income"].to_pylist()
    assert "without a proposal" not in " ".join(said)
    planned = raygen.plan(done.model, rows=1000, say=said.append)
    assert planned["complete"]["seconds"] > 0 and planned["score"]["seconds"] > 0
    assert any(line.startswith("Complete: as many rows take") for line in said)
