"""The rounds of a training: steps, a score and a checkpoint each, until the steps or the patience are
spent."""

import json
import math
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from raygen import storage
from raygen.config import Config
from raygen.errors import TrainingError
from raygen.training import objective
from raygen.training.checkpoints import rounds_of
from raygen.training.job import WorkerContext
from raygen.training.ray_metrics import Gauges

if TYPE_CHECKING:
    from raygen.training.trainer import Loop

ROUNDS = 20  # evaluations in a run
TOLERANCE = 0.18  # nats by which a round may be worse than the best one and still be kept
DIVERGED = 2.0  # times the best held-out nats, plus as many nats: beyond it a run goes back
MOST_DIVERGED = 4  # times that a run goes back
STRETCH = 50  # steps of one call of the loop
ASK_SECONDS = 1.0  # about, between questions whether a node is to be taken away
NOTICE_SECONDS = 10.0  # between the checkpoints that follow such a notice
CHECKPOINT_SECONDS = 60.0  # between checkpoints, about, within a round that takes longer


@dataclass
class RoundSums:
    """Sums over the steps of a round that have been taken."""

    steps: int = 0
    reconstruction: float = 0.0
    kl: float = 0.0
    seconds: float = 0.0
    waited: float = 0.0

    def add(self, count: int, means: dict[str, float], seconds: float) -> None:
        """Add `count` steps, the means of them that `Loop.run` gives, and how long they took."""
        self.steps += count
        self.reconstruction += means["reconstruction"] * count
        self.kl += means["kl"] * count
        self.seconds += seconds
        self.waited += means["wait_share"] * seconds

    def means(self, batch_size: int) -> dict[str, float]:
        """What `Loop.run` would give of all of them."""
        means = {"reconstruction": self.reconstruction / self.steps, "kl": self.kl / self.steps}
        return means | {
            "rows_per_second": self.steps * batch_size / self.seconds,
            "wait_share": self.waited / self.seconds,
        }


class Rounds:
    """The rounds of one worker; all workers take the same ones.

    The weights that are kept are the last average that is as good on held-out rows as the best one, but for
    TOLERANCE: rows get better for a while after the bound has reached its best; what is learned after that is
    which rows the table holds.

    Args:
        loop: The training loop of this worker.
        context: Its place among the workers.
        judge: Scores the rounds of a trial of a search; None for any other training, and beside rank 0.
        gauges: Ray's metrics of this worker.
        history_uri: File for the figures of all rounds, one line of JSON each.
    """

    def __init__(
        self,
        loop: "Loop",
        context: WorkerContext,
        judge: objective.Judge | None,
        gauges: Gauges,
        history_uri: str,
    ):
        self.loop, self.context, self.judge = loop, context, judge
        self.gauges, self.history_uri = gauges, history_uri
        self.config: Config = loop.config
        self.history: list[dict] = []
        self.sums = RoundSums()  # of the round that is under way
        self.last_notice = -math.inf  # when a notice last led to a checkpoint
        self.last_checkpoint = time.perf_counter()

    def run(self) -> list[dict]:
        """Train to the end, from the last checkpoint if there is one; the figures of every round. The model
        has the weights that are kept."""
        steps = self.config.train.steps
        self.resume(self.context.checkpoints.load())
        while self.loop.step < steps and not patience_spent(self.history, self.config):
            self.take_steps()
            began = time.perf_counter()
            figures = self.sums.means(self.config.train.batch_size) | self.loop.score()
            if diverged(figures, self.history):
                self._go_back(figures)
            else:
                self._end(figures, began)
        self.context.say(_ending(self.history, self.config))
        self.loop.restore_best()
        return self.history

    def resume(self, state: dict | None) -> None:
        """Continue from the state of a checkpoint, if there is one."""
        if not state:
            return
        with self.context.checkpoints.resuming():
            self.history, self.sums = rounds_of(state), RoundSums(**json.loads(str(state["part"])))
            self.loop.load_state(state)
        self.loop.keep_good()
        self.context.say(f"Resuming at step {self.loop.step:,} of {self.config.train.steps:,}.")

    def take_steps(self) -> None:
        """Take the steps of a round that are left, and keep a checkpoint every minute; when a node is to be
        taken away, at once and every few seconds.

        The stretches that a round is summed over end at the same steps however it was interrupted, so that
        its figures are the same.
        """
        loop, steps = self.loop, self.config.train.steps
        each = max(1, steps // ROUNDS)
        end, ask = min((loop.step // each + 1) * each, steps), loop.step + STRETCH
        while loop.step < end:
            began, count = time.perf_counter(), min(STRETCH, end - loop.step)
            means = loop.run(count, self.gauges.rows)
            seconds = time.perf_counter() - began
            self.sums.add(count, means, seconds)
            if loop.step < ask or loop.step == end:
                continue
            ask = loop.step + self.context.agree(max(1, int(ASK_SECONDS / seconds)) * STRETCH)
            self._checkpoint_within(self.context.is_node_leaving())

    def _checkpoint_within(self, node_leaves: bool) -> None:
        """Keep a checkpoint in the middle of a round, if it is time for one; only rank 0 does."""
        now = time.perf_counter()
        notice = node_leaves and now - self.last_notice > NOTICE_SECONDS
        if self.context.rank or not (notice or now - self.last_checkpoint > CHECKPOINT_SECONDS):
            return
        self.context.checkpoints.keep(self._state())
        self.last_checkpoint = time.perf_counter()
        if notice:
            self.last_notice = self.last_checkpoint
            self.context.say(f"A node is about to be taken away: checkpoint at step {self.loop.step:,}.")

    def _end(self, figures: dict, began: float) -> None:
        """Take a round of these figures into the history, and keep a checkpoint; it was scored since
        `began`."""
        loop, history = self.loop, self.history
        before = history[-1]["seconds"] if history else 0.0
        seconds = before + self.sums.seconds + time.perf_counter() - began
        figures |= {
            "round": len(history) + 1,
            "step": loop.step,
            "epoch": loop.step / loop.feed.batches.steps_per_epoch,
            "seconds": seconds,
        }
        if self.judge:
            figures |= self.judge.of_round(figures)
        history.append(figures)
        if kept_round(history) is figures:
            loop.keep_best()
        self.sums = RoundSums()
        loop.keep_good()
        self.gauges.round(figures)
        left = seconds / loop.step * (self.config.train.steps - loop.step)
        self.context.say(_line(figures, self.config, left))
        if self.context.rank == 0:  # whole: a resumed run repeats none
            lines = "".join(json.dumps(one) + "\n" for one in storage.plain(history))
            self.context.checkpoints.write(self.history_uri, lines.encode())
        self.context.checkpoints.save(self._state(), figures)
        self.last_checkpoint = time.perf_counter()

    def _go_back(self, figures: dict) -> None:
        """Continue from the last good round with half the learning rate.

        Raises:
            TrainingError: If the rate was halved MOST_DIVERGED times.
        """
        loop, step, nats = self.loop, self.loop.step, figures["held_out_nats"]
        self.sums = RoundSums()
        loop.go_back()
        factor = float(loop.rate.factor.numpy())
        if factor < 0.5**MOST_DIVERGED:
            raise TrainingError(
                f"training diverged at step {step:,} ({nats:.4g} held-out nats per row), also with 1/"
                f"{2**MOST_DIVERGED} of train.learning_rate.",
                "lower train.learning_rate.",
            )
        self.context.say(
            f"Training diverged at step {step:,} ({nats:.4g} held-out nats per row): it goes back to step "
            f"{loop.step:,}, with {factor:g} of train.learning_rate."
        )

    def _state(self) -> dict:
        return self.loop.state() | {
            "history": np.array(json.dumps(self.history)),
            "part": np.array(json.dumps(asdict(self.sums))),
        }


def best_round(history: list[dict]) -> dict:
    return min(history, key=lambda figures: figures["held_out_nats"])


def kept_round(history: list[dict]) -> dict:
    """The round whose weights are kept: the last one that is within TOLERANCE of the best."""
    best = best_round(history)["held_out_nats"]
    return [figures for figures in history if figures["held_out_nats"] <= best + TOLERANCE][-1]


def diverged(figures: dict, history: list[dict]) -> bool:
    """Whether a round is so much worse than the best one that the run cannot have learned anything in it."""
    nats = figures["held_out_nats"]
    if not math.isfinite(nats) or not math.isfinite(figures["reconstruction"] + figures["kl"]):
        return True
    return bool(history) and nats > DIVERGED * abs(best_round(history)["held_out_nats"]) + DIVERGED


def patience_spent(history: list[dict], config: Config) -> bool:
    """Whether no round of the last `train.patience` was kept."""
    if not history or not config.train.patience:
        return False
    return history[-1]["round"] - kept_round(history)["round"] >= config.train.patience


def _ending(history: list[dict], config: Config) -> str:
    """When training stopped and why, and which weights are kept."""
    kept, last, best = kept_round(history), history[-1], best_round(history)["held_out_nats"]
    weights = f"the weights of step {kept['step']:,} are kept ({kept['held_out_nats']:.3f} nats per row)"
    if last["step"] >= config.train.steps:
        return f"Training took all its {last['step']:,} steps; {weights}."
    return (
        f"Training stopped at step {last['step']:,}: held-out rows were less likely than at their best "
        f"({best:.3f} nats per row) in {config.train.patience} rounds; {weights}."
    )


def _line(figures: dict, config: Config, left: float) -> str:
    nats, reconstruction, kl = (figures[f"held_out_{k}"] for k in ("nats", "reconstruction", "kl"))
    return (
        f"step {figures['step']:>6,}/{config.train.steps:,}  epoch {figures['epoch']:6.1f}  held-out "
        f"{nats:7.3f} nats/row "
        f"(reconstruction {reconstruction:.3f}, KL {kl:.3f})  {figures['rows_per_second']:9,.0f} "
        f"rows/s  {left:4.0f} s left"
    )
