"""Searches and trials that are killed, stopped or fail, on a real Ray."""

import json
import queue
import signal
import threading
import time

import pytest

import raygen
from raygen.model import folder as model_folder
from raygen.training.job import run_name, sized
from tests.search.ray.conftest import QUICK, ROWS

pytestmark = pytest.mark.ray


def test_a_killed_search_goes_on_from_its_checkpoints(tiny, trained, toml, raygen_command, tmp_path):
    """Also the command line: exit status, table, hint."""
    settings = {
        "search.trials": 2,
        "search.scheduler": "none",
        "train.steps": 200,
        "train.num_workers": 1,
        "search.concurrent_trials": 1,
    }
    space = {"search.space": {"train.learning_rate": {"choice": [2e-3, 1e-3]}}}
    path = toml(tiny(trained.fresh_run(tmp_path / "run"), {**settings, **space}))
    first = raygen_command("tune", path)
    first.wait_for("Trial 0 finished")
    folder = tmp_path / "run" / "checkpoints"
    while len({p.parent for p in folder.glob("*/step-*.npz")}) < 2:
        time.sleep(0.02)
    first.send(signal.SIGKILL)
    first.finish()
    from raygen.training import checkpoints

    before = [checkpoints.rounds_of(checkpoints.unpack(p.read_bytes())) for p in folder.glob("*/step-*.npz")]
    again = raygen_command("tune", path)
    assert again.finish() == 0, again.output
    trials = json.loads((tmp_path / "run" / "search" / "search.json").read_text())["trials"]
    assert [t["state"] for t in trials] == ["finished"] * 2
    after = [[h[:2] for h in t["history"]] for t in trials]
    for rounds in before:  # the seconds of a round would differ if it had been trained again
        assert [[r["step"], r["seconds"]] for r in rounds] in [h[: len(rounds)] for h in after]
    assert "Next: raygen generate" in again.output and "Traceback" not in again.output


def test_a_failed_trial_is_reported_and_the_rest_go_on(local_ray, quick, tmp_path):
    config = quick(
        tmp_path,
        {
            "search.algorithm": "grid",
            "search.scheduler": "none",
            "search.space": {"model.latent_dim": {"choice": [2, 4]}},
        },
    )
    broken = tmp_path / "search" / "trials" / run_name(config.settled().override({"model.latent_dim": 2}))
    broken.parent.mkdir(parents=True)
    broken.write_text("a file where a folder should be")
    done = raygen.tune(config, say=lambda line: None)
    assert [t["state"] for t in done.search.model_dump()["trials"]] == ["failed", "finished"]
    assert str(broken) in done.search.model_dump()["trials"][0]["reason"]
    assert done.search.model_dump()["best"] == 1


def test_a_killed_trial_goes_on_under_its_own_number(local_ray, quick, kill_one, tmp_path):
    """Then another objective judges the same models anew."""
    space = {"train.learning_rate": {"choice": [2e-3, 1e-3, 5e-4]}}
    settings = {
        "search.algorithm": "grid",
        "search.scheduler": "none",
        "search.trials": 3,
        "search.space": space,
        "search.concurrent_trials": 1,
    }
    killed = []

    def kill_once(line):
        if line.startswith("Trial 0 finished"):
            while not list(tmp_path.glob(f"checkpoints/{run_name(second)}-*/*.npz")):
                time.sleep(0.05)
            killed.append(kill_one("ImplicitFunc"))

    config = quick(tmp_path, {**settings, "train.steps": 1000})
    second = sized(config.settled().override({"train.learning_rate": 1e-3}), ROWS)
    killer = queue.Queue()
    thread = threading.Thread(target=lambda: [kill_once(line) for line in iter(killer.get, None)])
    thread.start()
    trials = raygen.tune(config, say=killer.put).search.model_dump()["trials"]
    killer.put(None)
    thread.join()
    assert killed == [True]
    assert [(t["params"]["train.learning_rate"], t["state"]) for t in trials] == [
        (2e-3, "finished"),
        (1e-3, "finished"),
        (5e-4, "finished"),
    ]
    for t in trials:
        assert (
            model_folder.read_index(t["model"])["config"]["train"]["learning_rate"]
            == t["params"]["train.learning_rate"]
        )
        assert [h[0] for h in t["history"]] == list(range(50, t["steps"] + 1, 50))

    c2st = raygen.tune(
        config.override({"search.objective": "c2st"}), say=lambda line: None
    ).search.model_dump()["trials"]
    assert [t["fingerprint"] for t in c2st] == [t["fingerprint"] for t in trials]
    assert all(t["objective"] == t["c2st"] and 0 <= t["objective"] <= 1 for t in c2st)
    assert all(t["objective"] > 10 for t in trials)


def test_an_interrupted_search_says_how_to_go_on(tiny, trained, toml, raygen_command, tmp_path):
    run = raygen_command("tune", toml(tiny(trained.fresh_run(tmp_path), {**QUICK, "train.steps": 20000})))
    run.wait_for("trials: ")
    run.send(signal.SIGINT)
    assert run.finish() == 130, run.output
    assert (
        "What was finished stays; to go on, run: raygen tune" in run.output and "Traceback" not in run.output
    )
    assert not run.wait_for_no_others()


def test_stopped_trials_of_two_workers_each_free_their_resources(
    tiny, trained, toml, raygen_command, tmp_path
):
    """Two CPUs hold one trial: the last one waits for ever if the stopped one before it keeps its placement
    group."""
    space = {"search.space": {"train.learning_rate": {"choice": [5e-3, 1e-5, 1e-6]}}}
    settings = {
        "train.num_workers": 2,
        "train.steps": 60,
        "search.objective": "nats",
        "search.algorithm": "grid",
        "search.trials": 3,
    }
    two_cpus = {"RAY_OVERRIDE_RESOURCES": '{"CPU": 2}'}
    config = toml(tiny(trained.fresh_run(tmp_path), settings | space))
    run = raygen_command("tune", config, "--json", env=two_cpus)
    assert run.finish(480) == 0, run.output
    record = json.loads(run.lines[-1])["search"]
    assert [t["state"] for t in record["trials"]] == ["finished", "stopped", "stopped"]
    assert record["best"] == 0
    assert not run.wait_for_no_others()
