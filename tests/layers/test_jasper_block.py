import numpy as np
import pytest
from keras import ops

from s2s_keras.layers import JasperBlock, MaskedBatchNormalization, SequenceNormalization
from tests.checks import randomize
from tests.test_case import LayerTestCase


class TestDense(LayerTestCase):
    layer = JasperBlock
    clears_padding = True
    arguments = {"filters": 8, "kernel_size": 3, "repeat": 2, "num_residuals": 2, "activation": "gelu"}
    num_inputs = 3


class TestStrided(LayerTestCase):
    layer = JasperBlock
    clears_padding = True
    arguments = {"filters": 6, "kernel_size": 5, "strides": 2, "left_padding": 2, "normalization": {"momentum": 0.8}}
    num_frames = (6, 5, 3)


class TestSeparable(LayerTestCase):
    layer = JasperBlock
    clears_padding = True
    arguments = {
        "filters": 8,
        "kernel_size": 3,
        "dilation_rate": 2,
        "num_residuals": 1,
        "separable": True,
        "pointwise_residual": True,
    }
    num_inputs = 2


class TestLayerNormalization(LayerTestCase):
    layer = JasperBlock
    clears_padding = True
    arguments = {"filters": 8, "kernel_size": 3, "normalization": "layer"}


class TestDropped(LayerTestCase):
    layer = JasperBlock
    clears_padding = True
    arguments = {"filters": 8, "kernel_size": 3, "num_residuals": 1, "dropout": 0.2, "drop_block": 0.5}
    num_inputs = 2
    training_modes = (False,)  # what is dropped is random


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(2, 6, 4)).astype("float32")


def call(layer, x, **kwargs):
    return ops.convert_to_numpy(layer(x, **kwargs))


def test_residual_inputs_are_added_before_the_last_activation(x):
    layer = JasperBlock(4, 3, repeat=2, num_residuals=2)
    inputs = [x, 2.0 * x[..., ::-1], x[:, ::-1]]
    layer.build([value.shape for value in inputs])
    randomize(layer)
    y = x
    for n in range(2):
        y = call(layer.normalizations[n], call(layer.convolutions[n], y))
        if n == 1:
            for m in range(2):
                y = y + call(layer.projection_normalizations[m], call(layer.projections[m], inputs[m + 1]))
        y = np.maximum(y, 0.0)
    np.testing.assert_allclose(call(layer, inputs), y, rtol=0, atol=1e-5)


def test_padded_frames_of_the_output_are_zero(x):
    mask = np.arange(6) < np.array([[6], [3]])
    layer = JasperBlock(4, 3, strides=2)
    layer.build(x.shape)
    randomize(layer)
    found = call(layer, x, mask=mask)
    assert np.all(found[1, 2:] == 0.0) and np.any(found[1, :2] != 0.0)


def test_a_dropped_block_leaves_the_residual_sum_unscaled(x):
    layer = JasperBlock(4, 3, num_residuals=1, drop_block=0.5, normalization=None, activation="linear")
    layer([x, x])
    projection = call(layer.projections[0], x)
    whole = call(layer, [x, x])
    dropped = 0
    for _ in range(40):
        found = call(layer, [x, x], training=True)
        is_dropped = np.allclose(found, projection, atol=1e-6)
        assert is_dropped or np.allclose(found, whole, atol=1e-6)
        dropped += is_dropped
    assert 5 <= dropped <= 35


def test_dropout_follows_every_activation(x):
    layer = JasperBlock(64, 3, dropout=0.75, normalization=None, activation="sigmoid")
    found = call(layer, x, training=True)
    assert 0.6 < np.mean(found == 0.0) < 0.9
    assert np.all(call(layer, x) != 0.0)


@pytest.mark.parametrize(
    "normalization, expected",
    [
        ("batch", (MaskedBatchNormalization, {"epsilon": 1e-3, "real_frames_only": True})),
        ({"real_frames_only": False}, (MaskedBatchNormalization, {"real_frames_only": False})),
        ("layer", (SequenceNormalization, {"across_channels": True, "epsilon": 1e-12})),
        ("instance", (SequenceNormalization, {"across_channels": False, "epsilon": 1e-6})),
    ],
)
def test_normalizations(normalization, expected):
    layer = JasperBlock(4, 3, num_residuals=1, normalization=normalization)
    for made in (*layer.normalizations, *layer.projection_normalizations):
        assert type(made) is expected[0]
        assert {name: getattr(made, name) for name in expected[1]} == expected[1]


def test_projections_are_separable_unless_told_otherwise():
    arguments = {"filters": 4, "kernel_size": 3, "num_residuals": 1, "separable": True}
    assert JasperBlock(**arguments).projections[0].separable
    assert not JasperBlock(**arguments, pointwise_residual=True).projections[0].separable


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"normalization": "group"}, "`normalization` must be"),
        ({"strides": 2, "num_residuals": 1}, "cannot stride"),
        ({"drop_block": 0.5}, "needs a residual input"),
        ({"drop_block": 1.0, "num_residuals": 1}, r"probability in \[0, 1\)"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        JasperBlock(4, 3, **arguments)


def test_wrong_number_of_inputs_is_refused(x):
    layer = JasperBlock(4, 3, num_residuals=1)
    layer.build([x.shape, x.shape])
    with pytest.raises(ValueError, match="made for 1 residual inputs"):
        layer([x, x, x])
