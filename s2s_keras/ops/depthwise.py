"""Convolution of every channel by itself."""

import keras
from keras import ops

from s2s_keras.ops.devices import on_cpu

MOST_TAPS = 32  # of a convolution that is written out; more take long to compile
PIECE = 32  # frames


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
    if padding == "same":
        span = dilation_rate * (taps - 1)
        x = ops.pad(x, [[0, 0], [span // 2, span - span // 2], [0, 0]])
    return _convolve(x, ops.cast(kernel, x.dtype)[:, :, 0], strides, dilation_rate)


def _convolve(x, kernel, strides, dilation_rate):
    """The sum of shifted products; for its own gradient XLA would write down every shifted copy of the features."""

    def convolve(x, kernel):
        def backward(gradient):
            gradient = _spread(gradient, strides)
            span = dilation_rate * (kernel.shape[0] - 1)
            around = ops.pad(gradient, [[0, 0], [span, x.shape[1] - gradient.shape[1]], [0, 0]])
            by_x = _sum_of_taps(around, ops.flip(kernel, axis=0), 1, dilation_rate)
            return by_x, ops.cast(_kernel_gradient(x, gradient, kernel.shape[0], dilation_rate), kernel.dtype)

        return _sum_of_taps(x, kernel, strides, dilation_rate), backward

    return ops.custom_gradient(convolve)(x, kernel)


def _sum_of_taps(x, kernel, strides, dilation_rate):
    span = dilation_rate * (kernel.shape[0] - 1)
    parts = []
    for n in range(kernel.shape[0]):
        first, after = n * dilation_rate, span - n * dilation_rate
        parts.append(x[:, first : -after or None : strides] * kernel[n])
    return sum(parts[1:], parts[0])


def _spread(gradient, strides):
    """With zeros for the frames between two strides."""
    if strides == 1:
        return gradient
    batch, frames, channels = gradient.shape
    between = ops.pad(gradient[:, :, None], [[0, 0], [0, 0], [0, strides - 1], [0, 0]])
    return ops.reshape(between, (batch, frames * strides, channels))[:, : (frames - 1) * strides + 1]


def _kernel_gradient(x, gradient, taps, dilation_rate):
    """(taps, C) in float32: the products of the gradient and the shifted features, summed."""
    batch, frames, channels = gradient.shape
    shifts = [n * dilation_rate for n in range(taps)]
    if not on_cpu():
        shifted = (ops.cast(x[:, shift : shift + frames] * gradient, "float32") for shift in shifts)
        return ops.stack([ops.sum(part, axis=(0, 1)) for part in shifted])
    # In pieces, so that the sums stay in the processor's nearest memory.
    pieces = -(-frames // PIECE)
    missing = pieces * PIECE - frames
    x, gradient = (ops.pad(part, [[0, 0], [0, missing], [0, 0]]) for part in (x, gradient))

    def add(n, sums):
        start = (n // pieces, n % pieces * PIECE, 0)
        features = ops.slice(x, start, (1, PIECE + shifts[-1], channels))[0]
        slope = ops.slice(gradient, start, (1, PIECE, channels))[0]
        products = (ops.cast(features[shift : shift + PIECE] * slope, "float32") for shift in shifts)
        return tuple(total + product for total, product in zip(sums, products, strict=True))

    sums = ops.fori_loop(0, batch * pieces, add, (ops.zeros((PIECE, channels), "float32"),) * taps)
    return ops.stack([ops.sum(total, axis=0) for total in sums])
