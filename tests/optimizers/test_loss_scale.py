import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.optimizers import BackoffLossScale, LogMaxLossScale, StaticLossScale

BACKEND = keras.backend.backend()
SCRIPT = Path(__file__).with_name("two_replicas.py")

# The original's settings by the names of this library.
NAMES = {
    "scale_min": "minimum",
    "scale_max": "maximum",
    "step_factor": "factor",
    "step_window": "window",
    "beta1": "beta_1",
    "beta2": "beta_2",
    "overflow_std_dev": "deviations",
}
CLASSES = {"backoff": BackoffLossScale, "logmax": LogMaxLossScale}


def sgd(learning_rate=0.5):
    return keras.optimizers.SGD(learning_rate)


def value(variable):
    return ops.convert_to_numpy(variable).item()


def scales(optimizer, events):
    """The scale before and after steps whose unscaled gradient is given."""
    weight, found = keras.Variable(np.zeros(1, "float32")), [value(optimizer.scale)]
    for gradient in events:
        optimizer.apply([ops.convert_to_tensor(np.array([gradient * found[-1]], "float32"))], [weight])
        found.append(value(optimizer.scale))
    return found


@pytest.fixture(scope="module")
def golden(shared):
    folder = shared / "golden" / "loss_scaling"
    return json.loads((folder / "config.json").read_text()), np.load(folder / "sequences.npz")


@pytest.mark.parametrize("name", ["backoff_default", "backoff_window4", "backoff_factor3_min100", "logmax_default"])
def test_the_scale_follows_the_original(golden, name):
    config, sequences = golden[0][name], golden[1]
    arguments = {NAMES.get(key, key): v for key, v in (config["params"] or {}).items()}
    events = np.where(sequences["has_nan"], np.nan, sequences["amax"])
    # Of LogMax, up to the first overflow: from there on the original is wrong.
    stop = None if "backoff" in name else np.flatnonzero(~np.isfinite(events))[0]
    found = scales(CLASSES[config["algorithm"].lower()](sgd(0.0), **arguments), events[:stop])
    np.testing.assert_allclose(found, sequences[name][: len(found)], rtol=1e-3)


def log_max(events, log_max=16.0, beta_1=0.99, beta_2=0.999, deviations=3.09, maximum=2.0**14):
    """The rule of the class docstring in NumPy."""
    x = np.where(np.isfinite(events), np.log2(np.where(np.isfinite(events), events, 1.0)), log_max)
    found, mean, slow, square = [1.0], 0.0, 0.0, 0.0
    for n, value in enumerate(x, 1):
        mean, slow = beta_1 * mean + (1 - beta_1) * value, beta_2 * slow + (1 - beta_2) * value
        square = beta_2 * square + (1 - beta_2) * value**2
        variance = max(square / (1 - beta_2**n) - (slow / (1 - beta_2**n)) ** 2, 0.0)
        highest = mean / (1 - beta_1**n) + deviations * variance**0.5
        found.append(min(max(2.0 ** (log_max - highest), 1.0), maximum))
    return found


def test_log_max_recovers_from_an_overflow_and_uses_its_limit():
    events = 2.0 ** np.random.default_rng(0).normal(0.0, 0.5, 60)
    events[40] = np.inf
    found = scales(LogMaxLossScale(sgd(0.0)), events)
    np.testing.assert_allclose(found, log_max(events), rtol=2e-3)
    assert found[40] > found[41] > 1.0  # the original's stays at 1 for thousands of steps
    arguments = {"log_max": 10.0, "beta_1": 0.9, "beta_2": 0.95, "deviations": 2.0, "maximum": 2.0**24}
    found = scales(LogMaxLossScale(sgd(0.0), **arguments), events)
    np.testing.assert_allclose(found, log_max(events, **arguments), rtol=2e-3)


@pytest.mark.parametrize("optimizer", [StaticLossScale, BackoffLossScale, LogMaxLossScale])
def test_a_gradient_that_is_not_finite_changes_nothing_but_the_count(optimizer):
    weights = [keras.Variable(np.ones(shape, "float32")) for shape in ((3,), (2, 2))]
    inner = keras.optimizers.Adam(0.1, weight_decay=0.1, use_ema=True)
    optimizer = optimizer(inner)
    gradients = [np.ones((3,), "float32"), np.ones((2, 2), "float32")]
    optimizer.apply([ops.convert_to_tensor(g) for g in gradients], weights)
    before = [ops.convert_to_numpy(v) for v in (*weights, *inner.variables)]
    for bad in (np.inf, np.nan, -np.inf):
        gradients[1][1, 0] = bad
        optimizer.apply([ops.convert_to_tensor(g) for g in gradients], weights)
    for a, b in zip(before, (*weights, *inner.variables), strict=True):
        np.testing.assert_array_equal(a, ops.convert_to_numpy(b))
    assert [value(v) for v in (optimizer.skipped, optimizer.skipped_in_a_row, optimizer.iterations)] == [3, 3, 1]
    optimizer.apply([ops.ones((3,)), ops.ones((2, 2))], weights)
    assert [value(v) for v in (optimizer.skipped, optimizer.skipped_in_a_row, optimizer.iterations)] == [3, 0, 2]


def test_the_norm_is_that_of_the_unscaled_gradients():
    weights = [keras.Variable(np.zeros(1, "float32")) for _ in range(2)]
    optimizer = StaticLossScale(keras.optimizers.SGD(1.0, global_clipnorm=1.0), scale=1024.0)
    optimizer.apply([ops.convert_to_tensor([3.0 * 1024]), ops.convert_to_tensor([4.0 * 1024])], weights)
    assert value(optimizer.gradient_norm) == pytest.approx(5.0)
    np.testing.assert_allclose([ops.convert_to_numpy(w)[0] for w in weights], [-0.6, -0.8], rtol=1e-5)


def model(optimizer, factor=1.0, jit=False):
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(8, "tanh"), keras.layers.Dense(1, dtype="float32")]
    network = keras.Sequential([keras.Input((4,)), *layers])
    network.compile(optimizer, lambda y, p: factor * ops.mean(ops.square(y - p), axis=-1), jit_compile=jit)
    return network


# JAX compiles every operation of a step alone where the step is not compiled, which takes a minute.
@pytest.mark.parametrize("jit", {"tensorflow": [False, True], "jax": [True], "torch": [False]}[BACKEND])
@pytest.mark.parametrize("optimizer", [BackoffLossScale, LogMaxLossScale])
def test_fit_in_half_precision_survives_overflows(optimizer, jit):
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    y = x[:, :1] - x[:, 1:2]
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        scaled = optimizer(keras.optimizers.Adam(0.02), **{"minimum": 2.0**20, "maximum": 2.0**26})
        if optimizer is BackoffLossScale:
            scaled = optimizer(keras.optimizers.Adam(0.02), maximum=2.0**26)
        network = model(scaled, factor=256.0, jit=jit)
        history = network.fit(x, y, batch_size=8, epochs=12, verbose=0).history["loss"]
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert network.optimizer is scaled  # Keras adds no loss scale of its own
    assert value(scaled.skipped) > 0
    assert all(np.isfinite(w).all() for w in network.get_weights())
    if optimizer is BackoffLossScale:  # the scale has found its place; LogMax is kept above its own here
        assert value(scaled.scale) < 2.0**26
        assert history[-1] < 0.3 * history[0]


def test_a_loss_that_is_not_finite_is_skipped_where_its_gradient_is():
    x = np.ones((4, 4), "float32")
    network = model(StaticLossScale(sgd()))
    network.compile(StaticLossScale(sgd()), lambda y, p: ops.mean(y) + 0.0 * ops.mean(p))
    before = network.get_weights()
    network.fit(x, np.full((4, 1), np.inf, "float32"), epochs=1, verbose=0)
    assert value(network.optimizer.skipped) == 1
    for a, b in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "optimizer",
    [
        StaticLossScale(sgd(), scale=4.0),
        BackoffLossScale(sgd(), 2.0, 64.0, 4.0, 7, name="mine"),
        LogMaxLossScale(sgd(), 2.0, 64.0, 8.0, 0.5, 0.6, 1.0),
    ],
)
def test_configuration_and_state_survive_saving(optimizer, tmp_path):
    config = optimizer.get_config()
    assert type(optimizer).from_config(json.loads(json.dumps(config))).get_config() == config
    network = model(optimizer)
    network.fit(np.ones((4, 4), "float32"), np.full((4, 1), np.nan, "float32"), verbose=0)
    network.save(tmp_path / "model.keras")
    custom = {"custom_objects": {"<lambda>": lambda y, p: p}}
    loaded = keras.saving.load_model(tmp_path / "model.keras", **custom, safe_mode=False).optimizer
    assert type(loaded) is type(optimizer)
    assert value(loaded.skipped) == 1
    assert value(loaded.scale) == value(optimizer.scale)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="wraps a Keras optimizer"):
        StaticLossScale("adam")
    with pytest.raises(ValueError, match="scales no loss itself"):
        BackoffLossScale(StaticLossScale(sgd()))
    with pytest.raises(ValueError, match="number above 0"):
        StaticLossScale(sgd(), scale=0.0)
    with pytest.raises(ValueError, match="between a minimum"):
        BackoffLossScale(sgd(), minimum=8.0, maximum=4.0)
    with pytest.raises(ValueError, match="factor above 1"):
        BackoffLossScale(sgd(), factor=1.0)
    with pytest.raises(ValueError, match="Betas"):
        LogMaxLossScale(sgd(), beta_1=1.0)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="MirroredStrategy is TensorFlow's")
def test_two_replicas_of_one_process_agree():
    variables = {"PYTHONPATH": str(Path(__file__).parents[2]), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env={**os.environ, **variables}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "equal"
