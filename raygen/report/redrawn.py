"""Lines on a terminal or in a notebook, where progress is one line that is redrawn."""

import sys
from collections.abc import Callable

from raygen.errors import ConfigError, printable

Say = Callable[[str], object]  # is called with each line of what there is to tell
PROGRESS = "step "  # a training's lines that take each other's place begin so


class Cell:
    """Prints lines below a cell of a notebook; `redraw` shows one in place of the last that it showed."""

    def __init__(self) -> None:
        self.width = 0  # of the line that is being redrawn

    def __call__(self, line: str) -> None:
        if line.startswith(PROGRESS):
            self.redraw(line)
        else:
            self.end()
            print(printable(line), flush=True)

    def redraw(self, line: str) -> None:
        text = printable(line)
        print(f"\r{text:{max(self.width, 1)}}", end="", flush=True)  # a notebook erases no rest of a line
        self.width = max(self.width, len(text))

    def end(self) -> None:
        """Leave the line that is being redrawn as it stands: what comes next stands below it."""
        if self.width:
            print(flush=True)
        self.width = 0


class Terminal:
    """Prints lines; `redraw` shows one in place of the last that it showed."""

    drawn = False

    def __call__(self, line: str) -> None:
        self.end()
        print(printable(line), flush=True)

    def redraw(self, line: str) -> None:
        print(f"\r\x1b[K{printable(line)}", end="", flush=True)
        self.drawn = True

    def end(self) -> None:
        """Leave the line that is being redrawn as it stands: what comes next stands below it."""
        print("\n" * self.drawn, end="", flush=True)
        self.drawn = False


def teller(say: Say) -> Say:
    """What is called with each line: a `Cell` in a notebook, where nobody asked for another than `print`.

    Raises:
        ConfigError: If it cannot be called.
    """
    if not callable(say):
        message = f"say = {say!r}: expected a function that takes a line, such as print."
        raise ConfigError(message, "write say=lambda line: None to see no lines.")
    return Cell() if say is print and in_notebook() else say


def finish(say: Say) -> None:
    """Leave the line that is being redrawn, if there is one."""
    getattr(say, "end", lambda: None)()


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
