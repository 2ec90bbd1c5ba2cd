"""A mailbox between the driver and what it started."""

import contextlib


class Board:
    """An actor between workers and driver: what workers put on it, the error that starting them again cannot
    mend, and which actors are to end."""

    def __init__(self):
        self.waiting, self.error, self.members, self.closed = [], None, [], False

    def add(self, item):
        self.waiting.append(item)

    def add_unless_failed(self, item):
        if not self.error:
            self.add(item)

    def take(self):
        taken, self.waiting = self.waiting, []
        return taken

    def fail(self, error):
        self.error = error

    def failure(self):
        return self.error

    def enroll(self, actor) -> bool:
        """Note an actor that works for the driver; False if the driver wants no more of it."""
        self.members.append(actor)
        return not self.closed

    def close(self) -> list:
        """The actors noted so far; later ones are told to go."""
        self.closed = True
        return self.members


def new_board():
    """A Board on the driver's own node, so that it is lost with the driver only."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(num_cpus=0, scheduling_strategy=here)(Board).remote()


@contextlib.contextmanager
def following(board, take, every_seconds: float = 0.5):
    """Call `take` with what is put on the board, in a thread, until the block ends."""
    import threading

    import ray

    stop = threading.Event()

    def follow():
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
