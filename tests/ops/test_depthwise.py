import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.ops import depthwise
from s2s_keras.ops.depthwise import depthwise_conv1d
from tests.checks import values


class Depthwise(keras.layers.DepthwiseConv1D):
    """Keras' layer with our convolution."""

    def call(self, inputs):
        return depthwise_conv1d(inputs, self.kernel, self.strides[0], self.padding, self.dilation_rate[0])


@pytest.mark.parametrize("taps, strides, dilation_rate", [(1, 1, 1), (3, 1, 1), (4, 1, 2), (5, 2, 1), (40, 1, 1)])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_it_is_the_sum_that_defines_it(taps, strides, dilation_rate, padding):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, 50, 3)).astype("float32"), rng.normal(size=(taps, 3, 1)).astype("float32")
    if padding == "same" and strides > 1:
        pytest.skip("nobody pads so: with a stride the left padding would depend on the length")
    found = ops.convert_to_numpy(depthwise_conv1d(x, kernel, strides, padding, dilation_rate))
    span = dilation_rate * (taps - 1)
    if padding == "same":
        x = np.pad(x, ((0, 0), (span // 2, span - span // 2), (0, 0)))
    frames = [
        sum(x[:, t + n * dilation_rate] * kernel[n, :, 0] for n in range(taps))
        for t in range(0, x.shape[1] - span, strides)
    ]
    np.testing.assert_allclose(found, np.stack(frames, axis=1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("taps, strides, dilation_rate", [(1, 1, 1), (5, 1, 1), (4, 1, 2), (3, 2, 1), (3, 3, 1)])
@pytest.mark.parametrize("on_cpu, piece", [(True, 4), (True, 8), (True, 32), (False, 32)])  # of 17 to 23 frames
def test_its_gradient_is_that_of_keras(monkeypatch, taps, strides, dilation_rate, on_cpu, piece):
    monkeypatch.setattr(depthwise, "PIECE", piece)
    monkeypatch.setattr(depthwise, "on_cpu", lambda: on_cpu)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 25, 3)).astype("float32"), rng.normal(size=(4, 2)).astype("float32")
    results = []
    for layer in (Depthwise, keras.layers.DepthwiseConv1D):
        keras.utils.set_random_seed(0)
        convolution = layer(taps, strides, dilation_rate=dilation_rate, use_bias=False)
        before, after = keras.layers.Conv1D(6, 3), keras.layers.Dense(2)
        model = keras.Sequential([keras.Input((25, 3)), before, convolution, keras.layers.Flatten(), after])
        old = values(model.weights)
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=keras.backend.backend() == "jax")
        model.train_on_batch(x, y)
        results.append([new - start for new, start in zip(values(model.weights), old, strict=True)])
    for ours, theirs in zip(*results, strict=True):
        assert np.abs(theirs).max() > 1e-3
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
