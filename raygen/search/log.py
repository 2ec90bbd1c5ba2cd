"""The log of a search: what each trial was, how far it came, which is best; and a line for whoever waits."""

import json
import time

import pandas as pd

from raygen import storage
from raygen.config import Config
from raygen.report.search.record import OF_MODEL, OF_ROUND, SearchRecord, Spent, Trial
from raygen.search.space import Space
from raygen.training.job import run_name
from raygen.training.objective import HIGHER_IS_BETTER

SAY_SECONDS = 10.0


class SearchLog:
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
        self.config, self.space, self.rows, self.at_a_time = config, space, rows, at_a_time
        self.command, self.began, self.points = command, began, list(points)
        self.trials: dict[int, Trial] = {}
        self.higher = HIGHER_IS_BETTER[config.search.objective]
        self.first_start: float | None = None
        self.last_line = 0.0

    def started(self, number: int, params: dict) -> None:
        """Ray Tune has started a trial, or started it again after its actor was lost."""
        self.first_start = self.first_start or time.time()
        if params not in self.points:
            self.points.append(params)
        trial = self.trials.get(
            number, Trial(number=number, params=params, seconds=0.0, training_seconds=0.0, steps=0)
        )
        self.trials[number] = trial.changed(history=[])

    def heard(self, number: int, result: dict) -> str:
        """Take a report of a trial; a line about all of them, now and then."""
        seconds = result["time_total_s"]
        if reason := result.get("reason"):
            self._change(number, seconds=seconds, state="failed", reason=reason)
            return ""
        figures = {"objective": result["objective"], "training_seconds": result["seconds"]}
        figures |= {"steps": result["step"], "round": result["round"]}
        if "model" in result:
            figures |= {key: result[key] for key in OF_MODEL if key in result}
            error = result.get("objective_error")
            self._change(number, seconds=seconds, **figures, error=error, state="finished")
        else:
            figures |= {key: result[key] for key in OF_ROUND if key in result}
            # a worker that was lost tells some again
            before = [entry for entry in self.trials[number].history if (entry[0] or 0) < result["step"]]
            history = [*before, (result["step"], result["seconds"], result["value_nats"])]
            self._change(number, seconds=seconds, **figures, history=history)
        if time.time() - self.last_line < SAY_SECONDS:
            return ""
        self.last_line = time.time()
        return self.line()

    def ended(self, number: int, reason: str) -> str:
        """Ray Tune has ended a trial; a line about it."""
        if self.trials[number].state == "unfinished":
            self._change(number, state="failed" if reason else "stopped", reason=reason)
        t = self.trials[number]
        settings = ", ".join(f"{key.partition('.')[2]} {_short(value)}" for key, value in t.params.items())
        if t.state == "finished":
            end = f"{t.score:.3f} {self.unit}, {t.rows_per_second or 0.0:,.0f} rows/s"
        elif t.state == "stopped":
            end = f"at step {t.steps:,}"
            end += "" if t.value_nats is None else f", {t.value_nats:.3f} nats/row"
        else:
            end = t.reason
        return f"Trial {number} {t.state}: {end}  ({settings}; {t.seconds:.0f} s)"

    def _change(self, number: int, **figures: object) -> None:
        self.trials[number] = self.trials[number].changed(**storage.plain(figures))

    @property
    def unit(self) -> str:
        return "nats/row" if self.config.search.objective == "nats" else "C2ST"

    @property
    def unfinished(self) -> bool:
        """Whether some trial has not come to an end."""
        return any(t.state == "unfinished" for t in self.trials.values())

    def line(self) -> str:
        """How many trials are done, the best so far, what is left."""
        states = [t.state for t in self.trials.values()]
        words = {"finished": "finished", "stopped": "stopped", "failed": "failed", "unfinished": "running"}
        counts = ", ".join(f"{states.count(s)} {word}" for s, word in words.items() if s in states)
        text = f"trials: {counts} of {self.config.search.trials}"
        best = self._best()
        if best:
            text += f"; best {best.score:.3f} {self.unit} (trial {best.number})"
        left = self._seconds_left()
        return text + (f"; about {left / 60:.0f} min left" if left else "")

    def record(self) -> SearchRecord:
        """All of it as it is written."""
        s, best = self.config.search, self._best()
        return SearchRecord(
            source=self.config.data.source,
            rows=self.rows,
            objective=s.objective,
            algorithm=s.algorithm,
            scheduler=s.scheduler,
            seed=self.config.run.seed,
            min_rows_per_second=s.min_rows_per_second,
            space=self.space.to_dict(),
            defaults=self.space.own(self.config),
            best=best.number if best else None,
            front=self._front(),
            seconds=self._spent(),
            command=self.command,
            base=run_name(self.config),
            points=self.points,
            trials=[self._with_error(t) for _, t in sorted(self.trials.items())],
        )

    def write(self, uri: str) -> None:
        storage.write_json(uri, self.record().model_dump())

    def _with_error(self, t: Trial) -> Trial:
        """A trial with the error of its objective: where that is the nats, the error of these."""
        error = t.error or (t.held_out_error if self.config.search.objective == "nats" else None)
        return t.changed(error=error)

    def _best(self) -> Trial | None:
        """The finished trial of the best objective among those that are fast enough; the first of equals."""
        slowest = self.config.search.min_rows_per_second
        trials = [t for _, t in sorted(self.trials.items()) if t.state == "finished"]
        fast = [t for t in trials if (t.rows_per_second or 0.0) >= slowest]
        return min(fast, key=self._loss) if fast else None

    def _front(self) -> list[int]:
        front: list[int] = []
        fastest = -1.0
        finished = [t for _, t in sorted(self.trials.items()) if t.state == "finished"]
        for t in sorted(finished, key=lambda t: (self._loss(t), -(t.rows_per_second or 0.0))):
            speed = t.rows_per_second or 0.0
            if speed > fastest:
                front.append(t.number)
                fastest = speed
        return front

    def _loss(self, t: Trial) -> float:
        return -t.score if self.higher else t.score

    def _spent(self) -> Spent:
        """Seconds of the search; `training` only if all of it was spent now, and not in a search that this
        one resumed."""
        trials, wall = list(self.trials.values()), time.time() - self.began
        spent = Spent(wall=wall, at_a_time=self.at_a_time, trials=sum(t.seconds or 0.0 for t in trials))
        if self.first_start:
            spent = spent.changed(start=self.first_start - self.began)
        training = [_training_seconds(t) for t in trials]
        if all((t.seconds or 0.0) >= seconds for t, seconds in zip(trials, training, strict=True)):
            outside = 1 - sum(training) / (wall * self.at_a_time)
            spent = spent.changed(training=sum(training), outside=outside)
        return spent

    def _seconds_left(self) -> float | None:
        """By the mean of the trials that have ended, once there are some; what was trained in an earlier
        search took its time then."""
        seconds = {n: max(t.seconds or 0.0, _training_seconds(t)) for n, t in self.trials.items()}
        ended = [seconds[n] for n, t in self.trials.items() if t.state != "unfinished"]
        if len(ended) <= self.at_a_time:
            return None
        running = sum(seconds[n] for n, t in self.trials.items() if t.state == "unfinished")
        total = self.config.search.trials * sum(ended) / len(ended)
        return max(0.0, total - sum(ended) - running) / self.at_a_time


def frame(record: SearchRecord) -> pd.DataFrame:
    """One row for each trial of a search; lists as JSON."""
    rows = []
    for trial in record.trials:
        params = {
            key: json.dumps(value) if isinstance(value, list) else value
            for key, value in trial.params.items()
        }
        rows.append(trial.model_dump(exclude={"params", "history"}) | params)
    return pd.DataFrame(rows)


def _training_seconds(t: Trial) -> float:
    return (t.training_seconds or 0.0) + (t.sampler_seconds or 0.0)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value)
