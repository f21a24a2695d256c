"""What a training process has to remember besides the weights."""

import contextlib
import random

import keras
import numpy as np
from keras import ops

GROUPS = ("optimizer", "seeds", "low_rank", "metrics")  # the last matters within an epoch only
PROGRESS = ("best", "best_epoch", "wait", "cooldown_counter")  # attributes of EarlyStopping and its like


def variables(model):
    """Variables that `save_weights` without the optimizer leaves out, by group."""
    weights = {id(v) for v in model.weights}
    seeds = [v for v in model.variables if id(v) not in weights]
    updated = {_layer(v) for v in model.weights if v.name.startswith("lora_")}  # whose update `save_weights` merges
    low_rank = [v for v in model.weights if _layer(v) in updated]
    return dict(zip(GROUPS, (model.optimizer.variables, seeds, low_rank, model.metrics_variables), strict=True))


def values(model):
    """Values of the variables as arrays for `np.savez`; every process has to ask, for metrics are summed over them."""
    return {f"{g}/{n}": _to_numpy(v) for g, group in variables(model).items() for n, v in enumerate(group)}


def build(model, batch):
    """Creates the variables that Keras would create in the first step on TensorFlow.

    Args:
        model: compiled `keras.Model`.
        batch: function that gives any batch of training data, or None if no metrics are to be built.
    """
    if not model.built:
        raise ValueError(
            f"Training can go on only in a model that has its weights, and {model.name!r} is not built yet. Call it on "
            "a batch of data before `fit`."
        )
    if not model.optimizer.built:
        with _scope(model):
            model.optimizer.build(model.trainable_variables)
    if batch is not None:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch())
        model.test_on_batch(x, y, sample_weight)


def check(model, arrays, checkpoint, groups=GROUPS):
    """Raises where a checkpoint does not belong to this model, optimizer and metrics."""
    for group in groups:
        expected = [tuple(v.shape) for v in variables(model)[group]]
        found = [arrays[f"{group}/{n}"].shape for n in range(count(arrays, group))]
        if expected != found:
            raise ValueError(
                f"The checkpoint {checkpoint} was written by another model, optimizer or list of metrics: it holds "
                f"{len(found)} variables of the group {group!r} with shapes {found[:3]}..., this training has "
                f"{len(expected)} with {expected[:3]}.... Compile the model as before, or pass another folder."
            )


def count(arrays, group):
    return sum(name.startswith(f"{group}/") for name in arrays)


def assign(model, arrays, groups):
    """Puts values back into the variables of some groups."""
    pairs = [(v, arrays[f"{g}/{n}"]) for g in groups for n, v in enumerate(variables(model)[g])]
    if keras.backend.backend() != "tensorflow":
        for variable, value in pairs:
            variable.assign(value)
        return
    import tensorflow as tf

    def on_replica():
        # A metric is the sum of what the replicas have: one gets all of it. Assigned from outside, each would get an
        # equal part, and whole numbers would be rounded.
        first = tf.distribute.get_replica_context().replica_id_in_sync_group == 0
        for variable, value in pairs:
            summed = variable.aggregation == "sum"
            variable.assign(tf.where(first, value, tf.zeros_like(value)) if summed else value)

    with _scope(model):
        model.distribute_strategy.run(on_replica)


def save_weights(model, file):
    with _without_optimizer(model):  # whose state is in the other file
        model.save_weights(file)


def load_weights(model, file):
    with _without_optimizer(model), _scope(model):
        model.load_weights(file)


def random_states():
    """States of the random numbers of Python, NumPy and PyTorch, as JSON takes them."""
    numpy_state = np.random.get_state(legacy=False)
    key = {name: np.asarray(value).tolist() for name, value in numpy_state["state"].items()}
    states = {"python": random.getstate(), "numpy": {**numpy_state, "state": key}}
    if keras.backend.backend() == "torch":  # Keras' dropout without a seed draws from them
        import torch

        states["torch"] = torch.get_rng_state().tolist()
        states["cuda"] = [state.tolist() for state in torch.cuda.get_rng_state_all()]
    return states


def set_random_states(states):
    version, key, gauss = states["python"]
    random.setstate((version, tuple(key), gauss))
    np.random.set_state(states["numpy"])
    if keras.backend.backend() == "torch" and "torch" in states:
        import torch

        torch.set_rng_state(torch.tensor(states["torch"], dtype=torch.uint8))
        if len(states["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all([torch.tensor(state, dtype=torch.uint8) for state in states["cuda"]])


def draw_as_after_a_whole_epoch():
    """Draws the random number that Keras draws on PyTorch when data last as long as an epoch: for another iterator."""
    if keras.backend.backend() == "torch":
        import torch

        iter(torch.utils.data.DataLoader([0]))


def progress(callback):
    """What a callback that follows a metric has counted so far: plain numbers."""
    found = {name: vars(callback)[name] for name in PROGRESS if name in vars(callback)}
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in found.items()}


@contextlib.contextmanager
def _without_optimizer(model):
    optimizer = vars(model)["optimizer"]
    vars(model)["optimizer"] = None
    try:
        yield
    finally:
        vars(model)["optimizer"] = optimizer


def _scope(model):
    strategy = getattr(model, "distribute_strategy", None)
    return strategy.scope() if strategy is not None else contextlib.nullcontext()


def _layer(variable):
    return variable.path.rpartition("/")[0]


def _to_numpy(variable):
    array = np.asarray(ops.convert_to_numpy(ops.convert_to_tensor(variable)))  # a tensor: replicas have no array
    return array.astype("float32") if array.dtype.kind == "V" else array  # bfloat16, which `np.load` does not know
