"""The latent report of a real table."""

import json

import pytest

from raygen.commands import inspect_model
from raygen.model import folder as model_folder
from raygen.report.latent import page as latent_page
from raygen.report.latent.record import LatentReport
from raygen.sampler_catalogue import SAMPLERS
from raygen.training import driver as training

pytestmark = pytest.mark.ray


@pytest.mark.soak
def test_the_report_of_a_real_table_ranks_samplers_as_their_rows_do(local_ray, tiny, tmp_path):
    """Every sampler beside bound, floor and ceiling; the page and the lines are made of the same figures."""
    settings = {
        "train.steps": 1500,
        "train.learning_rate": 6e-3,
        "train.holdout": 0.4,
        "model.latent_dim": 8,
        "model.hidden_units": [64, 64],
    }
    settings |= {"latent.report": True, "latent.flow_steps": 500, "latent.mixture_components": 16}
    config = tiny(tmp_path / "run", settings)
    done = training.train(config, say=lambda line: None)
    report = model_folder.read_report(done.model)
    assert report is not None and LatentReport.model_validate_json(json.dumps(report.to_dict())) == report
    assert set(report.samplers) == set(SAMPLERS)
    for figures in report.samplers.values():
        assert figures.rows_per_second > 0
        assert 0 <= figures.c2st <= 1 and figures.shape_error > 0 and figures.variance_ratio > 0
    tables, samplers = report.tables, report.samplers
    assert tables.floor.shape_error < 1e-9 and tables.floor.trend_error > samplers[report.chosen].trend_error
    assert samplers["naive"].c2st < samplers[report.chosen].c2st < tables.ceiling.c2st
    assert samplers["naive"].nats < samplers["normal"].nats == 0 < samplers[report.chosen].nats
    page = (tmp_path / "run" / "model" / "latent.html").read_text()
    assert page == latent_page.render(report)
    lines: list[str] = []
    inspect_model.inspect(done.model, lines.append)
    assert any(line.endswith("model/latent.html") for line in lines)
    assert f"{samplers['naive'].c2st:.3f}" in page
