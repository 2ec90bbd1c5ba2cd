"""Made-up searches for the page, from one that says all to one that says nothing."""

import functools
import json

from raygen.report.search import page as search_page
from raygen.report.search.record import SearchRecord
from tests.searches import search, settled

read = SearchRecord.model_validate
ONE = {"train.learning_rate": {"log_uniform": [1e-3, 2e-2]}}
EVIL = "<script>alert(1)</script>"


def nothing(state: str, count: int = 4) -> dict:
    given = search(count, stop=False, fail=range(count) if state == "failed" else ())
    for t in given["trials"]:
        t |= {"state": state, "rows_per_second": None}
    return settled(given)


def level() -> dict:
    given = search(8, stop=False, fail=())
    for t in given["trials"]:
        t |= {
            "objective": 25.0,
            "value_nats": 25.0,
            "held_out_nats": 25.0,
            "history": [[step, seconds, 25.0] for step, seconds, _ in t["history"]],
        }
    return settled(given)


def bare() -> dict:
    """Nothing but what must be there: no figure is known."""
    given = search(6, fail=(2,))
    known = {"number", "params", "state", "objective"}
    trials = [
        {key: value for key, value in t.items() if key in known} | {"history": []} for t in given["trials"]
    ]
    return {
        "format": 1,
        "objective": "nats",
        "space": given["space"],
        "defaults": given["defaults"],
        "best": given["best"],
        "front": [],
        "trials": trials,
    }


def hostile() -> dict:
    space = {
        "model.prior": {"choice": ["mixture", EVIL, "$x_1$", 'a"b&c', "\u540d\u524d"]},
        "model.beta": {"uniform": [0.5, 1.0]},
        f"x.{EVIL}": {"choice": [1, 2]},
    }
    given = search(
        12, space=space, defaults={"model.prior": EVIL, "model.beta": 0.85, f"x.{EVIL}": 1}, fail=(5,)
    )
    given |= {"source": EVIL, "command": f"raygen tune {EVIL}", "algorithm": EVIL}
    given["trials"][5]["reason"] = f"{EVIL} \x1b[0m " * 100
    for t in given["trials"]:
        t |= {"model": EVIL, "sampler": EVIL}
    return given


CASES = {
    "full": search,
    "c2st": lambda: search(20, objective="c2st", seed=3),
    "150 trials": lambda: search(150, seed=1),
    "one trial": lambda: search(1),
    "two trials": lambda: search(2),
    "no trial": lambda: search(0),
    "all failed": lambda: nothing("failed"),
    "all stopped": lambda: nothing("stopped"),
    "unfinished": lambda: nothing("unfinished"),
    "one setting": lambda: search(12, space=ONE, defaults={"train.learning_rate": 0.006}),
    "all equal": level,
    "bare": bare,
    "empty": dict,
    "hostile": hostile,
}


@functools.cache
def rendered(case: str) -> str:
    return search_page.render(read(json.loads(json.dumps(CASES[case]()))))
