import numpy as np
import pytest
from keras import ops

from s2s_keras.layers import MaskedConv1D
from tests.test_case import LayerTestCase


class TestMaskedConv1D(LayerTestCase):
    layer = MaskedConv1D
    arguments = {"filters": 6, "kernel_size": 5, "use_bias": True, "kernel_initializer": "he_normal"}


class TestStrided(LayerTestCase):
    layer = MaskedConv1D
    arguments = {"filters": 8, "kernel_size": 5, "strides": 2, "groups": 2}
    num_frames = (6, 5, 3)


class TestDilatedSeparable(LayerTestCase):
    layer = MaskedConv1D
    arguments = {"filters": 8, "kernel_size": 3, "dilation_rate": 2, "separable": True}


class TestCausal(LayerTestCase):
    layer = MaskedConv1D
    arguments = {"filters": 8, "kernel_size": 3, "left_padding": 2}


def by_hand(x, kernel, strides, dilation_rate, left_padding):
    """The sum over taps, frame by frame."""
    time, span = x.shape[1], dilation_rate * (len(kernel) - 1) + 1
    x = np.pad(x, [(0, 0), (left_padding, span), (0, 0)])
    starts = range(0, time, strides)
    return np.stack([sum(x[:, t + n * dilation_rate] @ tap for n, tap in enumerate(kernel)) for t in starts], axis=1)


@pytest.mark.parametrize(
    "kernel_size, strides, dilation_rate, left_padding, expected_padding",
    [
        (5, 1, 1, None, 2),
        (4, 1, 1, None, 1),
        (11, 2, 1, None, 4),  # TensorFlow's "SAME" for even lengths: (11 - 2) // 2; PyTorch recipes pad 5
        (11, 2, 1, 5, 5),
        (3, 3, 1, None, 0),
        (2, 3, 1, None, 0),  # longer steps than the kernel
        (5, 1, 2, None, 4),
        (3, 1, 2, 4, 4),
        (1, 2, 1, None, 0),
    ],
)
def test_equals_the_sum_over_taps(kernel_size, strides, dilation_rate, left_padding, expected_padding):
    rng = np.random.default_rng(0)
    layer = MaskedConv1D(4, kernel_size, strides, dilation_rate, left_padding=left_padding)
    assert layer.left_padding == expected_padding
    layer.build((None, None, 3))
    kernel = ops.convert_to_numpy(layer.kernel)
    for time in (12, 13):
        x = rng.normal(size=(2, time, 3)).astype("float32")
        expected = by_hand(x, kernel, strides, dilation_rate, expected_padding)
        assert expected.shape[1] == -(-time // strides)
        np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), expected, rtol=0, atol=1e-5)


def test_separable_is_a_convolution_per_channel_and_a_mixing_of_channels():
    x = np.random.default_rng(0).normal(size=(2, 9, 3)).astype("float32")
    layer = MaskedConv1D(4, 3, strides=2, separable=True)
    found = ops.convert_to_numpy(layer(x))
    depthwise, pointwise = (ops.convert_to_numpy(weight) for weight in layer.weights)
    kernel = np.einsum("kco,cf->kcf", depthwise, pointwise[0])
    np.testing.assert_allclose(found, by_hand(x, kernel, 2, 1, 0), rtol=0, atol=1e-5)


def test_groups_do_not_see_each_other():
    layer = MaskedConv1D(4, 3, groups=2)
    x = np.random.default_rng(0).normal(size=(1, 5, 4)).astype("float32")
    other = x.copy()
    other[..., 2:] = 7.0
    found, changed = ops.convert_to_numpy(layer(x)), ops.convert_to_numpy(layer(other))
    np.testing.assert_array_equal(found[..., :2], changed[..., :2])
    assert np.abs(found[..., 2:] - changed[..., 2:]).max() > 0.1


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"filters": 0}, "`filters` must be a positive integer"),
        ({"kernel_size": 2.0}, "`kernel_size` must be a positive integer"),
        ({"strides": 0}, "`strides` must be a positive integer"),
        ({"separable": True, "groups": 2}, "already grouped"),
        ({"strides": 2, "dilation_rate": 2}, "stride and dilate"),
        ({"left_padding": 3}, "less than the 3 frames"),
        ({"left_padding": -1}, "at least 0"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        MaskedConv1D(**{"filters": 4, "kernel_size": 3, **arguments})


def test_channels_must_fit_the_groups():
    with pytest.raises(ValueError, match="3 input channels, filters=4, groups=2"):
        MaskedConv1D(4, 3, groups=2).build((None, None, 3))
