"""The report page, on made-up reports whose answers are known."""

import base64
import hashlib
import html
import re

import numpy as np
import pytest

from raygen.report.evaluation import figures
from raygen.report.evaluation import page as report_page
from raygen.report.evaluation.record import LevelHistogram, NumberHistogram, Pairs
from tests.pages import CHROMIUM, Page, in_browser, plain
from tests.report.evaluation.reports import NAMES, minimal, report, run, three, wide

CASES = {
    "full": report,
    "three runs": three,
    "minimal": minimal,
    "300 columns": wide,
    "one column": lambda: report(run(names=NAMES[:4]) | {"columns": run(names=NAMES[:4])["columns"][:1]}),
    "memory": lambda: report(run(memory=True)),
    "no value": lambda: report(run(**dict.fromkeys(SPOILT))),
    "zero": lambda: report(run(**dict.fromkeys(SPOILT, 0.0))),
    "negative": lambda: report(run(**dict.fromkeys(SPOILT, -2.5))),
    "huge": lambda: report(run(**dict.fromkeys(SPOILT, 1e14))),
    "not finite": lambda: report(run(**dict.fromkeys(SPOILT, float("nan")))),
}
SPOILT = ("shape_error", "trend_error", "c2st", "mle", "dcr_share", "exact_copies", "outside")
PAGES: dict[str, str] = {}


def rendered(case: str) -> str:
    if case not in PAGES:
        PAGES[case] = report_page.render(CASES[case]())
    return PAGES[case]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.slow
def test_a_page_stands_alone_and_leaves_out_what_is_missing(case):
    source = rendered(case)
    page = Page(source)
    tags = set(page.tags)
    assert not {"iframe", "img", "object", "embed", "form"} & tags and page.tags.count("script") == 1
    loads = [
        value
        for name, value in page.attributes
        if name in ("src", "href", "xlink:href", "data", "srcset", "action")
    ]
    assert all(value.startswith(("#", "data:")) for value in loads)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not re.findall(r"https?:|@import|url\((?!#)", source)
    assert not re.findall(r"\b(nan|inf|None|undefined)\b", page.text.replace("system.matches", ""))
    assert len(source) < 1_500_000


def test_the_page_has_every_part_in_order():
    source = rendered("full")
    text = plain(source)
    ids = ["gate", "scores", "columns", "pairs", "fault", "latent", "privacy", "again"]
    places = [source.index('class="verdict')] + [source.index(f'<h2 id="{name}"') for name in ids]
    assert places == sorted(places) and 'id="problems"' not in source
    for told in (
        "0.791",
        "0.779 to 0.803",
        "2.88 %",
        "30.10 %",
        "0.997",
        "MLE AUC of income",
        "96.10 %",
        "age",
        "21.4",
        "raygen evaluate adult.toml",
    ):
        assert told in text, told
    assert "Draw z from the mixture" in text and '"latent_dim": 16' in text
    assert source.count('role="img"') == source.count("<svg") == len(NAMES) + 1


def test_columns_come_worst_first_and_forty_are_drawn():
    source = rendered("300 columns")
    columns = sorted(wide().runs[0].columns, key=lambda c: -c.shape_error)
    assert re.findall(r'aria-label="Distribution of (.+?), real', source) == [c.name for c in columns[:40]]
    table = source[source.index('<table class="sortable">') :]
    assert re.findall(r'<th scope="row">(.+?)</th>', table)[:300] == [c.name for c in columns]
    assert "28 more columns" in source and "The 24 columns with the worst pairs, of 300." in source


def test_several_runs_stand_side_by_side():
    source = rendered("three runs")
    text = plain(source)
    for heading in ("Shape error % mixture of 64", "Shape error % tvae", "Shape error % flow"):
        assert heading in text
    assert source.count("missing, real %") == 1 and source.count("pairs-2-") > 3
    assert "Shard 00007 is cut short." in text and "for several" not in text
    scale = report_page.score_rows(three().runs)
    assert [row["label"] for row in scale if row["cells"][2]["best"]] == ["Shape error", "Trend error"]


def test_scales_put_worse_left_and_better_right():
    rows = {row["label"]: row for row in report_page.score_rows(report().runs)}
    trend = rows["Trend error"]["scale"]
    assert dict(trend["ticks"]) == {"floor": 0.0, "ceiling": 100.0} and trend["dots"][0]["at"] == 94.2
    assert rows["C2ST"]["scale"]["dots"][0]["at"] == pytest.approx(100 * (0.791 - 0.02) / 0.977, abs=0.1)
    shape = rows["Shape error"]["scale"]  # shuffled columns win it: they are no bad end
    assert 85 < shape["dots"][0]["at"] < 95 and dict(shape["ticks"])["floor"] == 100.0
    assert dict(rows["DCR share"]["scale"]["ticks"]) == {"ceiling": 50.0} and rows["DCR share"]["floor"] == ""


@pytest.mark.parametrize(
    "evil",
    ["<script>alert(1)</script>", '"><img src=x onerror=y>', "a & b", "$x_1$ {{ 7 * 7 }}", "</script><b>"],
)
def test_texts_are_escaped(evil):
    one = run(evil, names=[evil, *NAMES[:3]])
    one |= {"path": evil, "problems": [evil]}
    one["columns"][1] |= {
        "kind": evil,
        "histogram": {"levels": [evil, None], "real": [1, 2], "synthetic": [2, 1]},
    }
    one["examples"] = [{"name": evil, "frequent": [[evil, 0.5]], "generated": [evil, None]}]
    one["scores"]["mle"] |= {"measure": evil, "target": evil}
    one["budget"]["pairs_lost"] = [{"columns": [evil, evil], "error": 3.0}]
    changes = {"command": evil, "config": {evil: evil}, "raygen": evil, "notes": [evil]}
    changes["real"] = {"path": evil, "rows": 3}
    changes["gate"] = [{"rule": evil, "passed": False, "run": evil}]
    source = report_page.render(report(one, run(evil, names=[evil]), **changes), title=evil)
    page = Page(source)
    assert page.tags.count("script") == 1 and "img" not in page.tags
    assert html.unescape(re.search("<title>(.*?)</title>", source)[1]) == evil
    assert page.text.count(evil) >= 12


def test_generated_rows_stand_beside_frequent_real_values():
    rows = {"name": "sex", "frequent": [["Male", 0.669]], "generated": ["Female", None]}
    source = report_page.render(report(run() | {"examples": [rows]}))
    assert '<a href="#rows">Some generated rows</a>' in source
    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", source[source.index('<h2 id="rows"') :])
    headings = ["Column", "often in real rows", "row 1", "row 2"]
    assert [html.unescape(cell) for cell in cells[:8]] == [
        *headings,
        "sex",
        "Male 66.9 %",
        "Female",
        "<missing>",
    ]
    assert 'id="rows"' not in rendered("minimal")


def test_a_bar_is_a_share_of_all_rows():
    """20 levels of .85 % each, of 118: nothing is scaled up."""
    names = [f"level {i}" for i in range(20)]
    many = LevelHistogram(levels=names, others=98, real=[0.0085] * 20, synthetic=[0.0085] * 20)
    shares = figures._shares(many)
    assert shares.real["level 0"] == 0.0085
    assert figures._rest(shares.real, names[:8]) == pytest.approx(1 - 8 * 0.0085)
    drawn = figures.column("x", [many])
    assert ">110 others<" in drawn and ">75 %<" in drawn  # the axis holds the rest


def test_what_no_real_row_has_is_in_the_rest():
    levels = LevelHistogram(levels=["a", "b"], others=0, real=[0.5, 0.5], synthetic=[0.2, 0.2])
    assert "others" in figures.column("x", [levels])
    alike = LevelHistogram(levels=["a", "b"], others=0, real=[0.5, 0.5], synthetic=[0.4, 0.6])
    assert "others" not in figures.column("x", [alike])


def test_unequal_bins_are_drawn_equally_wide():
    edges = [0.0, 1.0, 10.0, 1e6]
    steps = figures._steps(NumberHistogram(edges=edges, real=[0.81, 0.1, 0.09], synthetic=[0.25, 0.5, 0.25]))
    assert list(np.diff(steps.places)) == pytest.approx([1 / 3] * 3)
    assert list(steps.real) == pytest.approx([0.9, 0.1**0.5, 0.3])
    assert "1000k" in figures.column(
        "x", [NumberHistogram(edges=edges, real=[1.0, 0, 0], synthetic=[1.0, 0, 0])]
    )


def test_the_policy_lets_only_our_script_run():
    source = rendered("minimal")
    script = re.search(r"<script>(.*?)</script>", source, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in source


def test_memory_stands_in_the_table_and_beside_privacy():
    text = plain(rendered("memory"))
    for told in (
        "C2ST, unseen rows",
        "0.771",
        "C2ST, as many seen",
        "Memory",
        "0.014",
        "against 3,256 unseen",
    ):
        assert told in text, told
    assert "not quite unseen" not in text
    chose = report(run(memory=True), holdout={"path": "x", "rows": 9, "chose_model": True})
    assert "they are not quite unseen" in plain(report_page.render(chose))


def test_figures_differ_between_themes_by_variables_only():
    drawn = re.findall(r"<svg.*?</svg>", rendered("three runs"), re.DOTALL)
    colours = {c for svg in drawn for c in re.findall(r"(?:fill|stroke): ?(#\w+)", svg)}
    assert colours <= {"#000000"}  # glyph defaults


def test_what_is_empty_is_not_drawn():
    assert figures.column("x", [None]) == ""
    for matrix in ([], [[None, None], [None, None]]):
        assert figures.pairs("x", Pairs(names=["a", "b"][: len(matrix)], errors=matrix)) == ("", [])


def test_a_figure_needs_no_more_than_one_row():
    numbers = NumberHistogram(edges=[0.0, 1.0], real=[1.0], synthetic=[None])
    levels = LevelHistogram(levels=[None], real=[1.0], synthetic=[0.0])
    assert figures.column("x", [numbers]).startswith("<svg")
    assert "missing" in figures.column("y", [levels, None])


LOOK = """
  page.querySelectorAll("details").forEach(d => d.open = true);
  const drawn = svg => svg.getBoundingClientRect().height > 50;
  const shown = [...page.querySelectorAll("svg")].filter(drawn).length;
  const all = selector => [...page.querySelectorAll("table.sortable " + selector)];
  const names = () => all("tbody th").map(th => th.textContent);
  const sorts = () => all("thead th").map(th => th.getAttribute("aria-sort"));
  const paper = () => frame.contentWindow.getComputedStyle(page.body).backgroundColor;
  const button = page.getElementById("theme"), buttons = all("thead button"), steps = [];
  const step = () => steps.push([names(), sorts(), paper(), button.getAttribute("aria-pressed")]);
  step();
  if (buttons.length) for (const i of [0, 0, 2]) { buttons[i].click(); step(); }
  button.click(); step(); button.click(); step();
  const bad = page.createElement("script");
  bad.textContent = "window.evil = true";
  page.body.append(bad);
  const { evil, localStorage } = frame.contentWindow;
  const theme = localStorage.getItem("raygen-theme");
  return [root.scrollWidth, root.clientWidth, shown, loaded, steps, evil === true, theme];
"""


def test_scales_stand_beside_the_scores_and_for_phones_below_their_names():
    source = rendered("full")
    assert source.count('class="scale beside"') == source.count('class="scale below"') > 0


SCALES = """
  const boxes = [...page.querySelectorAll(".scale")].map(scale => scale.getBoundingClientRect());
  const seen = boxes.filter(box => box.width > 0);
  return [boxes.length, seen.length, Math.max(...seen.map(box => box.right)), root.clientWidth];
"""


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("case", ["full", "three runs"])
def test_a_phone_shows_every_scale(case, tmp_path):
    (all_, seen, right, width), _ = in_browser(rendered(case), SCALES, tmp_path, 400)
    assert all_ == 2 * seen > 0 and right <= width


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("case", ["full", "three runs", "300 columns", "minimal"])
def test_a_browser_shows_it_on_a_phone(case, tmp_path):
    """390 px wide: nothing to scroll sideways, every figure drawn, nothing loaded; headings sort, the theme
    switches."""
    source = rendered(case)
    (scroll, width, shown, loaded, steps, evil, kept), log = in_browser(source, LOOK, tmp_path)
    assert 360 < width <= 390 and scroll == width
    assert shown == source.count("<svg") and not loaded and not evil and kept == "light"
    complaints = [
        line for line in log.splitlines() if "CONSOLE" in line and "Content Security Policy" not in line
    ]
    assert not complaints, complaints
    light, dark = "rgb(255, 255, 255)", "rgb(20, 24, 30)"
    assert [(paper, pressed) for *_, paper, pressed in steps[-3:]] == [
        (light, "false"),
        (dark, "true"),
        (light, "false"),
    ]
    if case == "minimal":
        return
    start, up, down, again = (names for names, *_ in steps[:4])
    assert (
        up
        == sorted(
            start, key=lambda n: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", n)]
        )
        and down == up[::-1]
    )
    assert [s[1][:1] for s in steps[1:3]] == [["ascending"], ["descending"]] and steps[3][1][:3] == [
        None,
        None,
        "descending",
    ]
    errors = {c.name: round(c.shape_error, 2) for c in CASES[case]().runs[0].columns}
    assert [errors[name] for name in again] == sorted(errors.values(), reverse=True)
