"""Who trains along: processes on one host or many, on TensorFlow and JAX.

The environment says which processes there are. The first of these that is set counts:

    TF_CONFIG                                            TensorFlow's own, also set by Kubeflow and Vertex AI
    KERAS_DISTRIBUTION_JOB_ADDRESSES, _NUM_PROCESSES,    Keras' own, and `s2s-keras launch`'s; in an indexed job of
        _PROCESS_ID                                      Kubernetes JOB_COMPLETION_INDEX stands for the last
    SLURM_STEP_NUM_TASKS, SLURM_STEP_NODELIST, ...       set by `srun`
"""

import contextlib
import json
import os

import keras

PORT = 8888  # of the first process on a host where SLURM places the processes
HEARTBEAT_SECONDS = 20  # after which a silent process counts as gone

_strategy = None


def connect():
    """Joins the processes that the environment names; call it before anything is computed.

    On TensorFlow this makes a `tf.distribute.MultiWorkerMirroredStrategy`, or a `MirroredStrategy` where one process
    sees several GPUs; on JAX it calls `keras.distribution.initialize` and sets `DataParallel` over all devices. Build
    and compile the model under `scope()` afterwards. In a process alone on one device it does nothing.

    Returns:
        int, the number of processes.

    Raises:
        ValueError: the environment names several processes and the backend has no distribution (PyTorch), or the
            environment contradicts itself.
    """
    global _strategy
    addresses, index = cluster()
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        if len(addresses) > 1:
            os.environ["TF_CONFIG"] = json.dumps(
                {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            )
            _strategy = tf.distribute.MultiWorkerMirroredStrategy()
        elif len(tf.config.list_logical_devices("GPU")) > 1:
            _strategy = tf.distribute.MirroredStrategy()
    elif backend == "jax":
        _connect_jax(addresses, index)
    elif len(addresses) > 1:
        raise ValueError(
            f"The environment names {len(addresses)} processes, and Keras trains on several with TensorFlow and JAX "
            f"only. Received: the backend {backend!r}. Set KERAS_BACKEND to tensorflow or jax."
        )
    return len(addresses)


def _connect_jax(addresses, index):
    import jax

    if len(addresses) > 1:
        if jax.config.jax_platforms == "cpu" or not _has_gpu():
            jax.config.update("jax_cpu_collectives_implementation", "gloo")
        os.environ.setdefault("JAX_HEARTBEAT", str(HEARTBEAT_SECONDS))
        keras.distribution.initialize(addresses[0], len(addresses), index)
    if len(keras.distribution.list_devices()) > 1:
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))


def _has_gpu():
    return any(os.path.exists(f"/dev/{name}") for name in ("nvidia0", "kfd"))


def cluster():
    """The processes that the environment names.

    Returns:
        Tuple of a list of "host:port", one for each process in order, and int, which of them this one is. A process
        that is alone gets ([], 0).

    Raises:
        ValueError: the environment contradicts itself.
    """
    environment = os.environ
    if "TF_CONFIG" in environment:
        config = json.loads(environment["TF_CONFIG"] or "{}")
        jobs, task = config.get("cluster", {}), config.get("task", {})
        names = [(job, k) for job in ("chief", "worker") for k in range(len(jobs.get(job, ())))]
        addresses = [jobs[job][k] for job, k in names]
        if len(addresses) < 2:
            return [], 0
        place = (task.get("type"), int(task.get("index", 0)))
        if place not in names:
            raise ValueError(
                f"TF_CONFIG places this process at {place}, which is none of the chief and workers of its cluster: "
                f"{names}. Mend TF_CONFIG."
            )
        return addresses, names.index(place)
    if "KERAS_DISTRIBUTION_JOB_ADDRESSES" in environment:
        addresses = environment["KERAS_DISTRIBUTION_JOB_ADDRESSES"].split(",")
        count = int(environment.get("KERAS_DISTRIBUTION_NUM_PROCESSES", len(addresses)))
        index = environment.get("KERAS_DISTRIBUTION_PROCESS_ID", environment.get("JOB_COMPLETION_INDEX"))
        return _checked(addresses, count, index)
    if int(environment.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        if keras.backend.backend() == "tensorflow":
            from tensorflow.distribute.cluster_resolver import SlurmClusterResolver

            resolver = SlurmClusterResolver(port_base=PORT, auto_set_gpu=False, gpus_per_node=0, gpus_per_task=0)
            addresses = resolver.cluster_spec().task_addresses if False else None
        raise NotImplementedError
    return [], 0


def _checked(addresses, count, index):
    if count != len(addresses) or index is None or not 0 <= int(index) < count:
        raise ValueError(
            "KERAS_DISTRIBUTION_JOB_ADDRESSES, _NUM_PROCESSES and _PROCESS_ID (or JOB_COMPLETION_INDEX) must name "
            f"every process and this one. Received: {len(addresses)} addresses, {count} processes, process {index}."
        )
    return ([] if count == 1 else addresses), int(index)


def process_count():
    """The number of processes that train together."""
    return max(len(cluster()[0]), 1)


def process_index():
    """Which of the processes this one is, from 0."""
    return cluster()[1]


def is_chief():
    """Whether this is the process that writes logs and checkpoints: the first."""
    return process_index() == 0


def scope():
    """Context in which a model is built and compiled after `connect()`."""
    return contextlib.nullcontext() if _strategy is None else _strategy.scope()


def any_process(flag):
    """Whether `flag` is true on any process. Every process has to call it, at the same place of its program."""
    if process_count() == 1:
        return bool(flag)
    raise NotImplementedError
