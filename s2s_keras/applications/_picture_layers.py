"""Keras' layers for pictures, written so that XLA trains them fast on a CPU: see benchmarks/README.md, ResNet-50.

They are called as Keras' are because files of weights know layers by these names.
"""

import functools

import keras
from keras import ops

from s2s_keras.ops.devices import on_cpu
from s2s_keras.ops.products import channel_product

FEW, MANY = 4, 128  # channels; between them XLA's gradient of a kernel larger than 1 is the faster one


@keras.saving.register_keras_serializable(package="s2s_keras")
class Conv2D(keras.layers.Conv2D):
    """Keras' convolution, channels last; with a kernel of size 1 it is a product of two matrices.

    XLA's own takes several times as long for the gradient of such a kernel, and twice as long for that of a larger one
    with many or very few channels.
    """

    def convolution_op(self, inputs, kernel):
        # TensorFlow does the same by itself, and its exporters know convolutions better.
        if self.groups > 1 or self.dilation_rate != (1, 1) or keras.backend.backend() == "tensorflow":
            return super().convolution_op(inputs, kernel)
        if self.kernel_size == (1, 1):
            return channel_product(inputs[:, :: self.strides[0], :: self.strides[1]], kernel[0, 0])
        if keras.backend.backend() != "jax" or FEW < inputs.shape[-1] < MANY or not on_cpu():
            return super().convolution_op(inputs, kernel)
        kernel = ops.convert_to_tensor(kernel)
        y = super().convolution_op(inputs, ops.stop_gradient(kernel))
        return ops.custom_gradient(self._with_kernel_gradient)(y, inputs, kernel)

    def _with_kernel_gradient(self, y, x, kernel):
        """`y`, computed without a gradient for the kernel, with one: a product of matrices for each of its rows."""

        def backward(gradient):
            return gradient, ops.zeros_like(x), self._kernel_gradient(x, gradient)

        return y, backward

    def _kernel_gradient(self, x, gradient):
        height, width, filters = gradient.shape[1:]
        rows, columns = self.kernel_size
        x = _padded(_padded(x, 1, rows, self.strides[0], self.padding), 2, columns, self.strides[1], self.padding)
        gradient = ops.reshape(gradient, (-1, filters))
        products = []
        for row in range(rows):
            lines = _every(x, 1, row, height, self.strides[0])
            parts = [_every(lines, 2, column, width, self.strides[1]) for column in range(columns)]
            parts = ops.reshape(ops.concatenate(parts, axis=-1), (-1, columns * x.shape[-1]))
            products.append(ops.matmul(ops.transpose(parts), gradient))
        return ops.reshape(ops.stack(products), (rows, columns, x.shape[-1], filters))


@keras.saving.register_keras_serializable(package="s2s_keras")
class MaxPooling2D(keras.layers.MaxPooling2D):
    """Keras' pooling, channels last; on JAX the larger of shifted pictures, first over rows, then over columns.

    Its gradient is the faster one. Pixels that are equally large share it; in Keras' one of them has it.
    """

    def call(self, inputs):
        if keras.backend.backend() != "jax":
            return super().call(inputs)
        x = inputs
        for axis, size, stride in zip((1, 2), self.pool_size, self.strides, strict=True):
            x = self._pool(x, axis, size, stride)
        return x

    def _pool(self, x, axis, size, stride):
        x = _padded(x, axis, size, stride, self.padding, -float("inf"))
        count = (x.shape[axis] - size) // stride + 1
        return functools.reduce(ops.maximum, (_every(x, axis, shift, count, stride) for shift in range(size)))


def _padded(x, axis, size, stride, padding, value=0.0):
    """As for a window of that size and stride along an axis."""
    if padding == "valid":
        return x
    length = x.shape[axis]
    missing = max((-(-length // stride) - 1) * stride + size - length, 0)
    widths = [[0, 0]] * x.ndim
    widths[axis] = [missing // 2, missing - missing // 2]
    return ops.pad(x, widths, constant_values=value)


def _every(x, axis, start, count, stride):
    """That many entries along an axis."""
    return x[(slice(None),) * axis + (slice(start, start + (count - 1) * stride + 1, stride),)]
