"""What tests on Ray share: each gives back its CPUs; a run that nothing disturbed; what a test saw of a fault."""

import time

import pytest


@pytest.fixture(autouse=True)
def free_cpus():
    """After the test, until nobody uses a CPU of the Ray that these tests share: else a later one waits for ever."""
    yield
    import ray
    from ray._private import state

    end = time.monotonic() + 30
    while ray.is_initialized() and ray.available_resources().get("CPU") != ray.cluster_resources()["CPU"]:
        left = [actor["ActorClassName"] for actor in state.actors().values() if actor["State"] != "DEAD"]
        assert time.monotonic() < end, f"{ray.available_resources().get('CPU')} CPUs are free; alive: {left}"
        time.sleep(0.1)


@pytest.fixture(scope="session")
def long() -> dict:
    """Settings of two workers whose rounds, of 75 steps, are long enough to ask for notices within them."""
    return {"train.num_workers": 2, "train.steps": 1500, "train.patience": 0}


@pytest.fixture(scope="session")
def undisturbed(trained, tiny, long, tmp_path_factory):
    """A run with `long`: its run folder, and what `train` returned."""
    import raygen

    folder = trained.fresh_run(tmp_path_factory.mktemp("undisturbed"))
    return folder, raygen.train(tiny(folder, long), lambda line: None)


@pytest.fixture
def seen(request):
    """Note what a fault came to: `seen(fault, outcome, "yes")`, the last of them being whether the model (or the rows) are those of no fault."""
    return lambda fault, outcome, same: request.node.user_properties.append(("fault", [fault, outcome, same]))
