"""Commands on a model that was trained: what inspect shows, and what plan measures."""

import json
from pathlib import Path

import pytest

from raygen.commands import plan
from raygen.generation.shards import Plan

pytestmark = pytest.mark.ray


def test_inspect_shows_columns_training_and_samplers(trained, run_cli):
    status, out, _ = run_cli("inspect", trained.model, "--json")
    assert status == 0
    *lines, last = out.splitlines()
    columns = {line.split()[0]: line.split()[1] for line in reversed(lines) if len(line.split()) > 1}
    assert columns["age"] == "numeric"
    assert columns["income"] == "categorical"
    assert any(trained.training.fingerprint in line for line in lines)
    found = json.loads(last)
    assert len(found["columns"]) == 15
    assert set(found["metrics"]["samplers"]) == {
        "naive",
        "normal",
        "diagonal",
        "gaussian",
        "learned",
        "mixture",
    }
    for name, scores in found["metrics"]["samplers"].items():
        (line,) = (line for line in lines if line[2:].split()[:1] == [name] and "+-" in line)
        assert f"{scores['nats']:.3f}"[:4] in line
        assert line.startswith("*") == (name == found["sampler"])
    assert any(line.startswith("KL(q(z) || N(0, I))") for line in lines)
    assert not any("latent.html" in line for line in lines), "latent.report = false draws none"


def test_plan_of_a_trillion_rows_tells_what_would_finish_in_time(trained, run_cli):
    asked = "--rows", "1e12", "--num-actors", 0, "--within", "2d"
    status, out, _ = run_cli("plan", trained.model, *asked, "--json")
    assert status == 0
    assert "in 1,000,000 shard(s) by 4 actor(s)" in out
    answer = json.loads(out.splitlines()[-1])["generate"]
    speed, needed = answer["rows_per_second_of_an_actor"], answer["actors_needed"]
    assert needed >= 1e12 / speed / (2 * 86_400)
    assert f"To finish in 2.0 days: {needed:,} actor(s), {needed:,} CPU(s)." in out
    said: list[str] = []
    plan._generation(
        trained.config.generate, Plan(10**12, 10**6), 4, (speed, answer["bytes"] / 1e12), 0.1, said.append
    )
    assert said[1].startswith("To finish in 0 s, set generate.rows_per_shard to")


def test_plan_tells_rows_shards_actors_and_time_and_writes_nothing(trained, toml, tmp_path, run_cli):
    before = sorted(Path(trained.config.run.folder).iterdir())
    status, out, _ = run_cli("plan", toml(trained.config), "--rows", "1e9", "--json")
    assert status == 0
    assert "Source: " in out
    assert "2,000 rows x 15 columns" in out
    assert "1,000,000,000 rows, seed 0, in 1,000 shard(s) by 1 actor(s)" in out
    answer = json.loads(out.splitlines()[-1])
    assert answer["generate"]["seconds"] > 0
    assert "Complete, score: not measured" in out and "complete" not in answer
    assert "To finish in 60 min: " in out and answer["generate"]["actors_needed"] >= 1
    assert 5 < answer["generate"]["bytes"] / 1e9 < 100
    assert answer["train"]["rows"] == 2000
    assert sorted(Path(trained.config.run.folder).iterdir()) == before
