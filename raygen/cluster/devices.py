"""TensorFlow in a process: imported without noise, and kept to the CPUs and GPUs that the process was
given."""

import contextlib
import logging
import os
import socket
import sys
from collections.abc import Iterator

import pyarrow as pa

from raygen.cluster import connection
from raygen.errors import ClusterError

UNUSED = ("matplotlib", "sklearn")  # Keras imports them for wrappers and plots that raygen does not use

_OURS: set[str] = set()  # what was imported here first, with what is set for it


def start_tensorflow() -> None:
    """Import TensorFlow into a process that is raygen's own, in three quarters of the time: Keras takes
    `UNUSED` for not installed."""
    unused = [name for name in UNUSED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(unused))  # type: ignore[arg-type]  # None: an ImportError, says Python
    try:
        import_tensorflow()
    finally:
        for name in unused:
            del sys.modules[name]


def import_tensorflow() -> str:
    """Import TensorFlow into this process without its noise; Keras computes in float32 afterwards. What it
    computed in before, as the user's keras.json may say, is returned.

    It warns of functions that are traced often, which the graphs of samplers are not: they are many, and each
    is traced once.
    """
    if "tensorflow" not in sys.modules or _OURS:
        _OURS.add("tensorflow")
        connection.prepare_environment()
        os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever other programs of this user are to have
    with connection.silent_stderr():
        import keras
        import tensorflow  # noqa: F401
    if keras.config.backend() != "tensorflow":
        message = f"Keras has been imported with the backend '{keras.config.backend()}'."
        raise ClusterError(message, "import raygen before keras, or set KERAS_BACKEND=tensorflow.")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    found = keras.config.floatx()
    keras.config.set_floatx("float32")
    return found


@contextlib.contextmanager
def left_as_found() -> Iterator[None]:
    """TensorFlow, imported; environment and logging are afterwards what they were."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    with connection.environment_as_found():
        floats = import_tensorflow()
        try:
            yield
        finally:
            logger.setLevel(level)
            sys.modules["keras"].config.set_floatx(floats)


@contextlib.contextmanager
def in_this_process(use_gpu: bool) -> Iterator[None]:
    """TensorFlow in a process that may use it for other things before and after: on the CPU unless a GPU was
    asked for."""
    with left_as_found():
        import tensorflow as tf

        with contextlib.nullcontext() if use_gpu else tf.device("CPU"):
            yield


def keep_to(cpus: int, gpus: float, setting: str) -> None:
    """Keep TensorFlow and Arrow, in a process that has not used them, to what it was given.

    Args:
        setting: What asked for the GPUs, for the error.

    Raises:
        ClusterError: If there should be a GPU and TensorFlow finds none: it would compute on CPUs, and not
            say so.
    """
    start_tensorflow()
    import tensorflow as tf

    if gpus:
        check_gpu(setting)
    else:
        tf.config.set_visible_devices([], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(cpus)
    pa.set_cpu_count(cpus)


def check_gpu(setting: str) -> None:
    """Refuse to go on where TensorFlow finds no GPU.

    Raises:
        ClusterError: Naming the node.
    """
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        message = (
            f"{setting}: TensorFlow finds no GPU on node {socket.gethostname()}, though Ray has one there."
        )
        hint = (
            "install TensorFlow's CUDA libraries on all nodes (pip install 'tensorflow[and-cuda]', "
            "see nvidia-smi), or leave it out to use CPUs."
        )
        raise ClusterError(message, hint)
