"""Every test on Ray gives back what it took: else a later one waits for ever."""

import time

import pytest


@pytest.fixture(autouse=True)
def free_cpus():
    """After the test, until nobody uses a CPU of the Ray that these tests share."""
    yield
    import ray
    from ray._private import state

    end = time.monotonic() + 30
    while ray.is_initialized() and ray.available_resources().get("CPU") != ray.cluster_resources()["CPU"]:
        left = [actor["ActorClassName"] for actor in state.actors().values() if actor["State"] != "DEAD"]
        assert time.monotonic() < end, f"{ray.available_resources().get('CPU')} CPUs are free; alive: {left}"
        time.sleep(0.1)
