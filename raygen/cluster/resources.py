"""What a cluster has, and refusing what it could not give."""

import os
import time
import uuid
from dataclasses import dataclass

from raygen import filesystems, storage
from raygen.errors import ClusterError

CONNECT_SECONDS = 10
AUTOSCALER_SECONDS = 60  # it looks every 5
SETTLED_SECONDS = 2.0  # in which Ray tells of CPUs that were given back


@dataclass(frozen=True)
class Resources:
    """CPUs and GPUs of the cluster, in all and of each living node."""

    cpus: int
    gpus: float
    nodes: list[tuple[float, float]]

    def share(self, count: int, gpus: int = 0) -> int:
        """The most CPUs that each of `count` processes can have, each with `gpus` GPUs on one node; 1 if they
        do not fit at all."""
        most = int(max((cpus for cpus, _ in self.nodes), default=0))
        fits = (
            n
            for n in range(most, 0, -1)
            if sum(min(c // n, g // gpus if gpus else count) for c, g in self.nodes) >= count
        )
        return next(fits, 1)


def check_shared(folder: str, available: Resources, setting: str = "run.folder") -> None:
    """Refuse a folder that some node of the cluster does not share with this one.

    Args:
        setting: What named the folder, for the error; empty if nothing did.

    Raises:
        ClusterError: Naming the node.
    """
    import ray
    from ray.exceptions import TaskUnschedulableError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    filesystem, path = filesystems.resolve(folder)
    if len(available.nodes) < 2 or filesystem.type_name != "local":
        return
    mark = storage.join(path, f".raygen-{uuid.uuid4().hex}")
    storage.write(mark, b"seen from other nodes?")
    try:
        asked = []
        for node in (n for n in ray.nodes() if n["Alive"]):
            place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            there = ray.remote(os.path.exists).options(num_cpus=0, scheduling_strategy=place)
            asked.append((node["NodeManagerAddress"], there.remote(mark)))
        for address, answer in asked:
            try:
                seen = ray.get(answer)
            except TaskUnschedulableError:  # the node has left the cluster
                continue
            if not seen:
                named = f"{setting} = " if setting else ""
                message = f"{named}'{folder}': node {address} does not see what this one writes there."
                raise ClusterError(
                    message, "set it to a mount that all nodes share, or to a URI such as s3://bucket/run."
                )
    finally:
        filesystem.delete_file(mark)


def resources() -> Resources:
    """What the connected cluster has now."""
    import ray

    alive = [n["Resources"] for n in ray.nodes() if n["Alive"]]
    nodes = [(n.get("CPU", 0), n.get("GPU", 0)) for n in alive]
    return Resources(int(sum(c for c, _ in nodes)), sum(g for _, g in nodes), nodes)


def free_cpus() -> float:
    """CPUs that nobody uses now."""
    import ray

    return ray.available_resources().get("CPU", 0.0)


def free_for(needed: float) -> float:
    """The same, asked again for a moment where they are fewer than needed."""
    end = time.monotonic() + SETTLED_SECONDS
    while (free := free_cpus()) < needed and time.monotonic() < end:
        time.sleep(0.1)
    return free


def require(setting: str, count: int, cpus: float, gpus: float, available: Resources) -> None:
    """Refuse what can never start: `count` processes of `cpus` and `gpus` each, each on one node.

    Where an autoscaler adds nodes, it is asked whether it would add enough.

    Raises:
        ClusterError: If the cluster is too small.
    """
    fits = sum(min(c // cpus if cpus else count, g // gpus if gpus else count) for c, g in available.nodes)
    if fits >= count or grows({"CPU": cpus, "GPU": gpus}, count):
        return
    needs = f"{count * cpus:g} CPUs" + (f" and {count * gpus:g} GPUs" if gpus else "")
    has = (
        f"{available.cpus} CPUs and {available.gpus:g} GPUs on {len(available.nodes)} "
        f"node{'s' * (len(available.nodes) != 1)}"
    )
    message = (
        f"{setting} = {count} with {cpus:g} CPUs and {gpus:g} GPUs each needs {needs}; the cluster has {has}."
    )
    raise ClusterError(
        message,
        f"set {setting} = {int(fits)}, or add nodes in cluster.yaml."
        if fits
        else "lower what each needs, or add nodes.",
    )


def grows(each: dict[str, float], count: int) -> bool:
    """Whether the cluster's autoscaler would add the nodes that `count` bundles need: it is asked for them,
    and tells which it cannot have."""
    import ray

    from raygen.cluster.ray_internals import Autoscaler

    autoscaler = Autoscaler(CONNECT_SECONDS)
    if not autoscaler.is_there():
        return False
    group = ray.util.placement_group([{name: value for name, value in each.items() if value}] * count)
    try:
        demands, end = autoscaler.num_demands(), time.monotonic() + AUTOSCALER_SECONDS
        while time.monotonic() < end:
            refused = autoscaler.refused(demands)
            if refused is not None:
                return not any(group.id.hex() in text for text in refused)
            time.sleep(0.5)
        raise ClusterError(
            f"the cluster's autoscaler has not answered in {AUTOSCALER_SECONDS} s.",
            "look at it with: ray status",
        )
    finally:
        ray.util.remove_placement_group(group)


def none_yet(setting: str, meaning: str, example: int) -> ClusterError:
    """The error of a setting left at 0 on a cluster whose nodes come only when they are asked for."""
    message = f"{setting} = 0 means {meaning}, and none of its nodes is there yet."
    return ClusterError(
        message, f"tell how many, as in {setting} = {example}: the autoscaler adds nodes for them."
    )
