"""Actors that stand still: the driver tells of them, and has Ray start those again that show no sign of
life."""

import time
from collections.abc import Callable
from typing import Any

from raygen.generation.progress import duration

EVERY_SECONDS = 5.0  # it looks
SILENT_SECONDS, LOST_SECONDS = (
    60.0,
    300.0,
)  # without a sign of life, until it is told and until it is started again
STILL_SECONDS = 600.0  # without a row, until it is told


class Watch:
    """Looks after the actors of a generation now and then.

    Args:
        board: Where they show that they live (see `cluster.mailbox.Board`).
        say: Called with each line.
    """

    def __init__(self, board: Any, say: Callable):
        self.board, self.say = board, say
        self.looked, self.told = time.monotonic(), set[tuple[str, str]]()

    def look(self) -> None:
        """Tell of actors at work that stand still, once each, and end those that have for long."""
        import ray

        if time.monotonic() - self.looked < EVERY_SECONDS:
            return
        self.looked = time.monotonic()
        for who, name, silent, still, actor in ray.get(
            self.board.silent.remote(SILENT_SECONDS, STILL_SECONDS)
        ):
            if silent >= LOST_SECONDS:
                self.say(f"Warning: {name} has shown no sign of life for {duration(silent)}: started again.")
                self.board.rest.remote(who)
                ray.kill(actor, no_restart=False)
            elif silent >= SILENT_SECONDS:
                when = f"started again after {duration(LOST_SECONDS)}"
                self._once(name, f"has shown no sign of life for {duration(silent)}; it is {when}.")
            else:
                self._once(name, f"made no row for {duration(still)}: it is slow, or its disk is.")

    def _once(self, name: str, what: str) -> None:
        if (name, what.split()[0]) not in self.told:
            self.told.add((name, what.split()[0]))
            self.say(f"Warning: {name} {what}")
