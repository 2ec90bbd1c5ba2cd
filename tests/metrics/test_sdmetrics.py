"""Shape and Trend agree with SDMetrics, where it is installed: pip install sdmetrics."""

import warnings
from importlib import resources

import pyarrow.parquet as pq
import pytest

from raygen.metrics import counted as counted_scores
from raygen.metrics import fidelity
from raygen.metrics.counts import Reference
from tests.metrics.test_scorecard import KINDS

sdmetrics = pytest.importorskip("sdmetrics.reports.single_table")


def test_shape_and_trend_are_those_of_its_quality_report():
    """Null is a level of its own here, so SDMetrics is given a word for it."""
    table = pq.read_table(resources.files("raygen") / "datasets" / "adult.parquet")
    real, other = table.slice(0, 16_000), table.slice(16_000)  # enough that no level is pooled
    named = [t.to_pandas() for t in (real, other)]
    for frame in named:
        for name, kind in KINDS.items():
            frame[name] = (
                frame[name].astype(object).fillna("<missing>")
                if kind == "categorical"
                else frame[name].astype(float)
            )
    types = {
        name: {"sdtype": "categorical" if kind == "categorical" else "numerical"}
        for name, kind in KINDS.items()
    }
    report = sdmetrics.QualityReport()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report.generate(*(frame[list(KINDS)] for frame in named), {"columns": types}, verbose=False)
    shape, trend = (100 * (1 - score) for score in report.get_properties()["Score"])
    assert fidelity.shape_error(real, other, KINDS) == pytest.approx(shape, abs=1e-6)
    assert fidelity.trend_error(real, other, KINDS) == pytest.approx(trend, abs=1e-6)
    reference = Reference(real, KINDS)
    counted = counted_scores.scores(reference, reference.count_table(other))
    assert (counted.shape_error, counted.trend_error) == pytest.approx((shape, trend), abs=1e-6)
