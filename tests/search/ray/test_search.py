"""Searches by Ray Tune on 2,000 real rows: the best trial, points, stops, objectives, what is left behind."""

import json
import math
import os
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import raygen
from raygen import storage
from raygen.codec import log_volume
from raygen.config import Config
from raygen.errors import TrainingError
from raygen.latent.samplers import Posteriors
from raygen.model import folder as model_folder
from raygen.sampling.sampler_comparison import COMPARED_ROWS, Comparison
from raygen.search.log import SearchLog
from raygen.search.space import Space
from raygen.training import encoding
from raygen.training.objective import heard
from tests import stores
from tests.search.ray.conftest import ROWS

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def searched(local_ray, quick, tmp_path_factory):
    """A search of five trials, of which ASHA stops some: config, what `tune` returned, and what it said."""
    space = {
        "model.hidden_units": {"choice": [[32, 32], [16]]},
        "train.learning_rate": {"log_uniform": [1e-6, 1e-2]},
    }
    config, lines = (
        quick(
            tmp_path_factory.mktemp("search"),
            {"search.trials": 5, "search.space": space, "latent.report": True},
        ),
        [],
    )
    return config, raygen.tune(config, "raygen tune <mine>.toml", lines.append), lines


def test_the_best_trial_is_the_model_that_train_would_have_made(searched, quick, tmp_path):
    config, done, _ = searched
    trials = {t["number"]: t for t in done.search.model_dump()["trials"]}
    best = trials[done.search.model_dump()["best"]]
    finished = [t for t in trials.values() if t["state"] == "finished"]
    assert best["objective"] == min(t["objective"] for t in finished)
    assert done.fingerprint == best["fingerprint"] == model_folder.load(done.model).fingerprint
    here = {"run.folder": str(quick(tmp_path).run.folder), "train.num_workers": 0}
    alone = raygen.train(config.settled().override(best["params"] | here), lambda line: None)
    assert alone.fingerprint == done.fingerprint
    assert (Path(done.model) / "latent.html").exists()
    assert raygen.train(config.settled().override(best["params"])).finished_before
    assert raygen.generate(config, rows=100, say=lambda line: None).rows == 100


def test_it_returns_with_the_results_of_ray_tune(searched):
    _, tuning, _ = searched
    trials = tuning.search.trials
    assert len(tuning.results) == len(trials)
    found = tuning.results.get_best_result("objective", "min")
    best = next(trial for trial in trials if trial.number == tuning.search.best)
    assert best.objective == pytest.approx(found.metrics["objective"])
    assert "results" not in repr(tuning) and raygen.load(tuning).fingerprint == tuning.fingerprint


def test_no_credentials_get_into_the_logs_of_ray(searched):
    """Which Ray Tune would send along with each trial, and Ray write down."""
    import ray

    assert os.environ["AWS_SECRET_ACCESS_KEY"] == stores.SECRET
    logs = Path(ray._private.worker._global_node.get_session_dir_path()) / "logs"
    files = [file for file in logs.rglob("*") if file.is_file()]
    assert len(files) > 5
    assert [file.name for file in files if stores.SECRET.encode() in file.read_bytes()] == []


def test_the_first_trial_has_the_configs_own_settings_and_some_are_stopped(searched):
    config, done, lines = searched
    trials = done.search.model_dump()["trials"]
    assert trials[0]["params"] == done.search.model_dump()["defaults"] == Space.of(config).own(config)
    states = [t["state"] for t in trials]
    assert len(states) == 5 and "stopped" in states and set(states) <= {"finished", "stopped"}
    for t in trials:
        assert t["objective"] == pytest.approx(t["history"][-1][2]) or t["state"] == "finished"
        assert t["steps"] == 60 or t["state"] == "stopped"
    assert sum(line.startswith("Trial ") for line in lines) == 5
    assert any(line.startswith("trials: ") and "best" in line for line in lines)


def test_the_objective_is_the_held_out_elbo_of_the_values_under_the_chosen_sampler(searched):
    config, done, _ = searched
    for t in (t for t in done.search.model_dump()["trials"] if t["state"] == "finished"):
        metrics = model_folder.read_index(t["model"])["metrics"]
        samplers = model_folder.read_report(t["model"]).to_dict()["samplers"]
        encoded = encoding.encode(config.settled(), lambda line: None)
        held = encoded.feed(config).held
        values = log_volume.log_volume(encoded.codec, *held).mean()
        gain = samplers[t["sampler"]]["nats"] - samplers["learned"]["nats"]
        assert t["objective"] == pytest.approx(metrics["held_out_nats"] - gain - values, abs=1e-9)
        assert t["history"][-1][2] == pytest.approx(metrics["held_out_nats"] - values, abs=1e-9)
        assert 0 < t["c2st"] < 1 and t["c2st"] == pytest.approx(_c2st(t["model"], encoded), abs=0.02)
        assert 0 < t["error"] < 1


def _c2st(model: str, encoded) -> float:
    """Of rows that the model in a folder draws, computed again. Not its latent report's, which is of the
    network before the biases of its codes were shifted."""
    artifact = model_folder.load(model)
    feed, latent_dim = encoded.feed(artifact.config), artifact.config.model.latent_dim
    held = feed.all_held()
    nowhere = Posteriors(*(np.zeros((len(held[0]), latent_dim), np.float32) for _ in range(2)))
    compared = Comparison(artifact.network(), artifact.codec, feed.some(COMPARED_ROWS), held, nowhere)
    return compared.of_sampler(artifact.samplers[artifact.sampler]).c2st


def test_asha_does_not_stop_the_configs_own_settings():
    from ray.tune.schedulers import TrialScheduler

    from raygen.search.ray_tune import _scheduler

    scheduler = _scheduler(Config(), {"model.latent_dim": "16"})
    decisions = {}
    for number, (dim, nats) in enumerate([("8", 10.0), ("16", 20.0), ("32", 20.0)]):
        trial = SimpleNamespace(trial_id=str(number), config={"model.latent_dim": dim})
        scheduler.on_trial_add(None, trial)
        decisions[dim] = scheduler.on_trial_result(None, trial, {"round": 4, "value_nats": nats})
    assert decisions == {
        "8": TrialScheduler.CONTINUE,
        "16": TrialScheduler.CONTINUE,
        "32": TrialScheduler.STOP,
    }


def test_a_trial_that_was_stopped_has_nats_and_no_c2st():
    record = SearchLog(Config(), Space.of(Config()), ROWS, 1, "", 0.0, [])
    record.started(0, {"model.latent_dim": 8})
    record.heard(
        0,
        {"time_total_s": 2.0, "seconds": 1.0, "step": 300, "round": 4} | heard({"value_nats": 30.0}, "c2st"),
    )
    assert "at step 300, 30.000 nats/row" in record.ended(0, "")
    (trial,) = record.record().model_dump()["trials"]
    assert (trial["state"], trial["objective"], trial["value_nats"], trial["history"]) == (
        "stopped",
        None,
        30.0,
        [(300, 1.0, 30.0)],
    )
    assert heard({"value_nats": 30.0}, "nats")["objective"] == 30.0


def test_table_page_and_best_settings_are_left(searched):
    config, done, _ = searched
    folder = Path(done.folder)
    assert json.loads((folder / "search.json").read_text()) == json.loads(done.search.model_dump_json())
    table = pd.read_parquet(folder / "trials.parquet")
    assert list(table["number"]) == [0, 1, 2, 3, 4]
    assert {
        "state",
        "objective",
        "seconds",
        "rows_per_second",
        "train.learning_rate",
        "model.hidden_units",
    } <= set(table.columns)
    page = (folder / "index.html").read_text()
    assert "raygen tune &lt;mine&gt;.toml" in page and "http" not in page.replace("http-equiv", "")
    best = next(
        t for t in done.search.model_dump()["trials"] if t["number"] == done.search.model_dump()["best"]
    )
    longer = Config.load(str(folder / "best.toml"))
    assert longer.run.folder == f"{config.settled().run.folder}-best"
    assert longer.override({"run.folder": config.run.folder}) == config.settled().override(best["params"])
    assert "# step size of Adam" in (folder / "best.toml").read_text()
    assert not (folder / "tune").exists()


def test_the_same_search_again_keeps_what_is_finished(searched):
    config, done, _ = searched

    times = {
        path: path.stat().st_mtime_ns for path in Path(config.run.folder).glob("search/trials/**/*.keras")
    }
    points = [t["params"] for t in done.search.model_dump()["trials"]]
    too_fast = config.override({"search.concurrent_trials": 1, "search.min_rows_per_second": 1e12})
    message = (
        r"search.min_rows_per_second = 1e\+12: no finished trial is as fast; the fastest, trial \d, makes"
    )
    with pytest.raises(TrainingError, match=message):
        raygen.tune(too_fast, say=lambda line: None)
    again = raygen.tune(too_fast.override({"search.min_rows_per_second": 1.0}), say=lambda line: None)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert [t["params"] for t in again.search.model_dump()["trials"]] == points and again.search.model_dump()[
        "best"
    ] is not None
    more = raygen.tune(config.override({"search.trials": 6}), say=lambda line: None)
    assert [t["params"] for t in more.search.model_dump()["trials"][:5]] == points
    assert len(more.search.model_dump()["trials"]) == 6


def test_optuna_with_two_objectives_c2st_and_a_log(local_ray, quick, tmp_path):
    settings = {
        "search.objective": "c2st",
        "search.algorithm": "tpe",
        "search.scheduler": "none",
        "search.cost": "rows_per_second",
    }
    done = raygen.tune(
        quick(tmp_path, {**settings, "search.log_to": "tensorboard"}),
        say=lambda line: None,
    )
    trials = done.search.model_dump()["trials"]
    assert [t["state"] for t in trials] == ["finished"] * 2
    assert trials[0]["params"] == done.search.model_dump()["defaults"]
    assert all(0 <= t["objective"] <= 1 and t["objective"] == t["c2st"] for t in trials)
    assert done.search.model_dump()["best"] == max(trials, key=lambda t: t["objective"])["number"]
    assert done.search.model_dump()["best"] in done.search.model_dump()["front"]
    assert list(tmp_path.glob("search/tune/**/events.out.tfevents*"))


def test_a_stopped_trial_without_c2st_is_a_pruned_one_to_optuna():
    from raygen.search.ray_tune import _algorithm, _domains

    config = Config().override({"search.algorithm": "tpe"})
    space = Space.of(config)
    search = _algorithm(config, space, 2, [])
    search.set_search_properties("objective", "max", _domains(space, config))
    for name, told in (("a", math.nan), ("b", 0.9)):
        search.suggest(name)
        search.on_trial_complete(name, result={"objective": told, "training_iteration": 4})
    assert [t.state.name for t in search.searcher._ot_study.trials] == ["PRUNED", "COMPLETE"]


def test_other_bars_and_another_prior_are_compared_by_the_nats_of_values(local_ray, quick, tmp_path):
    """Of a prior that has no law of its own; what the objective of the mixture is made of, see above."""
    space = {"schema.bars": {"choice": [16, 128]}, "model.prior": {"choice": ["normal"]}}
    settings = {
        "search.algorithm": "grid",
        "search.space": space,
        "search.scheduler": "none",
        "train.steps": 400,
    }
    trials = raygen.tune(quick(tmp_path, settings), say=lambda line: None).search.model_dump()["trials"]
    assert all(t["params"]["model.prior"] == "normal" and t["sampler"] != "learned" for t in trials)
    nats = {t["params"]["schema.bars"]: (t["held_out_nats"], t["objective"]) for t in trials}
    codes, values = (abs(nats[16][i] - nats[128][i]) for i in (0, 1))
    assert codes > 4 and values < 2, nats  # codes of 128 bars say more than those of 16
    assert len(list((tmp_path / "encoded").iterdir())) == 2


def test_the_job_and_the_next_config_are_toml(searched):
    text = storage.read(f"{searched[1].folder}/best.toml").decode()
    settings = tomllib.loads(text)
    assert math.isclose(
        settings["train"]["learning_rate"],
        searched[1].search.model_dump()["trials"][searched[1].search.model_dump()["best"]]["params"][
            "train.learning_rate"
        ],
    )
