"""The latent page and its terminal lines, on made-up reports whose answers are known."""

import html
import json
import re

import numpy as np
import pytest

from raygen.report.latent import page as latent_page
from raygen.report.latent import quantities
from raygen.report.latent import sentences as latent_words
from raygen.report.latent import terminal as latent_lines
from raygen.report.latent.record import LatentReport
from tests.pages import CHROMIUM, Page, in_browser, plain

KEYS = ("nats", "error", "behind", "behind_error", "fit_seconds", "rows_per_second", "flops_per_row")
TABLE_KEYS = ("shape_error", "trend_error", "c2st", "variance_ratio")
FIGURES = {
    "naive": ((-412.31, 6.2, 417.292, 6.2, 0.0, 9.1e5, 32), (21.3, 38.1, 0.012, 0.03)),
    "normal": ((0.0, 0.0, 4.982, 0.061, 0.0, 9.2e5, 32), (3.92, 9.21, 0.431, 1.4)),
    "diagonal": ((1.204, 0.013, 3.778, 0.058, 0.1, 9.0e5, 32), (2.71, 7.9, 0.502, 0.97)),
    "gaussian": ((2.531, 0.02, 2.451, 0.05, 0.1, 8.4e5, 512), (2.07, 5.91, 0.561, 0.99)),
    "learned": ((4.71, 0.05, 0.272, 0.02, 0.0, 8.2e5, 32), (1.15, 2.88, 0.791, 1.0)),
    "mixture": ((4.97, 0.06, 0.012, 0.021, 14.2, 7.7e5, 512), (0.92, 2.61, 0.832, 1.01)),
    "flow": ((4.982, 0.061, 0.0, 0.0, 181.0, 3500.0, 4_300_000), (0.77, 2.34, 0.836, 1.0)),
}


read = LatentReport.model_validate


def dimension(rng, active) -> dict:
    kept, moved = (
        (rng.uniform(0.02, 0.3), rng.uniform(0.5, 1.1))
        if active
        else (rng.uniform(0.97, 1.0), rng.uniform(1e-5, 1e-3))
    )
    kl = 0.5 * (kept + moved - 1 - np.log(kept))
    return {
        "kl": kl,
        "mean_variance": moved,
        "posterior_variance": kept,
        "variance": kept + moved,
        "active": active,
    }


def picture(rng, dims, gap, rows=3256) -> dict:
    """Three clusters beside a sampler that blurs them by `gap`, or draws all rows near the middle if `gap` is
    above 1."""
    centres = np.array([[-1.2, -0.5], [0.9, 0.8], [0.6, -1.1]])
    z = centres[rng.integers(0, 3, rows)] + rng.normal(0, 0.35, (rows, 2))
    drawn = rng.normal(0, 0.2, z.shape) if gap > 1 else (1 - gap) * z + gap * rng.normal(size=z.shape)
    edges = [np.linspace(-3, 3, 41)] * 2
    counts = [np.histogram2d(*points.T, bins=edges)[0].astype(int).tolist() for points in (z, drawn)]
    directions = np.linalg.qr(rng.normal(size=(max(2, dims), 2)))[0].T[:, :dims].tolist()
    return {
        "directions": directions,
        "ks": [0.3 * gap, 0.2 * gap],
        "range": [[-3, 3], [-3, 3]],
        "posterior": counts[0],
        "sampler": counts[1],
    }


def full(dims=16, active=11, names=tuple(FIGURES), chosen="mixture") -> dict:
    """A report in the manner of UCI Adult's."""
    rng = np.random.default_rng(0)
    samplers = {}
    for name in names:
        law, table = FIGURES[name]
        gap = {"naive": 1.5, "learned": 0.1, "mixture": 0.05, "flow": 0.02}.get(name, 0.9)
        samplers[name] = dict(zip(KEYS, law, strict=True)) | dict(zip(TABLE_KEYS, table, strict=True))
        samplers[name] |= {"c2st_error": 0.006, "picture": picture(rng, dims, gap)}
    return {
        "chosen": chosen,
        "rows": 29305,
        "held_out_rows": 3256,
        "latent_dim": dims,
        "rate": 15.37,
        "log_rows": 10.286,
        "mutual_information": 10.21,
        "kl": {"total": 5.16, "error": 0.06, "scale": 1.21, "correlation": 1.33, "shape": 2.62},
        "dimensions": [dimension(rng, bool(i < active)) for i in rng.permutation(dims)],
        "samplers": samplers,
        "tables": {
            "bound": {"shape_error": 0.21, "trend_error": 1.13, "c2st": 0.962, "c2st_error": 0.006},
            "ceiling": {"shape_error": 0.34, "trend_error": 1.2, "c2st": 0.997, "c2st_error": 0.005},
            "floor": {"shape_error": 0.0, "trend_error": 30.1, "c2st": 0.02, "c2st_error": 0.004},
        },
        "rows_compared": 3256,
        "unsettled": ["The flow was scored on 2,000 of 3,256 held-out rows."],
    }


def minimal() -> dict:
    """Only what every report has."""
    report = full(names=("normal", "diagonal"), chosen="diagonal")
    for key in ("mutual_information", "tables", "rows_compared", "unsettled"):
        del report[key]
    report["samplers"] = {
        n: {k: s[k] for k in KEYS if k not in ("fit_seconds", "rows_per_second")}
        for n, s in report["samplers"].items()
    }
    return report


def spoilt(report, bad):
    """Every number of a report replaced, as an encoder with exploding variances would do."""
    if isinstance(report, dict):
        return {k: spoilt(v, bad) for k, v in report.items()}
    if isinstance(report, list):
        return [spoilt(v, bad) for v in report]
    return bad if isinstance(report, float | int) and not isinstance(report, bool) else report


CASES = {
    "full": full,
    "minimal": minimal,
    "one dimension": lambda: full(1, 1),
    "1,024 dimensions": lambda: full(1024, 300),
    "no dimension active": lambda: full(8, 0),
    "one sampler": lambda: full(names=("normal",), chosen="normal"),
    "unknown sampler": lambda: (
        full() | {"chosen": "copula", "samplers": full()["samplers"] | {"copula": full()["samplers"]["flow"]}}
    ),
    "nan": lambda: spoilt(full(), float("nan")),
    "infinite": lambda: spoilt(full(), float("inf")),
    "None": lambda: spoilt(full(), None),
    "zero": lambda: spoilt(full(), 0),
    "negative": lambda: spoilt(full(), -2.5),
    "from JSON": lambda: json.loads(json.dumps(full())),
    "empty": dict,
}


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


# ---------------------------------------------------------------------------------------------------- the
# words
def with_figures(**changes) -> dict:
    """`full` with figures of some samplers changed: `flow={"c2st": 0.7}`; None takes a sampler out."""
    report = full(chosen=changes.pop("chosen", "mixture"))
    for name, change in changes.items():
        report["samplers"][name].update(change or {})
        if change is None:
            del report["samplers"][name]
    return report


def test_the_verdict_names_the_chosen_sampler_and_its_gain():
    assert (
        latent_words.headline(read(full()))
        == "Draw z from the mixture: it fits the z of held-out rows better than N(0, I), by 4.970 +- "
        "0.060 nats per row."
    )
    worse = with_figures(diagonal={"nats": -0.4}, chosen="diagonal")
    assert "held-out rows worse than N(0, I), by 0.400" in latent_words.headline(read(worse))
    level = with_figures(diagonal={"nats": 0.004}, chosen="diagonal")
    assert "as well as N(0, I) does (+0.004 +- 0.013 nats per row)" in latent_words.headline(read(level))


def test_the_verdict_on_the_prior():
    assert latent_words.headline(read(full(chosen="normal"))).endswith(
        "it was set so, though others fit z better."
    )
    assert latent_words.headline(read(full(names=("naive", "normal"), chosen="normal"))).endswith(
        "no other sampler was compared with it."
    )
    level = full(names=("naive", "normal", "diagonal"), chosen="normal")
    level["samplers"]["normal"] |= {"behind": 0.003, "behind_error": 0.004}
    level["samplers"]["diagonal"] |= {"nats": 0.003, "error": 0.004, "behind": 0.0, "behind_error": 0.0}
    assert (
        latent_words.headline(read(level))
        == "Draw z from N(0, I): no other sampler gains more than its error."
    )


def test_a_dearer_sampler_must_earn_its_cost():
    sentences = latent_words.rungs(read(full()))
    assert sentences == [
        "Over the learned prior, the best of the cheaper ones, it gains 0.260 nats: it earns its cost.",
        "The flow is dearer (3,500 rows/s instead of 770,000) and gains 0.012 +- 0.021 nats, no more "
        "than one standard error: "
        "it does not earn its cost.",
    ]
    dear = with_figures(flow={"nats": 5.4}, mixture={"behind": 0.43, "behind_error": 0.03})
    assert latent_words.rungs(read(dear))[1].endswith(
        "gains 0.430 +- 0.030 nats, more than its error: it would earn its cost."
    )
    poor = with_figures(
        flow={"nats": 4.9, "behind": 0.07, "behind_error": 0.02}, mixture={"behind": 0.0, "behind_error": 0.0}
    )
    assert latent_words.rungs(read(poor))[1].endswith(
        "fits no better (-0.070 nats): it does not earn its cost."
    )
    assert (
        "Over the learned prior, the best of the cheaper ones, it gains 0.260 +- 0.020 nats"
        in latent_words.rungs(read(poor))[0]
    )
    waste = with_figures(learned={"nats": 4.965})
    assert latent_words.rungs(read(waste))[0] == "The learned prior is cheaper and would do as well."


def test_the_options_of_the_question_by_figures():
    a, b = latent_words.options(read(full()))
    assert a.startswith("(a) Mean and standard deviation of the sampled z")
    assert (
        "1.204 nats per row better than N(0, I), 3.766 behind the mixture, C2ST 0.502, generated "
        "columns have 0.97 times the variance" in a
    )
    assert (
        b.startswith("(b) Mean of z_mean")
        and "412.31 nats per row worse than N(0, I)" in b
        and "0.03 times the variance" in b
    )
    active = [d for d in full()["dimensions"] if d["active"]]
    kept = 100 * sum(d["posterior_variance"] for d in active) / sum(d["variance"] for d in active)
    assert f"at most {kept:.2g} % of the variance of z is left" in b
    assert "the one chosen" in latent_words.options(read(full(chosen="diagonal")))[0]


def test_one_comparison_has_no_error_and_ranks_nothing():
    once = full()
    for sampler in once["samplers"].values():
        sampler.pop("c2st_error", None)
    told = latent_words.agreement(read(once))
    assert told.startswith("The classifier (C2ST) made one comparison for each sampler, so its error is not")
    assert "+-" not in told


def test_the_classifier_agrees_disagrees_or_cannot_tell():
    assert latent_words.agreement(read(full())).startswith(
        "The rows agree with the nats: the classifier (C2ST) puts all 14 pairs"
    )
    against = latent_words.agreement(read(with_figures(learned={"c2st": 0.871})))
    assert against.startswith("The rows disagree with the nats in 2 of 14 pairs")
    assert (
        "the mixture fits z better than the learned prior, yet its rows pass less well for real (C2ST "
        "0.832 +- 0.006 against 0.871 +- 0.006)" in against
    )
    blind = full(names=("naive", "mixture", "flow"))
    assert "cannot tell these samplers apart" in latent_words.agreement(read(blind))
    assert (
        latent_words.agreement(read(minimal())) == ""
        and latent_words.agreement(read(full(names=("naive", "normal")))) == ""
    )


def test_what_is_missing_is_shared_out():
    assert latent_words.missing(read(full())) == (
        "C2ST of the chosen sampler is 0.832. A perfect sampler would reach about 0.962: the 0.130 "
        "between is the sampler's. "
        "The 0.035 from there to other real rows (0.997) is the decoder's: no sampler mends it."
    )


def test_the_rate_beside_the_rows():
    assert (
        "Rate: z carries 15.4 nats of a row. To name one of 29,305 training rows takes ln(rows) = 10.3."
        in quantities.rate(read(full()))
    )
    assert latent_words.warning(read(full())).startswith(
        "Warning: the rate is above ln(rows), so z can index single rows."
    )
    low = full() | {"rate": 7.0}
    assert (
        latent_words.warning(read(low)) == ""
        and quantities.rate(read(low))[-1]
        == "The rate is not above ln(rows): z cannot name every single row."
    )


def test_active_dimensions_are_counted():
    text = (
        "11 of 16 dimensions of z are active; in the rest z_mean hardly moves from row to row, so "
        "that z is only noise there."
    )
    assert quantities.activity(read(full()))[0] == text
    assert quantities.activity(read(full(1, 1)))[0] == "1 of 1 dimension of z is active."
    assert quantities.activity(read(full(8, 0))) == ["0 of 8 dimensions of z are active."]


# ---------------------------------------------------------------------------------------------------- a real
# browser
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


def test_a_classifier_that_is_never_fooled_ranks_nothing():
    report = full()
    for figures in report["samplers"].values():
        figures["c2st"] = 0.05
    assert "so it ranks none" in latent_words.agreement(read(report))
