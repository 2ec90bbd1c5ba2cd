"""A report in the terminal says what the page says, and fits."""

import re

import pytest

from raygen.report.evaluation import page, sentences, terminal
from tests.pages import plain
from tests.report.evaluation.reports import minimal, report, run, three, wide

CASES = {
    "full": report,
    "three runs": three,
    "minimal": minimal,
    "300 columns": wide,
    "memory": lambda: report(run(memory=True)),
    "no value": lambda: report(run(c2st=None, shape_error=None)),
}


@pytest.mark.parametrize("case", CASES)
def test_lines_fit_a_terminal(case):
    lines = terminal.lines(CASES[case]())
    assert all(line.isascii() and len(line) <= 110 and line == line.rstrip() for line in lines)
    assert not re.findall(r"\b(nan|inf|None)\b", "\n".join(lines))


def test_page_and_terminal_say_the_same():
    text = " ".join(" ".join(terminal.lines(report())).split())
    page_text = plain(page.render(report()))
    for sentence in sentences.verdict(report()):
        assert sentence in page_text and sentence in text


def test_scores_stand_beside_floor_and_ceiling():
    lines = terminal.lines(report(run(memory=True)))
    row = next(line for line in lines if line.startswith("C2ST, unseen rows"))
    assert row.split()[3:] == ["0.771", "0.750", "to", "0.790", "0.030", "0.997"]
    assert next(line for line in lines if line.startswith("Memory")).split()[1] == "0.014"


def test_a_rule_that_fails_is_seen():
    failed = report(gate=[{"rule": "c2st >= 0.9", "value": 0.791, "passed": False}])
    assert "Gate FAILED: c2st >= 0.9 (0.791)" in terminal.lines(failed)
