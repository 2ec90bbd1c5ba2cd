"""The commands and examples of README and of the help pages run, in the order of the pages, on a small table
in one folder; what they say they leave is there.

A fenced block of a page runs unless `<!-- not run: REASON -->` stands above it.
"""

import contextlib
import io
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

import raygen
from raygen import cli
from raygen.config import Config
from raygen.config_toml import render
from tests import stores
from tests.conftest import TINY
from tests.diagnosis.foreign import correct, white
from tests.test_docs import HELP, ROOT, blocks

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("here")]
ROWS, FEW = 600, 2000  # of the table; at most, in place of what a command asks for
SMALL = TINY | {
    "train.steps": 20,
    "evaluate.sample_rows": 100,
    "search.trials": 2,
    "search.space": {"train.learning_rate": {"log_uniform": [2e-3, 1e-2]}},
}
QUICK_FIT = "steps=2, flow_steps=0, report=False, density_ratio=False, hidden_units=[32, 32], num_workers=0"


class Work(NamedTuple):
    """The folder in which everything runs, and the server of `s3://bucket`."""

    folder: Path
    store: stores.Store

    def run(self, page: Path) -> None:
        """Run the commands of a page, then its programs."""
        said = ""  # the comment above a command
        for line in "\n".join(blocks(page, "bash")).replace("\\\n", " ").splitlines():
            if line.startswith("#"):
                said = line
            elif line.strip() and not line.startswith("export "):
                self.follow(line, said)
                said = ""
        for number, program in enumerate(blocks(page, "python")):
            exec(compile(smaller(program), f"{page.name}, example {number}", "exec"), {"raygen": raygen})

    def follow(self, line: str, said: str) -> None:
        """Run a command with less to do, and look for the files that its comments name."""
        asked, _, comment = smaller(line).partition(" #")
        asked = re.sub(r"s3://([\w/]+)", lambda match: self.store.uri(match[1]), asked)
        program, *arguments = shlex.split(asked)
        assert program == "raygen", f"mark it as not run, or write it for raygen: {line}"
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            status = cli.main(arguments)
        allowed = {0, 1} if "--fail-under" in arguments else {0}
        assert status in allowed, f"{line}\n{output.getvalue()}"
        for path in re.findall(r"(?:runs|out)/[\w./=%-]*\w", said + comment):
            assert (self.folder / path).exists(), f"{line}\n{path} is not there\n{output.getvalue()}"
        if arguments[0] == "init":
            make_small(self.folder / arguments[arguments.index("-o") + 1])


def smaller(text: str) -> str:
    """A command or a program that asks for a thousandth of the rows, and for two steps."""

    def fewer(match: re.Match) -> str:
        rows = int(float(match[2].replace("_", "")))
        return match[1] + str(rows if rows <= FEW else min(FEW, rows // 1000))

    text = re.sub(r"((?:--rows |--first-row |\brows=|--per \w+=))([\d_.e]+)", fewer, text)
    text = re.sub(r"(?<!\.)\bsteps=\d+", QUICK_FIT, text)
    return re.sub(r"\b(train\.steps=|search\.trials=|--flow-steps )\d+", r"\g<1>2", text)


def make_small(path: Path) -> None:
    """Put settings that make it quick in the config that init wrote."""
    config = Config.load(str(path))
    path.write_text(render(config.override(SMALL), config.schema_.columns, {}, {}))


@pytest.fixture(scope="module")
def work(local_ray, here, table, tmp_path_factory):
    """Where everything runs, with the files that the pages name, and where README's commands have run."""
    folder = tmp_path_factory.mktemp("work")
    rows = pq.read_table(table).slice(0, ROWS)
    for name in ("my-table", "kept-back", "C"):
        pq.write_table(rows, folder / f"{name}.parquet")
    for name in ("A", "B"):
        (folder / name).mkdir()
        pq.write_table(rows.slice(0, 300), folder / name / "rows.parquet")
    csv.write_csv(rows.drop_columns(["income"]), folder / "partial.csv")
    for name, network in zip(("encoder", "decoder"), correct(), strict=True):
        network.save(folder / f"{name}.keras")
    pq.write_table(pa.table(dict(zip("abcd", white(4, 300).T, strict=True))), folder / "rows.parquet")
    with stores.serving() as store, contextlib.chdir(folder):
        with store.direct.open_output_stream("bucket/census/rows.parquet") as stream:
            stream.write((folder / "my-table.parquet").read_bytes())
        here = Work(folder, store)
        here.run(ROOT / "README.md")
        yield here


@pytest.mark.parametrize("page", HELP, ids=lambda page: page.stem)
def test_the_commands_of_a_page_run(work, page):
    """README's have run before."""
    work.run(page)


def test_a_run_folder_has_what_design_shows(work):
    page = (ROOT / "raygen" / "help" / "design.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| `([\w.]+)/?` \|", page, re.MULTILINE)
    assert len(shown) > 5
    there = {path.name for run in (work.folder / "runs").iterdir() for path in run.iterdir()}
    assert set(shown) <= there
