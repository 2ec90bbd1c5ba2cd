"""The latent page and its terminal lines, on made-up reports whose answers are known."""

import html
import json
import re

import pytest

from raygen.report.latent import page as latent_page
from raygen.report.latent import sentences as latent_words
from raygen.report.latent import terminal as latent_lines
from raygen.report.latent.record import LatentReport
from tests.pages import CHROMIUM, Page, in_browser, plain
from tests.report.latent.reports import CASES, FIGURES, full, minimal, read


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.slow
def test_a_page_stands_alone_and_leaves_out_what_is_missing(case):
    source = latent_page.render(read(case()))
    page = Page(source)
    assert not {"iframe", "img", "object", "embed"} & set(page.tags) and page.tags.count("script") == 1
    assert ("id", "theme") in page.attributes
    loads = [
        value for name, value in page.attributes if name in ("src", "href", "xlink:href", "data", "srcset")
    ]
    assert all(value.startswith(("#", "data:")) for value in loads)
    assert not re.findall(r"https?:|@import|url\((?!#)", source)
    assert not re.findall(r"\b(nan|inf|None|undefined)\b", page.text)
    assert len(source) < 1_000_000


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_written_is_read_again(case):
    report = read(case())
    text = json.dumps(report.to_dict(), allow_nan=False)
    assert LatentReport.model_validate_json(text) == report


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_lines_fit_a_terminal(case):
    lines = latent_lines.lines(read(case()))
    assert all(line.isascii() and len(line) <= 110 and line == line.rstrip() for line in lines)
    assert not re.findall(r"\b(nan|inf|None)\b", "\n".join(lines))


def test_the_page_names_every_sampler_cheapest_first_and_every_part():
    source = latent_page.render(read(full()))
    text = plain(source)
    places = [source.index(f'<th scope="row">{name}') for name in (*FIGURES, "bound", "ceiling", "floor")]
    assert places == sorted(places)
    for figure in (
        "-412.31 +- 6.20",
        "+4.970 +- 0.060",
        "0.832 +- 0.006",
        "770,000",
        "0.92",
        "2.61",
        "1.010",
        "14.2",
    ):
        assert figure in text
    assert source.count("<svg") == 1 + len(FIGURES) and source.count('role="img" aria-label="') == 3 + len(
        FIGURES
    )
    assert [p["percent"] for p in latent_page._view(read(full()))["split"]] == ["23.4", "25.8", "50.8"]
    assert "The flow was scored on 2,000 of 3,256 held-out rows." in text
    for heading in (
        "Samplers, cheapest first",
        "What is wrong with N(0, I)",
        "Dimension by dimension",
        "What the samplers draw",
    ):
        assert heading in text


def test_a_minimal_report_has_no_empty_column_and_no_picture():
    text = plain(latent_page.render(read(minimal())))
    for absent in ("C2ST", "Shape", "fit seconds", "rows/s", "What the samplers draw", "tells which row"):
        assert absent not in text, absent
    assert "flops/row" in text


def test_page_and_terminal_say_the_same():
    text, terminal = (
        plain(latent_page.render(read(full()))),
        " ".join(" ".join(latent_lines.lines(read(full()))).split()),
    )
    for sentence in (
        latent_words.headline(read(full())),
        *latent_words.explain(read(full())),
        *latent_words.options(read(full())),
        latent_words.agreement(read(full())),
    ):
        assert sentence.replace("`", "") in text and sentence in terminal


def test_figures_differ_between_themes_by_variables_only():
    source = latent_page.render(read(full()))
    drawn = re.findall(r"<svg.*?</svg>", source, re.DOTALL)
    assert {c for svg in drawn for c in re.findall(r"(?:fill|stroke): ?(#\w+)", svg)} <= {
        "#000000"
    }  # glyph defaults
    assert all("var(--ink)" in svg for svg in drawn)


@pytest.mark.parametrize(
    "evil", ["<script>alert(1)</script>", '"><img src=x onerror=y>', "a & b", "$x_1$ {{ 7 * 7 }}"]
)
def test_texts_are_escaped(evil):
    report = full() | {"unsettled": [evil], "chosen": evil}
    report["samplers"][evil] = report["samplers"].pop("mixture")
    source = latent_page.render(read(report), title=evil)
    page = Page(source)
    assert "img" not in page.tags and page.tags.count("script") == 1
    assert f"<title>{html.escape(evil).replace('&quot;', '&#34;')}</title>" in source
    assert page.text.count(evil) >= 5


LOOK = """
  const high = svg => svg.getBoundingClientRect().height > 50;
  const shown = [...page.querySelectorAll("svg")].filter(high).length;
  return [root.scrollWidth, root.clientWidth, shown, loaded];
"""


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("case", ["full", "1,024 dimensions", "minimal"])
def test_a_browser_shows_it_on_a_phone(case, tmp_path):
    """390 px wide: nothing to scroll sideways, every figure drawn, nothing loaded, nothing on the console."""
    source = latent_page.render(read(CASES[case]()))
    (scroll, width, shown, loaded), log = in_browser(source, LOOK, tmp_path)
    assert 360 < width <= 390 and scroll == width
    assert shown == source.count("<svg") and not loaded
    assert "CONSOLE" not in log, log
