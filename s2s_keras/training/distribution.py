"""Which processes train together, on one host or many, on TensorFlow and JAX.

The environment says it. The first of these that is set counts:

- `TF_CONFIG`: TensorFlow's own, which Kubeflow and Vertex AI set, too.
- `KERAS_DISTRIBUTION_JOB_ADDRESSES`, `_NUM_PROCESSES`, `_PROCESS_ID`: Keras' own, which `s2s-keras launch` sets. In an
  indexed job of Kubernetes, `JOB_COMPLETION_INDEX` stands for the last one.
- `SLURM_STEP_NUM_TASKS`, `SLURM_STEP_NODELIST`, `SLURM_PROCID` and so on: set by `srun`.
"""

import contextlib
import functools
import json
import os
import random

import keras
import numpy as np

PORT = 8888  # of the first process on a host, where SLURM places the processes
HEARTBEAT = 20  # seconds of silence after which JAX takes a process for gone
_SIGNS_OF_LOSS = (  # in the messages of TensorFlow's collectives, JAX' coordination service and gloo
    "Collective ops is aborted",
    "Connection reset",
    "Connection closed",
    "Connection refused",
    "Socket closed",
    "failed to connect",
    "Gloo",
    "UNAVAILABLE",
    "heartbeat",
)

_strategy = None


def connect():
    """Joins the other processes; call it before anything is computed, then build the model under `scope()`.

    On TensorFlow this makes a `tf.distribute.MultiWorkerMirroredStrategy`, or a `MirroredStrategy` where one process
    sees several GPUs. On JAX it starts `jax.distributed` and sets `keras.distribution.DataParallel` over the devices of
    all processes. A process that is alone with one device is left as it is. Random seeds become those of the first
    process, so that fresh weights are the same everywhere.

    Returns:
        int, the number of processes.

    Raises:
        ValueError: the environment contradicts itself, or names several processes where the backend is PyTorch.

    Example:

    >>> connect()  # here, no variable names another process
    1
    """
    addresses, index = cluster()
    backend = keras.backend.backend()
    if backend == "tensorflow":
        _connect_tensorflow(addresses, index)
    elif backend == "jax":
        _connect_jax(addresses, index)
    elif addresses:
        raise ValueError(
            f"The environment names {len(addresses)} processes, and Keras trains on several with TensorFlow or JAX "
            f"only. Received: the backend {backend!r}. Set KERAS_BACKEND to tensorflow or jax."
        )
    return process_count()


def use(strategy):
    """Makes a `tf.distribute` strategy the one that `scope` and `any_process` mean; `connect` does it itself."""
    global _strategy
    _strategy = strategy


def _connect_tensorflow(addresses, index):
    import tensorflow as tf

    if addresses and _strategy is None:
        os.environ["TF_CONFIG"] = json.dumps(
            {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        )
        use(tf.distribute.MultiWorkerMirroredStrategy())
    elif _strategy is None and len(tf.config.list_logical_devices("GPU")) > 1:
        use(tf.distribute.MirroredStrategy())


def _connect_jax(addresses, index):
    import jax

    if addresses and not jax.distributed.is_initialized():
        from jax.experimental import multihost_utils

        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        place = (addresses[0], len(addresses), index) if addresses[0] else ()
        jax.distributed.initialize(*place, heartbeat_timeout_seconds=HEARTBEAT)
        seed = multihost_utils.broadcast_one_to_all(np.uint32(random.randrange(2**31)))
        keras.utils.set_random_seed(int(seed))
    if keras.distribution.distribution() is None and len(jax.devices()) > 1:
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))


def scope():
    """The context in which a model is built and compiled after `connect()`."""
    return contextlib.nullcontext() if _strategy is None else _strategy.scope()


@contextlib.contextmanager
def alone():
    """The context in which a model is built, loaded or called that belongs to this process, whatever the others do."""
    before = keras.distribution.distribution()
    if before is not None:
        keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        if before is not None:
            keras.distribution.set_distribution(before)


def process_count():
    """The number of processes that train together."""
    return max(len(cluster()[0]), 1)


def process_index():
    """Which of the processes this one is, from 0."""
    return cluster()[1]


def is_chief():
    """Whether this is the process that writes logs and checkpoints: the first."""
    return process_index() == 0


def any_process(flag):
    """Whether a flag is set on any of the processes; all of them have to ask, at the same place of their programs.

    Args:
        flag: bool, this process' own.

    Returns:
        bool, the same on every process.
    """
    if process_count() == 1:
        return bool(flag)
    if keras.backend.backend() == "jax":
        from jax.experimental import multihost_utils

        return bool(np.any(multihost_utils.process_allgather(np.array([bool(flag)]))))
    return _count_flags()(flag) > 0


@functools.cache
def _count_flags():
    """A function from this process' flag to the number of processes whose flag is set."""
    import tensorflow as tf

    strategy = _strategy

    @tf.function
    def count(flag):
        return strategy.reduce("SUM", strategy.run(lambda x: x, args=(flag,)), axis=None)

    return lambda flag: int(count(tf.constant(int(flag))))


@contextlib.contextmanager
def lost_processes_explained():
    """Turns the errors of a broken connection to another process into one that says what to do.

    On TensorFlow, importing `s2s_keras.training` puts it around `fit`, `evaluate` and `predict`.

    Raises:
        ConnectionError: another process is gone; the cause is the backend's error.
    """
    try:
        yield
    except Exception as error:
        if process_count() == 1 or not any(sign in str(error) for sign in _SIGNS_OF_LOSS):
            raise
        raise ConnectionError(
            f"Process {process_index()} of {process_count()} stops: the connection to another process broke, it has "
            "stopped or cannot be reached. Look at what that one printed last, start all of them again, and go on from "
            "the last checkpoint (--resume, or the callback Checkpoint)."
        ) from error


def cluster():
    """The processes that the environment names.

    Returns:
        Tuple of list of str, "host:port" of every process, and int, which of them this one is. A process that is alone
        gets ([], 0).

    Raises:
        ValueError: the environment contradicts itself.
    """
    if "TF_CONFIG" in os.environ:
        return _from_tf_config(os.environ["TF_CONFIG"])
    if "KERAS_DISTRIBUTION_JOB_ADDRESSES" in os.environ:
        return _from_keras()
    if int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        return _from_slurm()
    return [], 0


def _from_tf_config(text):
    try:
        config = json.loads(text or "{}")
        jobs, task = config.get("cluster", {}), config.get("task", {})
        places = [(job, k) for job in ("chief", "worker") for k in range(len(jobs.get(job, ())))]
        place = (task.get("type"), int(task.get("index", 0)))
    except (ValueError, AttributeError) as error:
        raise ValueError(f"TF_CONFIG is not the JSON object that TensorFlow expects ({error}): {text!r}.") from error
    if len(places) < 2:
        return [], 0
    if place not in places:
        raise ValueError(
            f"TF_CONFIG gives this process the task {place}, which is none of its cluster's {places}. Mend its 'task'."
        )
    return [jobs[job][k] for job, k in places], places.index(place)


def _from_keras():
    variables = {
        name: os.environ.get(f"KERAS_DISTRIBUTION_{name}") for name in ("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID")
    }
    addresses = variables["JOB_ADDRESSES"].split(",")
    count = variables["NUM_PROCESSES"] or len(addresses)
    index = variables["PROCESS_ID"] or os.environ.get("JOB_COMPLETION_INDEX", "")
    if str(count) != str(len(addresses)) or not index.isdigit() or int(index) >= len(addresses):
        raise ValueError(
            "KERAS_DISTRIBUTION_JOB_ADDRESSES has to list host:port of every process, separated by commas, and "
            "KERAS_DISTRIBUTION_PROCESS_ID (or JOB_COMPLETION_INDEX) which of them this one is, from 0. Received: "
            f"{variables}, JOB_COMPLETION_INDEX={os.environ.get('JOB_COMPLETION_INDEX')!r}."
        )
    return (addresses, int(index)) if len(addresses) > 1 else ([], 0)


def _from_slurm():
    if keras.backend.backend() != "tensorflow":  # JAX reads these variables itself
        return [""] * int(os.environ["SLURM_STEP_NUM_TASKS"]), int(os.environ["SLURM_PROCID"])
    import tensorflow as tf

    # The resolver places as many processes on a host as that has GPUs for, by default none on one without.
    resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
        port_base=PORT, gpus_per_node=1024, gpus_per_task=1, auto_set_gpu=False
    )
    return resolver.cluster_spec().job_tasks("worker"), int(os.environ["SLURM_PROCID"])
