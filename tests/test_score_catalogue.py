"""A score that stands in the catalogue is in report, JSON, gate and command line."""

import pytest

from raygen.errors import ConfigError, OutputError
from raygen.metrics import scorecard
from raygen.report.evaluation import page, terminal
from raygen.score_catalogue import SCORES, ScoreDefinition, definition
from tests.pages import plain
from tests.report.evaluation.reports import entry, report, run

MADE_UP = ScoreDefinition(
    "rhyme", "Rhyme", "share of rows that rhyme", better="higher", percent=100.0, bad=0.0, good=1.0
)


@pytest.fixture
def made_up(monkeypatch):
    monkeypatch.setitem(SCORES, MADE_UP.name, MADE_UP)


def with_rhyme():
    one = run()
    one["scores"]["rhyme"] = entry(0.4321, 0.4, 0.45, 0.1, 0.9)
    return one


def test_a_score_that_is_added_is_shown_everywhere(made_up):
    one = report(with_rhyme())
    assert "43.210 %" in plain(page.render(one)) and "share of rows that rhyme" in plain(page.render(one))
    assert any(line.startswith("Rhyme") and "43.210 %" in line for line in terminal.lines(one))
    assert "It falls short in Rhyme 43.210 %" in " ".join(terminal.lines(one))
    assert '"rhyme":{"value":0.4321' in one.model_dump_json()
    (rule,) = scorecard.gate(one.runs[0].scores, {"rhyme": 0.5}, {})
    assert (rule.rule, rule.passed) == ("rhyme >= 0.5", False)
    assert definition("rhyme") is MADE_UP


def test_a_score_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="there is no score 'rhyme'"):
        definition("rhyme")
    with pytest.raises(OutputError, match="there is no score 'rhyme'"):
        report(with_rhyme())
    with pytest.raises(ConfigError, match="c2zt") as caught:
        definition("c2zt")
    assert caught.value.hint == "did you mean 'c2st'?"


def test_the_command_line_lists_and_checks_the_scores(made_up, capsys):
    from raygen import cli

    with pytest.raises(SystemExit):
        cli.main(["evaluate", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "rhyme" in told and "c2st_test" in told
    assert cli._limit("rhyme=0.5") == ("rhyme", 0.5)
    with pytest.raises(ConfigError, match="no score 'ryme'"):
        cli._limit("ryme=0.5")


@pytest.mark.parametrize("score", SCORES.values(), ids=SCORES)
def test_every_definition_is_whole(score):
    assert score.label and score.meaning and score.meaning[0].islower()
    assert score.ideal is not None or score.better in ("lower", "higher")
    if score.bad is not None and score.good is not None and score.ideal is None:
        assert (score.good > score.bad) == score.higher_is_better


def test_values_are_shown_with_their_unit():
    assert SCORES["trend_error"].show(2.884) == "2.88 %"
    assert SCORES["exact_copies"].show(0.0011) == "0.11 %"
    assert SCORES["c2st"].show(0.7912) == "0.791"
    assert SCORES["mle"].show(12_345.6) == "12,346"
    assert SCORES["mle"].show(1.5e9) == "1.5e+09"
    assert (SCORES["shape_error"].heading, SCORES["shape_error"].narrow_heading) == ("Shape error %", "Shape")
