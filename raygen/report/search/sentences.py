"""What the report of a search says, in words: the sentences of the page (`search_page`) and of the terminal
(`search_lines`).

A sentence that needs a figure that is not known is left out.
"""

import math

from raygen.report.search.trials import NATS, Search, Trial
from raygen.report.text import duration, listed, pair, show, whole

STATE_WORDS = {
    "finished": "finished",
    "stopped": "were stopped early",
    "unfinished": "did not end",
    "failed": "failed",
}
ALGORITHMS = {"random": "random search", "tpe": "TPE", "grid": "grid search"}
CLEAR = 2.0  # standard errors from which a gain is called clear


def verdict(search: Search) -> list[str]:
    """The sentences that a reader in a hurry needs, the answer first."""
    return [text for text in (headline(search), *gain(search), too_slow(search), counts(search)) if text]


def state(search: Search) -> str:
    """`good` if the search clearly gained, `bad` if nothing was chosen, else `fair`."""
    if search.best is None:
        return "bad"
    gained, noise = _gained(search)
    return "good" if gained is not None and noise is not None and gained > noise else "fair"


def headline(search: Search) -> str:
    found, winner = search.trials, search.best
    if not found:
        return "No trial was made."
    if winner is None:
        if any(t.finished for t in found):
            why = (
                f"no finished trial makes {whole(search.limit)} rows/s"
                if search.limit
                else "the search names no best trial"
            )
        elif all(t.state == "failed" for t in found):
            why = "the only trial failed" if len(found) == 1 else f"all {len(found)} trials failed"
        else:
            why = "no trial finished"
        return f"Nothing was chosen: {why}."
    alone = len(found) == 1
    start = (
        f"Trial {winner.number} is the only one"
        if alone
        else f"Trial {winner.number} is the best of {len(found)}"
    )
    told = f": {_told(search, winner, winner.error)}" + (
        " on held-out rows" if not search.by_classifier else ""
    )
    return start + (told if winner.objective is not None else "") + "."


def gain(search: Search) -> list[str]:
    """What the best trial gained over the config's own settings, and whether that is more than noise."""
    winner, own = search.best, search.own
    if winner is None or winner.objective is None:
        return []
    if own is None:
        return [
            "No trial had the config's own settings, so it is not known what the search gained over them."
        ]
    if own.number == winner.number:
        return [
            "It has the config's own settings"
            + (": the search found nothing better." if len(search.trials) > 1 else ".")
        ]
    who = f"the config's own settings (trial {own.number}"
    if own.state == "failed":
        return [f"The trial with {who}) failed, so there is nothing to compare with."]
    if not own.finished:
        ended = "was stopped" if own.state == "stopped" else "did not end"
        if not own.curve or not winner.curve:
            return [f"The trial with {who}) {ended}, so there is nothing to compare with."]
        step, value = own.curve[-1]
        ahead = value - winner.at(step)
        return [
            f"The trial with {who}) {ended} at step {whole(step)}; there trial {winner.number} was "
            f"{_better(NATS, ahead)}."
        ]
    gained, noise = _gained(search)
    if gained is None:
        return []
    out = f"That is {_better(search.unit, gained)} than with {who}, {_told(search, own, own.error)})"
    if noise is None:
        return [f"{out}; how much of it is noise is not known."]
    if abs(gained) <= noise:
        return [
            f"{out}, within the noise of the held-out rows (+- {show(noise)}): the search found "
            "nothing that is surely better."
        ]
    if abs(gained) < CLEAR * noise:
        return [
            f"{out}, {abs(gained) / noise:.1f} standard errors of the held-out rows: likely, not certain."
        ]
    return [f"{out}, {abs(gained) / noise:.1f} standard errors of the held-out rows: more than their noise."]


def too_slow(search: Search) -> str:
    """Which trials would have been better, were they fast enough."""
    winner, limit = search.best, search.limit
    if winner is None or winner.objective is None or not limit:
        return ""
    better = [
        t for t in search.trials if t.finished and search.sign * t.score < search.sign * winner.objective
    ]
    slow = sorted(
        (t for t in better if t.rows_per_second is not None and t.rows_per_second < limit),
        key=lambda t: search.sign * t.score,
    )
    if not slow:
        return ""
    first = slow[0]
    more = f" ({len(slow)} trials are better, but too slow)" if len(slow) > 1 else ""
    speed = f"{whole(first.rows_per_second)} rows/s, below the limit of {whole(limit)} rows/s"
    return f"Trial {first.number} has {_told(search, first, first.error)}, but {speed}{more}."


def counts(search: Search) -> str:
    found = [t.state for t in search.trials]
    if len(found) < 2 or set(found) == {"failed"}:  # which the headline says
        return ""
    verbs = STATE_WORDS | ({"stopped": "was stopped early"} if found.count("stopped") == 1 else {})
    return listed([f"{found.count(name)} {verb}" for name, verb in verbs.items() if name in found]) + "."


def front_words(search: Search) -> str:
    found = search.front
    if not found:
        return ""
    parts = [f"trial {t.number} ({_told(search, t, None)}, {whole(t.rows_per_second)} rows/s)" for t in found]
    if len(found) == 1:
        return f"No trial is better or faster than {parts[0]}."
    return f"Objective against speed, trials that no other beats in both: {listed(parts)}."


def spent(search: Search) -> list[str]:
    """Where the time went."""
    s, out = search.record.seconds, []
    if s.wall is not None:
        known = s.trials is not None and s.wall > 0
        at_once = f", {(s.trials or 0.0) / s.wall:.1f} trials at a time" if known else ""
        out.append(f"The search took {duration(s.wall)}{at_once}.")
    if s.training is not None and s.outside is not None:
        out.append(
            f"Its trials trained and fitted samplers for {duration(s.training)}; {100 * s.outside:.0f} % "
            "of the places for trials did neither."
        )
    if s.start is not None:
        out.append(f"The first trial began after {duration(s.start)}.")
    return out


def facts(search: Search) -> str:
    """What was searched, and how: `16 trials of adult.parquet (32,561 rows), TPE with ASHA, seed 0`."""
    count, record = len(search.trials), search.record
    rows = "" if record.rows is None else f" ({whole(record.rows)} rows)"
    source = f" on {record.source}{rows}" if record.source else ""
    parts = [f"{count} trial{'s' * (count != 1)}{source}"]
    parts.append(ALGORITHMS.get(record.algorithm, record.algorithm))
    parts[1] += " with ASHA" if record.scheduler == "asha" else ""
    parts += [] if record.seed is None else [f"seed {record.seed}"]
    return ", ".join(part.strip() for part in parts if part.strip())


def _gained(search: Search) -> tuple[float | None, float | None]:
    """By how much the best trial is better than the config's own settings, and the standard error of that.

    The errors are added as if independent. Since the same rows score both trials, the true error is smaller
    rather than larger.
    """
    winner, own = search.best, search.own
    if (
        winner is None
        or own is None
        or own.number == winner.number
        or winner.objective is None
        or own.objective is None
        or not own.finished
    ):
        return None, None
    noise = None if winner.error is None or own.error is None else math.hypot(winner.error, own.error)
    return search.sign * (own.objective - winner.objective), noise


def _told(search: Search, t: Trial, error: float | None) -> str:
    text = pair(t.objective, error)
    return f"C2ST {text}" if search.by_classifier else f"{text} {search.unit}"


def _better(unit: str, ahead: float) -> str:
    """`0.504 nats per row better`."""
    of = f" {unit}" if unit == NATS else ""
    return f"{show(abs(ahead))}{of} {'better' if ahead >= 0 else 'worse'}"
