"""jobs/rayjob.yaml and jobs/Containerfile, checked offline: the manifest against the fields of KubeRay's
types, its commands against raygen's own parser."""

import re
import shlex
import tomllib
from pathlib import Path

import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement

from raygen import cli_parser
from raygen.config import Config

ROOT = Path(__file__).parents[2]


def typed(required=(), **properties) -> dict:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": properties,
    }


TEXT, COUNT, TRUTH = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "boolean"}
TEXTS = {"type": "object", "additionalProperties": TEXT}
NAMED = {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["name"]}}
RESOURCES = typed(requests=TEXTS, limits=TEXTS)
CONTAINER = typed(
    ("name", "image", "resources"),
    **{
        "name": TEXT,
        "image": TEXT,
        "env": NAMED,
        "resources": RESOURCES,
        "ports": NAMED,
        "volumeMounts": NAMED,
    },
    envFrom={
        "type": "array",
        "items": typed(("secretRef",), secretRef=typed(("name",), name=TEXT, optional=TRUTH)),
    },
)
POD = typed(
    ("containers",),
    containers={"type": "array", "minItems": 1, "items": CONTAINER},
    nodeSelector=TEXTS,
    restartPolicy={
        "const": "Never"
    },  # the second version of Ray's autoscaler wants pods that are not used again
    tolerations={"type": "array"},
    volumes=NAMED,
)
# The fields that a user writes of RayJobSpec and RayClusterSpec, as in KubeRay's CRD
# (helm-chart/kuberay-operator/crds/ray.io_rayjobs.yaml; 1 MB, nearly all of it pod templates, of which POD
# knows what is used here) and in the rules of its operator (controllers/ray/utils/validation.go). What is
# required is so in the CRD before 1.4, which made rayStartParams optional.
GROUP = {"rayStartParams": TEXTS, "template": typed(("spec",), metadata={"type": "object"}, spec=POD)}
WORKERS = typed(
    ("groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"),
    **{"groupName": TEXT, "replicas": COUNT, "minReplicas": COUNT, "maxReplicas": COUNT, "numOfHosts": COUNT},
    **GROUP,
)
SCALING = typed(
    idleTimeoutSeconds=COUNT,
    upscalingMode={"enum": ["Default", "Aggressive", "Conservative"]},
    resources=RESOURCES,
    image=TEXT,
)
CLUSTER = typed(
    ("headGroupSpec",),
    headGroupSpec=typed(("rayStartParams", "template"), serviceType=TEXT, enableIngress=TRUTH, **GROUP),
    workerGroupSpecs={"type": "array", "items": WORKERS},
    **{"rayVersion": TEXT, "enableInTreeAutoscaling": TRUTH, "autoscalerOptions": SCALING, "suspend": TRUTH},
)
JOB = typed(
    ("apiVersion", "kind", "metadata", "spec"),
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata=typed(("name",), name=TEXT, namespace=TEXT, labels=TEXTS),
    spec=typed(
        ("entrypoint", "rayClusterSpec"),
        submissionMode={"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode"]},
        **{
            "entrypoint": TEXT,
            "runtimeEnvYAML": TEXT,
            "rayClusterSpec": CLUSTER,
            "metadata": TEXTS,
            "suspend": TRUTH,
        },
        **{"backoffLimit": COUNT, "ttlSecondsAfterFinished": COUNT, "shutdownAfterJobFinishes": TRUTH},
        activeDeadlineSeconds={"type": "integer", "minimum": 1},
        **{
            "entrypointNumCpus": {"type": "number"},
            "entrypointNumGpus": {"type": "number"},
            "entrypointResources": TEXT,
        },
    ),
)


@pytest.fixture(scope="module")
def job():
    return yaml.safe_load((ROOT / "jobs" / "rayjob.yaml").read_text())


@pytest.fixture(scope="module")
def image() -> str:
    return (ROOT / "jobs" / "Containerfile").read_text()


def container(group) -> dict:
    (only,) = group["template"]["spec"]["containers"]
    return only


def test_it_has_the_fields_of_a_rayjob(job):
    jsonschema.Draft202012Validator(JOB).validate(job)


@pytest.mark.parametrize(
    "path", [("spec", "entryPoint"), ("spec", "rayClusterSpec", "headGroupSpec", "rayStartParam")]
)
def test_an_unknown_field_would_be_found(job, path):
    wrong = yaml.safe_load(yaml.safe_dump(job))
    place = wrong
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = "x"
    with pytest.raises(jsonschema.ValidationError, match=path[-1]):
        jsonschema.validate(wrong, JOB)


def test_the_head_takes_no_work_and_workers_start_at_none(job):
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert cluster["enableInTreeAutoscaling"] is True
    assert {
        group["groupName"]: (group["replicas"], group["minReplicas"]) for group in cluster["workerGroupSpecs"]
    } == {"cpu": (0, 0), "gpu": (0, 0)}
    assert {"name": "RAY_enable_autoscaler_v2", "value": "1"} in container(cluster["headGroupSpec"])["env"], (
        "cluster.grows asks this one"
    )


def test_requests_are_limits_and_only_the_gpu_group_has_gpus(job):
    cluster = job["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        asked = container(group)["resources"]
        assert asked["requests"] == asked["limits"]
        assert ("nvidia.com/gpu" in asked["limits"]) == (group.get("groupName") == "gpu")


def test_ray_is_the_version_that_pyproject_asks_for(job):
    names = map(Requirement, tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    (wanted,) = (one for one in names if one.name == "ray")
    assert job["spec"]["rayClusterSpec"]["rayVersion"] in wanted.specifier


def test_its_commands_are_those_of_jobs_and_fit_its_nodes(job):
    """The submitter's shell takes one level of quotes away; what is left is one command for the head."""
    shell, flag, script = shlex.split(job["spec"]["entrypoint"])
    assert (shell, flag) == ("bash", "-c"), "KubeRay's submitter would itself run what follows a bare &&"
    assert not set(script) & set("'\"$`"), "the submitter's shell would read them"
    entered, *runs = script.split(" && ")
    assert entered == "cd /home/ray/raygen"
    groups = {group["groupName"]: group for group in job["spec"]["rayClusterSpec"]["workerGroupSpecs"]}
    room = {
        name: int(container(group)["resources"]["limits"]["cpu"]) * group["maxReplicas"]
        for name, group in groups.items()
    }
    for run in runs:
        python, path, *arguments = run.split()
        assert python == "python" and (ROOT / path).is_file()
        args = cli_parser.parser().parse_args([Path(path).stem, *arguments])
        assert args.config == "/home/ray/config/config.toml"
        config = Config.load(str(ROOT / "jobs" / "census.toml"), args.set)
        assert config.run.folder.startswith("s3://")
        if args.verb == "train":
            assert config.train.use_gpu and config.train.num_workers <= groups["gpu"]["maxReplicas"]
            assert 0 < config.train.cpus_per_worker * config.train.num_workers <= room["gpu"]
        else:
            assert 0 < config.generate.num_actors * config.generate.cpus_per_actor <= room["cpu"]


def test_the_image_holds_what_the_manifest_runs(job, image):
    copied = [word for line in re.findall(r"^COPY (.*)$", image, re.MULTILINE) for word in line.split()[:-1]]
    assert set(copied) == {"pyproject.toml", "README.md", "LICENSE", "raygen", "jobs"}
    assert all((ROOT / name).exists() for name in copied)
    assert "WORKDIR /home/ray/raygen" in image
    assert " wget " in image, "KubeRay's probes"


def test_image_and_launcher_install_the_same_packages(image):
    launcher = (ROOT / "cluster.yaml").read_text()
    assert re.findall(r"--exclude-newer (\S+)", image) == re.findall(r"--exclude-newer (\S+)", launcher)
    assert re.findall(r"uv==(\S+)", image) == re.findall(r"/uv/([\d.]+)/", launcher)
