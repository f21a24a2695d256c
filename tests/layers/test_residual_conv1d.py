import numpy as np
from keras import ops

from s2s_keras.layers import ResidualConv1D
from tests.checks import randomize, values
from tests.test_case import LayerTestCase


class TestResidualConv1D(LayerTestCase):
    layer = ResidualConv1D
    arguments = {"kernel_size": 3, "causal": True, "momentum": 0.7}


def test_causal_by_hand():
    layer, x = ResidualConv1D(3, causal=True), np.random.default_rng(0).normal(size=(1, 5, 4)).astype("float32")
    layer.build(x.shape)
    randomize(layer)
    kernel, bias = values(layer.convolution.weights)
    gamma, beta, mean, variance = values(layer.normalization.weights)
    before = np.pad(x[0], [(2, 0), (0, 0)])
    y = np.array([sum(before[t + k] @ kernel[k] for k in range(3)) for t in range(5)]) + bias
    expected = x[0] + np.maximum((y - mean) / np.sqrt(variance + 1.001e-5) * gamma + beta, 0.0)
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x))[0], expected, rtol=0, atol=1e-5)
    assert np.any(expected != x[0])
