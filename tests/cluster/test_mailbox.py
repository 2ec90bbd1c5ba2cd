"""The board on which actors show that they live."""

import pytest

from raygen.cluster import mailbox


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""
    now = [0.0]
    monkeypatch.setattr(mailbox.time, "monotonic", lambda: now[0])
    return now


def test_who_is_silent_is_named(clock):
    board = mailbox.Board()
    board.begin("a", "process 1", "actor a")
    board.begin("b", "process 2", "actor b")
    clock[0] = 50.0
    board.live("a")
    assert board.silent(50, 1000) == [("b", "process 2", 50.0, 50.0, "actor b")]
    board.add("rows", "b")
    assert board.silent(50, 1000) == [] and board.silent(50, 50) == [("a", "process 1", 0.0, 50.0, "actor a")]
    board.turn("a", False)
    assert board.silent(50, 50) == []
    clock[0] = 99.0
    assert board.silent(60, 1) == [("b", "process 2", 49.0, 49.0, "actor b")]
    board.turn("a", True)
    clock[0] = 100.0
    assert ("a", "process 1", 1.0, 1.0, "actor a") in board.silent(60, 1)
    board.end("a")
    assert [one[0] for one in board.silent(50, 1000)] == ["b"]


def test_a_process_that_took_the_place_of_another_is_not_taken_for_it(clock):
    board = mailbox.Board()
    board.begin("a", "process 1", "actor a")
    clock[0] = 400.0
    board.begin("a", "process 7", "actor a")
    assert board.silent(60, 600) == []
    board.live("nobody")
    board.end("nobody")
    assert board.take() == [] and list(board.living) == ["a"]
