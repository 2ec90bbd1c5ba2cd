"""The trials of a search: the best so far, settings as axes, where a setting was searched."""

from raygen.report.search.trials import Search, axes, rule_text
from tests.report.search.records import read


def test_the_best_so_far_is_fast_enough():
    given = with_objectives([25.0, None, 24.0, 24.5, 23.0, None])
    assert Search(read(given)).records == [(0, 25.0), (2, 24.0), (3, 24.0), (4, 23.0), (5, 23.0)]
    for number, speed in enumerate((90.0, None, 10.0, 80.0, 50.0, None)):
        given["trials"][number]["rows_per_second"] = speed
    assert Search(read(given | {"min_rows_per_second": 60})).records == [(0, 25.0), (3, 24.5), (5, 24.5)]
    assert Search(read(given | {"objective": "c2st"})).records[-1] == (5, 25.0)
    assert Search(read(with_objectives([None]))).records == []


def with_objectives(values: list) -> dict:
    return {
        "trials": [
            {"number": i, "state": "failed" if v is None else "finished", "objective": v}
            for i, v in enumerate(values)
        ]
    }


def test_settings_become_axes():
    given = {
        "space": {
            "a.log": {"log_integer": [10, 1000]},
            "a.some": {"choice": [32, 8]},
            "a.lists": {"choice": [[1, 2], [3]]},
            "a.unused": {"uniform": [0, 1]},
        },
        "trials": [
            {"number": 0, "params": {"a.log": 100, "a.some": 8, "a.lists": [3], "a.new": True}},
            {"number": 1, "params": {"a.log": 10_000, "a.some": 64, "a.lists": [4, 4]}},
        ],
    }
    log, some, lists, new = axes(Search(read(given)))
    assert (log.place(100), log.low, log.high, log.place("x"), log.place(0)) == (2.0, 1.0, 4.0, None, None)
    assert some.texts == ("8", "32", "64") and some.place(32) == 1.0 and some.place(5) is None
    assert lists.texts == ("[1, 2]", "[3]", "[4, 4]") and lists.place([4, 4]) == 2.0
    assert new.texts == ("true",) and log.text(2.0) == "100" and log.share(2.5) == 0.5


def test_where_a_setting_was_searched():
    rules = (
        {"choice": [8, 16, 32]},
        {"choice": [[8, 8]]},
        {"log_uniform": [1e-3, 0.01]},
        {"integer": [1, 9]},
        {"uniform": [0.5, 1.0]},
        None,
    )
    told = ["8, 16 or 32", "[8, 8]", "0.001 to 0.01, logarithmic", "whole numbers 1 to 9", "0.5 to 1", ""]
    assert [rule_text(rule) for rule in rules] == told
