"""report.json is the dump of a report, and is checked when it is read."""

import json
import math

import pytest

from raygen.errors import OutputError
from raygen.report.evaluation.record import ScoreRecord, read
from tests.report.evaluation.reports import report, three, written


def test_a_report_is_read_as_it_was_written():
    for one in (report(), three()):
        assert read(one.model_dump_json()) == one


def test_a_number_that_is_not_finite_is_none():
    record = ScoreRecord(value=math.nan, low=-math.inf, high=0.5, better="higher")
    assert (record.value, record.low, record.high) == (None, None, 0.5)
    assert json.loads(record.model_dump_json())["value"] is None


def test_scores_come_in_the_order_of_the_catalogue():
    shuffled = written()
    scores = shuffled["runs"][0]["scores"]
    shuffled["runs"][0]["scores"] = dict(reversed(scores.items()))
    assert list(read(json.dumps(shuffled)).runs[0].scores)[:2] == ["shape_error", "trend_error"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 1}, "no report of format 2: format"),
        ({"runs": [{"name": "a"}]}, "runs.0.rows: Field required"),
        ({"more": 1}, "more: Extra inputs"),
    ],
)
def test_another_format_is_refused(change, message):
    with pytest.raises(OutputError, match=message) as caught:
        read(json.dumps(written() | change))
    assert "evaluate the rows again" in caught.value.hint


def test_a_text_that_is_no_json_is_refused():
    with pytest.raises(OutputError, match="no report"):
        read("c2st 0.7")
