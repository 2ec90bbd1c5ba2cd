"""How far a generation is: rows done, rows per second, time left; redrawn on a terminal, now and then a line
in a job's log."""

import threading
import time
from collections.abc import Callable

from raygen.report.redrawn import Say
from raygen.report.text import duration

EVERY_SECONDS = {"terminal": 0.2, "log": 10.0}
MAX_NODES = 20  # told by name


class Progress:
    """Counts the rows of the items of work, once each, whatever is begun again.

    Args:
        rows: Of the generation.
        say: Called with each line; if it has a method `redraw`, that is called with the line to show in place
            of the last.
    """

    def __init__(self, rows: int, say: Say, clock: Callable[[], float] = time.perf_counter):
        self.rows, self.clock = rows, clock
        self.show = getattr(say, "redraw", say)
        self.say, self.every = say, EVERY_SECONDS["terminal" if hasattr(say, "redraw") else "log"]
        self.items: dict[int, int] = {}  # rows done of each item
        self.finished: set[int] = set()
        self.nodes: dict[str, int] = {}
        self.done, self.made, self.before = 0, 0, 0
        self.began: float | None = None
        self.last: float | None = None
        self.over = False  # the last line is told once
        self.lock = threading.Lock()

    def follow(self, events: list[tuple[int, int, int]]) -> None:
        """Take what actors tell on the way: item, its rows done so far, rows made since they last told."""
        with self.lock:
            for item, done, made in events:
                self.made += made
                if item not in self.finished:
                    self._set(item, done)
            if events:
                self._tell()

    def finish(self, item: int, rows: int, made: int, node: str) -> None:
        """Take the end of an item, how many rows of it were made, and where."""
        with self.lock:
            self.finished.add(item)
            self._set(item, rows)
            self.nodes[node] = self.nodes.get(node, 0) + made
            self._tell()

    def _set(self, item: int, done: int) -> None:
        self.done += done - self.items.get(item, 0)
        self.items[item] = done

    def _tell(self) -> None:
        now = self.clock()
        if self.began is None:
            self.began, self.before = now, self.made
        over = self.done >= self.rows
        if self.over or (self.last is not None and now - self.last < self.every and not over):
            return
        self.last, self.over = now, over
        self.show(self.line(now))

    def line(self, now: float) -> str:
        """Rows done of all; once rows are made, the rows per second since the first of them and the time
        left."""
        seconds = now - (self.began or now)
        speed = (self.made - self.before) / seconds if seconds > 0 else 0.0
        rest = (
            f"  {speed:11,.0f} rows/s  {duration((self.rows - self.done) / speed):>8} left" if speed else ""
        )
        return f"{self.done:>15,}/{self.rows:,} rows{rest}"

    def by_node(self) -> list[str]:
        """A line for each node, if there are several."""
        told = sorted(self.nodes.items(), key=lambda one: -one[1]) if len(self.nodes) > 1 else []
        more = [f"  and {len(told) - MAX_NODES:,} more nodes"] * (len(told) > MAX_NODES)
        return [f"  {rows:>15,} rows made on node {node}" for node, rows in told[:MAX_NODES]] + more
