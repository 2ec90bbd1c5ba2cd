"""What a report of `raygen evaluate` says, in words: the verdict on the page and in the terminal."""

from raygen.report.evaluation.copying import copying, memory, rare, remembers, suspicion
from raygen.report.evaluation.losses import losses
from raygen.report.evaluation.record import PairError, Report, RuleRecord, Run
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
FAIR = 0.6  # of the way to other real rows: a verdict below is a bad one
FAR = 0.85  # of the way to other real rows: a score below falls short
BAD_COLUMN, BAD_PAIR = 3.0, 5.0  # percent; a column or a pair above is named
NAMED = 3  # columns or pairs in a sentence
FEW_ROWS = 100  # of either table: fewer show nothing
NEGLIGIBLE = 0.01  # of the way to other real rows: two runs this near are level


def verdict(report: Report) -> list[str]:
    """The sentences that a reader in a hurry needs, the worst of likeness and privacy first."""
    runs = report.runs
    sentences = comparison(runs) if len(runs) > 1 else []
    for run in runs:
        own = [part for part in [problem_sentence(run), *findings(report, run)] if part]
        sentences += own if len(runs) == 1 else [f"{run.name}: {' '.join(own)}"]
    return sentences + gate_sentence(report)


def findings(report: Report, run: Run) -> list[str]:
    """How good the rows are and whether they are copied, the worse first."""
    level = suspicion(run) or 0
    private = [memory(run), copying(run)]
    if level == 2 and remembers(run) == 2:
        private.insert(0, "Do not publish these rows: they repeat what only the training rows hold.")
    elif level:
        private.reverse()
    if told := rare(run):
        found = figure(run, "rare_values")
        private.insert(0 if found and found.suspicion() == level else len(private), told)
    if few := few_rows(report, run):
        return [*private, few] if level == 2 else [few, *(private if level else [])]
    likeness = [quality(run), *shortcomings(run)]
    share = _main(run)[1]
    if broken := broken_rules(run):
        likeness = [broken, f"Apart from that: {likeness[0][0].lower()}{likeness[0][1:]}", *likeness[1:]]
    if level and (level == 2 or share is None or share >= FAIR):
        text = likeness[0]
        return [*private, f"Likeness alone: {text[0].lower()}{text[1:]}", *likeness[1:]]
    return [*likeness, *private]


def broken_rules(run: Run) -> str:
    """That rows break what all real rows keep; empty if none do."""
    broken = [rule for rule in run.rules if rule.is_broken]
    if not broken:
        return ""
    worst = f"{broken[0].column} {broken[0].rule} ({broken[0].broken:,} rows break it)"
    if len(broken) == 1:
        return f"Not true: a rule that all real rows keep is broken: {worst}."
    return f"Not true: {len(broken)} rules that all real rows keep are broken, the first of them {worst}."


def few_rows(report: Report, run: Run) -> str:
    """That so few rows show nothing; empty where they are enough."""
    least = min(report.real.rows, run.rows)
    if least >= FEW_ROWS:
        return ""
    rows = "1 row shows" if least == 1 else f"{least} rows show"
    return (
        f"{rows} nothing: with so few, chance moves every score more than a better or a worse model would. "
        f"Compare {FEW_ROWS} rows or more, best some thousands."
    )


def state(report: Report) -> str:
    """`bad` if a table is copied, poor or fails the gate, `fair` if something is amiss, else `good`."""
    suspicions = [suspicion(run) for run in report.runs]
    least = min((share for run in report.runs if (share := _main(run)[1]) is not None), default=1.0)
    if 2 in suspicions or least < FAIR or not report.passed or any(map(broken_rules, report.runs)):
        return "bad"
    has_problems = any(run.problems or few_rows(report, run) for run in report.runs)
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
        size = f"; {whole(score.rows)} rows of each" if score.rows else ""
        return f"{level}: {meaning} ({_beside(score)}{size})."
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
    copies = [run.name for run in runs if suspicion(run) == 2]
    first = [f"Do not publish {listed(copies)}: training rows are copied."] if copies else []
    first += ["; ".join(parts) + "."] if parts else []
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
    named = [f"`{rule.rule}`{rule_value(rule)}" for rule in failed]
    return [f"The gate fails on {listed(named)}."]


def rule_value(rule: RuleRecord) -> str:
    """` (0.791 of 10,000 rows)`; empty without a value."""
    rows = f" of {whole(rule.rows)} rows" if rule.rows else ""
    return "" if rule.value is None else f" ({rule.value:.4g}{rows})"


def sizes(report: Report) -> list[str]:
    """Of how many rows the scores are that depend on it."""
    if report.scored_rows is None:
        return []
    sentences = [
        f"Verdict and gate go by at most {whole(report.scored_rows)} rows of each table, whatever "
        "evaluate.sample_rows is, because C2ST falls as rows grow; what is counted is of all rows."
    ]
    for run in report.runs:
        if (more := run.c2st_of_sample) and more.value is not None:
            whose = f" for {run.name}" if len(report.runs) > 1 else ""
            sentences.append(
                f"C2ST of {whole(more.rows)} rows of each table, as evaluate.sample_rows has it, is "
                f"{SCORES['c2st'].show(more.value)}{whose}."
            )
    return sentences


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


def _pairs(pairs: list[PairError]) -> str:
    return listed([f"{pair.columns[0]} with {pair.columns[1]} ({pair.error:.1f} %)" for pair in pairs])
