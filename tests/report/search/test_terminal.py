"""The report of a search in a terminal: what it says, and that it stays within its width."""

import copy

import pytest

from raygen.report.search import sentences, terminal
from raygen.report.search.record import SearchRecord
from raygen.report.search.trials import Search
from tests.searches import DEFAULTS, SPACE, search, settled

read = SearchRecord.model_validate


def text(given: dict) -> str:
    return " ".join(" ".join(terminal.lines(read(given))).split())


def row(given: dict, number: int) -> str:
    """The line of a trial in the first block of the table."""
    return next(line for line in terminal.lines(read(given))[3:] if line.split()[:1] == [str(number)])


def changed(given: dict, number: int, **figures) -> dict:
    given = copy.deepcopy(given)
    given["trials"][number] |= figures
    return settled(given)


def with_gain(gained: float, error: float | None = 0.1, **others) -> dict:
    """Two finished trials, of which the second is so much better than the defaults."""
    given = search(2, stop=False, fail=()) | others
    given["trials"][0] |= {"objective": 25.0, "error": error}
    given["trials"][1] |= {"objective": 25.0 - gained, "error": error}
    return settled(given)


def test_the_best_is_first_then_finished_stopped_failed():
    given = search()
    lines = terminal.lines(read(given))
    states = [line.split()[1] for line in lines[3:19]]
    assert states == ["finished"] * 8 + ["stopped"] * 6 + ["failed"] * 2
    best = next(t for t in given["trials"] if t["number"] == given["best"])
    assert lines[3].split()[0] == str(best["number"]) and lines[3].endswith("<- best")
    assert f"{best['objective']:.2f} +- 0.11" in lines[3] and f"{best['rows_per_second']:,.0f}" in lines[3]
    objectives = [float(line.split()[2]) for line in lines[3:11]]
    assert objectives == sorted(objectives)
    assert row(given, 0).endswith("defaults") and sum("defaults" in line for line in lines[3:19]) == 1


def test_it_names_only_the_settings_that_differ_by_short_names():
    space = SPACE | {"model.prior": {"choice": ["mixture"]}}
    told = text(search(6, space=space, defaults=DEFAULTS | {"model.prior": "mixture"})).split()
    assert {"beta", "hidden_", "units"} <= set(told) and not {"model.beta", "prior", "mixture"} & set(told)
    twins = {
        "train.seed": {"integer": [0, 99]},
        "generate.seed": {"integer": [0, 99]},
        "model.beta": {"uniform": [0.5, 1.0]},
    }
    own = {"train.seed": 0, "generate.seed": 0, "model.beta": 0.85}
    head = " ".join(terminal.lines(read(search(6, space=twins, defaults=own)))[1:3])
    assert "train.seed" in head and "generate.seed" in head and "model.beta" not in head


@pytest.mark.parametrize("many", [1, 5, 30])
@pytest.mark.parametrize("objective", ["nats", "c2st"])
def test_no_line_is_wider_than_the_terminal(many, objective):
    space = SPACE | {f"some.very_long_setting_name_{i}": {"uniform": [0.0, 1.0]} for i in range(many)}
    own = DEFAULTS | {f"some.very_long_setting_name_{i}": 0.5 for i in range(many)}
    given = search(12, space=space, defaults=own, objective=objective)
    given["trials"][5]["reason"] = "out of memory " * 500
    lines = terminal.lines(read(given))
    assert max(map(len, lines)) <= terminal.WIDTH and all(line.isascii() for line in lines)
    for i in range(many):
        assert sum(f"setting_name_{i}" in line.split() for line in lines) == 1
    assert len([line for line in lines if "out of memory" in line]) <= 3


def test_it_says_what_was_gained_and_what_is_noise():
    assert (
        "0.500 nats per row better than with the config's own settings (trial 0, 25.00 +- 0.10 nats "
        "per row), 3.5 standard errors" in text(with_gain(0.5))
    )
    assert "more than their noise" in text(with_gain(0.5))
    assert (
        "within the noise of the held-out rows (+- 0.141): the search found nothing that is surely better."
        in text(with_gain(0.1))
    )
    assert "1.4 standard errors of the held-out rows: likely, not certain." in text(with_gain(0.2))
    assert "how much of it is noise is not known" in text(with_gain(0.5, error=None))
    assert "It has the config's own settings: the search found nothing better." in text(with_gain(-0.5))
    assert [sentences.state(Search(read(with_gain(g)))) for g in (0.5, 0.1, -0.5)] == ["good", "fair", "fair"]


def test_a_classifier_is_better_when_higher():
    given = search(objective="c2st")
    best = max((t for t in given["trials"] if t["state"] == "finished"), key=lambda t: t["objective"])
    first = terminal.lines(read(given))[3]
    assert first.split()[0] == str(best["number"]) and f"{best['objective']:.3f} +- 0.006" in first
    assert terminal.lines(read(given))[2].count("C2ST") == 1
    own = given["trials"][0]["objective"]
    assert (
        f"That is {best['objective'] - own:.3f} better than with the config's own settings (trial 0, "
        f"C2ST {own:.3f}" in text(given)
    )


def test_a_fast_enough_trial_is_chosen_before_a_better_one():
    given = settled(search() | {"min_rows_per_second": 100_000.0})
    slow = search()["best"]
    told = text(given)
    assert given["best"] != slow and terminal.lines(read(given))[3].split()[0] == str(given["best"])
    assert (
        f"Trial {slow} has " in told
        and "but 32,000 rows/s, below the limit of 100,000 rows/s (4 trials are better, but too slow)."
        in told
    )
    assert "worse than with the config's own settings" in told
    none = settled(search() | {"min_rows_per_second": 1e9})
    assert "Nothing was chosen: no finished trial makes 1,000,000,000 rows/s." in text(none)


def test_defaults_that_did_not_finish():
    curve = [[300, 4.0, 33.0], [600, 8.0, 31.0]]
    stopped = changed(search(), 0, state="stopped", objective=31.0, history=curve)
    best = next(t for t in stopped["trials"] if t["number"] == stopped["best"])
    ahead = 31.0 - best["history"][1][2]
    assert (
        f"(trial 0) was stopped at step 600; there trial {best['number']} was {ahead:.3f} nats per "
        "row better." in text(stopped)
    )
    assert "was stopped, so there is nothing to compare with." in text(
        changed(search(), 0, state="stopped", history=[])
    )
    failed = changed(search(), 0, state="failed", objective=None, history=[], reason="")
    assert "(trial 0) failed, so there is nothing to compare with." in text(
        failed
    ) and "Trial 0 failed: no reason was given" in text(failed)
    absent = search() | {"defaults": DEFAULTS | {"model.latent_dim": 64}}
    assert "No trial had the config's own settings" in text(absent)


def test_the_front_and_where_the_time_went():
    given = search()
    told = text(given)
    for number in given["front"]:
        t = given["trials"][number]
        assert (
            f"trial {number} ({t['objective']:.2f} nats per row, {t['rows_per_second']:,.0f} rows/s)" in told
        )
    assert (
        "1.8 trials at a time. Its trials trained and fitted samplers for 22 min; 26 % of the "
        "places for trials did neither." in told
    )
    one = with_gain(0.5)
    one["front"] = [1]
    assert "No trial is better or faster than trial 1 (24.50 nats per row" in text(one)
    assert "took" not in text(given | {"seconds": {}}) and "took" not in text(
        {k: v for k, v in given.items() if k != "seconds"}
    )


def test_failures_are_told_in_one_line_of_printable_text():
    given = search()
    given["trials"][5]["reason"] = "lost\x1b[31m worker\r\nTraceback:\n\tline \u00e9"
    lines = terminal.lines(read(given))
    assert "Trial 5 failed: lost [31m worker Traceback: line ?" in lines
    assert all(line.isprintable() for line in lines)


def nothing_finished(state: str) -> dict:
    given = search(4)
    for t in given["trials"]:
        t |= {
            "state": state,
            "objective": None if state == "failed" else 30.0,
            "rows_per_second": None,
            "reason": "no memory" if state == "failed" else "",
        }
    return settled(given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (search() | {"trials": [], "best": None, "front": []}, "No trial was made."),
        (nothing_finished("failed"), "Nothing was chosen: all 4 trials failed."),
        (nothing_finished("stopped"), "Nothing was chosen: no trial finished."),
        (nothing_finished("unfinished"), "4 did not end."),
        (search(1), "Trial 0 is the only one: "),
        ({"trials": [{"number": 3}], "best": None}, "Nothing was chosen: no trial finished."),
        ({}, "No trial was made."),
    ],
    ids=["no trial", "all failed", "all stopped", "unfinished", "one", "bare", "empty"],
)
def test_searches_that_found_little(given, words):
    assert words in text(given)


def test_a_stopped_trial_is_projected_by_its_distance_to_the_best():
    given = {
        "objective": "nats",
        "best": 0,
        "trials": [
            {
                "number": 0,
                "state": "finished",
                "value_nats": 24.0,
                "objective": 24.0,
                "history": [[100, 1.0, 30.0], [300, 3.0, 26.0], [600, 6.0, 25.0]],
            },
            {
                "number": 1,
                "state": "stopped",
                "objective": 29.0,
                "history": [[100, 1.0, 31.0], [200, 2.0, 29.0]],
            },
            {"number": 2, "state": "stopped", "objective": 29.0, "history": []},
            {"number": 3, "state": "failed", "objective": None, "history": [[100, 1.0, 50.0]]},
        ],
    }
    assert Search(read(given)).projected == {0: 24.0, 1: 24.0 + 29.0 - 28.0}
    assert Search(read(given | {"best": None})).projected == {0: 24.0, 1: 25.0}
