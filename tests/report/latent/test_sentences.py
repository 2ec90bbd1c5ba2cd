"""What the latent page and the terminal say of made-up reports whose answers are known."""

from raygen.report.latent import quantities
from raygen.report.latent import sentences as latent_words
from tests.report.latent.reports import full, minimal, read


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


def test_a_classifier_that_is_never_fooled_ranks_nothing():
    report = full()
    for figures in report["samplers"].values():
        figures["c2st"] = 0.05
    assert "so it ranks none" in latent_words.agreement(read(report))
