"""What a report of `raygen evaluate` says, in words: the sentences of the page (`report_page`) and of the
terminal (`report_lines`).

A figure that is missing, None, nan or infinite is left out, and so is a sentence that needs it.
"""

from typing import NamedTuple

from raygen.report.evaluation.scores import COPYING, SHORT, Figure, figure, figures, score_of
from raygen.report.text import listed, number, whole

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
        -9e9,
        "Poor",
        "a classifier tells the generated rows from real ones as easily as rows whose columns were shuffled",
    ),
)
FAR = 0.85  # of the way to other real rows: a score below falls short
BAD_COLUMN, BAD_PAIR = 3.0, 5.0  # percent; a column or a pair above is named
NAMED = 3  # columns or pairs in a sentence
SOME, MUCH = 0.02, 0.1  # above .5, from which a share says that some or many rows are copied
NEGLIGIBLE = 0.01  # of the way to other real rows: two runs this near are level


class Budget(NamedTuple):
    """How far generated rows are from perfect in one score, in three parts; each is at least 0."""

    name: str
    label: str
    noise: float
    decoder: float
    sampler: float

    @property
    def fault(self) -> str:
        parts = {
            "the noise of the sample": self.noise,
            "the decoder": self.decoder,
            "the sampler": self.sampler,
        }
        return max(parts, key=lambda part: parts[part])


def runs(report: dict) -> list[dict]:
    """The runs, each with a name: its own or a letter."""
    found = [run or {} for run in report.get("runs") or []]
    return [{**run, "name": str(run.get("name") or chr(65 + i % 26))} for i, run in enumerate(found)]


def problems(run: dict) -> list[str]:
    return [str(text) for text in run.get("problems") or [] if text]


def unusable(run: dict) -> bool:
    """Whether the table cannot be used or judged: said so, empty, or with problems and without any score."""
    return bool(run.get("unusable")) or run.get("rows") == 0 or bool(problems(run) and not figures(run))


def verdict(report: dict) -> list[str]:
    """The sentences that a reader in a hurry needs, the answer first."""
    if given := [str(text) for text in report.get("verdict") or [] if text]:
        return given
    found = runs(report)
    if not found:
        return ["Nothing was evaluated."]
    out = comparison(found) if len(found) > 1 else []
    for run in found:
        sentences = [
            text
            for text in (problem_sentence(run), quality(run), *shortcomings(run), copying(run)[1])
            if text
        ]
        out += sentences if len(found) == 1 else [f"{run['name']}: {' '.join(sentences)}"]
    return out + gate_sentence(report)


def state(report: dict) -> str:
    """`bad` if a table is unusable, copied, poor or fails the gate, `fair` if something is amiss, else
    `good`."""
    found = runs(report)
    worst = [copying(run)[0] for run in found]
    low = [share for run in found if (share := _main(run)[1]) is not None]
    if (
        any(map(unusable, found))
        or 2 in worst
        or any(rule.get("passed") is False for rule in report.get("gate") or [])
        or min(low, default=1) < 0.6
    ):
        return "bad"
    return "fair" if any(map(problems, found)) or 1 in worst or min(low, default=1) < FAR else "good"


def problem_sentence(run: dict) -> str:
    found = problems(run)
    if not found:
        return (
            "Unusable: the table has no rows."
            if run.get("rows") == 0
            else "Unusable as it is."
            if unusable(run)
            else ""
        )
    count = "1 problem" if len(found) == 1 else f"{len(found)} problems"
    first = found[0].rstrip(".")
    if unusable(run):
        return f"Unusable as it is, {count}: {first}."
    return f"Mend this first, {count}: {first}. The scores count only what both tables have."


def quality(run: dict) -> str:
    """How good the rows are, from the score that looks at whole rows if there is one."""
    score, share = _main(run)
    if score is None or share is None:
        return (
            ""
            if unusable(run)
            else "No score of whole rows was computed, so nothing is said about how good they are."
        )
    level, meaning = next(entry[1:] for entry in LEVELS if share >= entry[0])
    if score.name == "c2st":
        return f"{level}: {meaning} ({_beside(score)})."
    return f"{level} by {score.label} alone ({_beside(score)}); no classifier was asked."


def shortcomings(run: dict) -> list[str]:
    """Scores far from other real rows, then the worst columns and pairs by name."""
    main, out = _main(run)[0], []
    short = [
        f for f in figures(run) if f.name in SHORT and f is not main and (main is None or f.name != main.name)
    ]
    far = [
        f for f in short if (share := f.progress()) is not None and share < FAR and not f.reaches_ceiling()
    ]
    if far:
        out.append("It falls short in " + listed([_beside(f, "{} ({})") for f in far]) + ".")
    if columns := [c for c in worst_columns(run) if c[1] >= BAD_COLUMN][:NAMED]:
        out.append(
            "Worst columns: "
            + listed([f"{name} (Shape error {error:.1f} %)" for name, error in columns])
            + "."
        )
    if pairs := [p for p in worst_pairs(run) if p[2] >= BAD_PAIR][:NAMED]:
        out.append("Worst pairs: " + listed([f"{a} with {b} ({error:.1f} %)" for a, b, error in pairs]) + ".")
    if (outside := figure(run, "outside")) and outside.value > max(0.001, 2 * (outside.ceiling or 0.0)):
        out.append(
            f"{outside.show()} of the rows hold a value outside the real range or a category that no real row has."
        )
    return out


def copying(run: dict) -> tuple[int | None, str]:
    """Whether rows are copied: 0 no sign, 1 some sign, 2 clearly, None if nothing was measured; and the
    sentence."""
    found = [f for name in COPYING if (f := figure(run, name))]
    if not found:
        return None, "" if unusable(run) else "Whether rows are copied was not measured."
    signs = [(_suspicion(f), f) for f in found]
    level, told = (
        max(level for level, _ in signs),
        [f"{f.label} {f.show()}{_ideal(f)}" for level, f in signs if level],
    )
    if level == 0:
        return (
            0,
            f"No sign that rows are copied ({listed([f'{f.label} {f.show()}{_ideal(f)}' for f in found[:2]])}).",
        )
    if level == 1:
        return 1, f"Some sign that rows are copied: {listed(told)}."
    return 2, f"Rows are copied from the training rows: {listed(told)}. Do not publish them."


def comparison(found: list[dict]) -> list[str]:
    """Which run is best on what, where they are level, which stay behind, and which a score does not save."""
    wins: dict[str, list[str]] = {}
    losses: dict[str, list[str]] = {}
    level = []
    for name in dict.fromkeys(f.name for run in found for f in figures(run)):
        winner, loser = best(found, name), worst(found, name)
        label = next(f.label for run in found if (f := figure(run, name)))
        if winner is not None:
            wins.setdefault(found[winner]["name"], []).append(label)
        elif sum(figure(run, name) is not None for run in found) > 1:
            level.append(label)
        if loser is not None and len(found) > 2:
            losses.setdefault(found[loser]["name"], []).append(label)
    out = [
        f"{name} is best on {listed(labels)}"
        for name, labels in sorted(wins.items(), key=lambda win: -len(win[1]))
    ]
    if level:
        where = listed(level) if len(level) <= NAMED or not out else f"the other {len(level)} scores"
        out.append(f"no clear lead on {where}" if out else f"No clear lead on {where}")
    unfit = [
        (run["name"], "cannot be used" if unusable(run) else "copies rows")
        for run in found
        if unusable(run) or copying(run)[0] == 2
    ]
    told = ["; ".join(out) + "."] if out else []
    told += [f"But {listed([f'{name} {why}' for name, why in unfit])}."] if unfit else []
    last = [f"{name} is last on {listed(labels)}" for name, labels in losses.items()]
    return ([" ".join(told)] if told else []) + (["; ".join(last) + "."] if last else [])


def best(found: list[dict], name: str) -> int | None:
    """The run that is best on a score; None where fewer than two have it or the first two cannot be told
    apart."""
    ranked = _ranked(found, name)
    return ranked[0][0] if len(ranked) > 1 and _apart(ranked[0][1], ranked[1][1]) else None


def worst(found: list[dict], name: str) -> int | None:
    """The run that is worst on a score, as `best`."""
    ranked = _ranked(found, name)
    return ranked[-1][0] if len(ranked) > 1 and _apart(ranked[-2][1], ranked[-1][1]) else None


def gate_sentence(report: dict) -> list[str]:
    rules = [rule for rule in report.get("gate") or [] if rule]
    failed = [rule for rule in rules if not rule.get("passed")]
    if not rules:
        return []
    if not failed:
        return [
            {1: "The one rule of the gate is met.", 2: "Both rules of the gate are met."}.get(
                len(rules), f"All {len(rules)} rules of the gate are met."
            )
        ]
    names = [
        f"`{rule.get('rule')}`" + ("" if number(rule.get("value")) is None else f" ({rule['value']:.4g})")
        for rule in failed
    ]
    return [f"The gate fails on {listed(names)}."]


def budget(run: dict) -> list[Budget]:
    """What each score loses to noise, to the decoder and to the sampler."""
    out, given = [], run.get("budget") or {}
    for name in ("shape_error", "trend_error", "c2st"):
        held, again, made = (
            _plain((given.get(key) or {}).get(name)) for key in ("held_out", "resynthesised", "generated")
        )
        if held is None or again is None or made is None:
            continue
        sign, ideal = (-1.0, 1.0) if name == "c2st" else (1.0, 0.0)
        parts = (sign * (held - ideal), sign * (again - held), sign * (made - again))
        out.append(Budget(name, score_of(name).label, *(max(0.0, part) for part in parts)))
    return out


def budget_words(run: dict) -> list[str]:
    """Who is at fault for what rows still lack, and what the decoder loses."""
    found = budget(run)
    out = []
    for fault, advice in (
        ("the sampler", "choose another law for z or fit it longer"),
        ("the decoder", "train longer, or give the network more room; no sampler mends it"),
        ("the noise of the sample", "more rows would be needed to see a difference"),
    ):
        if labels := [b.label for b in found if b.fault == fault and b.noise + b.decoder + b.sampler > 0]:
            out.append(
                f"Most of what {listed(labels)} lack{'s' if len(labels) == 1 else ''} is due to {fault}: {advice}."
            )
    if lost := _triples((run.get("budget") or {}).get("pairs_lost")):
        out.append(
            "Pairs that the decoder keeps least: "
            + listed([f"{a} with {b} ({error:.1f} %)" for a, b, error in lost[:NAMED]])
            + "."
        )
    return out


def privacy(run: dict) -> list[str]:
    """Each copying figure in plain words."""
    out = []
    if f := figure(run, "dcr_share"):
        nearer = "as often as chance has it" if not _suspicion(f) else "more often than chance has it"
        out.append(
            f"{100 * f.value:.1f} % of the rows are nearer to a training row than to any row of an equally large held-out table{_interval(f)}. "
            f"Rows of the same law that copy nothing give 50 %, so they lie near training rows {nearer}."
        )
    if f := figure(run, "exact_copies"):
        real = (
            ""
            if f.ceiling is None
            else f"; of other real rows {f.show(f.ceiling)} do, because short rows repeat themselves"
        )
        out.append(f"{f.show()} of the rows equal a training row in every column{real}.")
    if f := figure(run, "membership_auc"):
        luck = "no better than by guessing" if not _suspicion(f) else "better than by guessing"
        out.append(
            f"An attacker who asks which rows were in the training table is right {luck}: AUC {f.value:.3f}, where 0.5 is guessing."
        )
    return out


def worst_columns(run: dict) -> list[tuple[str, float]]:
    errors = [
        (str(c.get("name")), error)
        for c in run.get("columns") or []
        if c and (error := number(c.get("shape_error"))) is not None
    ]
    return sorted(errors, key=lambda entry: -entry[1])


def worst_pairs(run: dict) -> list[tuple[str, str, float]]:
    return sorted(_triples((run.get("pairs") or {}).get("worst")), key=lambda entry: -entry[2])


def facts(report: dict) -> str:
    """What was compared with what: `2 tables beside 29,305 real rows, ...`."""
    real, holdout, out = report.get("real") or {}, report.get("holdout") or {}, []
    if number(real.get("rows")) is not None:
        columns = f" of {whole(real['columns'])} columns" if number(real.get("columns")) is not None else ""
        out.append(f"{whole(real['rows'])} real rows{columns}")
    if number(holdout.get("rows")) is not None:
        out.append(f"{whole(holdout['rows'])} held-out rows")
    out += [
        f"{whole(run['rows'])} rows of {run['name']}"
        for run in runs(report)
        if number(run.get("rows")) is not None
    ]
    return ", ".join(out)


def _ranked(found: list[dict], name: str) -> list[tuple[int, Figure]]:
    return sorted(
        [(i, f) for i, run in enumerate(found) if (f := figure(run, name))], key=lambda entry: entry[1].loss()
    )


def _apart(one: Figure, other: Figure) -> bool:
    """Whether two values differ by more than a hundredth of their scale, and their intervals do not meet."""
    if other.loss() - one.loss() <= NEGLIGIBLE * (one.span() or max(abs(one.value), abs(other.value), 1e-9)):
        return False
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return True
    return one.high < other.low or other.high < one.low


def _main(run: dict) -> tuple[Figure | None, float | None]:
    """The score that tells most about whole rows, and its share of the way to other real rows."""
    for name in ("c2st", "trend_error", "shape_error"):
        if (found := figure(run, name)) and (share := found.progress()) is not None:
            return found, 1.0 if found.reaches_ceiling() else share
    return None, None


def _beside(f: Figure, form: str = "{}; {}") -> str:
    """`C2ST 0.832; shuffled columns 0.020, other real rows 0.997`."""
    ends = f.ends()  # shuffled columns are no measure of a score that they win
    marks = [
        ("shuffled columns", f.floor if ends and ends[0] == f.floor else None),
        ("other real rows", f.ceiling),
    ]
    told = ", ".join(f"{name} {f.show(value)}" for name, value in marks if value is not None)
    return form.format(f"{f.label} {f.show()}", told) if told else f"{f.label} {f.show()}"


def _suspicion(f: Figure) -> int:
    if f.name == "exact_copies":
        usual = 2 * f.ceiling + 0.001 if f.ceiling is not None else 0.01
        return 0 if f.value <= usual else 2 if f.ceiling is not None and f.value > 0.01 else 1
    if f.ideal is None:
        return 0
    excess = f.value - f.ideal
    certain = f.low > f.ideal if f.low is not None else excess > 2 * SOME
    return 0 if excess <= SOME or not certain else 2 if excess > MUCH else 1


def _ideal(f: Figure) -> str:
    return "" if f.ideal is None else f", ideal {f.ideal:g}"


def _interval(f: Figure) -> str:
    return (
        "" if f.low is None or f.high is None else f" (95 % interval {100 * f.low:.1f} to {100 * f.high:.1f})"
    )


def _plain(value) -> float | None:
    return number(value.get("value") if isinstance(value, dict) else value)


def _triples(given) -> list[tuple[str, str, float]]:
    return [
        (str(t[0]), str(t[1]), error)
        for t in given or []
        if t and len(t) == 3 and (error := number(t[2])) is not None
    ]
