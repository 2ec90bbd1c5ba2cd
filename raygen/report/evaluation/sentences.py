"""What a report of `raygen evaluate` says, in words: the verdict on the page and in the terminal."""

from raygen.report.evaluation.losses import losses
from raygen.report.evaluation.record import PairError, Report, Run
from raygen.report.evaluation.scores import Figure, figure, figures, names_of
from raygen.report.text import listed, whole
from raygen.score_catalogue import SCORES

# least share of the way from shuffled columns to other real rows, what to call it, and what it means
LEVELS = (
    (
        0.97,
        "As good as other real rows",
        "a classifier tells the generated rows from real ones no better than it tells other real rows",
    ),
    (0.85, "Very good", "a classifier hardly tells the generated rows from real ones"),
    (0.6, "Good, not perfect", "a classifier tells some of the generated rows from real ones"),
    (0.1, "Weak", "a classifier tells most of the generated rows from real ones"),
    (
        float("-inf"),
        "Poor",
        "a classifier tells the generated rows from real ones as easily as rows whose columns were shuffled",
    ),
)
BY_CLASSIFIER = ("c2st_test", "c2st")  # the first that a run has is its main score
MAIN = (*BY_CLASSIFIER, "trend_error", "shape_error")
FAR = 0.85  # of the way to other real rows: a score below falls short
BAD_COLUMN, BAD_PAIR = 3.0, 5.0  # percent; a column or a pair above is named
NAMED = 3  # columns or pairs in a sentence
ABOVE_DIFFERENCE = 0.02  # of two C2ST: memory beyond that is explained
NEGLIGIBLE = 0.01  # of the way to other real rows: two runs this near are level


def verdict(report: Report) -> list[str]:
    """The sentences that a reader in a hurry needs, the answer first."""
    runs = report.runs
    sentences = comparison(runs) if len(runs) > 1 else []
    for run in runs:
        parts = [problem_sentence(run), quality(run), *shortcomings(run), memory(run), copying(run)]
        own = [part for part in parts if part]
        sentences += own if len(runs) == 1 else [f"{run.name}: {' '.join(own)}"]
    return sentences + gate_sentence(report)


def state(report: Report) -> str:
    """`bad` if a table is copied, poor or fails the gate, `fair` if something is amiss, else `good`."""
    suspicions = [suspicion(run) for run in report.runs]
    least = min((share for run in report.runs if (share := _main(run)[1]) is not None), default=1.0)
    if 2 in suspicions or least < 0.6 or not report.passed:
        return "bad"
    has_problems = any(run.problems for run in report.runs)
    return "fair" if has_problems or 1 in suspicions or least < FAR else "good"


def problem_sentence(run: Run) -> str:
    """The first of a table's problems, and how many there are."""
    if not run.problems:
        return ""
    count = "1 problem" if len(run.problems) == 1 else f"{len(run.problems)} problems"
    first = run.problems[0].rstrip(".")
    return f"Repair this first, {count}: {first}. The scores count only what both tables have."


def quality(run: Run) -> str:
    """How good the rows are, from the score that looks at whole rows if there is one."""
    score, share = _main(run)
    if score is None or share is None:
        return "No score of whole rows was computed, so nothing is said about how good they are."
    level, meaning = next(entry[1:] for entry in LEVELS if share >= entry[0])
    if score.name in BY_CLASSIFIER:
        return f"{level}: {meaning} ({_beside(score)})."
    return f"{level} by {score.label} alone ({_beside(score)}); no classifier was asked."


def shortcomings(run: Run) -> list[str]:
    """Scores far from other real rows, then the worst columns and pairs by name."""
    main, sentences = _main(run)[0], []
    shown = BY_CLASSIFIER if main and main.name in BY_CLASSIFIER else (main.name if main else "",)
    far = [f for f in figures(run) if f.definition.shortfall and f.name not in shown and _falls_short(f)]
    if far:
        named = [f"{f.label} {f.show()}" + (f" ({marks})" if (marks := _marks(f)) else "") for f in far]
        sentences.append(f"It falls short in {listed(named)}.")
    if columns := [c for c in worst_columns(run) if c[1] >= BAD_COLUMN][:NAMED]:
        named = [f"{name} (Shape error {error:.1f} %)" for name, error in columns]
        sentences.append(f"Worst columns: {listed(named)}.")
    if pairs := [pair for pair in run.pairs.worst if pair.error >= BAD_PAIR][:NAMED]:
        sentences.append(f"Worst pairs: {_pairs(pairs)}.")
    outside = figure(run, "outside")
    if outside and outside.value > max(0.001, 2 * (outside.ceiling or 0.0)):
        sentences.append(
            f"{outside.show()} of the rows hold a value outside the real range or a category that no real "
            "row has."
        )
    return sentences


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
    sentences = [f"Part of this is memory of the training rows: {both} ({value})."]
    if difference.value > train_n.value - test.value + ABOVE_DIFFERENCE:
        sentences.append("It exceeds their difference because rows pass for the very rows that they copy.")
    return " ".join([*sentences, "Longer training would add to it."])


def remembers(run: Run) -> bool:
    """Whether the rows show memory of the training rows."""
    difference = figure(run, "memory")
    return bool(difference and difference.suspicion())


def suspicion(run: Run) -> int | None:
    """Whether rows are copied: 0 no sign, 1 some sign, 2 clearly, None if nothing was measured."""
    return max((f.suspicion() for f in _copying(run)), default=None)


def copying(run: Run) -> str:
    """Whether rows are copied, apart from `memory`, which has its own sentence."""
    scores = [f for f in _copying(run) if f.name != "memory"]
    if not scores:
        return "Whether rows are copied was not measured."
    signs = [f for f in scores if f.suspicion()]
    level = max(f.suspicion() for f in scores)
    if level == 0:
        return f"No sign that rows are copied ({listed([_beside_ideal(f) for f in scores[:2]])})."
    named = listed([_beside_ideal(f) for f in signs])
    if level == 1:
        return f"Some sign that rows are copied: {named}."
    return f"Rows are copied from the training rows: {named}. Do not publish them."


def comparison(runs: list[Run]) -> list[str]:
    """Which run is best on what, where they are level, which stay behind, and which a score does not save."""
    wins: dict[str, list[str]] = {}
    losers: dict[str, list[str]] = {}
    level = []
    for name in names_of(runs):
        winner, loser = best(runs, name), worst(runs, name)
        scores = [f for run in runs if (f := figure(run, name))]
        if winner is not None:
            wins.setdefault(runs[winner].name, []).append(scores[0].label)
        elif len(scores) > 1:
            level.append(scores[0].label)
        if loser is not None and len(runs) > 2:
            losers.setdefault(runs[loser].name, []).append(scores[0].label)
    parts = [
        f"{name} is best on {listed(labels)}"
        for name, labels in sorted(wins.items(), key=lambda win: -len(win[1]))
    ]
    if level:
        where = listed(level) if len(level) <= NAMED or not parts else f"the other {len(level)} scores"
        parts.append(f"no clear lead on {where}" if parts else f"No clear lead on {where}")
    first = ["; ".join(parts) + "."] if parts else []
    copies = [f"{run.name} copies rows" for run in runs if suspicion(run) == 2]
    if copies:
        first.append(f"But {listed(copies)}.")
    last = [f"{name} is last on {listed(labels)}" for name, labels in losers.items()]
    return ([" ".join(first)] if first else []) + (["; ".join(last) + "."] if last else [])


def best(runs: list[Run], name: str) -> int | None:
    """The run that is best on a score; None where fewer than two have it or the first two cannot be told
    apart."""
    ranked = _ranked(runs, name)
    return ranked[0][0] if len(ranked) > 1 and _differ(ranked[0][1], ranked[1][1]) else None


def worst(runs: list[Run], name: str) -> int | None:
    """The run that is worst on a score, as `best`."""
    ranked = _ranked(runs, name)
    return ranked[-1][0] if len(ranked) > 1 and _differ(ranked[-2][1], ranked[-1][1]) else None


def gate_sentence(report: Report) -> list[str]:
    """Whether the rules of the gate are met; empty without rules."""
    rules = report.gate
    failed = [rule for rule in rules if not rule.passed]
    if not rules:
        return []
    if not failed:
        few = {1: "The one rule of the gate is met.", 2: "Both rules of the gate are met."}
        return [few.get(len(rules), f"All {len(rules)} rules of the gate are met.")]
    named = [f"`{rule.rule}`" + ("" if rule.value is None else f" ({rule.value:.4g})") for rule in failed]
    return [f"The gate fails on {listed(named)}."]


def budget(run: Run) -> list[str]:
    """Who is at fault for what rows still lack, and what the decoder loses."""
    if run.budget is None:
        return []
    longer = "train longer, or give the network more room; no sampler repairs it"
    if remembers(run):
        longer = "memory shows, so regularise (dropout) rather than train longer; no sampler repairs it"
    advice = {
        "the sampler": "choose another law for z or fit it longer",
        "the decoder": longer,
        "the noise of the sample": "more rows would be needed to see a difference",
    }
    parts = [loss for loss in losses(run.budget) if loss.total > 0]
    sentences = []
    for fault, hint in advice.items():
        if labels := [SCORES[loss.name].label for loss in parts if loss.fault == fault]:
            verb = "lacks" if len(labels) == 1 else "lack"
            sentences.append(f"Most of what {listed(labels)} {verb} is due to {fault}: {hint}.")
    if lost := run.budget.pairs_lost[:NAMED]:
        sentences.append(f"Pairs that the decoder keeps least: {_pairs(lost)}.")
    return sentences


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
    if f := figure(run, "membership_auc"):
        luck = "better than by guessing" if f.suspicion() else "no better than by guessing"
        sentences.append(
            f"An attacker who asks which rows were in the training table is right {luck}: AUC {f.value:.3f}, "
            "where 0.5 is guessing."
        )
    return sentences


def worst_columns(run: Run) -> list[tuple[str, float]]:
    """Columns by their Shape error, the greatest first."""
    errors = [(column.name, column.shape_error) for column in run.columns if column.shape_error is not None]
    return sorted(errors, key=lambda entry: -entry[1])


def facts(report: Report) -> str:
    """What was compared with what: `29,305 real rows of 15 columns, ...`."""
    columns = "" if report.real.columns is None else f" of {report.real.columns:,} columns"
    parts = [f"{report.real.rows:,} real rows{columns}"]
    if report.holdout:
        parts.append(f"{report.holdout.rows:,} held-out rows")
    return ", ".join(parts + [f"{run.rows:,} rows of {run.name}" for run in report.runs])


def _copying(run: Run) -> list[Figure]:
    return [f for f in figures(run) if f.definition.copying]


def _ranked(runs: list[Run], name: str) -> list[tuple[int, Figure]]:
    scores = [(i, f) for i, run in enumerate(runs) if (f := figure(run, name))]
    return sorted(scores, key=lambda entry: entry[1].loss())


def _differ(one: Figure, other: Figure) -> bool:
    """Whether two values differ by more than a hundredth of their scale, and their intervals do not meet."""
    if other.loss() - one.loss() <= NEGLIGIBLE * (one.span() or max(abs(one.value), abs(other.value), 1e-9)):
        return False
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return True
    return one.high < other.low or other.high < one.low


def _main(run: Run) -> tuple[Figure | None, float | None]:
    """The score that tells most about whole rows, and its share of the way to other real rows."""
    for name in MAIN:
        score = figure(run, name)
        if score and (share := score.progress()) is not None:
            return score, 1.0 if score.reaches_ceiling() else share
    return None, None


def _falls_short(f: Figure) -> bool:
    share = f.progress()
    return share is not None and share < FAR and not f.reaches_ceiling()


def _marks(f: Figure) -> str:
    """`shuffled columns 0.020, other real rows 0.997`, as far as they are known."""
    ends = f.ends()
    marks = []
    if f.floor is not None and ends and ends[0] == f.floor:  # no measure of a score that it wins
        marks.append(f"shuffled columns {f.show(f.floor)}")
    if f.ceiling is not None:
        marks.append(f"other real rows {f.show(f.ceiling)}")
    return ", ".join(marks)


def _beside(f: Figure) -> str:
    """`C2ST 0.832; shuffled columns 0.020, other real rows 0.997`."""
    return "; ".join(filter(None, [f"{f.label} {f.show()}", _marks(f)]))


def _beside_ideal(f: Figure) -> str:
    return f"{f.label} {f.show()}" + ("" if f.ideal is None else f", ideal {f.ideal:g}")


def _pairs(pairs: list[PairError]) -> str:
    return listed([f"{pair.columns[0]} with {pair.columns[1]} ({pair.error:.1f} %)" for pair in pairs])
