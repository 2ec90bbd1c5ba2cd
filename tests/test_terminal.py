"""What is printed, on terminals of few letters, and of what a table holds that would move a cursor."""

import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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
def test_a_table_of_odd_names_on_any_terminal(tmp_path):
    table = untrained.table()
    table = table.append_column(f"text {ODD}", pa.array([ODD, "b"] * (table.num_rows // 2)))
    pq.write_table(table, tmp_path / "table.parquet")
    model = untrained.save(tmp_path / "run" / "model", table)
    for encoding in ("ascii", "latin-1", "utf-8"):
        for verb in (["init", tmp_path / "table.parquet", "-o", tmp_path / encoding], ["inspect", model]):
            done = raygen(*map(str, verb), encoding=encoding)
            assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr
            assert b"\x1b" not in done.stdout
            assert "\u202e".encode() not in done.stdout
        wrong = raygen("inspect", f"{tmp_path}/no {ODD}", encoding=encoding)
        assert wrong.returncode == 2 and b"\\x1b[31m" in wrong.stderr and b"\x1b" not in wrong.stderr
    assert b"\\x1b" in raygen("inspect", model, encoding="utf-8").stdout


def test_control_characters_are_escaped(capsys):
    shown = "a\tb \\x1b[2J\\r\\x00\\x9b\\n\\u2067x"
    assert printable("a\tb \x1b[2J\r\x00\x9b\n\u2067x") == shown
    assert printable("\u00e9 \u65e5\u672c '\\\\'") == "\u00e9 \u65e5\u672c '\\\\'"
    say = Terminal()
    say("one \x07")
    say.redraw("two \x1b[1m")
    say.end()
    assert capsys.readouterr().out == "one \\x07\n\r\x1b[Ktwo \\x1b[1m\n"
