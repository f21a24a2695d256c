"""Convolution of every channel by itself."""

from functools import partial

import keras
from keras import ops

MOST_TAPS = 32  # of a convolution that is written out; more take long to compile


def depthwise_conv1d(x, kernel, strides=1, padding="valid", dilation_rate=1):
    """What `keras.ops.depthwise_conv` computes, and fast on a CPU under JAX too.

    XLA's own kernel takes 10 to 60 times as long there as the sum of shifted products that it is replaced by, which XLA
    fuses into one loop.

    Args:
        x: float (B, T, C).
        kernel: float (taps, C, 1).
        strides: int.
        padding: "valid" or "same", with zeros half on the left, rounded down.
        dilation_rate: int, frames between two taps.

    Returns:
        float (B, T', C).

    Example:

    >>> x = ops.reshape(ops.array([1.0, 2.0, 4.0]), (1, 3, 1))
    >>> y = depthwise_conv1d(x, ops.ones((2, 1, 1)), padding="valid")
    >>> ops.convert_to_numpy(y)[0, :, 0].tolist()
    [3.0, 6.0]
    """
    taps = kernel.shape[0]
    if keras.backend.backend() != "jax" or taps > MOST_TAPS:
        return ops.depthwise_conv(x, kernel, strides, padding, dilation_rate=dilation_rate)
    # Recomputed for the gradient of the kernel: XLA would write down every shifted copy of the features.
    convolve = keras.remat(partial(_sum_of_taps, strides=strides, padding=padding, dilation_rate=dilation_rate))
    return convolve(x, ops.cast(kernel, x.dtype))


def _sum_of_taps(x, kernel, strides, padding, dilation_rate):
    span = dilation_rate * (kernel.shape[0] - 1)
    if padding == "same":
        x = ops.pad(x, [[0, 0], [span // 2, span - span // 2], [0, 0]])
    parts = []
    for n in range(kernel.shape[0]):
        first, after = n * dilation_rate, span - n * dilation_rate
        parts.append(x[:, first : -after or None : strides] * kernel[n, :, 0])
    return sum(parts[1:], parts[0])
