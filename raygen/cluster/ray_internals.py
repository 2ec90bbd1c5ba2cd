"""Whatever raygen uses of Ray that Ray does not promise to keep.

tests/cluster/test_ray_internals.py names the versions of Ray that it was tried with.
"""

import ray
from ray._raylet import GcsClient  # type: ignore[attr-defined]
from ray.autoscaler.v2.utils import is_autoscaler_v2
from ray.core.generated.autoscaler_pb2 import GetClusterStatusReply  # type: ignore[attr-defined]
from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError
from ray.tune.execution import class_cache


class Autoscaler:
    """The autoscaler of the connected cluster.

    Ray's own answer from the config of the nodes (`get_max_resources_from_cluster_config`) is None on every
    cluster that `ray up` or KubeRay starts: in 2.60 nothing reports that config.

    Args:
        timeout: Seconds until an answer is given up.
    """

    def __init__(self, timeout: float):
        self.gcs, self.timeout = GcsClient(address=ray.get_runtime_context().gcs_address), timeout

    def is_there(self) -> bool:
        """Whether nodes are added at all, by the autoscaler that can be asked."""
        return is_autoscaler_v2(fetch_from_server=True, gcs_client=self.gcs)

    def num_demands(self) -> int:
        """A number of what the cluster is asked for now; it rises with each change."""
        return self._status().cluster_resource_state.cluster_resource_state_version

    def refused(self, demands: int) -> list[str] | None:
        """Texts of the groups that no node can be added for; None as long as it has not seen so many demands
        as `num_demands` told."""
        state = self._status().autoscaling_state
        if state.last_seen_cluster_resource_state_version < demands:
            return None
        return [request.details for request in state.infeasible_gang_resource_requests]

    def _status(self) -> GetClusterStatusReply:
        reply = GetClusterStatusReply()
        reply.ParseFromString(self.gcs.get_cluster_status(timeout_s=self.timeout))
        return reply


def data_parallel_trainer() -> type:
    """Ray Train's trainer of any framework: `ray.train` has those of single ones alone, and TensorFlow's
    imports TensorFlow."""
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    return DataParallelTrainer


def is_start_timeout(error: Exception) -> bool:
    """Whether Ray Train gave up a run because there was no room for its workers."""
    return isinstance(getattr(error, "controller_failure", None), WorkerGroupStartupTimeoutError)


def worker_failures(error: Exception) -> dict[int, Exception]:
    """Why the workers of a run were lost that Ray Train gave up, by their ranks."""
    return getattr(error, "worker_failures", None) or {0: error}


def send_no_credentials() -> None:
    """Take this process's AWS credentials out of what Ray Tune sends along with a trial: Ray writes it to
    logs. Workers have their node's own."""
    names = class_cache.ENV_VARS_TO_PROPAGATE
    class_cache.ENV_VARS_TO_PROPAGATE = {name for name in names if not name.startswith("AWS_")}
