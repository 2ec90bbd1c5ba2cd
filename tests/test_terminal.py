"""What is printed, on terminals of few letters, and of what a table holds that would move a cursor."""

import io
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raygen import cli
from raygen.errors import printable
from raygen.report.redrawn import Terminal
from tests import untrained

ODD = "\u00e9\x1b[31m\u202e\U0001f600"


@pytest.fixture
def raygen(monkeypatch):
    """Run `raygen VERB ...` in this process, with streams as `PYTHONIOENCODING` makes them: exit status,
    standard output, standard error."""

    def run(encoding: str, *arguments: object) -> tuple[int, bytes, bytes]:
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
        with monkeypatch.context() as patch:
            for name, stream in zip(("stdout", "stderr"), streams, strict=True):
                patch.setattr(sys, name, stream)
            try:
                status = cli.main([*map(str, arguments)])
            except SystemExit as ending:  # argparse
                status = ending.code
            for stream in streams:
                stream.flush()
        return status, *(stream.buffer.getvalue() for stream in streams)

    return run


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_help_on_any_terminal(encoding, raygen):
    for asked in (["--help"], ["help", "generate"], ["generate", "--help"]):
        status, said, errors = raygen(encoding, *asked)
        assert status == 0 and said and not errors


def test_help_of_a_process_on_a_terminal_of_few_letters():
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "raygen.cli", "help", "generate"]
    done = subprocess.run(command, capture_output=True, env=environment, timeout=120)
    assert done.returncode == 0 and done.stdout and not done.stderr


@pytest.mark.slow
def test_a_table_of_odd_names_on_any_terminal(tmp_path, raygen):
    table = untrained.table()
    table = table.append_column(f"text {ODD}", pa.array([ODD, "b"] * (table.num_rows // 2)))
    pq.write_table(table, tmp_path / "table.parquet")
    model = untrained.save(tmp_path / "run" / "model", table)
    for encoding in ("ascii", "latin-1", "utf-8"):
        for verb in (["init", tmp_path / "table.parquet", "-o", tmp_path / encoding], ["inspect", model]):
            status, said, errors = raygen(encoding, *verb)
            assert status == 0 and b"Traceback" not in errors, errors
            assert b"\x1b" not in said
            assert "\u202e".encode() not in said
        assert b"\\x1b" in said
        status, _, errors = raygen(encoding, "inspect", f"{tmp_path}/no {ODD}")
        assert status == 2 and b"\\x1b[31m" in errors and b"\x1b" not in errors


def test_control_characters_are_escaped(capsys):
    shown = "a\tb \\x1b[2J\\r\\x00\\x9b\\n\\u2067x"
    assert printable("a\tb \x1b[2J\r\x00\x9b\n\u2067x") == shown
    assert printable("\u00e9 \u65e5\u672c '\\\\'") == "\u00e9 \u65e5\u672c '\\\\'"
    say = Terminal()
    say("one \x07")
    say.redraw("two \x1b[1m")
    say.end()
    assert capsys.readouterr().out == "one \\x07\n\r\x1b[Ktwo \\x1b[1m\n"
