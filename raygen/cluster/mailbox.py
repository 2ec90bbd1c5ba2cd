"""A mailbox between the driver and what it started."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raygen.errors import RaygenError

if TYPE_CHECKING:
    from ray.actor import ActorHandle

LIVE_SECONDS = 2.0  # between two signs of life


@dataclass
class Member:
    """A process of an actor, when (by the clock of the board) it last showed that it lives, and that it gets
    on, and whether it has something to do."""

    name: str
    actor: Any
    alive: float
    moved: float
    busy: bool = True


class Board:
    """An actor between workers and driver: what workers put on it, the error that starting them again cannot
    mend, and which actors are to end."""

    def __init__(self) -> None:
        self.waiting: list[Any] = []
        self.members: list[ActorHandle] = []
        self.error: RaygenError | None = None
        self.closed = False
        self.living: dict[str, Member] = {}  # by the actor's id, which stays when its process is another

    def add(self, item: Any, who: str = "") -> None:
        """Put something on the board; a member's id shows that it gets on."""
        self.waiting.append(item)
        if who in self.living:
            self.living[who].alive = self.living[who].moved = time.monotonic()

    def add_unless_failed(self, item: Any) -> None:
        if not self.error:
            self.add(item)

    def take(self) -> list[Any]:
        taken, self.waiting = self.waiting, []
        return taken

    def fail(self, error: RaygenError) -> None:
        self.error = error

    def failure(self) -> RaygenError | None:
        return self.error

    def enroll(self, actor: "ActorHandle") -> bool:
        """Note an actor that works for the driver; False if the driver wants no more of it."""
        self.members.append(actor)
        return not self.closed

    def begin(self, who: str, name: str, actor: Any) -> None:
        """Note a member that shows from now on that it lives, and has something to do."""
        now = time.monotonic()
        self.living[who] = Member(name, actor, now, now)

    def live(self, who: str) -> None:
        """Note that a member lives."""
        if who in self.living:
            self.living[who].alive = time.monotonic()

    def turn(self, who: str, busy: bool) -> None:
        """Note that a member has something to do from now on, or nothing."""
        if who in self.living:
            one, now = self.living[who], time.monotonic()
            one.busy, one.alive, one.moved = busy, now, now

    def end(self, who: str) -> None:
        """Note that a member shows no longer that it lives."""
        self.living.pop(who, None)

    def silent(self, seconds: float, still: float) -> list[tuple[str, str, float, float, Any]]:
        """Members without a sign of life for so many seconds, or with something to do that got no further for
        so many: id, name, seconds of both, and the actor."""
        now = time.monotonic()
        members = self.living.items()
        since = [
            (who, one.name, now - one.alive, (now - one.moved) * one.busy, one.actor) for who, one in members
        ]
        return [one for one in since if one[2] >= seconds or one[3] >= still]

    def close(self) -> list:
        """The actors noted so far; later ones are told to go."""
        self.closed = True
        return self.members


def new_board() -> "ActorHandle":
    """A Board on the driver's own node, so that it is lost with the driver only."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(num_cpus=0, scheduling_strategy=here)(Board).remote()


def node_name() -> str:
    """Address of this node, and the beginning of its id."""
    import ray

    return f"{ray.util.get_node_ip_address()} ({ray.get_runtime_context().get_node_id()[:8]})"


def show_life(board: Any) -> Callable[[], None]:
    """Show on a board that this process, of an actor, lives, and has something to do; what comes back ends
    that."""
    import ray

    context, stop = ray.get_runtime_context(), threading.Event()
    who = context.get_actor_id()

    def live() -> None:
        while not stop.wait(LIVE_SECONDS):
            board.live.remote(who)

    def end() -> None:
        stop.set()
        board.end.remote(who)

    board.begin.remote(who, f"process {os.getpid()} on node {node_name()}", context.current_actor)
    threading.Thread(target=live, daemon=True).start()
    return end


@contextlib.contextmanager
def following(
    board: "ActorHandle", take: Callable[[list[Any]], None], every_seconds: float = 0.5
) -> Iterator[None]:
    """Call `take` with what is put on the board, in a thread, until the block ends."""
    import ray

    stop = threading.Event()

    def follow() -> None:
        while not stop.wait(every_seconds):
            take(ray.get(board.take.remote()))

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        take(ray.get(board.take.remote()))
