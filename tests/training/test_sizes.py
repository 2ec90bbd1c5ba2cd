"""Batch and steps that training settles from the number of rows; `raygen plan` prints the same."""

import pytest

from raygen.cluster.resources import Resources
from raygen.config import Config
from raygen.errors import ClusterError, ConfigError
from raygen.training import driver as training
from raygen.training.job import run_name, sized


@pytest.mark.parametrize(
    ("rows", "workers", "batch_size", "steps"),
    [
        (32_561, 1, 512, 4500),
        (32_561, 2, 512, 4500),
        (32_561, 3, 512, 4500),
        (32_561, 8, 512, 4500),
        (32_561, 12, 504, 4500),
        (891, 1, 192, 1200),
        (303_305, 1, 512, 8528),
        (10_000_000, 1, 512, 9000),
        (40, 1, 32, 300),
    ],
)
def test_sizes_follow_the_table(rows, workers, batch_size, steps):
    t = sized(Config().override({"train.num_workers": workers}), rows).train
    assert (t.batch_size, t.steps) == (batch_size, steps)
    asked = Config().override({"train.num_workers": workers, "train.steps": 100})
    assert sized(asked, rows).train.steps == 100


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train.batch_size": 1000}, "train.batch_size = 1000: the table has"),
        ({"train.batch_size": 100, "train.num_workers": 3}, "cannot be split over 3 workers"),
        ({"train.holdout": 1e-6, "run.seed": 1}, "train.holdout = 1e-06 leaves"),
    ],
)
def test_what_the_table_cannot_fill_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        sized(Config().override(settings), 891)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"latent.sampler": "learned", "model.prior": "normal"}, "needs model.prior = 'mixture'"),
        ({"latent.sampler": "flow", "model.latent_dim": 100}, "up to model.latent_dim = 64; this one is 100"),
        ({"latent.sampler": "flow", "latent.flow_steps": 0}, "latent.flow_steps = 0"),
    ],
)
def test_a_sampler_that_the_model_could_not_have_is_refused_before_training(settings, message):
    with pytest.raises(ConfigError, match=message):
        training.check_sampler(Config().override(settings))


@pytest.mark.parametrize(
    ("settings", "cpus"),
    [({"train.num_workers": 0}, 1), ({"train.num_workers": 1}, None), ({"train.num_workers": 4}, None)],
)
def test_a_share_of_no_cpus_is_refused_where_a_worker_would_have_it(settings, cpus):
    """A head without CPUs, whose autoscaler has not been asked for a node yet."""
    config, nothing = Config().override(settings), Resources(0, 0, [(0, 0)])
    if cpus:
        assert training.check_workers(config, nothing) == cpus
    else:
        with pytest.raises(
            ClusterError, match=r"cpus_per_worker = 0 means an equal share of the cluster's CPUs"
        ) as caught:
            training.check_workers(config, nothing)
        assert "train.cpus_per_worker = 8" in caught.value.hint


@pytest.mark.parametrize(
    ("workers", "gpu", "nodes", "cpus"),
    [
        (1, False, [(2, 0)], 2),
        (3, False, [(4, 0), (4, 0)], 2),
        (3, False, [(7, 0), (7, 0)], 3),
        (3, False, [(2, 0), (4, 0), (4, 0)], 2),
        (1, False, [(8, 0), (8, 0)], 8),
        (1, True, [(8, 0), (4, 1)], 4),
        (2, True, [(32, 0), (8, 1), (8, 1)], 8),
        (4, True, [(0, 0), (16, 4)], 4),
    ],
)
def test_cpus_that_are_there_are_shared(workers, gpu, nodes, cpus):
    """Each worker gets as many as it can have on a node, beside a GPU if it wants one."""
    config = Config().override({"train.num_workers": workers, "train.use_gpu": gpu})
    available = Resources(sum(c for c, _ in nodes), sum(g for _, g in nodes), nodes)
    assert training.check_workers(config, available) == cpus


def test_the_name_of_a_run_tells_its_model_and_not_who_trains_it_and_where():
    name = run_name(Config())
    for setting, value in {
        "run.folder": "b",
        "train.num_workers": 4,
        "train.micro_batch_size": 64,
        "generate.rows": 7,
    }.items():
        assert run_name(Config().override({setting: value})) == name, setting
    for setting, value in {
        "run.seed": 1,
        "train.steps": 7,
        "model.beta": 0.7,
        "data.source": "b",
        "latent.sampler": "normal",
    }.items():
        assert run_name(Config().override({setting: value})) != name, setting
