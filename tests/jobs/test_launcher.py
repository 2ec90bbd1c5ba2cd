"""cluster.yaml, launched: `ray up`, what the head's autoscaler then does, and `ray down`, on a server that
speaks EC2 and IAM (moto, a process here).

It knows AWS's instance types and policies, and refuses the head what its role may not do. Nodes are folders:
in place of ssh and rsync stand scripts that note a command, if bash can read it, and copy files.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import urllib.request
from fnmatch import fnmatch
from pathlib import Path

import boto3
import pytest

from tests import stores

ROOT, BIN = Path(__file__).parents[2], Path(sys.executable).parent
CHECKS = (
    "ENABLE_AMI_VALIDATION",
    "ENABLE_KEYPAIR_VALIDATION",
    "EC2_ENABLE_INSTANCE_TYPE_VALIDATION",
    "IAM_LOAD_MANAGED_POLICIES",
)
PROGRAMS = {
    "ssh": r"""#!/bin/bash
eval "said=${@: -1}"
echo "${@: -6:1} $said" >> $NODES/said
exec bash -n -c "$said"
""",
    "rsync": r"""#!/bin/bash
to=$NODES/${@: -1}
to=${to/:\~/}
mkdir -p "$(dirname "$to")" && exec cp -rT "${@: -2:1}" "$to"
""",
}


# What Ray's autoscaler does on the head (a process of its own, at home there): start two nodes, set one up,
# end the other.
AUTOSCALE = """
import time
from pathlib import Path

from ray.autoscaler._private.providers import _get_node_provider
from ray.autoscaler.v2.instance_manager.config import FileConfigReader
from ray.autoscaler.v2.instance_manager.node_provider import NodeProviderAdapter
from ray.autoscaler.v2.instance_manager.ray_installer import RayInstaller
from ray.core.generated.instance_manager_pb2 import Instance

reader = FileConfigReader(Path("~/ray_bootstrap_config.yaml").expanduser())
config = reader.get_cached_autoscaling_config()
provider = _get_node_provider(config.get_provider_config(), config.get_config("cluster_name"))
cloud = NodeProviderAdapter(provider, reader)
cloud.launch({"cpu": 1, "gpu": 1}, "a request")
nodes, errors, end = {}, [], time.monotonic() + 60
while len(nodes) < 3 and not errors and time.monotonic() < end:
    time.sleep(0.2)
    nodes = {node.node_type: name for name, node in cloud.get_non_terminated().items()}
    errors = cloud.poll_errors()
assert sorted(nodes) == ["cpu", "gpu", "head"], [nodes, *(error.__cause__ for error in errors)]
gpu = Instance(cloud_instance_id=nodes["gpu"], instance_type="gpu")
RayInstaller(cloud.v1_provider, config).install_ray(gpu, "172.31.0.4")
cloud._do_terminate([nodes["cpu"]], "another")
assert not cloud.poll_errors() and set(cloud.get_non_terminated()) == {nodes["head"], nodes["gpu"]}
"""


@pytest.fixture
def environment(tmp_path):
    """Of a user with an empty home and an AWS account of their own, the server's."""
    for name, text in PROGRAMS.items():
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "RAY_"))}
    keys = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "me"}
    folders = {
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "NODES": str(tmp_path),
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
    }
    with stores.aws(**{f"MOTO_{name}": "true" for name in CHECKS}) as port:
        yield (
            inherited
            | keys
            | folders
            | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "RAY_USAGE_STATS_ENABLED": "0"}
        )


def run(environment: dict[str, str], *command: str | Path) -> None:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout


def check_role(environment: dict[str, str], on: bool) -> None:
    url, plain = f"{environment['AWS_ENDPOINT_URL']}/moto-api/reset-auth", {"Content-Type": "text/plain"}
    urllib.request.urlopen(urllib.request.Request(url, b"0" if on else b"inf", plain)).close()


def instances(ec2) -> dict[str, dict]:
    """All that were ever started, one of each type of cluster.yaml."""
    found = [
        one for reservation in ec2.describe_instances()["Reservations"] for one in reservation["Instances"]
    ]
    return {tag["Value"]: one for one in found for tag in one["Tags"] if tag["Key"] == "ray-user-node-type"}


@pytest.mark.slow
def test_a_cluster_comes_grows_and_goes(environment, tmp_path):
    text, config = (ROOT / "cluster.yaml").read_text(), tmp_path / "cluster.yaml"
    account = boto3.Session("me", "me", region_name="us-west-2")
    iam, ec2, sts = (
        account.client(name, endpoint_url=environment["AWS_ENDPOINT_URL"]) for name in ("iam", "ec2", "sts")
    )
    for line in re.findall(
        r"^#   aws iam (.*)$", re.sub(r"\\\n#", "", text), re.MULTILINE
    ):  # the role, as the file tells its reader to make it
        verb, *options = shlex.split(line)
        names = ["".join(map(str.title, option.strip("-").split("-"))) for option in options[::2]]
        getattr(iam, verb.replace("-", "_"))(**dict(zip(names, options[1::2], strict=True)))
    image = ec2.describe_images(Filters=[{"Name": "name", "Values": ["ubuntu*"]}])["Images"][0]["ImageId"]
    config.write_text(text.replace("ami-EDIT-ME", image))

    run(environment, BIN / "ray", "up", "-y", config)
    head = tmp_path / f"ubuntu@{instances(ec2)['head']['PublicIpAddress']}"
    types = json.loads((head / "ray_bootstrap_config.yaml").read_text())["available_node_types"]
    counts = {
        name: (kind["resources"].get("CPU"), kind["resources"].get("GPU")) for name, kind in types.items()
    }
    assert counts == {"head": (0, None), "cpu": (32, None), "gpu": (8, 1)}, "of the instance types"

    (role,) = iam.get_instance_profile(InstanceProfileName="raygen")["InstanceProfile"]["Roles"]
    (allowed,) = iam.get_role_policy(RoleName="raygen", PolicyName="pass-on")["PolicyDocument"]["Statement"]
    assert (allowed["Effect"], allowed["Action"]) == ("Allow", "iam:PassRole") and fnmatch(
        role["Arn"], allowed["Resource"]
    ), "moto does not look"
    keys = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="head")["Credentials"]
    session = {
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
    }
    check_role(environment, True)
    run(environment | session | {"HOME": str(head)}, sys.executable, "-c", AUTOSCALE)
    check_role(environment, False)

    found = instances(ec2)
    assert {
        name: (one["InstanceType"], one.get("InstanceLifecycle"), one["State"]["Name"])
        for name, one in found.items()
    } == {
        "head": ("m6i.xlarge", None, "running"),
        "cpu": ("c7i.8xlarge", None, "terminated"),
        "gpu": ("g6.2xlarge", "spot", "running"),
    }
    assert {one["IamInstanceProfile"]["Arn"].rpartition("/")[2] for one in (found["head"], found["gpu"])} == {
        "raygen"
    }
    places = {
        (one["Placement"]["AvailabilityZone"], one["ImageId"], one["SecurityGroups"][0]["GroupName"])
        for one in found.values()
    }
    assert places == {("us-west-2a", image, "ray-autoscaler-raygen")}
    assert {(disk["Size"], disk["VolumeType"]) for disk in ec2.describe_volumes()["Volumes"]} == {
        (150, "gp3")
    }
    gpu = tmp_path / f"ubuntu@{found['gpu']['PrivateIpAddress']}"
    for node in (head, gpu):
        assert {path.name for path in (node / "raygen-src").iterdir()} == {
            "raygen",
            "pyproject.toml",
            "README.md",
            "LICENSE",
        }
    said = (tmp_path / "said").read_text().splitlines()
    assert [line.split()[0] for line in said if "uv pip install" in line] == [head.name, gpu.name], (
        "once on each"
    )
    (start,) = [line for line in said if line.startswith(gpu.name) and "ray start" in line]
    assert (
        '"GPU":1' in start and "RAY_HEAD_IP=172.31.0.4;" in start and "--address=$RAY_HEAD_IP:6379" in start
    )

    run(environment, BIN / "ray", "down", "-y", config)
    assert {one["State"]["Name"] for one in instances(ec2).values()} == {"terminated"}
