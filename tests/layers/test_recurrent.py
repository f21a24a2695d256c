import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.layers import GRU, LSTM
from tests.checks import randomize
from tests.test_case import LayerTestCase

LENGTHS = np.array([7, 4, 0])


class TestLSTM(LayerTestCase):
    layer = LSTM
    arguments = {"units": 6, "return_sequences": True}
    clears_padding = True
    test_config_round_trip = None  # Keras' own, which has more arguments than it writes down


def training_step(layer, x, mask, state, weights):
    """Outputs, and what a step with the gradient of their weighted sum makes of the weights."""
    inputs = [keras.Input(x.shape[1:]), keras.Input(mask.shape[1:], dtype="bool")]
    states = [keras.Input(s.shape[1:]) for s in state]
    outputs = layer(inputs[0], mask=inputs[1], initial_state=states)
    model = keras.Model([*inputs, *states], outputs)
    values = [x, mask, *state]
    before = [ops.convert_to_numpy(y) for y in model(values)]
    model.compile(keras.optimizers.SGD(1.0), [lambda w, y: ops.sum(w * y)] * len(outputs), run_eagerly=True)
    model.train_on_batch(values, weights)
    return [*before, *map(ops.convert_to_numpy, layer.weights)]


@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("ours, theirs, states", [(LSTM, keras.layers.LSTM, 2), (GRU, keras.layers.GRU, 1)])
def test_values_and_gradients_are_those_of_keras(ours, theirs, states, go_backwards):
    rng = np.random.default_rng(0)
    arguments = {"return_sequences": True, "return_state": True, "go_backwards": go_backwards}
    layers = [cls(5, zero_output_for_mask=True, **arguments) for cls in (ours, theirs)]
    for layer in layers:
        layer.build((None, None, 4))
        randomize(layer)
    x, mask = rng.normal(size=(3, 7, 4)).astype("float32"), np.arange(7) < LENGTHS[:, None]
    state = [rng.normal(size=(3, 5)).astype("float32") for _ in range(states)]
    weights = [rng.normal(size=shape).astype("float32") for shape in [(3, 7, 5)] + [(3, 5)] * states]
    found, expected = (training_step(layer, x, mask, state, weights) for layer in layers)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5)


@pytest.mark.parametrize("cell, arguments", [(LSTM, {"activation": "relu"}), (GRU, {"reset_after": False})])
def test_another_cell_is_left_to_keras(cell, arguments):
    layer, base = cell(4, **arguments), cell.__mro__[1](4, **arguments)
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    layer(x), base(x)
    base.set_weights(layer.get_weights())
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), ops.convert_to_numpy(base(x)), rtol=0, atol=1e-6)


def test_one_trace_serves_all_lengths():
    layer = LSTM(3)
    x = keras.Input((None, 2))
    model = keras.Model(x, layer(x))
    for frames in (3, 6):
        assert model.predict_on_batch(np.zeros((2, frames, 2), "float32")).shape == (2, 3)


@pytest.mark.parametrize("cell", [LSTM, GRU])
def test_weights_of_half_precision(cell):
    layer = cell(4, dtype="float16")
    layer.build((None, None, 3))
    kernel = ops.convert_to_numpy(layer.cell.recurrent_kernel)
    assert kernel.dtype == "float16"
    np.testing.assert_allclose(np.float32(kernel) @ np.float32(kernel).T, np.eye(4), rtol=0, atol=0.01)
