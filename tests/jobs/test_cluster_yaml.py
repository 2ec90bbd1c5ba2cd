"""cluster.yaml, checked offline with the functions that `ray up` itself applies to it."""

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def written():
    return yaml.safe_load((ROOT / "cluster.yaml").read_text())


@pytest.fixture(scope="module")
def launched(written):
    """The config after Ray's defaults for AWS are filled in, and accepted by Ray's own validation."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = prepare_config(written)
    validate_config(config)
    return config


def strings(value):
    if isinstance(value, dict):
        return [text for item in value.values() for text in strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


def test_no_command_installs_a_nightly_ray(launched):
    commands = strings({key: value for key, value in launched.items() if key.endswith("_commands")})
    commands += strings(launched["available_node_types"])
    assert any("raygen-src" in text for text in commands), (
        "raygen brings the Ray that pyproject.toml asks for"
    )
    assert [text for text in commands if "3.0.0.dev0" in text or "ray-wheels" in text] == []


def test_the_head_takes_no_work(launched):
    head = launched["available_node_types"][launched["head_node_type"]]
    assert head["resources"] == {"CPU": 0}
    assert head["max_workers"] == 0


def test_ray_up_tells_the_head_that_it_has_no_cpu(launched, monkeypatch):
    """The launcher passes the node type's resources in this variable to `ray start`; an empty one would leave
    the machine's own CPUs."""
    from ray._private.resource_and_label_spec import ResourceAndLabelSpec

    monkeypatch.setenv(
        "RAY_OVERRIDE_RESOURCES", json.dumps(launched["available_node_types"]["head"]["resources"])
    )
    assert (
        ResourceAndLabelSpec(num_gpus=0, memory=1, object_store_memory=1)
        .resolve(is_head=True, node_ip_address="127.0.0.1")
        .num_cpus
        == 0
    )


def test_workers_start_at_none_and_fit_the_limit(launched):
    kinds = launched["available_node_types"]
    workers = {name: kind for name, kind in kinds.items() if name != launched["head_node_type"]}
    assert {name: kind["min_workers"] for name, kind in workers.items()} == {"cpu": 0, "gpu": 0}
    assert sum(kind["min_workers"] for kind in kinds.values()) <= launched["max_workers"]
    assert all(0 < kind["max_workers"] <= launched["max_workers"] for kind in workers.values())


def test_training_nodes_are_spot_and_stopped_nodes_are_not_kept(launched):
    assert launched["available_node_types"]["gpu"]["node_config"]["InstanceMarketOptions"] == {
        "MarketType": "spot"
    }
    assert launched["provider"]["cache_stopped_nodes"] is False


def test_every_node_installs_the_same_packages(launched):
    """uv of one version, and packages as they were on one day: so they are on nodes that join later."""
    for role in ("head_setup_commands", "worker_setup_commands"):
        fetched, _, _, installed = (
            command for command in launched[role] if "uv" in command or "bashrc" in command
        )
        assert re.search(r"/uv/\d+\.\d+\.\d+/install\.sh", fetched)
        words = shlex.split(installed)
        assert "--exclude-newer" in words and re.fullmatch(
            r"\d{4}-\d\d-\d\d", words[words.index("--exclude-newer") + 1]
        )
        assert {"$HOME/raygen-src$gpu", "boto3"} < set(words)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extras["gpu"] and 'gpu="[gpu]"' in installed


def test_every_node_may_use_the_bucket_and_start_others(launched):
    profiles = {
        name: kind["node_config"]["IamInstanceProfile"]
        for name, kind in launched["available_node_types"].items()
    }
    assert all(profile == {"Name": "raygen"} for profile in profiles.values())


def test_every_mounted_path_is_in_the_checkout(written):
    for path in written["file_mounts"].values():
        assert (ROOT / path).exists(), path
