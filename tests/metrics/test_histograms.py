"""What is shown of real numbers stands for as many rows as a value needs to be kept."""

import numpy as np
import pytest

from raygen.metrics import counted, histograms
from raygen.metrics.counts import Reference
from raygen.metrics.examples import frequent
from raygen.table.protection import UNPROTECTED, Protection
from tests import planted

ROWS = 1000
REAL = planted.table(ROWS)
NUMBERS = ("salary", "debt", "bonus", "price", "tax", "card", "day")
DATES = ("born", "seen")
LEVELS = tuple(name for name in REAL.column_names if name not in NUMBERS + DATES)
KINDS = (
    dict.fromkeys(NUMBERS, "numeric")
    | dict.fromkeys(DATES, "datetime")
    | dict.fromkeys(LEVELS, "categorical")
)


def compared(protection: Protection) -> counted.CountedScores:
    """The planted table beside one without the planted rows."""
    reference = Reference(REAL, KINDS, protection=protection)
    rows = planted.table(ROWS, 1).slice(0, ROWS - planted.FEW)
    return counted.scores(reference, reference.count_table(rows))


def test_no_planted_value_is_in_what_a_report_holds():
    of_all = compared(UNPROTECTED).model_dump_json().encode()
    assert len(planted.found_in(of_all, "report.json")) >= 7, "this test would not see them"
    assert planted.found_in(compared(Protection(8)).model_dump_json().encode(), "report.json") == []


def test_scores_do_not_depend_on_what_is_shown():
    left_out = {"columns", "range_coverage"}
    exact, kept = (compared(one).model_dump(exclude=left_out) for one in (UNPROTECTED, Protection(8)))
    assert exact == kept


def test_the_true_range_does_not_follow_from_the_share_that_is_covered():
    column = next(c for c in compared(Protection(8)).columns if c.name == "bonus")
    (low, high), (lowest, highest) = column.real_range, column.synthetic_range
    assert low == lowest == 0 and column.coverage == min(1, highest / high)
    assert abs(highest / column.coverage - planted.BONUS) > 1000


def test_bins_show_many_real_rows_or_none():
    shown = [column.histogram for column in compared(Protection(8)).columns if column.kind != "categorical"]
    least = min(share for one in shown for share in one.real if share)
    assert len(shown) == 9 and least >= 8 / ROWS
    assert all(len(one.edges) > 10 and sum(one.real) > 0.7 for one in shown)


def test_levels_follow_the_limit_of_their_column():
    columns = {c.name: c for c in compared(Protection(8, {"grade": 250})).columns}
    most = max(REAL["grade"].value_counts().field("counts").to_pylist())
    assert len(columns["grade"].histogram.levels) < 4 and most >= 250
    assert len(frequent(REAL["grade"], 250)) < len(frequent(REAL["grade"])) == 3


@pytest.mark.parametrize("values", [[], [3.0] * 7, [*range(7)], [np.nan] * 20])
def test_nothing_is_shown_of_too_few_rows(values):
    values = np.array(values, float)
    knots = np.unique(values[~np.isnan(values)])
    places = histograms.shown(knots, values, 8)
    assert not len(places)
    assert histograms.edges(places, knots, values, 8).tolist() == [-0.5, 0.5]


def test_a_far_value_is_a_mean_with_its_neighbours():
    values = np.array([*range(20), 10**6], float)
    places = histograms.shown(values, values, 8)
    assert places.tolist() == [3.5, (sum(range(8, 20)) + 10**6) / 13]
    assert histograms.shown(values, values, 1) is values
