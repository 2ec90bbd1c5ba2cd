"""What the bytes of rows depend on beside their settings: the libraries that draw and write them, the
instructions of the processor that oneDNN multiplies matrices by, and the device."""

import importlib.metadata
import os
import platform
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from raygen import __version__
from raygen.cluster.connection import ENVIRONMENT
from raygen.errors import ClusterError

PACKAGES = ("tensorflow", "keras", "numpy", "pyarrow")
SWITCHES = ("TF_ENABLE_ONEDNN_OPTS", "XLA_FLAGS", "TF_XLA_FLAGS")  # variables that change how is computed
MOST = "ONEDNN_MAX_CPU_ISA"  # by which oneDNN is kept to fewer instructions
# oneDNN's names of the sets that matter to float32, least first, and what Linux says of a processor with each
INSTRUCTIONS = {
    "SSE41": {"sse4_1"},
    "AVX": {"sse4_1", "avx"},
    "AVX2": {"sse4_1", "avx", "avx2", "fma"},
    "AVX512_CORE": {"sse4_1", "avx", "avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl"},
}
USUAL = "AVX2"  # that machines to rent have
Surroundings = dict[str, str]


def here(device: str = "CPU") -> Surroundings:
    """Those of this process, by name; `device` is what it decodes on."""
    versions = {"raygen": __version__} | {name: importlib.metadata.version(name) for name in PACKAGES}
    to_come = {} if "tensorflow" in sys.modules else ENVIRONMENT  # what TensorFlow will be imported with
    switches = {name: value for name in SWITCHES if (value := os.environ.get(name, to_come.get(name, "")))}
    return versions | {"instructions": _instructions(), "device": device} | switches


def of_cluster(gpus: bool) -> Surroundings:
    """What all nodes of the connected cluster that have room for actors can compute alike: the least of their
    instructions.

    Args:
        gpus: Rows are decoded on GPUs.

    Raises:
        ClusterError: If they differ in more than instructions.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    alive = [node for node in ray.nodes() if node["Alive"]]
    nodes = [node for node in alive if node["Resources"].get("GPU" if gpus else "CPU")]
    if not nodes:  # an autoscaler's, which are to come
        return least_of(here(_device(alive, gpus)), {"instructions": USUAL})
    if len(alive) < 2:
        return here(_device(nodes, gpus))
    places = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=True) for node in nodes]
    look: Any = ray.remote(here)
    found = ray.get(
        [
            look.options(num_cpus=0, scheduling_strategy=place).remote(_device([node], gpus))
            for node, place in zip(nodes, places, strict=True)
        ]
    )
    least = found[0]
    for node, other in zip(nodes, found, strict=True):
        comparable = {least["instructions"], other["instructions"]} <= INSTRUCTIONS.keys()
        if differ := differences(least, other) - ({"instructions"} if comparable else set()):
            message = (
                f"node {node['NodeManagerAddress']} has {told(other, differ)}, and node "
                f"{nodes[0]['NodeManagerAddress']} {told(found[0], differ)}: they would make other rows."
            )
            raise ClusterError(message, "install the same on all nodes, and set the same variables there.")
        least = least_of(least, other)
    return least


def least_of(one: Surroundings, other: Surroundings) -> Surroundings:
    """The first, with the instructions that both have."""
    both = {one["instructions"], other["instructions"]}
    known = [name for name in INSTRUCTIONS if name in both]
    return one | {"instructions": known[0]} if len(known) == len(both) else one


def differences(one: Surroundings, other: Surroundings) -> set[str]:
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def told(one: Surroundings, names: Iterable[str]) -> str:
    """Some of them in words: `numpy 2.3.1, instructions AVX2`."""
    return ", ".join(f"{name} {one.get(name, 'unset')}" for name in sorted(names))


def pin(asked: Surroundings) -> None:
    """Have TensorFlow compute as is asked, in a process of raygen's own that has not imported it.

    Raises:
        ClusterError: If this node cannot.
    """
    for name in SWITCHES:
        os.environ.pop(name, None)
    os.environ |= {name: asked[name] for name in SWITCHES if name in asked} | {"KERAS_BACKEND": "tensorflow"}
    own = here(asked["device"])
    if least_of(asked, own) == asked and asked["instructions"] in INSTRUCTIONS:
        own |= {"instructions": asked["instructions"]}
        os.environ[MOST] = asked["instructions"]
    if differ := differences(asked, own):
        message = (
            f"node {socket.gethostname()} has {told(own, differ)}; the rows are made with "
            f"{told(asked, differ)}."
        )
        raise ClusterError(message, f"take the node away, or set {MOST} to what all nodes have.")


def _instructions() -> str:
    """The most of oneDNN's sets that this processor has and the user allows; another family's name."""
    if platform.machine().lower() not in ("x86_64", "amd64") or not Path("/proc/cpuinfo").exists():
        return platform.machine()
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = set(next((line for line in lines if line.startswith("flags")), "").split())
    has = [name for name, needed in INSTRUCTIONS.items() if needed <= flags]
    named = [name for name in INSTRUCTIONS if os.environ.get(MOST, "").upper().startswith(name)]
    most = list(INSTRUCTIONS).index(named[-1]) + 1 if named else None
    return (has[:most] or [platform.machine()])[-1]


def _device(nodes: list[dict], gpus: bool) -> str:
    """CPU, or the kind of GPU as Ray names it."""
    if not gpus:
        return "CPU"
    names = [name for node in nodes for name in node["Resources"] if name.startswith("accelerator_type:")]
    return names[0].partition(":")[2] if names else "GPU"
