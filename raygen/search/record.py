"""The record of a search: what each trial was, how far it came, which is best; and a line for whoever
waits."""

import json
import math
import time

import pandas as pd

from raygen import storage
from raygen.config import Config
from raygen.search.space import Space
from raygen.storage import plain
from raygen.training.job import run_name
from raygen.training.objective import HIGHER_IS_BETTER

SAY_SECONDS = 10.0
FIGURES = (
    "objective_error",
    "value_nats",
    "held_out_nats",
    "held_out_error",
    "c2st",
    "shape_error",
    "trend_error",
    "rows_per_second",
)
KEPT = (*FIGURES, "sampler", "sampler_seconds", "parameters", "model", "fingerprint")  # of a finished trial
OF_ROUND = ("value_nats", "held_out_nats", "held_out_error")  # of any other


class Record:
    """Trials as Ray Tune tells of them.

    Args:
        config: Of the search.
        space: What is searched.
        rows: Of the table.
        at_a_time: Trials that run side by side.
        command: What the user ran.
        began: When, in seconds since 1970.
        points: That the same search has begun before.
    """

    def __init__(
        self,
        config: Config,
        space: Space,
        rows: int,
        at_a_time: int,
        command: str,
        began: float,
        points: list[dict],
    ):
        self.points = list(points)
        self.config, self.space, self.rows, self.at_a_time, self.command, self.began = (
            config,
            space,
            rows,
            at_a_time,
            command,
            began,
        )
        self.trials: dict[int, dict] = {}
        self.higher = HIGHER_IS_BETTER[config.search.objective]
        self.first_start: float | None = None
        self.said = 0.0

    def started(self, number: int, params: dict) -> None:
        """Ray Tune has started a trial, or started it again after its actor was lost."""
        self.first_start = self.first_start or time.time()
        if params not in self.points:
            self.points.append(params)
        if number not in self.trials:
            self.trials[number] = {
                "params": params,
                "state": "unfinished",
                "reason": "",
                "seconds": 0.0,
                "training_seconds": 0.0,
                "steps": 0,
            }
        self.trials[number]["history"] = []

    def heard(self, number: int, result: dict) -> str:
        """Take a report of a trial; a line about all of them, now and then."""
        t = self.trials[number]
        t["seconds"] = result["time_total_s"]
        if result.get("reason"):
            t |= {"state": "failed", "reason": result["reason"]}
            return ""
        t["objective"] = None if math.isnan(result["objective"]) else result["objective"]
        t |= {"training_seconds": result["seconds"], "steps": result["step"], "round": result["round"]}
        t |= {key: result[key] for key in (KEPT if "model" in result else OF_ROUND) if key in result}
        if "model" in result:
            t["state"] = "finished"
        else:
            before = [
                entry for entry in t["history"] if entry[0] < result["step"]
            ]  # a worker that was lost tells some again
            t["history"] = [*before, [result["step"], result["seconds"], result["value_nats"]]]
        if time.time() - self.said < SAY_SECONDS:
            return ""
        self.said = time.time()
        return self.line()

    def ended(self, number: int, reason: str) -> str:
        """Ray Tune has ended a trial; a line about it."""
        t = self.trials[number]
        if t["state"] == "unfinished":
            t |= {"state": "failed", "reason": reason} if reason else {"state": "stopped"}
        settings = ", ".join(f"{key.partition('.')[2]} {_short(value)}" for key, value in t["params"].items())
        what = {
            "finished": lambda: f"{t['objective']:.3f} {self.unit}, {t['rows_per_second']:,.0f} rows/s",
            "stopped": lambda: f"at step {t['steps']:,}, {t['value_nats']:.3f} nats/row",
            "failed": lambda: t["reason"],
        }[t["state"]]()
        return f"Trial {number} {t['state']}: {what}  ({settings}; {t['seconds']:.0f} s)"

    @property
    def unit(self) -> str:
        return "nats/row" if self.config.search.objective == "nats" else "C2ST"

    def line(self) -> str:
        """How many trials are done, the best so far, what is left."""
        states = [t["state"] for t in self.trials.values()]
        words = {"finished": "finished", "stopped": "stopped", "failed": "failed", "unfinished": "running"}
        text = (
            "trials: "
            + ", ".join(f"{states.count(s)} {word}" for s, word in words.items() if s in states)
            + f" of {self.config.search.trials}"
        )
        best = self._best([{"number": number, **t} for number, t in self.trials.items()])
        if best is not None:
            text += f"; best {self.trials[best]['objective']:.3f} {self.unit} (trial {best})"
        left = self._seconds_left()
        return text + (f"; about {left / 60:.0f} min left" if left else "")

    def record(self) -> dict:
        """All of it as plain values; `nats` are lower, `c2st` higher for better.

        Returns:
            `objective`, `algorithm`, `scheduler`, `seed`, `space`, `defaults` (the config's own values),
            `best` (a trial's number or None), `front` (finished trials that no other beats in both objective
            and rows/s), `seconds`, `base` (a name of the config's own settings), `points` (all that were ever
            begun), and for each of `trials` its `number`, `params`, `state` (finished, stopped, failed,
            unfinished), `reason`, figures, and `history` of [step, seconds, nats].
        """
        s = self.config.search
        trials = [
            {"number": n, **dict.fromkeys(KEPT), "objective": None, **t}
            for n, t in sorted(self.trials.items())
        ]
        for t in trials:
            t["error"] = t.pop("objective_error") or (t["held_out_error"] if s.objective == "nats" else None)
        settings = {
            "objective": s.objective,
            "algorithm": s.algorithm,
            "scheduler": s.scheduler,
            "seed": self.config.run.seed,
        }
        asked = {
            "min_rows_per_second": s.min_rows_per_second,
            "space": self.space.to_dict(),
            "defaults": self.space.own(self.config),
        }
        found = {"best": self._best(trials), "front": self._front(trials), "seconds": self._spent(trials)}
        table = {"source": self.config.data.source, "rows": self.rows}
        told = {
            "command": self.command,
            "base": run_name(self.config),
            "points": self.points,
            "trials": trials,
        }
        return plain({"format": 1, **table, **settings, **asked, **found, **told})

    def write(self, uri: str) -> None:
        storage.write_json(uri, self.record())

    @property
    def unfinished(self) -> bool:
        """Whether some trial has not come to an end."""
        return any(t["state"] == "unfinished" for t in self.trials.values())

    def frame(self) -> pd.DataFrame:
        """One row for each trial; lists as JSON."""
        rows = []
        for t in self.record()["trials"]:
            params = {
                key: json.dumps(value) if isinstance(value, list) else value
                for key, value in t["params"].items()
            }
            rows.append({**{k: v for k, v in t.items() if k not in ("params", "history")}, **params})
        return pd.DataFrame(rows)

    def _best(self, trials: list[dict]) -> int | None:
        """The finished trial of the best objective among those that are fast enough; the first of equals."""
        able = [
            t
            for t in trials
            if t["state"] == "finished" and t["rows_per_second"] >= self.config.search.min_rows_per_second
        ]
        return min(able, key=self._loss)["number"] if able else None

    def _front(self, trials: list[dict]) -> list[int]:
        front: list[int] = []
        fastest = -math.inf
        for t in sorted(
            (t for t in trials if t["state"] == "finished"),
            key=lambda t: (self._loss(t), -t["rows_per_second"]),
        ):
            if t["rows_per_second"] > fastest:
                front.append(t["number"])
                fastest = t["rows_per_second"]
        return front

    def _loss(self, t: dict) -> float:
        return -t["objective"] if self.higher else t["objective"]

    def _spent(self, trials: list[dict]) -> dict[str, float]:
        """Seconds of the search; `training` only if all of it was spent now, and not in a search that this
        one resumed."""
        wall = time.time() - self.began
        spent = {"wall": wall, "at_a_time": self.at_a_time, "trials": sum(t["seconds"] for t in trials)}
        if self.first_start:
            spent["start"] = self.first_start - self.began
        training = [t["training_seconds"] + (t["sampler_seconds"] or 0.0) for t in trials]
        if all(t["seconds"] >= took for t, took in zip(trials, training, strict=True)):
            spent |= {"training": sum(training), "outside": 1 - sum(training) / (wall * self.at_a_time)}
        return spent

    def _seconds_left(self) -> float | None:
        """By the mean of the trials that have ended, once there are some; what was trained in an earlier
        search took its time then."""
        took = {
            n: max(t["seconds"], t["training_seconds"] + (t.get("sampler_seconds") or 0.0))
            for n, t in self.trials.items()
        }
        ended = [took[n] for n, t in self.trials.items() if t["state"] != "unfinished"]
        if len(ended) <= self.at_a_time:
            return None
        running = sum(took[n] for n, t in self.trials.items() if t["state"] == "unfinished")
        total = self.config.search.trials * sum(ended) / len(ended)
        return max(0.0, total - sum(ended) - running) / self.at_a_time


def _short(value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value)
