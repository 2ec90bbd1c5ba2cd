"""What the report of a search says, in words: the sentences of the page (`search_page`) and of the terminal (`search_lines`).

A search is the dictionary that `raygen tune` writes to search.json. A figure that is missing, None, nan or infinite is left out, and so is a
sentence that needs it.
"""

import math
from typing import NamedTuple

import numpy as np

from raygen.latent_words import number, pair, show, whole

STATES = ("finished", "stopped", "unfinished", "failed")  # in the order of tables
STATE_WORDS = {"finished": "finished", "stopped": "were stopped early", "unfinished": "did not end", "failed": "failed"}
OBJECTIVES = {"nats": "nats per row", "c2st": "C2ST"}  # the first is better when lower, the second when higher
ALGORITHMS = {"random": "random search", "tpe": "TPE", "grid": "grid search"}
CLEAR = 2.0  # standard errors from which a gain is called clear


class Trial(NamedTuple):
    """One trial; None where a figure is not known."""

    number: int
    params: dict
    state: str
    reason: str
    objective: float | None
    error: float | None
    figures: dict  # name: number or None, for the other figures
    sampler: str
    model: str
    history: list[tuple[float, float]]  # step, objective

    @property
    def rows_per_second(self) -> float | None:
        return self.figures["rows_per_second"]

    @property
    def finished(self) -> bool:
        return self.state == "finished" and self.objective is not None

    @property
    def score(self) -> float:
        """The objective; nan where it is not known."""
        return math.nan if self.objective is None else self.objective

    def at(self, step: float) -> float:
        """The objective when it had trained so far; its first or last before and after its history."""
        steps, values = zip(*self.history, strict=True)
        return float(np.interp(step, steps, values))


FIGURES = ("held_out_nats", "c2st", "shape_error", "trend_error", "rows_per_second", "seconds", "training_seconds", "steps")


def trials(search: dict) -> list[Trial]:
    """The trials, by their numbers."""
    found = []
    for i, given in enumerate(search.get("trials") or []):
        history = [(number(entry[0]), number(entry[2])) for entry in given.get("history") or [] if len(entry) == 3]
        known = sorted((step, value) for step, value in history if step is not None and value is not None)
        found.append(
            Trial(
                number=i if given.get("number") is None else int(given["number"]),
                params=given.get("params") or {},
                state=given["state"] if given.get("state") in STATES else "unfinished",
                reason=str(given.get("reason") or ""),
                objective=number(given.get("objective")),
                error=number(given.get("error")),
                figures={name: number(given.get(name)) for name in FIGURES},
                sampler=str(given.get("sampler") or ""),
                model=str(given.get("model") or ""),
                history=known,
            )
        )
    return sorted(found, key=lambda t: t.number)


def sign(search: dict) -> float:
    """1 if a lower objective is better, else -1."""
    return -1.0 if search.get("objective") == "c2st" else 1.0


def unit(search: dict) -> str:
    return OBJECTIVES.get(str(search.get("objective")), "objective")


def by_number(search: dict, wanted) -> Trial | None:
    return next((t for t in trials(search) if t.number == wanted), None)


def best(search: dict) -> Trial | None:
    return by_number(search, search.get("best"))


def defaults(search: dict) -> Trial | None:
    """The trial that had the config's own value of every searched setting."""
    own = search.get("defaults") or {}
    return next((t for t in trials(search) if own and t.params and all(key in own and own[key] == value for key, value in t.params.items())), None)


def ranked(search: dict) -> list[Trial]:
    """The best first, then what finished by its objective, then what was stopped, the last first, then the rest."""

    def place(t: Trial) -> tuple:
        value = math.inf if t.objective is None else sign(search) * t.objective
        steps = t.figures["steps"] or 0.0
        return t.number != search.get("best"), STATES.index(t.state), -steps if t.state == "stopped" else 0.0, value, t.number

    return sorted(trials(search), key=place)


def front(search: dict) -> list[Trial]:
    """The trials that no other beats in both objective and speed, the best objective first."""
    numbers = set(search.get("front") or [])
    found = [t for t in trials(search) if t.number in numbers and t.finished and t.rows_per_second is not None]
    return sorted(found, key=lambda t: sign(search) * t.score)


def settings(search: dict) -> list[str]:
    """Dotted keys of what was searched."""
    keys = [*(search.get("space") or {}), *(search.get("defaults") or {}), *(key for t in trials(search) for key in t.params)]
    return list(dict.fromkeys(keys))


def differing(search: dict) -> list[str]:
    """The settings that are not the same in all trials."""
    return [key for key in settings(search) if len({value_text(t.params.get(key)) for t in trials(search)}) > 1]


def short_names(keys: list[str]) -> dict[str, str]:
    """The last part of each dotted key; the whole key where two share it."""
    last = [key.rpartition(".")[2] for key in keys]
    return {key: name if last.count(name) == 1 else key for key, name in zip(keys, last, strict=True)}


def value_text(value) -> str:
    """A setting's value as short as it can be told: `0.00421`, `[256, 256]`, `true`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(value_text, value)) + "]"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def projected(search: dict) -> dict[int, float]:
    """Objectives that can be compared, by trial: of what finished its own; of the rest, where it would have ended had it kept its distance.

    A trial that was stopped early has the objective of an early step, which says more of the step than of its settings. Its distance to a
    trial that went to the end, at the step where it was stopped, is carried to the end of that one. (In simulated searches of 16 and 32 trials
    where one setting decides, fANOVA then named it in 83 to 100 % of them; with finished trials alone in 11 to 33 %, with the last objectives as
    they are in 61 to 100 %.)
    """
    found = trials(search)
    out = {t.number: t.score for t in found if t.finished}
    ends = [t for t in found if t.state != "failed" and t.history]
    if not ends:
        return out

    def merit(t: Trial) -> tuple:
        last = t.history[-1]
        return t.number != search.get("best"), not t.finished, -last[0] if not t.finished else 0.0, sign(search) * (t.objective or last[1])

    reference = min(ends, key=merit)
    end = reference.history[-1][1] if reference.objective is None else reference.objective
    for t in ends:
        if not t.finished:
            step, value = t.history[-1]
            out[t.number] = end + value - reference.at(step)
    return out


# ---------------------------------------------------------------------------------------------------- sentences
def verdict(search: dict) -> list[str]:
    """The sentences that a reader in a hurry needs, the answer first."""
    return [text for text in (headline(search), *gain(search), too_slow(search), counts(search)) if text]


def state(search: dict) -> str:
    """`good` if the search clearly gained, `bad` if nothing was chosen, else `fair`."""
    if best(search) is None:
        return "bad"
    gained, noise = _gained(search)
    return "good" if gained is not None and noise is not None and gained > noise else "fair"


def headline(search: dict) -> str:
    found, winner = trials(search), best(search)
    if not found:
        return "No trial was made."
    if winner is None:
        limit = number(search.get("min_rows_per_second"))
        if any(t.finished for t in found):
            return "Nothing was chosen: " + (f"no finished trial makes {whole(limit)} rows/s." if limit else "the search names no best trial.")
        if all(t.state == "failed" for t in found):
            return "Nothing was chosen: " + ("the only trial failed." if len(found) == 1 else f"all {len(found)} trials failed.")
        return "Nothing was chosen: no trial finished."
    alone = len(found) == 1
    start = f"Trial {winner.number} is the only one" if alone else f"Trial {winner.number} is the best of {len(found)}"
    told = f": {_told(search, winner, winner.error)}" + (" on held-out rows" if search.get("objective") == "nats" else "")
    return start + (told if winner.objective is not None else "") + "."


def gain(search: dict) -> list[str]:
    """What the best trial gained over the config's own settings, and whether that is more than noise."""
    winner, own = best(search), defaults(search)
    if winner is None or winner.objective is None:
        return []
    if own is None:
        return ["No trial had the config's own settings, so it is not known what the search gained over them."]
    if own.number == winner.number:
        return ["It has the config's own settings" + (": the search found nothing better." if len(trials(search)) > 1 else ".")]
    who = f"the config's own settings (trial {own.number}"
    if own.state == "failed":
        return [f"The trial with {who}) failed, so there is nothing to compare with."]
    if not own.finished:
        ended = "was stopped" if own.state == "stopped" else "did not end"
        if not own.history or not winner.history:
            return [f"The trial with {who}) {ended}, so there is nothing to compare with."]
        step, value = own.history[-1]
        ahead = sign(search) * (value - winner.at(step))
        return [f"The trial with {who}) {ended} at step {whole(step)}; there trial {winner.number} was {_better(search, ahead)}."]
    gained, noise = _gained(search)
    if gained is None:
        return []
    out = f"That is {_better(search, gained)} than with {who}, {_told(search, own, own.error)})"
    if noise is None:
        return [f"{out}; how much of it is noise is not known."]
    if abs(gained) <= noise:
        return [f"{out}, within the noise of the held-out rows (+- {show(noise)}): the search found nothing that is surely better."]
    if abs(gained) < CLEAR * noise:
        return [f"{out}, {gained / noise:.1f} standard errors of the held-out rows: likely, not certain."]
    return [f"{out}, {abs(gained) / noise:.1f} standard errors of the held-out rows: more than their noise."]


def too_slow(search: dict) -> str:
    """Which trials would have been better, were they fast enough."""
    winner, limit = best(search), number(search.get("min_rows_per_second"))
    if winner is None or winner.objective is None or not limit:
        return ""
    mark = sign(search) * winner.objective
    faster = [t for t in trials(search) if t.objective is not None and t.finished and sign(search) * t.objective < mark]
    slow = sorted((t for t in faster if (t.rows_per_second or 0.0) < limit), key=lambda t: sign(search) * t.score)
    if not slow:
        return ""
    first = slow[0]
    speed = f"{whole(first.rows_per_second)} rows/s, below" if first.rows_per_second is not None else "no known speed, and"
    more = f" ({len(slow)} trials are better, but too slow)" if len(slow) > 1 else ""
    return f"Trial {first.number} has {_told(search, first, first.error)}, but {speed} the limit of {whole(limit)} rows/s{more}."


def counts(search: dict) -> str:
    found = [t.state for t in trials(search)]
    if len(found) < 2:
        return ""
    parts = [
        f"{found.count(name)} {'was stopped early' if name == 'stopped' and found.count(name) == 1 else text}" for name, text in STATE_WORDS.items()
    ]
    return listed([part for part, name in zip(parts, STATE_WORDS, strict=True) if name in found]) + "."


def front_words(search: dict) -> str:
    found = front(search)
    if not found:
        return ""
    parts = [f"trial {t.number} ({_told(search, t, None)}, {whole(t.rows_per_second)} rows/s)" for t in found]
    if len(found) == 1:
        return f"No trial is better or faster than {parts[0]}."
    return f"Objective against speed, trials that no other beats in both: {listed(parts)}."


def spent(search: dict) -> list[str]:
    """Where the time went."""
    seconds = {name: number(value) for name, value in (search.get("seconds") or {}).items()}
    wall, of_trials, training, start = (seconds.get(name) for name in ("wall", "trials", "training", "start"))
    out = []
    if wall is not None:
        at_once = f", {of_trials / wall:.1f} trials at a time" if of_trials is not None and wall > 0 else ""
        out.append(f"The search took {duration(wall)}{at_once}.")
    if of_trials and training is not None:
        share = 100 * max(0.0, 1 - training / of_trials)
        out.append(f"Of {duration(of_trials)} of trials, {duration(training)} were training; {share:.0f} % went to starting, scoring and the rest.")
    if start is not None:
        out.append(f"Starting took {duration(start)}.")
    return out


def facts(search: dict) -> str:
    """What was searched, and how: `16 trials of adult.parquet (32,561 rows), TPE with ASHA, seed 0`."""
    count = len(trials(search))
    rows = f" ({whole(search['rows'])} rows)" if number(search.get("rows")) is not None else ""
    source = f" on {search['source']}{rows}" if search.get("source") else ""
    algorithm = str(search.get("algorithm") or "")
    parts = [f"{count} trial{'s' * (count != 1)}{source}", ALGORITHMS.get(algorithm, algorithm)]
    parts[1] += " with ASHA" if search.get("scheduler") == "asha" else ""
    parts += [f"seed {search['seed']}"] if search.get("seed") is not None else []
    return ", ".join(part.strip() for part in parts if part.strip())


def duration(seconds: float) -> str:
    """`21 s`, `15.2 min`, `3.4 h`."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1] if parts else ""


def _gained(search: dict) -> tuple[float | None, float | None]:
    """By how much the best trial is better than the config's own settings, and the standard error of that.

    The errors are added as if independent. Since the same rows score both trials, the true error is smaller rather than larger.
    """
    winner, own = best(search), defaults(search)
    if winner is None or own is None or own.number == winner.number or winner.objective is None or own.objective is None or not own.finished:
        return None, None
    noise = None if winner.error is None or own.error is None else math.hypot(winner.error, own.error)
    return sign(search) * (own.objective - winner.objective), noise


def _told(search: dict, t: Trial, error: float | None) -> str:
    text = pair(t.objective, error)
    return f"C2ST {text}" if search.get("objective") == "c2st" else f"{text} {unit(search)}"


def _better(search: dict, ahead: float) -> str:
    """`0.504 nats per row better`."""
    of = "" if search.get("objective") == "c2st" else f" {unit(search)}"
    return f"{show(abs(ahead))}{of} {'better' if ahead >= 0 else 'worse'}"
