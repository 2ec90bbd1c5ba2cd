"""The page of a search: what it says, that it draws what there is, and that a browser shows it."""

import copy
import html
import re
import tomllib

import pytest

from raygen import config_toml
from raygen.report.search import figures, sentences
from raygen.report.search import page as search_page
from raygen.report.search.trials import Search
from raygen.report.text import value_text
from tests.pages import CHROMIUM, Page, in_browser, plain
from tests.report.search.records import CASES, EVIL, read, rendered
from tests.searches import DEFAULTS, search


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
