"""Processes that stand still: the driver tells of them, and ends those that show no sign of life, so that Ray
starts others."""

import math
import time
from typing import Any

from raygen.report.redrawn import Say
from raygen.report.text import duration

EVERY_SECONDS = 5.0  # it looks
SILENT_SECONDS, LOST_SECONDS = (
    60.0,
    300.0,
)  # without a sign of life, until it is told and until it is started again
STILL_SECONDS = 600.0  # without getting on, until it is told


class Watch:
    """Looks after processes now and then.

    Args:
        board: Where they show that they live (see `cluster.mailbox.show_life`).
        say: Called with each line.
        still: What is told of one that does not get on, with {} for how long; "" if nothing.
    """

    def __init__(self, board: Any, say: Say, still: str = ""):
        self.board, self.say, self.still = board, say, still
        self.looked, self.told = time.monotonic(), set[tuple[str, str]]()

    def look(self) -> None:
        """Tell of processes that stand still, once each, and end those that have for long."""
        import ray

        if time.monotonic() - self.looked < EVERY_SECONDS:
            return
        self.looked = time.monotonic()
        still_seconds = STILL_SECONDS if self.still else math.inf
        members = ray.get(self.board.silent.remote(SILENT_SECONDS, still_seconds))
        gone = _gone({who: actor for who, _, silent, _, actor in members if silent >= SILENT_SECONDS})
        for who, name, silent, still, actor in members:
            if who in gone:
                self.board.end.remote(who)
            elif silent >= LOST_SECONDS:
                self.say(f"Warning: {name} has shown no sign of life for {duration(silent)}: started again.")
                self.board.end.remote(who)
                ray.kill(actor, no_restart=False)
            elif silent >= SILENT_SECONDS:
                when = f"started again after {duration(LOST_SECONDS)}"
                self._once(name, f"has shown no sign of life for {duration(silent)}; it is {when}.")
            else:
                self._once(name, self.still.format(duration(still)))

    def _once(self, name: str, what: str) -> None:
        if (name, what.split()[0]) not in self.told:
            self.told.add((name, what.split()[0]))
            self.say(f"Warning: {name} {what}")


def _gone(actors: dict[str, Any]) -> set[str]:
    """Ids of those actors of which Ray knows that they have ended, and starts them no more."""
    import ray
    from ray.exceptions import ActorUnavailableError, RayActorError

    if not actors:
        return set()
    asked = {actor.__ray_ready__.remote(): who for who, actor in actors.items()}
    answers, _ = ray.wait(list(asked), num_returns=len(asked), timeout=1)  # one second for all of them
    gone = set()
    for answer in answers:
        try:
            ray.get(answer)
        except ActorUnavailableError:
            continue  # its process stands still, and Ray has noticed
        except RayActorError:
            gone.add(asked[answer])
    return gone
