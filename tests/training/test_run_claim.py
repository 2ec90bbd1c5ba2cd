"""One writer of a run folder: a second one is told who holds it, and one that is gone holds it no longer."""

import json
import os
import socket
import subprocess
import sys
import time

import pytest

from raygen.errors import OutputError
from raygen.training import run_claim

HOLD = """
import sys, time
from raygen.training import run_claim
with run_claim.held(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_one_hears_who_holds_the_folder(tmp_path):
    other = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "held\n"
        told = pytest.raises(OutputError, match=f"is held by process {other.pid} of ")
        with told as caught, run_claim.held(str(tmp_path)):
            pass
        assert "choose another run.folder" in caught.value.hint
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    with run_claim.held(str(tmp_path)):  # the killed one is looked for, and is gone
        assert json.loads((tmp_path / "_claim.json").read_text())["process"] == os.getpid()
    assert not (tmp_path / "_claim.json").exists()


def test_a_claim_is_held_once_in_a_process_too(tmp_path):
    with run_claim.held(str(tmp_path)):
        with pytest.raises(OutputError, match="is held by"), run_claim.held(str(tmp_path)):
            pass
        assert (tmp_path / "_claim.json").exists()


@pytest.mark.parametrize(("seconds", "live"), [(0, True), (30, True), (61, False), (-61, False)])
def test_a_holder_on_another_node_is_believed_while_it_renews(seconds, live, tmp_path):
    claim = {"id": "x", "host": "elsewhere", "process": 1, "beat": time.time() - seconds}
    (tmp_path / "_claim.json").write_text(json.dumps(claim))
    if live:
        with pytest.raises(OutputError, match="of elsewhere"), run_claim.held(str(tmp_path)):
            pass
        assert json.loads((tmp_path / "_claim.json").read_text()) == claim
    else:
        with run_claim.held(str(tmp_path)):
            pass


def test_a_process_of_the_same_number_as_ours_was_another_one(tmp_path):
    claim = {"id": "x", "host": socket.gethostname(), "process": os.getpid(), "beat": time.time()}
    (tmp_path / "_claim.json").write_text(json.dumps(claim))
    with run_claim.held(str(tmp_path)):
        pass


def test_it_is_renewed_and_another_ones_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(run_claim, "BEAT_SECONDS", 0.02)
    path = tmp_path / "_claim.json"
    with run_claim.held(str(tmp_path)):
        first = json.loads(path.read_text())["beat"]
        end = time.monotonic() + 30
        while json.loads(path.read_text())["beat"] == first and time.monotonic() < end:
            time.sleep(0.02)
        assert json.loads(path.read_text())["beat"] > first


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"id": 3}'])
def test_a_damaged_claim_holds_nothing(content, tmp_path):
    (tmp_path / "_claim.json").write_bytes(content)
    with run_claim.held(str(tmp_path)):
        pass


@pytest.mark.parametrize("verb", ["train", "tune"])
def test_a_second_training_with_other_settings_exits_and_says_who_holds_the_folder(
    verb, table, tmp_path, run_cli
):
    config, space = tmp_path / "config.toml", '"model.latent_dim" = { choice = [2, 4] }'
    config.write_text(
        f'[run]\nfolder = "{tmp_path}/run"\n[data]\nsource = "{table}"\n[search.space]\n{space}\n'
    )
    (tmp_path / "run").mkdir()
    with run_claim.held(str(tmp_path / "run")):
        status, _, err = run_cli(verb, config, "--set", "model.latent_dim=3")
    assert status == 2 and f"is held by process {os.getpid()} of {socket.gethostname()}" in err
    assert not (tmp_path / "run" / "model").exists() and not (tmp_path / "run" / "_claim.json").exists()


def test_a_folder_that_is_away_for_a_moment_is_not_made_anew(tmp_path, monkeypatch):
    """It goes just before the thread that renews the claim looks for it."""
    folder, away, looked, read = tmp_path / "run", tmp_path / "away", [], run_claim._read

    def look(uri: str):
        looked.append(uri)
        if len(looked) == 4:
            folder.rename(away)
        return read(uri)

    monkeypatch.setattr(run_claim, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(run_claim, "_read", look)
    folder.mkdir()
    with run_claim.held(str(folder)):
        while len(looked) < 8:
            time.sleep(0.01)
        assert away.exists() and not folder.exists()
        away.rename(folder)
    assert list(folder.iterdir()) == []
