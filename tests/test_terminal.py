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


def raygen(*arguments: str, encoding: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONIOENCODING": encoding, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "raygen.cli", *arguments]
    return subprocess.run(command, capture_output=True, env=environment, timeout=120)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_help_on_any_terminal(encoding):
    done = raygen("--help", encoding=encoding)
    assert done.returncode == 0 and not done.stderr
    pages = [raygen("help", "generate", encoding=encoding), raygen("generate", "--help", encoding=encoding)]
    assert [page.returncode for page in pages] == [0, 0]


@pytest.mark.slow
def test_a_table_of_odd_names_on_any_terminal(tmp_path, monkeypatch):
    """As `PYTHONIOENCODING` makes the streams of a process."""
    table = untrained.table()
    table = table.append_column(f"text {ODD}", pa.array([ODD, "b"] * (table.num_rows // 2)))
    pq.write_table(table, tmp_path / "table.parquet")
    model = untrained.save(tmp_path / "run" / "model", table)

    def here(encoding: str, *arguments: object) -> tuple[int, bytes, bytes]:
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
        for name, stream in zip(("stdout", "stderr"), streams, strict=True):
            monkeypatch.setattr(sys, name, stream)
        status = cli.main([*map(str, arguments)])
        said = []
        for stream in streams:
            stream.flush()
            said.append(stream.buffer.getvalue())
        monkeypatch.undo()
        return status, *said

    for encoding in ("ascii", "latin-1", "utf-8"):
        for verb in (["init", tmp_path / "table.parquet", "-o", tmp_path / encoding], ["inspect", model]):
            status, said, errors = here(encoding, *verb)
            assert status == 0 and b"Traceback" not in errors, errors
            assert b"\x1b" not in said
            assert "\u202e".encode() not in said
        assert b"\\x1b" in said
        status, _, errors = here(encoding, "inspect", f"{tmp_path}/no {ODD}")
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
