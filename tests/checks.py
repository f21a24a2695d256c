"""What the inherited checks of `test_case.py` are made of."""

import inspect
import json

import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.applications import Application


def randomize(model, seed=0):
    """Give every weight a value at which nothing cancels: no zero offset, no variance of one."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if "float" in keras.backend.standardize_dtype(weight.dtype):
            shape = tuple(weight.shape)
            positive = weight.name in ("gamma", "moving_variance")
            scale = max(np.prod(shape[:-1], dtype=int), 4) ** -0.5
            weight.assign(np.float32(rng.uniform(0.6, 1.4, shape) if positive else rng.normal(0.0, scale, shape)))


def values(weights):
    return [ops.convert_to_numpy(weight).copy() for weight in weights]


def compiled(function):
    """The function in one piece on JAX, which otherwise compiles each of its operations for each shape."""
    if keras.backend.backend() != "jax":
        return function
    import jax

    return jax.jit(function)


def as_json(value):
    return json.loads(json.dumps(value))


def constructor_arguments(cls, base):
    """Names of the arguments that `cls` and its bases below `base` take, catch-alls left out."""
    names = set()
    for parent in cls.__mro__[: cls.__mro__.index(base)]:
        parameters = inspect.signature(parent.__init__).parameters.values()
        names |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return names - {"self"}


def check_config(instance, arguments, base, not_in_config=()):
    """Every constructor argument is in the config with the value it was given; returns the config after JSON."""
    config = as_json(instance.get_config())
    forgotten = constructor_arguments(type(instance), base) - set(not_in_config) - set(config)
    assert not forgotten, f"not in the config: {forgotten}"
    for name, value in as_json(arguments).items():
        if not (isinstance(config[name], dict) and "class_name" in config[name]):
            assert config[name] == value, name
    again = type(instance).from_config(as_json(config))
    assert as_json(again.get_config()) == config
    return again


def dtypes_seen(model, inputs):
    """{layer path: its compute dtype and the dtypes of its outputs} of every layer that a call passes through."""
    seen, original = {}, keras.layers.Layer.__call__

    def record(layer, *args, **kwargs):
        outputs = original(layer, *args, **kwargs)
        if layer is not model:
            dtypes = {keras.backend.standardize_dtype(x.dtype) for x in keras.tree.flatten(outputs)}
            seen[layer.path or layer.name] = dtypes | {layer.compute_dtype}
        return outputs

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.layers.Layer, "__call__", record)
        outputs = model(inputs)
    return seen, outputs


def count_parameters(application, **arguments):
    """Trainable parameters of a model whose weights are never allocated."""
    if "front_end" in constructor_arguments(application, Application):
        arguments = {"front_end": None, **arguments}
    with keras.StatelessScope(initialize_variables=False):
        model = application(**arguments)
        count = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    keras.utils.clear_session()  # drops the list of weights that wait for their values
    return count
