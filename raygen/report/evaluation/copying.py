"""Whether generated rows are copied from the training rows, in words."""

from raygen.report.evaluation.record import Report, Run
from raygen.report.evaluation.scores import Figure, figure, figures
from raygen.report.text import listed, whole

ABOVE_DIFFERENCE = 0.02  # of two C2ST: memory beyond that is explained


def memory(run: Run) -> str:
    """How much of what looks like quality is memory of the training rows; empty if it was not measured."""
    difference, test, train_n = (figure(run, name) for name in ("memory", "c2st_test", "c2st_train_n"))
    if not difference or not test or not train_n:
        return ""
    both = (
        f"C2ST is {test.show()} against {whole(run.memory_rows)} unseen rows and {train_n.show()} against as "
        f"many training rows"
    )
    interval = f", 95 % interval {difference.show_interval()}" if difference.low is not None else ""
    value = f"memory {difference.show()}{interval}, ideal 0"
    if not remembers(run):
        return f"No sign of memory: {both} ({value})."
    sentences = [f"Part of what looks like quality is memory of the training rows: {both} ({value})."]
    if difference.value > train_n.value - test.value + ABOVE_DIFFERENCE:
        sentences.append("It exceeds their difference because rows pass for the very rows that they copy.")
    return " ".join([*sentences, "Longer training would add to it."])


def remembers(run: Run) -> int:
    """Whether the rows show memory of the training rows, as `suspicion`; 0 if it was not measured."""
    difference = figure(run, "memory")
    return difference.suspicion() if difference else 0


def suspicion(run: Run) -> int | None:
    """Whether rows are copied: 0 no sign, 1 some sign, 2 clearly, None if nothing was measured."""
    return max((f.suspicion() for f in _copying(run)), default=None)


def copying(run: Run) -> str:
    """Whether rows are copied, apart from `memory` and `rare`, which have sentences of their own."""
    scores = [f for f in _copying(run) if f.name not in ("memory", "rare_values")]
    if not scores:
        return "Whether rows are copied was not measured."
    signs = [f for f in scores if f.suspicion()]
    level = max(f.suspicion() for f in scores)
    if level == 0:
        return f"No sign that rows are copied ({listed([_beside_ideal(f) for f in scores[:2]])})."
    named = listed([_beside_ideal(f) for f in signs])
    if level == 1:
        return f"Some sign that rows are copied: {named}."
    return f"Do not publish these rows: they are copied from the training rows ({named})."


def rare(run: Run) -> str:
    """That rows hold what few real rows have; empty if none does, or if nobody has looked."""
    found = figure(run, "rare_values")
    if not found or not found.suspicion():
        return ""
    rows = f"{found.show()} of them hold a category that too few real rows have (privacy.min_rows)"
    if found.suspicion() == 2:
        return f"Do not publish these rows: {rows}, and may point at single persons."
    return f"Look before you publish these rows: {rows}."


def privacy(report: Report, run: Run) -> list[str]:
    """Each copying figure in plain words."""
    sentences = [sentence] if (sentence := memory(run)) else []
    if sentences and report.holdout and report.holdout.chose_model:
        sentences.append(
            "The unseen rows also chose the model's weights and its sampler, so they are not quite unseen: "
            "memory may be a little more than this. Name others with --holdout."
        )
    if f := figure(run, "dcr_share"):
        nearer = "more often than chance has it" if f.suspicion() else "as often as chance has it"
        interval = ""
        if f.low is not None and f.high is not None:
            interval = f" (95 % interval {100 * f.low:.1f} to {100 * f.high:.1f})"
        sentences.append(
            f"{100 * f.value:.1f} % of the rows are nearer to a training row than to any row of an equally "
            f"large held-out table{interval}. Rows of the same law that copy nothing give 50 %, so they lie "
            f"near training rows {nearer}."
        )
    if f := figure(run, "exact_copies"):
        real = ""
        if f.ceiling is not None:
            real = f"; of other real rows {f.show(f.ceiling)} do, because short rows repeat themselves"
        sentences.append(f"{f.show()} of the rows equal a training row in every column{real}.")
    if f := figure(run, "copies_of_one"):
        real = "" if f.ceiling is None else f"; of other real rows {f.show(f.ceiling)} do"
        sentences.append(
            f"{f.show()} equal a training row that only one row has, or one person (privacy.unit){real}."
        )
    if f := figure(run, "rare_values"):
        real = "" if f.ceiling is None else f"; of other real rows {f.show(f.ceiling)} do"
        sentences.append(
            f"{f.show()} of the rows hold a category, or lack a value, as too few real rows do "
            f"(privacy.min_rows, per column){real}."
        )
    if f := figure(run, "rare_numbers"):
        sentences.append(_numbers(f))
    if f := figure(run, "membership_auc"):
        luck = "better than by guessing" if f.suspicion() else "no better than by guessing"
        sentences.append(
            f"An attacker who asks which rows were in the training table is right {luck}: AUC {f.value:.3f}, "
            "where 0.5 is guessing."
        )
    return sentences + _attacks(run)


def _numbers(f: Figure) -> str:
    """What rows hold of the numbers of few training rows, beside what chance has."""
    told = (
        f"{f.show()} of the rows hold a number, or a moment, that some training row has, but fewer than "
        "privacy.min_rows. That happens by chance where numbers lie close"
    )
    if f.ceiling is None:
        return f"{told}; how often is not known without other real rows (--holdout)."
    more = "more often than" if f.suspicion() else "no more often than"
    return f"{told}: of other real rows {f.show(f.ceiling)} do, and these rows {more} chance has it."


ATTACKS = {
    "singling_out": "searches that these rows suggest single out people of the training table",
    "linkability": "these rows tell which two halves of a training row belong together",
    "inference": "from the other columns of a training row, these rows tell the one that is missing",
}


def _attacks(run: Run) -> list[str]:
    """The three risks of the European guidance on anonymisation, as attacks whose success was measured."""
    measured = [(f, text) for name, text in ATTACKS.items() if (f := figure(run, name))]
    sentences = []
    for f, text in measured:
        beyond = (
            "more often than people it never saw"
            if f.suspicion()
            else "no more often than people it never saw"
        )
        interval = f", 95 % interval {f.show_interval()}" if f.low is not None else ""
        sentences.append(f"{f.label}: {text} {beyond} ({f.show()}{interval}; 0 is ideal).")
    if measured:
        sentences.append(
            "These are attacks that were tried (Giomi et al. 2023, after the European guidance on "
            "anonymisation), not a proof, and no differential privacy."
        )
    return sentences


def _copying(run: Run) -> list[Figure]:
    return [f for f in figures(run) if f.definition.copying]


def _beside_ideal(f: Figure) -> str:
    return f"{f.label} {f.show()}" + ("" if f.ideal is None else f", ideal {f.ideal:g}")
