"""Keras' own optimizers with the settings that make each equal to the original's of that name, step by step.

TensorFlow 1 puts epsilon where Keras does, but with other values; its defaults are what stands here.
"""

import json

import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.optimizers import LazyAdam, NovoGrad
from tests.optimizers import test_larc, test_novograd

CASES = {
    "momentum_clip1": lambda: keras.optimizers.SGD(0.01, momentum=0.9, global_clipnorm=1.0),
    "adam_clip": lambda: keras.optimizers.Adam(0.001, epsilon=1e-8, global_clipnorm=1.0),
    "adamw": lambda: keras.optimizers.AdamW(0.001, weight_decay=0.1, epsilon=1e-8),
    "lazyadam": lambda: LazyAdam(0.001, beta_2=0.997, epsilon=1e-9),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.001, epsilon=1e-10),
    "adagrad": lambda: keras.optimizers.Adagrad(0.01),
    "ftrl": lambda: keras.optimizers.Ftrl(0.01),
}


def golden(shared):
    folder = shared / "golden" / "optimizers"
    return json.loads((folder / "config.json").read_text()), np.load(folder / "steps.npz")


def run(optimizer, steps):
    """The variables after each of the eight steps; the squares that RMSprop averages start at 1 in TensorFlow 1."""
    variables = [keras.Variable(steps[f"w0.{n}"], name=f"v{n}") for n in range(3)]
    optimizer.build(variables)
    for slot in optimizer.variables:
        if isinstance(optimizer, keras.optimizers.RMSprop) and slot.path.endswith("velocity"):
            slot.assign(np.ones(slot.shape, "float32"))
    for t in range(8):
        optimizer.apply([ops.convert_to_tensor(steps[f"g.{t}.{n}"]) for n in range(3)], variables)
        yield t, [ops.convert_to_numpy(variable) for variable in variables]


@pytest.mark.parametrize("case", list(CASES))
def test_equals_the_original(shared, case):
    _, steps = golden(shared)
    for t, values in run(CASES[case](), steps):
        for n, value in enumerate(values):
            expected = steps[f"{case}.{t}.{n}"]
            step = expected - (steps[f"{case}.{t - 1}.{n}"] if t else steps[f"w0.{n}"])
            # float32's resolution of the variable, and a part of the step; Ftrl computes the variable anew from sums
            tolerance = 3e-3 if case == "ftrl" else 1e-3
            np.testing.assert_allclose(value, expected, rtol=2e-7, atol=tolerance * np.abs(step).max())


def test_larc_before_novograd_moves_only_what_starts_at_zero_differently(shared):
    """Why there is no LARC around NovoGrad: the original's does nothing but damp a variable whose norm is zero."""
    config, steps = golden(shared)
    params = config["novograd_larc"]["params"]
    optimizer = NovoGrad(config["novograd_larc"]["lr"], params["beta1"], 0.0, params["epsilon"], params["weight_decay"])
    assert not steps["w0.2"].any()
    for t, values in run(optimizer, steps):
        for n in (0, 1):
            np.testing.assert_allclose(values[n], steps[f"novograd_larc.{t}.{n}"], rtol=2e-6, atol=1e-6)
    assert np.abs(values[2] - steps["novograd_larc.7.2"]).max() > 0.1


def test_every_case_of_the_original_has_a_test(shared):
    def cases(function):
        return {name for mark in function.pytestmark if mark.name == "parametrize" for name in mark.args[1]}

    config, _ = golden(shared)
    tested = cases(test_larc.test_equals_the_original) | cases(test_novograd.test_without_memory_equals_the_original)
    described = {name for name, case in config.items() if isinstance(case, dict) and "optimizer" in case}
    assert tested | set(CASES) | {"novograd_larc"} == described
