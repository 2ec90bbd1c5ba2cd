"""Searches that are refused or find nothing, on a real Ray."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import raygen
from raygen.errors import ClusterError, ConfigError, OutputError, TrainingError
from raygen.model import folder as model_folder

pytestmark = pytest.mark.ray


def test_a_search_of_failed_trials_fails(local_ray, quick, toml, run_cli, tmp_path):
    config = quick(tmp_path, {"search.trials": 1})
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "trials").write_text("a file where a folder should be")
    status, out, err = run_cli("tune", toml(config))
    assert status == 1
    assert (
        "TrainingError: no trial of 1 finished: " in err
        and "search/trials" in err
        and "Traceback" not in out + err
    )
    assert json.loads((tmp_path / "search" / "search.json").read_text())["best"] is None


def test_trials_without_the_gpu_that_they_ask_for_fail(local_ray, gpus, quick, tmp_path):
    if gpus:
        pytest.skip("this machine has a GPU")
    with pytest.raises(
        TrainingError, match=r"no trial of 1 finished: train\.use_gpu = true: TensorFlow finds no GPU"
    ):
        raygen.tune(
            quick(tmp_path, {"train.use_gpu": True, "search.trials": 1, "search.concurrent_trials": 1}),
            say=lambda line: None,
        )


REFUSED = {
    "no room": ({"train.cpus_per_worker": 64}, ClusterError, "train.num_workers = 1 with 64 CPUs"),
    "too many at a time": (
        {"search.concurrent_trials": 50},
        ClusterError,
        "search.concurrent_trials = 50: the cluster holds 4 trial",
    ),
    "no dashboard": ({"train.num_workers": 2}, ClusterError, "needs Ray's dashboard, which does not answer"),
    "batch": (
        {"search.space": {"train.batch_size": {"choice": [64, 4096]}}},
        ConfigError,
        "train.batch_size = 4096: the table has",
    ),
    "points": (
        {"search.trials": 4, "search.space": {"model.latent_dim": {"choice": [2, 4]}}},
        ConfigError,
        "search.trials = 4: search.space has only 2",
    ),
    "space": (
        {"search.space": {"model.latent_dim": {"choice": []}}},
        ConfigError,
        "search.space.'model.latent_dim'",
    ),
}


@pytest.mark.parametrize(("settings", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_before_the_first_trial(local_ray, quick, tmp_path, settings, error, message):
    with pytest.raises(error, match=message):
        raygen.tune(quick(tmp_path, settings), say=lambda line: None)
    assert not (tmp_path / "search" / "trials").exists()


def test_a_model_of_something_else_is_not_replaced(local_ray, quick, trained, tmp_path):
    config = quick(tmp_path)
    shutil.copytree(trained.model, tmp_path / "model")
    with pytest.raises(OutputError, match="was not made by this search, which would replace it"):
        raygen.tune(config, say=lambda line: None)
    assert model_folder.load(str(tmp_path / "model")).fingerprint == trained.training.fingerprint


def test_a_damaged_record_of_a_search_is_refused(local_ray, quick, tmp_path):
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "search.json").write_text('{"space": ')
    with pytest.raises(OutputError, match=r"search\.json' is no record of a search: Expecting value"):
        raygen.tune(quick(tmp_path), say=lambda line: None)


def test_a_run_folder_that_other_nodes_do_not_see_is_refused(tmp_path):
    """A descriptor of this process, which no other process has."""
    script = """
import os, ray, sys
from ray.cluster_utils import Cluster
from raygen import Config, tune
from raygen.errors import ClusterError
os.dup2(os.open(".", os.O_RDONLY), 200)
nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
nodes.add_node(num_cpus=1)
ray.init(address=nodes.address, log_to_driver=False)
try:
    tune(Config().override({"run.folder": "/proc/self/fd/200/run", "data.source": sys.argv[1]}), say=print)
except ClusterError as error:
    print("refused:", error)
"""
    environment = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
    source = str(Path(raygen.__file__).parent / "datasets" / "adult.parquet")
    done = subprocess.run(
        [sys.executable, "-c", script, source],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "refused: run.folder = '/proc/self/fd/200/run': node " in done.stdout, done.stdout + done.stderr
    assert "Hint: set it to a mount that all nodes share" in done.stdout
