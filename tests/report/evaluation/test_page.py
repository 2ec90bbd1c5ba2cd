"""The report page and its terminal lines, on made-up reports whose answers are known."""

import copy
import html
import json
import re

import numpy as np
import pytest

from raygen.report.evaluation import figures, sentences
from raygen.report.evaluation import page as report_page
from raygen.report.evaluation import terminal as report_lines
from tests.pages import CHROMIUM, Page, in_browser, plain
from tests.report.latent.test_page import full as latent_report
from tests.report.latent.test_page import spoilt

SCORES = {  # value, low, high, floor, ceiling, better
    "shape_error": (1.15, 1.02, 1.29, 0.0, 0.34, "lower"),
    "trend_error": (2.88, 2.7, 3.1, 30.1, 1.2, "lower"),
    "c2st": (0.791, 0.779, 0.803, 0.02, 0.997, "higher"),
    "mle": (0.9161, 0.909, 0.923, 0.5, 0.927, "higher"),
    "alpha_precision": (0.981, 0.97, 0.99, 0.62, 0.995, "higher"),
    "beta_recall": (0.482, 0.47, 0.49, 0.05, 0.503, "higher"),
    "dcr_share": (0.509, 0.5, 0.518, None, 0.5, 0.5),
    "dcr_2_percent": (0.503, 0.44, 0.56, None, None, 0.5),
    "exact_copies": (0.0011, None, None, 0.0, 0.0013, "lower"),
    "membership_auc": (0.512, 0.503, 0.521, None, 0.5, 0.5),
    "category_coverage": (0.961, None, None, 1.0, 0.982, "higher"),
    "range_coverage": (0.93, None, None, 1.0, 0.97, "higher"),
    "outside": (0.0004, None, None, 0.0, 0.0006, "lower"),
    "missing_error": (0.21, None, None, 0.0, 0.1, "lower"),
}
NAMES = [
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
]
NAMES += ["capital-gain", "capital-loss", "hours-per-week", "native-country", "income", "born"]
NUMBERS = {"age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week"}
CITIES = [
    "Berlin",
    "Tokyo",
    "Sao Paulo",
    "Cairo",
    "Lagos",
    "Lima",
    "Oslo",
    "Llanfairpwllgwyngyll",
    "Rome",
    "Bonn",
    "Kyiv",
    None,
]


def column(rng, name: str, error: float) -> dict:
    law = np.random.default_rng([*name.encode(), 7])  # of the real rows, the same for every run
    numeric, when = name in NUMBERS or name.startswith("n"), name == "born"
    out = {
        "name": name,
        "kind": "datetime" if when else "numeric" if numeric else "categorical",
        "shape_error": error,
    }
    out |= {
        "missing_real": 0.051,
        "missing_synthetic": 0.049,
        "outside": 0.0002,
        "unseen": 0.0,
        "coverage": 0.97,
    }
    if numeric or when:
        real, scale = (
            np.concatenate([law.normal(-1, 0.4, 2000), law.normal(1, 0.8, 3000)]),
            10.0 ** law.integers(0, 6),
        )
        made = np.concatenate([real[:4000] + error / 20, rng.normal(0, 1, 1000)])
        edges = np.linspace(-3, 4, 41)
        counts = [np.histogram(values, edges)[0].tolist() for values in (real, made)]
        edges = edges * 2e8 + 1e9 if when else edges * scale
        out["histogram"] = {"edges": edges.tolist(), "real": counts[0], "synthetic": counts[1]}
    else:
        levels = CITIES[: law.integers(2, len(CITIES) + 1)]
        real = law.dirichlet(np.full(len(levels), 0.7))
        made = (1 - error / 50) * real + error / 50 * rng.dirichlet(np.ones(len(levels)))
        out["histogram"] = {
            "levels": levels,
            "real": (5000 * real).round().tolist(),
            "synthetic": (5000 * made).round().tolist(),
        }
    return out


def run(name="vae", seed=0, names=NAMES, **scores) -> dict:
    """One table in the manner of UCI Adult's; scores by name replace those of `SCORES`: a value, or value and
    half an interval, or None."""
    rng = np.random.default_rng(seed)
    keys = ("value", "low", "high", "floor", "ceiling", "better")
    given = {key: dict(zip(keys, values, strict=True)) for key, values in SCORES.items()}
    given["mle"] |= {"measure": "AUC", "target": "income"}
    for key, value in scores.items():
        value, spread = value if isinstance(value, tuple) else (value, 0.01)
        given[key] |= {
            "value": value,
            "low": None if value is None else value - spread,
            "high": None if value is None else value + spread,
        }
    errors = np.sort(rng.gamma(1.0, 2.0, len(names)))[rng.permutation(len(names))]
    matrix = rng.gamma(1.0, 2.0, (len(names), len(names)))
    matrix = [
        [
            None if i == j or rng.random() < 0.3 else float(matrix[min(i, j), max(i, j)])
            for j in range(len(names))
        ]
        for i in range(len(names))
    ]
    worst = [
        [names[0], names[1 % len(names)], 21.4],
        [names[-1], names[2 % len(names)], 9.02],
        [names[-2:][0], names[0], 3.3],
    ]
    for a, b, error in worst:
        matrix[names.index(a)][names.index(b)] = matrix[names.index(b)][names.index(a)] = (
            error if a != b else None
        )
    return {
        "name": name,
        "path": f"out/{name}/",
        "rows": 29305,
        "problems": [],
        "scores": given,
        "columns": [column(rng, n, float(e)) for n, e in zip(names, errors, strict=True)],
        "pairs": {"names": names, "error": matrix, "worst": worst},
        "budget": {
            "held_out": {"shape_error": 0.34, "trend_error": 1.2, "c2st": 0.997},
            "resynthesised": {"shape_error": 0.21, "trend_error": 1.13, "c2st": 0.962},
            "generated": {"shape_error": 1.15, "trend_error": 2.88, "c2st": 0.791},
            "pairs_lost": [["age", "education", 4.2], ["race", "sex", 3.1]],
        },
        "latent": latent_report(),
    }


def full(*runs: dict) -> dict:
    return {
        "format": 1,
        "raygen": "0.2.0",
        "real": {"path": "data/adult/train.parquet", "rows": 29305, "columns": len(NAMES)},
        "holdout": {"path": "data/adult/test.parquet", "rows": 16281},
        "seed": 7,
        "sample_rows": 16000,
        "command": "raygen evaluate adult.toml --set evaluate.sample_rows=16000",
        "config": {"model": {"latent_dim": 16}, "train": {"steps": 4000}},
        "seconds": 41.7,
        "runs": list(runs) or [run()],
        "gate": [
            {"rule": "c2st >= 0.7", "value": 0.791, "passed": True},
            {"rule": "dcr_share <= 0.55", "value": 0.509, "passed": True},
        ],
    }


def three() -> dict:
    other = run("tvae", 1, shape_error=10.8, trend_error=14.46, c2st=0.032, mle=0.89, beta_recall=0.21)
    third = run("flow", 2, shape_error=0.77, trend_error=2.34, c2st=0.802, dcr_share=0.62)
    third["problems"] = [
        "Column 'age' is int64 in the real table and string in this one.",
        "Shard 00007 is cut short.",
    ]
    other["latent"] = "latent.html"
    return full(run("mixture of 64"), other, third)


def minimal() -> dict:
    return {"format": 1, "runs": [{"scores": {"shape_error": {"value": 1.2}}}]}


def wide(columns=300) -> dict:
    report = full(
        run(names=[f"n{i:03}" if i % 2 else f"city of birth, number {i:03}" for i in range(columns)])
    )
    report["runs"][0]["latent"] = None
    return report


CASES = {
    "full": full,
    "three runs": three,
    "minimal": minimal,
    "300 columns": wide,
    "one column": lambda: (
        wide(4) | {"runs": [run(names=NAMES[:4]) | {"columns": run(names=NAMES[:4])["columns"][:1]}]}
    ),
    "nan": lambda: spoilt(full(), float("nan")),
    "infinite": lambda: spoilt(full(), float("inf")),
    "None": lambda: spoilt(three(), None),
    "zero": lambda: spoilt(full(), 0),
    "negative": lambda: spoilt(full(), -2.5),
    "huge": lambda: spoilt(full(), 1e14),
    "from JSON": lambda: json.loads(json.dumps(three())),
    "keys only": lambda: dict.fromkeys(full()) | {"runs": [dict.fromkeys(run()), None]},
    "empty": dict,
}
PAGES: dict[str, str] = {}


def rendered(case: str) -> str:
    if case not in PAGES:
        PAGES[case] = report_page.render(CASES[case]())
    return PAGES[case]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.slow
def test_a_page_stands_alone_and_leaves_out_what_is_missing(case):
    report = CASES[case]()
    before = repr(report)
    report_page._view({**report, "runs": [dict(r or {}, columns=[]) for r in report.get("runs") or []]})
    assert repr(report) == before
    source = rendered(case)
    page = Page(source)
    assert (
        not {"iframe", "img", "object", "embed", "form"} & set(page.tags) and page.tags.count("script") == 1
    )
    loads = [
        value
        for name, value in page.attributes
        if name in ("src", "href", "xlink:href", "data", "srcset", "action")
    ]
    assert all(value.startswith(("#", "data:")) or value == "latent.html" for value in loads)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not re.findall(r"https?:|@import|url\((?!#)", source)
    assert not re.findall(r"\b(nan|inf|None|undefined)\b", page.text.replace("system.matches", ""))
    assert len(source) < 1_500_000


@pytest.mark.parametrize("case", CASES)
def test_lines_fit_a_terminal(case):
    lines = report_lines.lines(CASES[case]())
    assert all(line.isascii() and len(line) <= 110 and line == line.rstrip() for line in lines)
    assert not re.findall(r"\b(nan|inf|None)\b", "\n".join(lines))


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
    columns = sorted(wide()["runs"][0]["columns"], key=lambda c: -c["shape_error"])
    assert re.findall(r'aria-label="Distribution of (.+?), real', source) == [c["name"] for c in columns[:40]]
    table = source[source.index('<table class="sortable">') :]
    assert re.findall(r'<th scope="row">(.+?)</th>', table)[:300] == [c["name"] for c in columns]
    assert "28 more columns" in source and "The 24 columns with the worst pairs, of 300." in source


def test_several_runs_stand_side_by_side():
    source = rendered("three runs")
    text = plain(source)
    for heading in ("Shape error % mixture of 64", "Shape error % tvae", "Shape error % flow"):
        assert heading in text
    assert (
        source.count("missing, real %") == 1
        and 'href="latent.html"' in source
        and source.count("pairs-2-") > 3
    )
    assert "Shard 00007 is cut short." in text and "for several" not in text
    scale = report_page._scores(sentences.runs(three()))
    assert [row["label"] for row in scale if row["cells"][2]["best"]] == ["Shape error", "Trend error"]


def test_scales_put_worse_left_and_better_right():
    rows = {row["label"]: row for row in report_page._scores(sentences.runs(full()))}
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
    one |= {"path": evil, "problems": [evil], "latent": evil}
    one["columns"][1] |= {
        "kind": evil,
        "histogram": {"levels": [evil, None], "real": [1, 2], "synthetic": [2, 1]},
    }
    one["scores"] = {evil: {"value": 1.0}, "mle": {"value": 0.8, "measure": evil, "target": evil}}
    one["budget"]["pairs_lost"] = [[evil, evil, 3.0]]
    report = full(one, run(evil, names=[evil])) | {
        "command": evil,
        "config": {evil: evil},
        "raygen": evil,
        "real": {"path": evil},
        "seed": evil,
    }
    report["gate"] = [{"rule": evil, "passed": False, "run": evil}]
    source = report_page.render(report, title=evil)
    page = Page(source)
    assert page.tags.count("script") == 1 and "img" not in page.tags
    assert html.unescape(re.search("<title>(.*?)</title>", source)[1]) == evil
    assert page.text.count(evil) >= 12
    verdict = Page(report_page.render(report | {"verdict": [evil]}))
    assert verdict.tags.count("script") == 1 and "img" not in verdict.tags
    assert report_lines.lines(report)


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "https://example.org/x.html",
        "//x/latent.html",
        "data:text/html,x.html",
        "/etc/x.html",
    ],
)
def test_only_a_relative_page_is_linked(link):
    report = minimal()
    report["runs"][0]["latent"] = link
    assert html.escape(link) not in report_page.render(report)


def test_the_policy_lets_only_our_script_run():
    import base64
    import hashlib

    source = rendered("minimal")
    script = re.search(r"<script>(.*?)</script>", source, re.DOTALL)[1]
    assert (
        f"script-src 'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in source
    )


# ---------------------------------------------------------------------------------------------------- the
# words
def verdict(**changes) -> str:
    return " ".join(sentences.verdict(full(run(**changes))))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.992, "As good as other real rows"),
        (0.9, "Very good"),
        (0.791, "Good, not perfect"),
        (0.4, "Weak"),
        (0.021, "Poor: a classifier tells"),
    ],
)
def test_the_verdict_says_how_good_the_rows_are(value, words):
    assert verdict(c2st=value).startswith(f"{words}")
    assert f"C2ST {value:.3f}; shuffled columns 0.020, other real rows 0.997" in verdict(c2st=value)


def test_without_a_classifier_pairs_or_columns_decide():
    one = run()
    del one["scores"]["c2st"]
    assert sentences.quality(one).startswith(
        "Very good by Trend error alone (Trend error 2.88 %; shuffled columns 30.10 %, other real rows 1.20 %)"
    )
    assert sentences.quality({}).startswith("No score of whole rows was computed")


def test_the_verdict_names_what_falls_short():
    text = verdict(mle=0.6, trend_error=14.0)
    assert (
        "It falls short in Trend error 14.00 % (shuffled columns 30.10 %, other real rows 1.20 %) and MLE AUC of income 0.600"
        in text
    )
    assert "Worst pairs: age with workclass (21.4 %) and born with fnlwgt (9.0 %)." in text
    assert "falls short" not in verdict()
    assert "It falls short in Shape error 10.80 % (other real rows 0.34 %)." in verdict(
        shape_error=10.8
    )  # which shuffled columns win
    assert "2.00 % of the rows hold a value outside the real range" in verdict(outside=0.02)


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({}, 0, "No sign that rows are copied (DCR share 0.509, ideal 0.5 and"),
        ({"dcr_share": 0.55}, 1, "Some sign that rows are copied: DCR share 0.550, ideal 0.5."),
        ({"dcr_share": (0.55, 0.06)}, 0, "No sign that rows are copied"),
        (
            {"dcr_share": 0.83},
            2,
            "Rows are copied from the training rows: DCR share 0.830, ideal 0.5. Do not publish them.",
        ),
        ({"membership_auc": 0.58}, 1, "Some sign that rows are copied: Membership AUC 0.580"),
        (
            {"exact_copies": 0.3},
            2,
            "Rows are copied from the training rows: Exact copies 30.00 %. Do not publish them.",
        ),
        (
            {"dcr_share": None, "dcr_2_percent": None, "exact_copies": None, "membership_auc": None},
            None,
            "Whether rows are copied was not measured.",
        ),
    ],
)
def test_copying_is_said_plainly(changes, level, words):
    found, sentence = sentences.copying(run(**changes))
    assert found == level and sentence.startswith(words)
    assert sentence in verdict(**changes)
    assert (
        sentences.state(full(run(c2st=0.99, **changes)))
        == {None: "good", 0: "good", 1: "fair", 2: "bad"}[level]
    )


def test_problems_come_first_and_may_make_it_unusable():
    one = run() | {"problems": ["Column 'age' is missing.", "Shard 3 is cut short."]}
    assert sentences.verdict(full(one))[0].startswith(
        "Mend this first, 2 problems: Column 'age' is missing. The scores count only"
    )
    assert (
        sentences.verdict(full(one | {"unusable": True}))[0]
        == "Unusable as it is, 2 problems: Column 'age' is missing."
    )
    nothing = {"problems": ["No shard can be read."], "rows": None}
    assert sentences.verdict({"runs": [nothing]}) == ["Unusable as it is, 1 problem: No shard can be read."]
    assert sentences.verdict({"runs": [{"rows": 0}]}) == ["Unusable: the table has no rows."]
    assert sentences.state(full(one | {"unusable": True})) == "bad" and sentences.state(full(one)) == "fair"


def test_runs_are_compared_by_score():
    first, last, *each = sentences.verdict(three())
    assert (
        first
        == "flow is best on Shape error and Trend error; no clear lead on the other 12 scores. But flow copies rows."
    )
    assert (
        last
        == "tvae is last on Shape error, Trend error, C2ST, MLE AUC of income and beta-recall; flow is last on DCR share."
    )
    assert [text.split(":")[0] for text in each[:3]] == ["mixture of 64", "tvae", "flow"]
    assert "Mend this first" in each[2] and "Rows are copied" in each[2]
    assert sentences.comparison([run("a"), run("b")])[0].startswith("No clear lead on Shape error, ")
    assert [r["name"] for r in sentences.runs({"runs": [{}, None]})] == ["A", "B"]


def test_the_gate_is_told():
    assert sentences.verdict(full())[-1] == "Both rules of the gate are met."
    report = full() | {"gate": [{"rule": "c2st >= 0.9", "value": 0.791, "passed": False}]}
    assert (
        sentences.verdict(report)[-1] == "The gate fails on `c2st >= 0.9` (0.791)."
        and sentences.state(report) == "bad"
    )
    assert "Gate FAILED: c2st >= 0.9 (0.791)" in report_lines.lines(report)


def test_the_budget_names_who_is_at_fault():
    shape, trend, c2st = sentences.budget(run())
    assert (c2st.noise, c2st.decoder, c2st.sampler) == pytest.approx((0.003, 0.035, 0.171))
    assert shape.decoder == 0.0 and shape.sampler == pytest.approx(0.94) and trend.fault == "the sampler"
    assert sentences.budget_words(run())[0].startswith(
        "Most of what Shape error, Trend error and C2ST lack is due to the sampler"
    )
    assert (
        sentences.budget_words(run())[-1]
        == "Pairs that the decoder keeps least: age with education (4.2 %) and race with sex (3.1 %)."
    )
    blurred = run()
    blurred["budget"]["resynthesised"]["c2st"] = 0.8
    assert "Most of what C2ST lacks is due to the decoder: train longer" in " ".join(
        sentences.budget_words(blurred)
    )


def test_a_verdict_that_is_given_is_kept():
    report = full() | {"verdict": ["Take it."]}
    assert sentences.verdict(report) == ["Take it."] and report_lines.lines(report)[-1] == "Take it."


def test_page_and_terminal_say_the_same():
    terminal = " ".join(" ".join(report_lines.lines(full())).split())
    for sentence in sentences.verdict(full()):
        assert sentence in plain(rendered("full")) and sentence in terminal


def test_figures_differ_between_themes_by_variables_only():
    drawn = re.findall(r"<svg.*?</svg>", rendered("three runs"), re.DOTALL)
    assert {c for svg in drawn for c in re.findall(r"(?:fill|stroke): ?(#\w+)", svg)} <= {
        "#000000"
    }  # glyph defaults


def test_what_cannot_be_drawn_is_left_out():
    for bad in (
        {},
        {"edges": [0, 1]},
        {"edges": [0, 0], "real": [1], "synthetic": [1]},
        {"levels": ["a"], "real": [1, 2], "synthetic": [1]},
        None,
    ):
        assert figures.column("x", [bad]) == ""
    for bad in ([[1]], [[None, None], [None, None]], "abcd", None, [[1, 2], [3]]):
        assert figures.pairs("x", ["a", "b"], bad or []) == ("", [])


# ---------------------------------------------------------------------------------------------------- a real
# browser
LOOK = """
  page.querySelectorAll("details").forEach(d => d.open = true);
  const shown = [...page.querySelectorAll("svg")].filter(svg => svg.getBoundingClientRect().height > 50).length;
  const names = () => [...page.querySelectorAll("table.sortable tbody th")].map(th => th.textContent);
  const sorts = () => [...page.querySelectorAll("table.sortable thead th")].map(th => th.getAttribute("aria-sort"));
  const paper = () => frame.contentWindow.getComputedStyle(page.body).backgroundColor;
  const button = page.getElementById("theme"), buttons = page.querySelectorAll("table.sortable thead button"), steps = [];
  const step = () => steps.push([names(), sorts(), paper(), button.getAttribute("aria-pressed")]);
  step();
  if (buttons.length) for (const i of [0, 0, 2]) { buttons[i].click(); step(); }
  button.click(); step(); button.click(); step();
  const bad = page.createElement("script");
  bad.textContent = "window.evil = true";
  page.body.append(bad);
  const { evil, localStorage } = frame.contentWindow;
  return [root.scrollWidth, root.clientWidth, shown, loaded, steps, evil === true, localStorage.getItem("raygen-theme")];
"""


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
    errors = {
        c["name"]: round(c["shape_error"], 2) for c in copy.deepcopy(CASES[case]())["runs"][0]["columns"]
    }
    assert [errors[name] for name in again] == sorted(errors.values(), reverse=True)
