import numpy as np
import pytest
from keras import ops

from s2s_keras.layers import SequenceNormalization
from tests.test_case import LayerTestCase


class TestInstance(LayerTestCase):
    layer = SequenceNormalization
    arguments = {"epsilon": 0.01}


class TestLayer(LayerTestCase):
    layer = SequenceNormalization
    arguments = {"across_channels": True}


@pytest.mark.parametrize("across_channels, axis", [(False, 0), (True, (0, 1))])
def test_each_utterance_by_its_own_real_frames(across_channels, axis):
    rng = np.random.default_rng(0)
    x = rng.normal(2.0, 3.0, size=(3, 7, 4)).astype("float32")
    mask = np.arange(7) < np.array([[7], [4], [0]])
    layer = SequenceNormalization(across_channels, epsilon=1e-3)
    layer.build(x.shape)
    gamma, beta = rng.normal(size=(2, 4)).astype("float32")
    layer.set_weights([gamma, beta])
    found = ops.convert_to_numpy(layer(x, mask=mask))
    for n, frames in enumerate((7, 4)):
        real = x[n, :frames]
        deviation = np.sqrt(real.var(axis=axis) + 1e-3)
        expected = (real - real.mean(axis=axis)) / deviation * gamma + beta
        np.testing.assert_allclose(found[n, :frames], expected, rtol=0, atol=1e-5)
    assert np.all(np.isfinite(found))  # an utterance without frames too
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x))[0], found[0], rtol=0, atol=1e-6)


def test_half_precision_does_not_reach_the_statistics():
    x = np.float16([[[300.0], [200.0]]])  # whose squares float16 cannot hold
    found = ops.convert_to_numpy(SequenceNormalization(dtype="mixed_float16")(x))
    np.testing.assert_allclose(found[0, :, 0], [1.0, -1.0], atol=1e-3)
