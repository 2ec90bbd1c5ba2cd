"""What a report says in words, on made-up reports whose answers are known."""

import pytest

from raygen.report.evaluation import copying, page, sentences, terminal
from raygen.report.evaluation.losses import losses
from tests.pages import plain
from tests.report.evaluation.reports import entry, minimal, report, run, run_record, three


def verdict(**changes) -> str:
    return " ".join(sentences.verdict(report(run(**changes))))


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


def test_unseen_rows_decide_where_they_are_known():
    text = verdict(memory=True, c2st=0.99, c2st_test=0.5)
    assert text.startswith("Weak: a classifier tells most of the generated rows from real ones (C2ST, unseen")
    assert "C2ST, unseen rows 0.500; shuffled columns 0.030, other real rows 0.997" in text
    assert "falls short" not in text


def test_without_a_classifier_pairs_or_columns_decide():
    one = run()
    del one["scores"]["c2st"]
    text = sentences.quality(report(one).runs[0])
    beside = "Trend error 2.88 %; shuffled columns 30.10 %, other real rows 1.20 %"
    assert text.startswith(f"Very good by Trend error alone ({beside})")
    nothing = sentences.quality(report(run() | {"scores": {}}).runs[0])
    assert nothing.startswith("No score of whole rows was computed")


def test_the_verdict_names_what_falls_short():
    text = verdict(mle=0.6, trend_error=14.0)
    assert (
        "It falls short in Trend error 14.00 % (shuffled columns 30.10 %, other real rows 1.20 %) and "
        "MLE AUC of income 0.600" in text
    )
    assert "Worst pairs: age with workclass (21.4 %) and born with fnlwgt (9.0 %)." in text
    assert "falls short" not in verdict()
    # shuffled columns win this one
    assert "It falls short in Shape error 10.80 % (other real rows 0.34 %)." in verdict(shape_error=10.8)
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
            "Do not publish these rows: they are copied from the training rows (DCR share 0.830, ideal 0.5).",
        ),
        ({"membership_auc": 0.58}, 1, "Some sign that rows are copied: Membership AUC 0.580"),
        (
            {"exact_copies": 0.3},
            2,
            "Do not publish these rows: they are copied from the training rows (Exact copies 30.00 %).",
        ),
        (
            {"dcr_share": None, "dcr_2_percent": None, "exact_copies": None, "membership_auc": None},
            None,
            "Whether rows are copied was not measured.",
        ),
    ],
)
def test_copying_is_said_plainly(changes, level, words):
    one = run_record(**changes)
    sentence = copying.copying(one)
    assert copying.suspicion(one) == level and sentence.startswith(words)
    assert sentence in verdict(**changes)
    state = sentences.state(report(run(c2st=0.99, **changes)))
    assert state == {None: "good", 0: "good", 1: "fair", 2: "bad"}[level]


@pytest.mark.parametrize(
    ("share", "words", "state"),
    [
        (0.0, "As good as other real rows", "good"),
        (
            0.004,
            "Look before you publish these rows: 0.40 % of them hold a category that too few",
            "fair",
        ),
        (
            0.74,
            "Do not publish these rows: 74.00 % of them hold a category that too few",
            "bad",
        ),
    ],
)
def test_categories_of_few_people_come_before_likeness(share, words, state):
    rows = {"c2st": 0.999, "rare_values": share}
    lines = sentences.verdict(report(run(**rows)))
    assert lines[0].startswith(words), lines
    assert sentences.state(report(run(**rows))) == state
    if share:
        assert any(line.startswith("Likeness alone: as good as other real rows") for line in lines)
        assert f"{100 * share:.2f} % of the rows hold a category" in " ".join(
            copying.privacy(report(run(**rows)), run_record(**rows))
        )


@pytest.mark.parametrize(
    ("share", "words", "more"),
    [
        (
            (0.21, 0.02),
            "No sign that rows are copied",
            "20.00 % do, and these rows no more often",
        ),
        ((0.25, 0.02), "Some sign that rows are copied: Rare numbers 25.00 %", "more often than chance"),
        ((0.25, 0.06), "No sign that rows are copied", "no more often than chance"),
        ((0.6, 0.02), "Do not publish these rows: they are copied from the training rows", "more often than"),
    ],
)
def test_numbers_of_few_rows_are_held_against_those_of_other_real_rows(share, words, more):
    rows = {"rare_numbers": share}
    assert copying.copying(run_record(**rows)).startswith(words)
    told = " ".join(copying.privacy(report(run(**rows)), run_record(**rows)))
    assert f"{100 * share[0]:.2f} % of the rows hold a number" in told and more in told


def test_copies_of_a_row_that_one_person_has_are_told():
    rows = {"copies_of_one": 0.3}
    assert "Copies of one 30.00 %" in copying.copying(run_record(**rows))
    told = " ".join(copying.privacy(report(run(**rows)), run_record(**rows)))
    assert "30.00 % equal a training row that only one row has, or one person" in told


def test_a_clear_copy_comes_before_some_rare_categories():
    lines = sentences.verdict(report(run(c2st=0.99, rare_values=0.004, exact_copies=0.3)))
    assert lines[0].startswith("Do not publish these rows: they are copied")
    assert any(line.startswith("Look before you publish") for line in lines)


def test_memory_is_said_with_both_figures_and_their_rows():
    assert (
        "No sign of memory: C2ST is 0.771 against 3,256 unseen rows and 0.785 against as many training rows "
        "(memory 0.014, 95 % interval -0.020 to 0.050, ideal 0)." in verdict(memory=True)
    )
    text = " ".join(sentences.verdict(report(remembering(0.08, 0.03))))
    part = "Part of what looks like quality is memory of the training rows: "
    assert f"{part}C2ST is 0.771 against 3,256 unseen rows" in text
    assert "(memory 0.080, 95 % interval 0.050 to 0.110, ideal 0)" in text
    assert "memory" not in verdict().lower()
    assert "because rows pass for the very rows that they copy" in " ".join(
        sentences.verdict(report(remembering(0.4, 0.03)))
    )
    level = remembering(0.08, 0.03)
    level["scores"]["c2st_train_n"]["value"] = 0.851
    assert "very rows" not in " ".join(sentences.verdict(report(level)))


def remembering(value: float, spread: float) -> dict:
    one = run(memory=True)
    one["scores"]["memory"] |= {"value": value, "low": value - spread, "high": value + spread}
    return one


@pytest.mark.parametrize(
    ("value", "spread", "state"),
    [(0.01, 0.03, "good"), (0.08, 0.1, "good"), (0.08, 0.03, "fair"), (0.5, 0.1, "bad")],
)
def test_memory_counts_in_the_state(value, spread, state):
    one = remembering(value, spread)
    one["scores"]["c2st_test"]["value"] = 0.99
    assert sentences.state(report(one)) == state


def test_nobody_is_told_to_train_longer_where_memory_shows():
    def advice(one: dict) -> str:
        one["budget"]["resynthesised"]["c2st"] = 0.8
        return " ".join([*sentences.budget(report(one).runs[0]), *sentences.verdict(report(one))])

    assert "train longer" in advice(run(memory=True))
    told = advice(remembering(0.2, 0.05))
    assert "train longer," not in told and "regularise (dropout) rather than train longer" in told


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({"c2st": 0.99}, "As good as other real rows"),
        ({"c2st": 0.99, "dcr_share": 0.55}, "Some sign that rows are copied"),
        ({"c2st": 0.99, "dcr_share": 0.83}, "Do not publish these rows"),
        ({"c2st": 0.3, "dcr_share": 0.83}, "Do not publish these rows"),
        ({"c2st": 0.3, "dcr_share": 0.55}, "Weak"),
    ],
)
def test_the_headline_is_the_worst_of_likeness_and_privacy(changes, first):
    told = sentences.verdict(report(run(**changes)))
    assert told[0].startswith(first)
    if not first.startswith(("As good", "Weak")):
        assert any(text.startswith("Likeness alone: ") for text in told[1:])


def test_rows_that_are_remembered_are_not_published_either():
    one = remembering(0.5, 0.1)
    one["scores"]["c2st_test"]["value"] = 0.99
    assert sentences.verdict(report(one))[0].startswith("Do not publish these rows: they repeat what only")


@pytest.mark.parametrize(("real", "rows"), [(29305, 30), (30, 29305)])
def test_thirty_rows_show_nothing(real, rows):
    of_real = {"path": "real.parquet", "rows": real, "columns": 16}
    few = report(run(c2st=0.99) | {"rows": rows}, real=of_real)
    told = sentences.verdict(few)
    assert told[0].startswith("30 rows show nothing: with so few, chance moves every score")
    assert not any("As good" in text or "o sign" in text for text in told)
    assert sentences.state(few) == "fair"
    copied = report(run(c2st=0.99, exact_copies=0.3) | {"rows": rows}, real=of_real)
    assert sentences.verdict(copied)[0].startswith("Do not publish these rows")
    assert sentences.state(copied) == "bad"
    assert sentences.few_rows(report(), report(run() | {"rows": 100}).runs[0]) == ""


def test_the_number_of_rows_that_verdict_and_gate_go_by_is_said():
    one = run()
    one["scores"]["c2st"]["rows"] = 10_000
    one["c2st_of_sample"] = entry(0.889, better="higher") | {"rows": 16_000}
    rule = {"rule": "c2st >= 0.9", "value": 0.791, "passed": False, "rows": 10_000}
    told = report(one, scored_rows=10_000, gate=[rule])
    assert "other real rows 0.997; 10,000 rows of each)." in sentences.verdict(told)[0]
    assert sentences.verdict(told)[-1] == "The gate fails on `c2st >= 0.9` (0.791 of 10,000 rows)."
    first, second = sentences.sizes(told)
    assert first.startswith(
        "Verdict and gate go by at most 10,000 rows of each table, whatever evaluate.sample"
    )
    assert second == "C2ST of 16,000 rows of each table, as evaluate.sample_rows has it, is 0.889."
    shown = " ".join(terminal.lines(told))
    assert "is 0.889." in shown and "Gate FAILED: c2st >= 0.9 (0.791 of 10,000 rows)" in shown
    assert "0.791 of 10,000 rows" in plain(page.render(told))


def test_problems_come_first():
    one = run() | {"problems": ["Column 'age' is missing.", "Shard 3 is cut short."]}
    first = sentences.verdict(report(one))[0]
    assert first.startswith("Repair this first, 2 problems: Column 'age' is missing. The scores count only")
    assert sentences.state(report(one)) == "fair"


def test_runs_are_compared_by_score():
    first, last, *each = sentences.verdict(three())
    assert first == (
        "Do not publish flow: training rows are copied. "
        "flow is best on Shape error and Trend error; no clear lead on the other 12 scores."
    )
    assert last == (
        "tvae is last on Shape error, Trend error, C2ST, MLE AUC of income and beta-recall; "
        "flow is last on DCR share."
    )
    assert [text.split(":")[0] for text in each[:3]] == ["mixture of 64", "tvae", "flow"]
    assert "Repair this first" in each[2] and "they are copied" in each[2]
    level = sentences.comparison([run_record(name="a"), run_record(name="b")])
    assert level[0].startswith("No clear lead on Shape error, ")


def test_the_gate_is_told():
    assert sentences.verdict(report())[-1] == "Both rules of the gate are met."
    failed = report(gate=[{"rule": "c2st >= 0.9", "value": 0.791, "passed": False}])
    assert sentences.verdict(failed)[-1] == "The gate fails on `c2st >= 0.9` (0.791)."
    assert sentences.state(failed) == "bad" and not failed.passed


def test_the_budget_names_who_is_at_fault():
    one = run_record()
    shape, trend, c2st = losses(one.budget)
    assert (c2st.noise, c2st.decoder, c2st.sampler) == pytest.approx((0.003, 0.035, 0.171))
    assert shape.decoder == 0.0 and shape.sampler == pytest.approx(0.94) and trend.fault == "the sampler"
    first, *_, last = sentences.budget(one)
    assert first.startswith("Most of what Shape error, Trend error and C2ST lack is due to the sampler")
    assert last == "Pairs that the decoder keeps least: age with education (4.2 %) and race with sex (3.1 %)."
    blurred = run()
    blurred["budget"]["resynthesised"]["c2st"] = 0.8
    told = " ".join(sentences.budget(report(blurred).runs[0]))
    assert "Most of what C2ST lacks is due to the decoder: train longer" in told


def test_facts_name_the_tables():
    assert sentences.facts(report()) == (
        "29,305 real rows of 16 columns, 16,281 held-out rows, 29,305 rows of vae"
    )
    assert "held-out" not in sentences.facts(minimal())
