"""Progress of a generation: each row counted once, told in time, by node at the end."""

import pytest

from raygen.generation.progress import Progress
from raygen.report.text import duration


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_job_log_gets_the_first_line_one_every_ten_seconds_and_the_last(clock):
    lines = []
    progress = Progress(1000, lines.append, clock)
    for done in range(100, 1000, 100):
        progress.follow([(0, done, 100)])
        clock.now += 3
    progress.follow([])
    progress.finish(0, 1000, 1000, "a")
    assert [line.split("/")[0].strip() for line in lines] == ["100", "500", "900", "1,000"]
    assert lines[1].split("rows")[1:] == [
        "           33 ",
        "/s      15 s left",
    ]  # 400 rows in 12 s since the first 100
    progress.finish(0, 1000, 0, "a")
    assert len(lines) == 4


def test_rows_of_an_item_that_is_begun_again_count_once(clock):
    progress = Progress(1000, [].append, clock)
    progress.follow([(0, 300, 300), (7, 200, 200)])
    assert progress.done == 500
    progress.follow([(0, 100, 100)])  # its actor was killed
    assert (progress.done, progress.made) == (300, 600)
    progress.finish(0, 400, 100, "b")
    progress.follow([(0, 350, 0)])  # told before, heard after
    assert progress.done == 600


def test_kept_rows_do_not_count_as_speed(clock):
    lines = []
    progress = Progress(10_000, lines.append, clock)
    progress.follow([(0, 5000, 0)])
    clock.now += 10
    progress.follow([(1, 1000, 1000)])
    assert "100 rows/s" in lines[-1] and "40 s left" in lines[-1]


def test_a_terminal_is_redrawn(clock):
    class Terminal:
        drawn, said = [], []

        def __call__(self, line):
            self.said.append(line)

        def redraw(self, line):
            self.drawn.append(line)

    terminal = Terminal()
    progress = Progress(100, terminal, clock)
    for done in (10, 20, 30):
        progress.follow([(0, done, 10)])
        clock.now += 0.15
    assert len(terminal.drawn) == 2 and not terminal.said


def test_nodes_are_told_when_there_are_several(clock):
    progress = Progress(100, [].append, clock)
    progress.finish(0, 30, 30, "a")
    assert progress.by_node() == []
    progress.finish(1, 70, 70, "b")
    assert [line.split() for line in progress.by_node()] == [
        ["70", "rows", "made", "on", "node", "b"],
        ["30", "rows", "made", "on", "node", "a"],
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (119.4, "119 s"),
        (120, "2.0 min"),
        (3599, "60 min"),
        (7199, "120 min"),
        (7200, "2.0 h"),
        (172_800, "2.0 days"),
        (1e7, "116 days"),
    ],
)
def test_durations_as_people_say_them(seconds, text):
    assert duration(seconds) == text
