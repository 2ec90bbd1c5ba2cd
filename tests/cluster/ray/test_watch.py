"""Processes that show no sign of life, on a real local Ray."""

import time

import pytest
import ray
from ray.exceptions import RayActorError

from raygen.cluster import mailbox, watch

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


@ray.remote(num_cpus=0)
class Worker:
    def sleep(self):
        time.sleep(600)

    def answer(self):
        pass


@pytest.fixture
def board():
    """A board with three actors at work that answer nothing, and one that has ended."""
    board, workers = mailbox.new_board(), {who: Worker.remote() for who in ("a", "b", "c", "ended")}
    for who, worker in workers.items():
        ray.get(worker.answer.remote())
        ray.get(board.begin.remote(who, f"process {who}", worker))
    for who in ("a", "b", "c"):
        workers[who].sleep.remote()
    ray.kill(workers["ended"])
    with pytest.raises(RayActorError):
        ray.get(workers["ended"].answer.remote())
    yield board
    for worker in workers.values():
        ray.kill(worker)


def test_silent_processes_are_asked_all_at_once(board, monkeypatch):
    waits, wait = [], ray.wait
    monkeypatch.setattr(ray, "wait", lambda refs, **options: waits.append(len(refs)) or wait(refs, **options))
    monkeypatch.setattr(watch, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(watch, "SILENT_SECONDS", 0.0)
    lines = []
    guard = watch.Watch(board, lines.append)
    guard.look()
    assert waits == [4]
    names = [line.partition(" has shown no sign of life for ")[0] for line in lines]
    assert names == ["Warning: process a", "Warning: process b", "Warning: process c"]
    assert [who for who, *_ in ray.get(board.silent.remote(0.0, 0.0))] == ["a", "b", "c"]
    guard.look()
    assert len(lines) == 3 and waits == [4, 3]
