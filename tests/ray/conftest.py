"""What tests of faults have seen, as a table at the end of pytest's output."""

import pytest

SEEN = pytest.StashKey[list[tuple[str, str, str]]]()


@pytest.fixture
def seen(request):
    """Note what a fault came to: `seen(fault, outcome, "yes")`, the last of them being whether the model (or the rows) are those of no fault."""
    rows = request.config.stash.setdefault(SEEN, [])
    return lambda fault, outcome, same: rows.append((fault, outcome, same))


def pytest_terminal_summary(terminalreporter, config):
    if rows := config.stash.get(SEEN, []):
        table = [("fault", "outcome", "same model"), *rows]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        terminalreporter.section("faults")
        for row in table:
            terminalreporter.line(" | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
