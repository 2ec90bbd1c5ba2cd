"""Ray Train's part of a training: a group of workers that start, tell of themselves, are lost and start
again."""

import json
import os
import socket
import time
from collections.abc import Sequence
from typing import Any

from raygen import filesystems, storage
from raygen.cluster import connection, mailbox
from raygen.config import Config
from raygen.errors import ClusterError, RaygenError, StorageError, TrainingError
from raygen.training import objective, worker
from raygen.training.checkpoints import Checkpoints, rounds_of

START_TIMEOUT = "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"
RESIZE_SECONDS = 60.0  # between looks for room for more workers, where their number may change
# until a start of workers, whose number was settled before a node was known to be lost, is given up for a
# smaller one
ELASTIC_START_SECONDS = 60
JOIN_SECONDS = 60  # until workers that cannot reach each other say so


def fit(config: Config, settings: dict, cpus: int, say, callbacks: Sequence = ()) -> None:
    """Run `training.worker.work` in Ray Train workers, and pass on what they say.

    Args:
        config: Settled and sized.
        settings: For `training.worker.work`; and `checkpoints`, their folder.
        cpus: Of each worker.
        say: Called with each line of progress.
        callbacks: Of Ray Train.
    """
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig, UserCallback

    with connection.silent_stderr():
        from ray.train.tensorflow import TensorflowTrainer
    from ray.train.v2.api.exceptions import TrainingFailedError

    t = config.train
    board = mailbox.new_board()
    workers: Any = (t.fewest_workers, t.most_workers) if t.elastic else t.num_workers

    class Losses(UserCallback):
        """Tells of lost workers, once for each loss, however often Ray Train looks."""

        told = ""

        def after_exception(self, run_context, worker_exceptions):
            rank, error = min(worker_exceptions.items())
            if str(error) != self.told:
                self.told = str(error)
                line = (
                    f"Warning: worker {rank} was lost; all start again from the last checkpoint, "
                    "as soon as there is room for them."
                )
                board.add_unless_failed.remote(line)

    need = {"CPU": cpus, **({"GPU": 1} if t.use_gpu else {})}
    environment = {
        **connection.ENVIRONMENT,
        "TF_NUM_INTRAOP_THREADS": str(cpus),
        "TF_NUM_INTEROP_THREADS": "2",
    }
    if not t.use_gpu:
        environment["CUDA_VISIBLE_DEVICES"] = "-1"
    filesystem, checkpoints = filesystems.resolve(settings["checkpoints"])
    trainer = TensorflowTrainer(
        _work_on_ray,
        train_loop_config={**settings, "board": board},
        scaling_config=ScalingConfig(
            num_workers=workers,
            use_gpu=t.use_gpu,
            resources_per_worker=need,
            elastic_resize_monitor_interval_s=RESIZE_SECONDS,  # type: ignore[call-arg]
        ),
        run_config=RunConfig(  # type: ignore[call-arg]
            name=storage.name(checkpoints),
            storage_path=storage.parent(checkpoints),
            storage_filesystem=filesystem,
            failure_config=FailureConfig(max_failures=t.max_failures, controller_failure_limit=5),  # type: ignore[call-arg]
            callbacks=[Losses(), *callbacks],  # type: ignore[list-item]
            worker_runtime_env={"env_vars": environment},
        ),
    )
    try:
        with mailbox.following(board, lambda lines: [say(line) for line in lines]):
            _start(trainer, t.elastic)
    except TrainingFailedError as error:
        failure = ray.get(board.failure.remote())
        raise failure or _lost(error, config, cpus, settings["checkpoints"]) from error
    if failure := ray.get(board.failure.remote()):
        raise failure


def _start(trainer, elastic: bool) -> None:
    """Fit; Ray Train reads how long it waits for workers from the environment of this process."""
    before = os.environ.get(START_TIMEOUT, "")
    if elastic:
        os.environ[START_TIMEOUT] = str(ELASTIC_START_SECONDS)
    try:
        trainer.fit()
    finally:
        os.environ[START_TIMEOUT] = before


def _lost(error: Exception, config: Config, cpus: int, checkpoints: str) -> RaygenError:
    """The error of a run that Ray Train has given up: there was no room for its workers, or they were lost
    more often than `train.max_failures`."""
    from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError

    if isinstance(getattr(error, "controller_failure", None), WorkerGroupStartupTimeoutError):
        message = (
            f"no room came for train.num_workers = {config.train.num_workers} of {cpus} "
            f"CPU(s){' and a GPU' * config.train.use_gpu} each."
        )
        return ClusterError(
            message, "see what holds the cluster (ray status), then run the same command again."
        )
    causes = getattr(error, "worker_failures", None) or {0: error}
    lines = [
        line
        for line in str(next(iter(causes.values()))).strip().splitlines()
        if not line.startswith("Hint: ")
    ]
    return TrainingError(
        f"training lost its workers: {lines[-1]}",
        f"its checkpoints are kept in '{checkpoints}': run the same command to resume.",
    )


class _RayCheckpoints(Checkpoints):
    """Checkpoints that worker 0 writes and all workers read, and a report to Ray Train after each round."""

    def __init__(self, folder: str, say, rank: int, objective: str | None = None):
        super().__init__(folder, say)
        self.rank, self.objective = rank, objective

    def load(self) -> dict | None:
        from ray import train
        from ray.train.collective import broadcast_from_rank_zero

        name, state = self.newest() if self.rank == 0 else ("", None)
        name = broadcast_from_rank_zero(name)
        if self.rank and name:
            state = self.read(name)
        for figures in rounds_of(state) if state else []:
            if self.objective and "value_nats" in figures:
                train.report(
                    objective.heard(figures, self.objective)
                )  # Ray Tune hears of a trial's rounds again when its search is resumed
        return state

    def save(self, state: dict, figures: dict) -> None:
        from ray import train

        if self.rank == 0:
            self.keep(state)
        train.report(objective.heard(figures, self.objective))


def _check_reach(rank: int) -> None:
    """Try to connect to every other worker, where TensorFlow will: it would wait for one that it cannot reach
    without end.

    Raises:
        ClusterError: If another worker cannot be reached.
    """
    from ray.train.collective import barrier

    addresses = [
        address.rpartition(":") for address in json.loads(os.environ["TF_CONFIG"])["cluster"]["worker"]
    ]
    hosts, ports = [host.strip("[]") for host, _, _ in addresses], [int(port) for _, _, port in addresses]
    end = time.monotonic() + JOIN_SECONDS
    with socket.create_server(
        ("", ports[rank]),
        family=socket.AF_INET6 if ":" in hosts[rank] else socket.AF_INET,
        backlog=len(ports),
    ):
        for other in range(len(ports)):
            while other != rank:
                try:
                    socket.create_connection(
                        (hosts[other], ports[other]), max(1.0, end - time.monotonic())
                    ).close()
                    break
                except OSError as error:
                    if time.monotonic() > end:
                        message = (
                            f"worker {rank} on {hosts[rank]} cannot reach worker {other} on "
                            f"{hosts[other]}: {error}."
                        )
                        hint = (
                            "let the nodes connect to each other on all TCP ports, or set "
                            "train.num_workers = 1."
                        )
                        raise ClusterError(message, hint) from error
                    time.sleep(0.1)  # it may not listen yet
        barrier()


def _work_on_ray(settings: dict) -> None:
    import ray
    import tensorflow as tf
    from ray import train
    from ray.exceptions import RayError
    from ray.train.collective import barrier, broadcast_from_rank_zero

    context = train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    board = settings["board"]
    if ray.get(board.failure.remote()):
        return  # the workers were started again after an error that would only come again
    say = (lambda line: ray.get(board.add.remote(line))) if rank == 0 else (lambda line: None)
    config = Config.from_dict(settings["config"])
    if config.train.elastic:
        say(f"{world} of {config.train.most_workers} worker(s) are there.")
    kept = _RayCheckpoints(settings["checkpoints"], say, rank, settings.get("objective"))
    e = tf.errors
    of_peers = (
        e.UnavailableError,
        e.AbortedError,
        e.CancelledError,
        e.InternalError,
        e.DeadlineExceededError,
        e.FailedPreconditionError,
    )
    lost = (OSError, RayError, e.UnknownError, *of_peers)
    try:
        if world > 1:
            _check_reach(rank)
        strategy = tf.distribute.MultiWorkerMirroredStrategy() if world > 1 else None
        noticed = lambda: train.get_preemption_info() is not None  # noqa: E731
        worker.work(
            settings,
            worker.Rounds(config, say, kept, rank, world, strategy, noticed, broadcast_from_rank_zero),
        )
        barrier()  # the others wait for rank 0's model: a peer that leaves would end its collectives
    except Exception as error:
        final = isinstance(error, RaygenError) and not isinstance(
            error, StorageError
        )  # what cannot be read now may be when all start again
        if final or not isinstance(error, lost):
            known = (
                error
                if isinstance(error, RaygenError)
                else TrainingError(f"training failed: {type(error).__name__}: {error}")
            )
            ray.get(board.fail.remote(known))
        raise
