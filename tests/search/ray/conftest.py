"""A small search."""

import pytest

from raygen.config import Config

ROWS = 2000

QUICK = {
    "train.num_workers": 1,
    "search.trials": 2,
    "search.concurrent_trials": 2,  # as many as there are cores: each at a time imports TensorFlow anew
    "search.objective": "nats",
    "search.space": {
        "model.latent_dim": {"choice": [2, 4]},
        "train.learning_rate": {"log_uniform": [1e-3, 1e-2]},
    },
}


@pytest.fixture(scope="module")
def quick(tiny, trained):
    """A config of a small search in a folder that holds the encoded table already."""

    def make(folder, settings=None) -> Config:
        return tiny(trained.fresh_run(folder), QUICK | (settings or {}))

    return make
