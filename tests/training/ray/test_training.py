"""Training on a real local Ray: the same model whatever happens on the way, and refusals before any worker
starts."""

import json
import os
import re
import shutil
import time
import urllib.request
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import raygen
from raygen.commands import demo
from raygen.errors import OutputError

pytestmark = pytest.mark.ray
FIGURES = ("reconstruction", "kl", "held_out_reconstruction", "held_out_kl", "held_out_loss")


def silent(line: str) -> None:
    pass


def train(trained, tiny, folder, workers, say=silent, **settings):
    """Train the model of `trained` anew in an empty folder."""
    return raygen.train(
        tiny(
            trained.fresh_run(folder),
            {"train.num_workers": workers} | {f"train.{k}": v for k, v in settings.items()},
        ),
        say,
    )


def written(folder) -> list[dict]:
    """The lines of a run folder's history."""
    return [json.loads(line) for line in (Path(folder) / "history.jsonl").read_text().splitlines()]


def test_progress_tells_step_epoch_held_out_nats_speed_and_time_left(trained):
    steps = [line for line in trained.lines if line.startswith("step")]
    assert len(steps) == 20
    assert written(trained.config.run.folder) == trained.training.metrics["history"]
    assert all(word in steps[-1] for word in ("60/60", "epoch", "held-out", "nats/row", "rows/s", "s left"))


def follows(together: dict, alone: dict, rtol: float = 1e-4) -> None:
    """The losses of each round are those of the other run; rounding errors grow in the later half."""
    assert [h["step"] for h in together["history"]] == [h["step"] for h in alone["history"]]
    half = len(alone["history"]) // 2
    for figure in FIGURES:
        ours, others = ([h[figure] for h in m["history"]] for m in (together, alone))
        np.testing.assert_allclose(ours[:half], others[:half], rtol=rtol, err_msg=figure)
        np.testing.assert_allclose(ours[half:], others[half:], rtol=max(rtol, 1e-2), err_msg=figure)


def test_four_workers_follow_the_losses_of_one(trained, tiny, tmp_path):
    """They share its batch, compute their 16 rows of a step five at a time, and come to its samplers, which
    are fitted to rows of all. Two workers: below in bfloat16, and in test_faults.py."""
    alone = trained.training.metrics
    together = train(trained, tiny, tmp_path, 4, micro_batch_size=5).metrics
    follows(together, alone)
    assert together["samplers"].keys() == alone["samplers"].keys()
    for name, scores in alone["samplers"].items():
        assert together["samplers"][name]["nats"] == pytest.approx(scores["nats"], abs=0.01)


@pytest.mark.soak
def test_workers_send_gradients_in_bfloat16_where_that_is_the_precision(trained, tiny, tmp_path):
    runs = {
        workers: train(trained, tiny, tmp_path / str(workers), workers, precision="bfloat16").metrics
        for workers in (0, 2)
    }
    follows(runs[2], runs[0], rtol=1e-2)
    differences = [
        abs(a["held_out_loss"] / b["held_out_loss"] - 1)
        for a, b in zip(runs[2]["history"], runs[0]["history"], strict=True)
    ]
    assert max(differences) > 1e-5  # of sums in float32


@pytest.mark.parametrize("workers", [0, 1])
def test_a_gpu_that_tensorflow_does_not_find_is_an_error(
    workers, gpus, trained, tiny, toml, run_cli, tmp_path
):
    if gpus:
        pytest.skip("this machine has a GPU")
    config = toml(tiny(trained.fresh_run(tmp_path), {"train.num_workers": workers, "train.use_gpu": True}))
    status, _, err = run_cli("train", config)
    assert status == 2
    assert err.startswith("ClusterError: train.use_gpu = true: TensorFlow finds no GPU on node ")
    assert "pip install 'tensorflow[and-cuda]'" in err.partition("Hint: ")[2]


@pytest.mark.parametrize(
    ("workers", "precision", "rtol"),
    [
        pytest.param(1, "float32", 3e-3, marks=pytest.mark.gpu),
        pytest.param(1, "bfloat16", 1e-2, marks=pytest.mark.gpu),
        pytest.param(2, "float32", 3e-3, marks=pytest.mark.gpu(2)),
    ],
)
def test_gpus_follow_the_losses_of_a_cpu(workers, precision, rtol, trained, tiny, tmp_path):
    follows(
        train(trained, tiny, tmp_path, workers, use_gpu=True, precision=precision).metrics,
        trained.training.metrics,
        rtol,
    )


def shown(run: str) -> dict[tuple[str, str], float]:
    """What the port for Prometheus tells of a run: values by metric and worker."""
    import ray

    (node,) = ray.nodes()
    text = (
        urllib.request.urlopen(
            f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics", timeout=10
        )
        .read()
        .decode()
    )
    found = re.findall(r"^ray_raygen_(\w+){(.*)} (\S+)$", text, re.MULTILINE)
    labelled = [
        (name, dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)) for name, labels, value in found
    ]
    return {(name, labels["worker"]): value for name, labels, value in labelled if labels.get("run") == run}


def test_ray_shows_rows_nats_waiting_and_workers(trained, tiny, tmp_path):
    """The metrics reach the port that Prometheus reads, which Ray fills now and then, while the run goes
    on."""
    folder, values = tmp_path / f"run-{time.time_ns()}", {}

    def say(line):
        end = time.monotonic() + 60
        while (
            line.startswith("step     60/60")
            and values.get(("train_step", "0")) != 60
            and time.monotonic() < end
        ):
            time.sleep(0.5)
            values.update(shown(folder.name))

    last = train(trained, tiny, folder, 0, say).metrics["history"][-1]
    assert set(values) == {
        (f"train_{n}", "0") for n in ("rows_total", "rows_per_second", "wait_share", "step", "workers")
    } | {("held_out_nats", "0")}
    assert values["train_rows_total", "0"] == 60 * 64
    assert values["train_workers", "0"] == 1
    assert values["held_out_nats", "0"] == pytest.approx(last["held_out_nats"])
    assert values["train_rows_per_second", "0"] == pytest.approx(last["rows_per_second"])
    assert values["train_wait_share", "0"] == pytest.approx(last["wait_share"])
    assert 0 < last["wait_share"] < 1


def test_a_finished_run_says_so_and_does_nothing(trained, toml, run_cli):
    index = Path(trained.model) / "raygen.json"
    before = index.stat()
    status, out, _ = run_cli("train", toml(trained.config))
    assert status == 0
    assert "was trained before, with the same settings" in out
    assert not any(line.startswith("step") for line in out.splitlines())
    assert (
        out.splitlines()[-1].startswith(f"Model {trained.model}")
        and "60 steps on 2,000 rows" in out.splitlines()[-1]
    )
    assert index.stat() == before


def test_a_finished_run_is_known_with_other_workers_and_other_rows_to_generate(trained):
    config = trained.config.override({"train.num_workers": 2, "generate.rows": 7})
    assert raygen.train(config, silent).finished_before


def test_other_settings_in_the_same_folder_are_refused(trained):
    with pytest.raises(OutputError, match=r"other settings \(model\.beta 0\.5 -> 0\.7\)") as caught:
        raygen.train(trained.config.override({"model.beta": 0.7}), silent)
    assert "choose another run.folder" in caught.value.hint


def test_a_model_is_of_the_rows_that_it_was_trained_on(tiny, tmp_path, local_ray):
    """A file that is only touched holds the same; other rows are not called finished, nor do they go on from
    checkpoints of these."""
    rows, source = pq.read_table(demo.adult()), tmp_path / "table.parquet"
    pq.write_table(rows.slice(0, 1000), source)
    config = tiny(tmp_path / "run", {"data.source": str(source)})
    first = raygen.train(config, silent)
    os.utime(source, (0, 0))
    assert raygen.train(config, silent).finished_before

    pq.write_table(rows.slice(1000, 1000), source)
    with pytest.raises(OutputError, match="was trained on other rows than") as caught:
        raygen.train(config, silent)
    assert "delete the folder's model/" in caught.value.hint
    shutil.rmtree(first.model)
    lines = []
    assert raygen.train(config, lines.append).fingerprint != first.fingerprint
    assert not any(line.startswith("Resuming") for line in lines)


def test_rows_that_cannot_be_read_for_a_while_are_waited_for(trained, tiny, tmp_path):
    """A worker that does not find them is started again, as one that is lost, and makes the model that this
    process makes."""
    folder, lines = trained.fresh_run(tmp_path / "run"), []
    (part,) = folder.glob("encoded/*/*.rows")

    def say(line):
        lines.append(line)
        if line.startswith("Training on"):
            part.rename(tmp_path / "away")
        if line.startswith("Warning: worker 0 was lost"):
            (tmp_path / "away").rename(part)

    assert (
        raygen.train(tiny(folder, {"train.num_workers": 1}), say).fingerprint == trained.training.fingerprint
    )
    assert sum(line.startswith("Warning: ") for line in lines) == 1


@pytest.mark.parametrize(
    ("mistake", "message", "hint"),
    [
        (
            "train.num_workers=99",
            "ClusterError: train.num_workers = 99 with 1 CPUs and 0 GPUs each needs 99 CPUs",
            "set train.num_workers = 4",
        ),
        (
            "train.use_gpu=true train.num_workers=99",
            "needs 99 CPUs and 99 GPUs; the cluster has",
            "set train.num_workers = ",
        ),
        ("train.batch_size=80000", "train.batch_size = 80000: the table has 1", "or less"),
        (
            "train.batch_size=63 train.num_workers=2",
            "train.batch_size = 63 cannot be split over 2 workers",
            "a multiple of 2",
        ),
        (
            "model.latent_dim=0",
            "model.latent_dim = 0: expected a value greater than or equal to 1",
            "width of z",
        ),
        ("model.hidden_units=[]", "model.hidden_units = []", "widths of the encoder's hidden layers"),
        ("model.latent_dims=3", "unknown setting 'model.latent_dims'", "did you mean 'model.latent_dim'?"),
        ("trian.steps=3", "unknown setting 'trian'", "did you mean 'train'?"),
        ("data.source=/nowhere.parquet", "source '/nowhere.parquet'", "check data.source"),
        ("train.memory_gib=1e-6", "must hold", "set train.memory_gib"),
        ("train.num_workers=[5,6]", "train.num_workers = 5 with 1 CPUs", "set train.num_workers = 4"),
    ],
)
def test_a_mistake_ends_with_message_and_hint_before_any_worker_starts(
    mistake, message, hint, trained, tiny, tmp_path, toml, run_cli
):
    config = toml(tiny(trained.fresh_run(tmp_path)))
    status, out, err = run_cli("train", config, "--set", *mistake.split())
    assert status == 2
    assert message in err
    assert hint in err.partition("Hint: ")[2]
    assert "Traceback" not in err
    assert "Training on" not in out
    assert not (tmp_path / "checkpoints").exists()


def test_without_a_run_folder_there_is_a_hint(toml, tiny, run_cli):
    status, _, err = run_cli("train", toml(tiny("")))
    assert status == 2
    assert "run.folder is not set" in err
