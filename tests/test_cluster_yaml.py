"""cluster.yaml, checked offline with the functions that `ray up` itself applies to it."""

import shlex
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


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


def ray_requirements(texts):
    return [Requirement(text) for text in texts if text.startswith("ray[")]


def test_no_command_installs_a_nightly_ray(launched):
    commands = strings({key: value for key, value in launched.items() if key.endswith("_commands")})
    commands += strings(launched["available_node_types"])
    assert any("ray[" in text for text in commands)
    assert [text for text in commands if "3.0.0.dev0" in text or "ray-wheels" in text] == []


def test_the_head_takes_no_work(launched):
    head = launched["available_node_types"][launched["head_node_type"]]
    assert head["resources"] == {"CPU": 0}
    assert head["max_workers"] == 0


def test_workers_start_at_none_and_fit_the_limit(launched):
    kinds = launched["available_node_types"]
    workers = {name: kind for name, kind in kinds.items() if name != launched["head_node_type"]}
    assert {name: kind["min_workers"] for name, kind in workers.items()} == {"cpu": 0, "gpu": 0}
    assert sum(kind["min_workers"] for kind in kinds.values()) <= launched["max_workers"]
    assert all(0 < kind["max_workers"] <= launched["max_workers"] for kind in workers.values())


def test_training_nodes_are_spot_and_stopped_nodes_are_not_kept(launched):
    assert launched["available_node_types"]["gpu"]["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert launched["provider"]["cache_stopped_nodes"] is False


def test_every_node_installs_the_ray_that_pyproject_asks_for(launched):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (wanted,) = ray_requirements(project["dependencies"])
    for role in ("head_setup_commands", "worker_setup_commands"):
        (pinned,) = ray_requirements(word for command in launched[role] for word in shlex.split(command))
        (version,) = pinned.specifier
        assert version.operator == "==", "nodes that join on different days must run the same Ray"
        assert version.version in wanted.specifier
        assert pinned.extras == wanted.extras


def test_every_mounted_path_is_in_the_checkout(written):
    for path in written["file_mounts"].values():
        assert (ROOT / path).exists(), path
