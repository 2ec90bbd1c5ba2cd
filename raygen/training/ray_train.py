"""Ray Train's part of a training: a group of workers that start, tell of themselves, are lost and start
again."""

import contextlib
import functools
import json
import os
import socket
import time
from collections.abc import Iterator, Sequence
from typing import Any

import ray
from ray import train
from ray.actor import ActorHandle
from ray.exceptions import RayError
from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError, UserCallback
from ray.train.backend import Backend, BackendConfig
from ray.train.collective import barrier, broadcast_from_rank_zero
from ray.util import get_node_ip_address

from raygen import filesystems, storage
from raygen.cluster import connection, devices, mailbox, ray_internals
from raygen.cluster.watch import Watch
from raygen.errors import ClusterError, RaygenError, StorageError, TrainingError
from raygen.report.redrawn import Say
from raygen.training import objective, worker
from raygen.training.checkpoints import Checkpoints, rounds_of
from raygen.training.job import TrainingJob, WorkerContext

START_TIMEOUT = "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"
RESIZE_SECONDS = 60.0  # between looks for room for more workers, where their number may change
# until a start of workers, whose number was settled before a node was known to be lost, is given up for a
# smaller one
ELASTIC_START_SECONDS = 60
JOIN_SECONDS = 60  # until workers that cannot reach each other say so


class LostWorkers(UserCallback):
    """Tells of lost workers, once for each loss, however often Ray Train looks."""

    last = ""

    def __init__(self, board: ActorHandle):
        self.board = board

    def after_exception(self, run_context: object, worker_exceptions: dict[int, Exception]) -> None:
        rank, error = min(worker_exceptions.items())
        if str(error) != self.last:
            self.last = str(error)
            line = (
                f"Warning: worker {rank} was lost; all start again from the last checkpoint, "
                "as soon as there is room for them."
            )
            self.board.add_unless_failed.remote(line)


class TensorFlowCluster(BackendConfig):
    """Tells each worker the addresses of all, in TF_CONFIG, as TensorFlow reads them.

    Ray's own `TensorflowConfig` does the same, and imports TensorFlow in the driver and in the controller of
    Ray Train, which compute nothing: some 5 s of a CPU in the controller.
    """

    @property
    def backend_cls(self) -> type[Backend]:
        return _SetAddresses


class _SetAddresses(Backend):
    def on_start(self, worker_group: Any, backend_config: BackendConfig) -> None:
        addresses = worker_group.execute(_free_address)
        places = [
            worker_group.execute_single_async(rank, _set_addresses, addresses, rank)
            for rank in range(len(addresses))
        ]
        ray.get(places)


def _free_address() -> str:
    """Of this worker, with a port that is free now."""
    host = get_node_ip_address()
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _set_addresses(addresses: list[str], rank: int) -> None:
    task = {"type": "worker", "index": rank}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": task})


def fit(job: TrainingJob, say: Say, callbacks: Sequence = ()) -> train.Result:
    """Run `training.worker.work` in Ray Train workers, and pass on what they say.

    Args:
        job: What to train.
        say: Called with each line of progress.
        callbacks: Of Ray Train.
    """
    board = mailbox.new_board()
    watch = Watch(board, say)

    def follow(lines: list[str]) -> None:
        for line in lines:
            say(line)
        watch.look()

    trainer = ray_internals.data_parallel_trainer()(
        functools.partial(worker.work, job, functools.partial(joined, job, board)),
        backend_config=TensorFlowCluster(),
        scaling_config=_scaling(job),
        run_config=_run_config(job, [LostWorkers(board), *callbacks]),
    )
    try:
        with mailbox.following(board, follow):
            result = _start(trainer, job.config.train.elastic)
    except TrainingFailedError as error:
        failure = ray.get(board.failure.remote())
        raise failure or _lost(error, job) from error
    if failure := ray.get(board.failure.remote()):
        raise failure
    return result


def _scaling(job: TrainingJob) -> ScalingConfig:
    t = job.config.train
    workers: Any = (t.fewest_workers, t.most_workers) if t.elastic else t.num_workers
    return ScalingConfig(
        num_workers=workers,
        use_gpu=t.use_gpu,
        resources_per_worker={"CPU": job.cpus, **({"GPU": 1} if t.use_gpu else {})},
        elastic_resize_monitor_interval_s=RESIZE_SECONDS,  # type: ignore[call-arg]
    )


def _run_config(job: TrainingJob, callbacks: list) -> RunConfig:
    t = job.config.train
    environment = {
        **connection.ENVIRONMENT,
        "TF_NUM_INTRAOP_THREADS": str(job.cpus),
        "TF_NUM_INTEROP_THREADS": "2",
    }
    if not t.use_gpu:
        environment["CUDA_VISIBLE_DEVICES"] = "-1"
    filesystem, checkpoints = filesystems.resolve(job.checkpoints)
    return RunConfig(  # type: ignore[call-arg]
        name=storage.name(checkpoints),
        storage_path=storage.parent(checkpoints),
        storage_filesystem=filesystem,
        failure_config=FailureConfig(max_failures=t.max_failures, controller_failure_limit=5),  # type: ignore[call-arg]
        callbacks=callbacks,
        worker_runtime_env={"env_vars": environment},
    )


def _start(trainer: Any, elastic: bool) -> train.Result:
    """Fit; Ray Train reads how long it waits for workers from the environment of this process."""
    before = os.environ.get(START_TIMEOUT, "")
    if elastic:
        os.environ[START_TIMEOUT] = str(ELASTIC_START_SECONDS)
    try:
        return trainer.fit()
    finally:
        os.environ[START_TIMEOUT] = before


def _lost(error: Exception, job: TrainingJob) -> RaygenError:
    """The error of a run that Ray Train has given up: there was no room for its workers, or they were lost
    more often than `train.max_failures`."""
    t = job.config.train
    if ray_internals.is_start_timeout(error):
        gpu = " and a GPU" if t.use_gpu else ""
        message = f"no room came for train.num_workers = {t.num_workers} of {job.cpus} CPU(s){gpu} each."
        return ClusterError(
            message, "see what holds the cluster (ray status), then run the same command again."
        )
    causes = ray_internals.worker_failures(error)
    lines = [
        line
        for line in str(next(iter(causes.values()))).strip().splitlines()
        if not line.startswith("Hint: ")
    ]
    return TrainingError(
        f"training lost its workers: {lines[-1]}",
        f"its checkpoints are kept in '{job.checkpoints}': run the same command to resume.",
    )


class _RayCheckpoints(Checkpoints):
    """Checkpoints that worker 0 writes and all workers read, and a report to Ray Train after each round."""

    def __init__(self, job: TrainingJob, say: Say, rank: int):
        super().__init__(job.checkpoints, say)
        self.rank, self.objective = rank, job.objective

    def load(self) -> dict | None:
        name, state = self.newest() if self.rank == 0 else ("", None)
        name = broadcast_from_rank_zero(name)
        if self.rank and name:
            state = self.read(name)
        for figures in rounds_of(state) if state and self.objective else []:
            if "value_nats" in figures:  # Ray Tune hears of them again when its search is resumed
                train.report(objective.heard(figures, self.objective))
        return state

    def save(self, state: dict, figures: dict) -> None:
        if self.rank == 0:
            self.keep(state)
        train.report(objective.heard(figures, self.objective))


def _check_reach(rank: int) -> None:
    """Try to connect to every other worker, where TensorFlow will: it would wait for one that it cannot reach
    without end.

    Raises:
        ClusterError: If another worker cannot be reached.
    """
    addresses = json.loads(os.environ["TF_CONFIG"])["cluster"]["worker"]
    places = [
        (host.strip("[]"), int(port)) for host, _, port in (address.rpartition(":") for address in addresses)
    ]
    host, port = places[rank]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    end = time.monotonic() + JOIN_SECONDS
    with socket.create_server(("", port), family=family, backlog=len(places)):
        for other, place in enumerate(places):
            if other != rank and (error := _connect(place, end)):
                message = f"worker {rank} on {host} cannot reach worker {other} on {place[0]}: {error}."
                hint = "let the nodes connect to each other on all TCP ports, or set train.num_workers = 1."
                raise ClusterError(message, hint) from error
        barrier()


def _connect(place: tuple[str, int], end: float) -> OSError | None:
    """Connect to a worker that may not listen yet; the error if it did not by `end`, of the monotonic
    clock."""
    while True:
        try:
            socket.create_connection(place, max(1.0, end - time.monotonic())).close()
            return None
        except OSError as error:
            if time.monotonic() > end:
                return error
            time.sleep(0.1)


@contextlib.contextmanager
def joined(job: TrainingJob, board: ActorHandle) -> Iterator[WorkerContext | None]:
    """The context of this worker, which runs in Ray Train; None if the workers were only started again after
    an error that would come again.

    An error that starting again cannot mend is put on the board; with any other Ray Train starts again.
    """
    if ray.get(board.failure.remote()):
        yield None
        return
    session = train.get_context()
    rank, world = session.get_world_rank(), session.get_world_size()
    say = functools.partial(_say, board) if rank == 0 else lambda line: None
    if job.config.train.elastic:
        say(f"{world} of {job.config.train.most_workers} worker(s) are there.")
    end = mailbox.show_life(board)
    try:
        yield _context(job, say, rank, world)
        barrier()  # the others wait for rank 0's model: a peer that leaves would end its collectives
    except Exception as error:
        if _is_final(error):
            ray.get(board.fail.remote(_known(error)))
        raise
    finally:
        end()


def _context(job: TrainingJob, say: Say, rank: int, world: int) -> WorkerContext:
    devices.start_tensorflow()
    import tensorflow as tf

    if world > 1:
        _check_reach(rank)
    return WorkerContext(
        say,
        _RayCheckpoints(job, say, rank),
        rank,
        world,
        tf.distribute.MultiWorkerMirroredStrategy() if world > 1 else None,
        _is_node_leaving,
        broadcast_from_rank_zero,
    )


def _say(board: ActorHandle, line: str) -> None:
    ray.get(board.add.remote(line))


def _is_node_leaving() -> bool:
    return train.get_preemption_info() is not None


def _is_final(error: Exception) -> bool:
    """Whether starting all workers again would not mend an error: none of storage, which may be back by then,
    nor of a peer that was lost."""
    import tensorflow as tf

    if isinstance(error, RaygenError):
        return not isinstance(error, StorageError)
    e = tf.errors
    of_peers = (
        e.UnavailableError,
        e.AbortedError,
        e.CancelledError,
        e.InternalError,
        e.DeadlineExceededError,
        e.FailedPreconditionError,
    )
    return not isinstance(error, (OSError, RayError, e.UnknownError, *of_peers))


def _known(error: Exception) -> RaygenError:
    if isinstance(error, RaygenError):
        return error
    return TrainingError(f"training failed: {type(error).__name__}: {error}")
