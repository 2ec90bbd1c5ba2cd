"""Lines in a notebook: progress in one line, which the others leave as it stands."""

import sys
import types

import pytest

from raygen.generation.progress import Progress
from raygen.report import redrawn


class Shell:
    """What IPython gives in a terminal; in a notebook it has a kernel."""


@pytest.fixture
def kernel(monkeypatch):
    """As in a notebook."""
    shell = Shell()
    shell.kernel = object()
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: shell
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    return shell


def test_print_is_a_cell_in_a_notebook_only(kernel):
    assert isinstance(redrawn.teller(print), redrawn.Cell)
    lines: list[str] = []
    assert redrawn.teller(lines.append) == lines.append
    del kernel.kernel
    assert redrawn.teller(print) is print, "IPython in a terminal"


def test_without_ipython_print_is_print():
    assert "IPython" not in sys.modules
    assert redrawn.teller(print) is print
    redrawn.finish(print)


def test_progress_is_one_line_and_a_shorter_one_covers_a_longer(capsys):
    cell = redrawn.Cell()
    cell("Training")
    cell("step 1 of 10")
    cell("step 2")
    cell("Done \x1b[2J")
    cell.redraw("1/2")
    redrawn.finish(cell)
    redrawn.finish(cell)
    expected = "Training\n\rstep 1 of 10\rstep 2      \nDone \\x1b[2J\n\r1/2\n"
    assert capsys.readouterr().out == expected


def test_rows_of_a_generation_are_redrawn(capsys):
    cell = redrawn.Cell()
    progress = Progress(100, cell, clock=iter(range(100)).__next__)
    progress.follow([(0, 40, 40)])
    progress.finish(0, 100, 60, "here")
    redrawn.finish(cell)
    said = capsys.readouterr().out
    assert said.count("\r") == 2 and said.count("\n") == 1 and "100/100 rows" in said
