import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.layers import MaskedConv2D, RowConvolution
from tests.checks import check_config
from tests.test_case import LayerTestCase


class TestRowConvolution(LayerTestCase):
    layer = RowConvolution
    arguments = {"kernel_size": 4, "left_padding": 0}


@pytest.mark.parametrize("frames", [8, 6])
def test_divisible_lengths_are_padded_as_tensorflow_does(frames):
    arguments = {"filters": 3, "kernel_size": (5, 4), "strides": (2, 3), "use_bias": True}
    layer = MaskedConv2D(**arguments)
    x = np.random.default_rng(0).normal(size=(1, frames, 7, 2)).astype("float32")
    check_config(layer, arguments, keras.layers.Layer)
    same = keras.layers.Conv2D(3, (5, 4), (2, 3), padding="same")
    same.build(x.shape)
    layer.build(x.shape)
    same.set_weights(layer.get_weights())
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), ops.convert_to_numpy(same(x)), rtol=0, atol=1e-5)
    assert layer.compute_output_shape(x.shape) == tuple(layer(x).shape)


@pytest.mark.parametrize("arguments", [{"kernel_size": (3,)}, {"strides": (0, 1)}, {"left_padding": 3}])
def test_wrong_sizes(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        MaskedConv2D(**{"filters": 2, "kernel_size": (3, 3), **arguments})
