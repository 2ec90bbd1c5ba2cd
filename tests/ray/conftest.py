"""A run for tests of faults that nothing disturbed, and what those tests have seen, as a table at the end of pytest's output."""

import pytest

SEEN = pytest.StashKey[list[tuple[str, str, str]]]()


@pytest.fixture(scope="session")
def long() -> dict:
    """Settings of two workers whose rounds, of 75 steps, are long enough to ask for notices within them."""
    return {"train.num_workers": 2, "train.steps": 1500, "train.patience": 0}


@pytest.fixture(scope="session")
def undisturbed(trained, tiny, long, tmp_path_factory):
    """A run with `long`: its run folder, and what `train` returned."""
    import raygen

    folder = trained.fresh_run(tmp_path_factory.mktemp("undisturbed"))
    return folder, raygen.train(tiny(folder, long), lambda line: None)


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
