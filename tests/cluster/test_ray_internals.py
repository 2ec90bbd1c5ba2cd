"""What raygen uses of Ray's insides: tried with these versions; with another one, look at each anew."""

import importlib.util

import ray
from ray.train import ControllerError
from ray.tune.execution import class_cache

from raygen.cluster import ray_internals

TRIED = ["2.60.0"]


def test_the_version_of_ray_was_tried():
    assert ray.__version__ in TRIED


def test_credentials_are_not_sent_along_with_trials(monkeypatch):
    spec = class_cache.__spec__
    as_imported = importlib.util.module_from_spec(spec)  # a search may have run in this process before
    spec.loader.exec_module(as_imported)
    monkeypatch.setattr(class_cache, "ENV_VARS_TO_PROPAGATE", as_imported.ENV_VARS_TO_PROPAGATE)
    assert [name for name in class_cache.ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")]
    ray_internals.send_no_credentials()
    names = class_cache.ENV_VARS_TO_PROPAGATE
    assert names and not [name for name in names if name.startswith("AWS_")]


def test_the_errors_of_a_run_are_told_apart():
    no_room = ray_internals.WorkerGroupStartupTimeoutError(2)
    assert ray_internals.is_start_timeout(ControllerError(no_room))
    assert not ray_internals.is_start_timeout(ControllerError(ValueError("other")))
    lost = ValueError("a")
    assert ray_internals.worker_failures(lost) == {0: lost}
