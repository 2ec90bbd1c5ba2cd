"""The page of a search: what it says, that it draws what there is, and that a browser shows it."""

import copy
import functools
import html
import json
import math
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from raygen import config_toml
from raygen.report.search import figures, importance, sentences
from raygen.report.search import page as search_page
from raygen.report.search.record import SearchRecord
from raygen.report.search.trials import Search, axes, rule_text
from raygen.report.text import value_text
from tests.pages import CHROMIUM, Page, in_browser, plain
from tests.searches import DEFAULTS, search, settled

read = SearchRecord.model_validate
ONE = {"train.learning_rate": {"log_uniform": [1e-3, 2e-2]}}
EVIL = "<script>alert(1)</script>"


def nothing(state: str, count: int = 4) -> dict:
    given = search(count, stop=False, fail=range(count) if state == "failed" else ())
    for t in given["trials"]:
        t |= {"state": state, "rows_per_second": None}
    return settled(given)


def level() -> dict:
    given = search(8, stop=False, fail=())
    for t in given["trials"]:
        t |= {
            "objective": 25.0,
            "value_nats": 25.0,
            "held_out_nats": 25.0,
            "history": [[step, seconds, 25.0] for step, seconds, _ in t["history"]],
        }
    return settled(given)


def bare() -> dict:
    """Nothing but what must be there: no figure is known."""
    given = search(6, fail=(2,))
    known = {"number", "params", "state", "objective"}
    trials = [
        {key: value for key, value in t.items() if key in known} | {"history": []} for t in given["trials"]
    ]
    return {
        "format": 1,
        "objective": "nats",
        "space": given["space"],
        "defaults": given["defaults"],
        "best": given["best"],
        "front": [],
        "trials": trials,
    }


def hostile() -> dict:
    space = {
        "model.prior": {"choice": ["mixture", EVIL, "$x_1$", 'a"b&c', "\u540d\u524d"]},
        "model.beta": {"uniform": [0.5, 1.0]},
        f"x.{EVIL}": {"choice": [1, 2]},
    }
    given = search(
        12, space=space, defaults={"model.prior": EVIL, "model.beta": 0.85, f"x.{EVIL}": 1}, fail=(5,)
    )
    given |= {"source": EVIL, "command": f"raygen tune {EVIL}", "algorithm": EVIL}
    given["trials"][5]["reason"] = f"{EVIL} \x1b[0m " * 100
    for t in given["trials"]:
        t |= {"model": EVIL, "sampler": EVIL}
    return given


CASES = {
    "full": search,
    "c2st": lambda: search(20, objective="c2st", seed=3),
    "150 trials": lambda: search(150, seed=1),
    "one trial": lambda: search(1),
    "two trials": lambda: search(2),
    "no trial": lambda: search(0),
    "all failed": lambda: nothing("failed"),
    "all stopped": lambda: nothing("stopped"),
    "unfinished": lambda: nothing("unfinished"),
    "one setting": lambda: search(12, space=ONE, defaults={"train.learning_rate": 0.006}),
    "all equal": level,
    "bare": bare,
    "empty": dict,
    "hostile": hostile,
}


@functools.cache
def rendered(case: str) -> str:
    return search_page.render(read(json.loads(json.dumps(CASES[case]()))))


# ---------------------------------------------------------------------------------------------------- the
# page
@pytest.mark.parametrize("case", CASES)
@pytest.mark.slow
def test_every_search_makes_a_page_that_stands_alone(case):
    source = rendered(case)
    page = Page(source)
    assert page.tags.count("script") == 1 and page.tags.count("h1") == 1
    assert not re.search(r"(?:src|href)=\"(?!#|data:)|@import|https?://(?!www\.w3)", source)
    assert not re.search(r"\b(None|nan|NaN|inf)\b", page.text)
    assert page.tags.count("svg") == source.count('role="img"') or case == "empty"


def test_the_same_search_makes_the_same_page():
    assert search_page.render(read(search())) == search_page.render(read(search()))


def test_the_full_page_says_everything():
    given = search()
    text = plain(search_page.render(read(given), title="Adult"))
    best = given["trials"][given["best"]]
    for sentence in [
        *sentences.verdict(Search(read(given))),
        sentences.front_words(Search(read(given))),
        *sentences.spent(Search(read(given))),
    ]:
        assert sentence in text
    for heading in (
        "Settings",
        "The course of the search",
        "Which settings matter",
        "All settings together",
        "Speed",
        "All 16 trials",
        "How to make it again",
    ):
        assert heading in text
    for word in (
        "Adult",
        "raygen tune adult.toml",
        "data/adult.parquet (32,561 rows)",
        best["model"],
        "training diverged at step 300",
        "64 to 512, logarithmic",
    ):
        assert word in text
    for t in given["trials"]:
        for value in t["params"].values():
            assert value_text(value) in text


def test_page_changes_only_what_differs_from_the_config():
    given = search()
    best = given["trials"][given["best"]]["params"]
    given["trials"][given["best"]]["params"] = best | {"model.hidden_units": DEFAULTS["model.hidden_units"]}
    source = re.search(
        r"<p class=\"small\">What trial .+?<code>(.+?)</code>", search_page.render(read(given)), re.DOTALL
    )[1]
    sections = tomllib.loads(html.unescape(source))
    assert {f"{s}.{k}": v for s, entries in sections.items() for k, v in entries.items()} == {
        key: value for key, value in best.items() if value != DEFAULTS[key] and key != "model.hidden_units"
    }
    told = config_toml.as_toml(
        {"schema.bars": 64, "schema.columns.age of x": "numeric", "model.hidden_units": [8, 8], "a.b": True}
    )
    assert tomllib.loads(told) == {
        "schema": {"bars": 64, "columns": {"age of x": "numeric"}},
        "model": {"hidden_units": [8, 8]},
        "a": {"b": True},
    }


def test_pictures_are_left_out_where_there_is_nothing_to_draw():
    def labels(case):
        return [value[:18] for name, value in Page(rendered(case)).attributes if name == "aria-label"]

    assert not {"Objective of each ", "Learning curves: h", "Nats of the trials"} & set(labels("all failed"))
    assert "Learning curves: h" not in labels("bare") and "Objective of each " in labels("bare")
    assert (
        "Parallel coordinat" not in labels("one setting")
        and sum(x.startswith("Nats of the t") for x in labels("one setting")) == 1
    )
    assert "Importance of each" not in labels("all equal") and "Importance of each" in labels("full")


def test_states_differ_by_the_shape_of_their_marks():
    looks = figures.LOOKS
    assert len({marker for marker, *_ in looks.values()}) == len(looks) and set(looks) == set(search_page.KEY)
    source = rendered("full")
    text = plain(source)
    for name in ("best", "defaults", "finished", "stopped", "failed"):
        assert " ".join(search_page.KEY[name]) in text
    assert "did not end" not in text and "\u25b3 did not end" in plain(rendered("unfinished"))


def test_hostile_texts_are_escaped():
    source = rendered("hostile")
    page = Page(source)
    assert page.tags.count("script") == 1 and EVIL not in source and page.text.count(EVIL) > 100
    assert "$x_1$" in page.text and "\u540d\u524d" in page.text


def test_a_long_reason_opens_by_a_click():
    given = search()
    given["trials"][5]["reason"] = "no memory left, " * 400 + "at the end"
    source = search_page.render(read(given))
    page = Page(source)
    assert page.tags.count("details") == 1 and "at the end" in page.text
    assert re.search(r"<summary>(no memory left, ){7}.{,20}\u2026</summary>", source)


def test_figures_differ_between_themes_by_variables_only():
    drawn = re.findall(r"<svg.*?</svg>", rendered("full"), re.DOTALL)
    assert len(drawn) == 5 + len(DEFAULTS)
    assert {c for svg in drawn for c in re.findall(r"(?:fill|stroke): ?(#\w+)", svg)} <= {
        "#000000"
    }  # glyph defaults


def test_a_trial_far_off_does_not_flatten_the_rest():
    given = search(stop=False)
    given["trials"][3] |= {"objective": 4000.0, "value_nats": 4000.0}
    scale = figures.Scale(list(Search(read(given)).projected.values()))
    assert (
        scale.beyond == 1 and max(scale.ends) < 40 and min(scale.ends) < scale.place(4000.0) < max(scale.ends)
    )
    assert "1 more lies beyond it" in plain(search_page.render(read(given)))
    upside_down = figures.Scale([0.9, 0.88, 0.87, 0.86, 0.01], -1.0)
    assert upside_down.ends[0] > 0.9 > upside_down.place(0.01) > 0.5


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


# ----------------------------------------------------------------------------------------------------
# settings as axes
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


# ----------------------------------------------------------------------------------------------------
# importance
def decided_by(key: str, count: int = 30, **options) -> dict:
    """A search in which one setting alone decides."""

    def loss(params: dict) -> float:
        value = params[key]
        place = (
            math.log(value / 0.006)
            if key.endswith("rate")
            else sum(value) / 256
            if isinstance(value, list)
            else value / 16
        )
        return 25.0 + place

    return search(count, of=loss, **options)


@pytest.mark.parametrize("key", ["train.learning_rate", "model.latent_dim", "model.hidden_units"])
@pytest.mark.parametrize(
    "options", [{}, {"stop": False}, {"objective": "c2st"}], ids=["nats", "none stopped", "c2st"]
)
@pytest.mark.slow
def test_importance_finds_the_setting_that_decides(key, options):
    found = importance.of(Search(read(decided_by(key, **options))))
    assert next(iter(found.shares)) == key and found.shares[key] > 0.8 and found.clear == {key}
    assert math.isclose(sum(found.shares.values()), 1.0)
    assert (
        plain(search_page.render(read(decided_by(key, **options)))).count(
            f"More than chance: {key.partition('.')[2]}. What the others did may be chance."
        )
        == 1
    )


def test_stopped_trials_count():
    given = decided_by("train.learning_rate")
    done = {
        "finished": given | {"trials": [t for t in given["trials"] if t["state"] == "finished"]},
        "all": given,
    }
    finished, both = (importance.of(Search(read(done[name]))) for name in ("finished", "all"))
    assert (
        both.finished
        == finished.trials
        == finished.finished
        < both.trials
        == sum(t["state"] != "failed" for t in given["trials"])
    )


@pytest.mark.slow
def test_settings_without_effect_are_rarely_called_clear():
    clear = [
        bool(importance.of(Search(read(search(16, seed=seed, of=lambda params: 25.0)))).clear)
        for seed in range(20)
    ]
    assert sum(clear) <= 4


@pytest.mark.parametrize(
    ("case", "why"),
    [
        ("one trial", "1 trial with nats is too few"),
        ("two trials", "2 trials with nats are too few"),
        ("all failed", "no trial finished"),
        ("all stopped", "no trial finished"),
        ("one setting", "only one setting differs"),
        ("all equal", "all trials have the same nats"),
        ("empty", "no trial finished"),
    ],
)
def test_it_says_when_importance_cannot_be_told(case, why):
    found = importance.of(Search(read(CASES[case]())))
    assert found.why_not == why and not found.shares
    assert f"Which settings matter cannot be told: {why}." in plain(rendered(case)) or case == "empty"


QUIET = """
import optuna
from raygen.report.search import importance
from raygen.report.search.record import SearchRecord
from raygen.report.search.trials import Search
from tests import searches
optuna.logging.set_verbosity(optuna.logging.INFO)
assert importance.of(Search(SearchRecord.model_validate(searches.search()))).shares
assert optuna.logging.get_verbosity() == optuna.logging.INFO
"""


def test_optuna_is_quiet_and_left_as_it_was():
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", QUIET],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parents[3],
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# ---------------------------------------------------------------------------------------------------- a real
# browser
LOOK = """
  page.querySelectorAll("details").forEach(d => d.open = true);
  const high = svg => svg.getBoundingClientRect().height > 30;
  const shown = [...page.querySelectorAll("svg")].filter(high).length;
  const numbers = () => [...page.querySelectorAll("table.sortable tbody th")].map(th => +th.textContent);
  const paper = () => frame.contentWindow.getComputedStyle(page.body).backgroundColor;
  const buttons = page.querySelectorAll("table.sortable thead button"), orders = [numbers()];
  if (buttons.length) for (const i of [0, 0, 2]) { buttons[i].click(); orders.push(numbers()); }
  const papers = [paper()];
  page.getElementById("theme").click();
  papers.push(paper());
  const evil = frame.contentWindow.evil === true;
  return [root.scrollWidth, root.clientWidth, shown, loaded, orders, papers, evil];
"""


def test_the_number_of_columns_that_a_phone_may_show_is_told():
    source = rendered("full")
    count = source.count('<th scope="col"><button')
    assert count > 4 and f'<input type="checkbox" id="all-columns"> all {count} columns' in source


COLUMNS = """
  const headings = [...page.querySelectorAll("table.sortable thead th")];
  const seen = () => headings.filter(heading => heading.offsetWidth).length, before = seen();
  page.getElementById("all-columns").click();
  return [before, seen(), headings.length];
"""


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_phone_shows_all_columns_on_demand(tmp_path):
    (before, after, all_), _ = in_browser(rendered("full"), COLUMNS, tmp_path, 400)
    assert before == 3 and after == all_


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("case", ["full", "hostile", "one trial", "150 trials"])
def test_a_browser_shows_it_on_a_phone(case, tmp_path):
    """390 px wide: nothing to scroll sideways, every figure drawn, nothing loaded; headings sort, the theme
    switches."""
    given, source = copy.deepcopy(CASES[case]()), rendered(case)
    (scroll, width, shown, loaded, orders, papers, evil), log = in_browser(source, LOOK, tmp_path)
    assert 360 < width <= 390 and scroll == width
    assert shown == source.count("<svg") and not loaded and not evil
    assert "CONSOLE" not in log, log
    assert papers == ["rgb(255, 255, 255)", "rgb(20, 24, 30)"]
    count = len(given["trials"])
    start, down, up, by_objective = orders
    assert start[0] == given["best"] and sorted(start) == up == list(range(count)) and down == up[::-1]
    scored = [
        given["trials"][i]["objective"] for i in by_objective if given["trials"][i]["objective"] is not None
    ]
    assert [round(v, 2) for v in scored] == sorted((round(v, 2) for v in scored), reverse=True)
    assert all(given["trials"][i]["objective"] is None for i in by_objective[len(scored) :])
