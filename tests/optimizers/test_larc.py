import json

import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.optimizers import LARC
from s2s_keras.optimizers.schedules import WarmUp


def run(optimizer, start, steps):
    variables = [keras.Variable(np.float32(value)) for value in start]
    optimizer.build(variables)
    history = []
    for gradients in steps:
        optimizer.apply([ops.convert_to_tensor(np.float32(gradient)) for gradient in gradients], variables)
        history.append([ops.convert_to_numpy(variable).copy() for variable in variables])
    return history


@pytest.mark.parametrize("case", ["sgd_larc_clip", "sgd_larc_scale", "sgd_larc_min_update", "momentum_larc"])
def test_equals_the_original(shared, case):
    folder = shared / "golden" / "optimizers"
    config, steps = json.loads((folder / "config.json").read_text())[case], np.load(folder / "steps.npz")
    larc = config["larc"]
    optimizer = LARC(
        config["lr"],
        momentum=config["params"].get("momentum", 0.0),
        trust_coefficient=larc["larc_eta"],
        mode=larc.get("larc_mode", "clip"),
        minimum=larc.get("min_update", 1e-7),
        epsilon=larc.get("epsilon", 1e-7),
    )
    start = [steps[f"w0.{n}"] for n in range(3)]
    history = run(optimizer, start, [[steps[f"g.{t}.{n}"] for n in range(3)] for t in range(8)])
    for t, values in enumerate(history):
        for n, value in enumerate(values):
            expected = steps[f"{case}.{t}.{n}"]
            step = expected - (steps[f"{case}.{t - 1}.{n}"] if t else start[n])
            # 1e-7 is float32's resolution of the variable; 1e-3 of a step is what the rule must get right
            np.testing.assert_allclose(value, expected, rtol=2e-7, atol=1e-3 * np.abs(step).max())


@pytest.mark.parametrize("mode, expected", [("clip", [0.03, 0.04]), ("scale", [0.003, 0.004])])
def test_equals_measured_gradients(mode, expected):
    (values,) = run(LARC(0.1, momentum=0.0, mode=mode), [[3, 4], [0, 0]], [[[0.6, 0.8], [0.6, 0.8]]])
    np.testing.assert_allclose((np.float32([3, 4]) - values[0]) / 0.1, expected, rtol=1e-3)
    np.testing.assert_allclose(-values[1] / 0.1, [0.6e-7, 0.8e-7], rtol=1e-5)


def test_learning_rate_multiplies_the_momentum():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([0], [1.0, 0.1])
    history = run(LARC(schedule, momentum=0.5, trust_coefficient=1.0, mode="clip"), [[10.0]], [[[1.0]], [[1.0]]])
    np.testing.assert_allclose(np.ravel(history), [9.0, 9.0 - 0.1 * 1.5], rtol=1e-6)


def test_learning_rate_zero_leaves_a_zero_variable_alone():
    history = run(LARC(WarmUp(0.1, 2)), [[0.0], [2.0]], [[[1.0], [1.0]]] * 3)
    assert np.isfinite(np.ravel(history)).all()
    np.testing.assert_array_equal(np.ravel(history[0]), [0.0, 2.0])


@pytest.mark.parametrize("mode", ["clip", "scale"])
def test_fit_moves_every_weight_and_lowers_the_loss(mode):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1)])
    before = [ops.convert_to_numpy(weight).copy() for weight in model.trainable_weights]
    model.compile(LARC(0.05 if mode == "clip" else 1.0, trust_coefficient=0.02, mode=mode), "mse")
    x = np.random.default_rng(0).normal(size=(64, 6)).astype("float32")
    losses = model.fit(x, x[:, :1] - x[:, 1:2], batch_size=16, epochs=12, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert np.abs(ops.convert_to_numpy(weight) - old).max() > 0, weight.path


def test_config_names_every_argument():
    arguments = dict(momentum=0.8, trust_coefficient=0.01, mode="scale", minimum=1e-5, epsilon=1e-3, weight_decay=0.1)
    config = json.loads(json.dumps(keras.optimizers.serialize(LARC(0.3, **arguments))))
    copy = keras.optimizers.deserialize(config)
    assert isinstance(copy, LARC)
    assert {name: getattr(copy, name) for name in arguments} == arguments


@pytest.mark.parametrize("arguments", [{"mode": "lars"}, {"momentum": 1.0}])
def test_impossible_arguments_are_refused(arguments):
    (name, value), *_ = arguments.items()
    with pytest.raises(ValueError, match=f"Received: {name}={value!r}"):
        LARC(**arguments)
