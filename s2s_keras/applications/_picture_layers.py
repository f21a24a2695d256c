"""Keras' layers for pictures, written so that XLA trains them fast on a CPU: see benchmarks/README.md, ResNet-50.

They are called as Keras' are because files of weights know layers by these names.
"""

import functools

import keras
from keras import ops

from s2s_keras.ops.devices import on_cpu
from s2s_keras.ops.products import channel_product

# Channels: up to FEW a row of a kernel is one product; between FEW and SOME XLA's gradient is the faster one; from MANY
# on products are faster than convolutions. Columns: up to WIDE a tall product is computed transposed.
FEW, SOME, MANY, WIDE = 4, 64, 256, 256


@keras.saving.register_keras_serializable(package="s2s_keras")
class Conv2D(keras.layers.Conv2D):
    """Keras' convolution, channels last; with a kernel of size 1 it is a product of two matrices.

    XLA's own takes several times as long for the gradient of such a kernel, and up to three times for that of a larger
    one, which is a product for each of its pixels here.
    """

    def convolution_op(self, inputs, kernel):
        # TensorFlow does the same by itself, and its exporters know convolutions better.
        if self.groups > 1 or self.dilation_rate != (1, 1) or keras.backend.backend() == "tensorflow":
            return super().convolution_op(inputs, kernel)
        one = self.kernel_size == (1, 1)
        if keras.backend.backend() == "jax" and on_cpu() and (one or not FEW < inputs.shape[-1] < SOME):
            return self._by_products(inputs, ops.convert_to_tensor(kernel))
        if one:
            return channel_product(inputs[:, :: self.strides[0], :: self.strides[1]], kernel[0, 0])
        return super().convolution_op(inputs, kernel)

    def _by_products(self, x, kernel):
        one = self.kernel_size == (1, 1)
        convolve = self._sum_of_products if one or x.shape[-1] >= MANY else super().convolution_op
        y = convolve(x, ops.stop_gradient(kernel))
        return ops.custom_gradient(self._with_kernel_gradient)(y, x, kernel)

    def _sum_of_products(self, x, kernel):
        shape = self.compute_output_shape(x.shape)[1:]
        pixels = [kernel[row, column] for row in range(self.kernel_size[0]) for column in range(self.kernel_size[1])]
        y = sum(ops.matmul(part, pixel) for part, pixel in zip(self._parts(x, *shape[:2]), pixels, strict=True))
        return ops.reshape(y, (-1, *shape))

    def _with_kernel_gradient(self, y, x, kernel):
        """`y`, computed without a gradient for the kernel, with one."""

        def backward(gradient):
            height, width, filters = gradient.shape[1:]
            flat = ops.reshape(gradient, (-1, filters))
            products = [_transposed_product(part, flat) for part in self._parts(x, height, width)]
            return gradient, ops.zeros_like(x), ops.reshape(ops.concatenate(products), kernel.shape)

        return y, backward

    def _parts(self, x, height, width):
        """What each pixel of the kernel meets, (B * `height` * `width`, C); with few channels, each row of pixels."""
        rows, columns = self.kernel_size
        x = _padded(_padded(x, 1, rows, self.strides[0], self.padding), 2, columns, self.strides[1], self.padding)
        parts = []
        for row in range(rows):
            lines = _every(x, 1, row, height, self.strides[0])
            pixels = [_every(lines, 2, column, width, self.strides[1]) for column in range(columns)]
            parts += [ops.concatenate(pixels, axis=-1)] if x.shape[-1] <= FEW else pixels
        return [ops.reshape(part, (-1, part.shape[-1])) for part in parts]


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


def _transposed_product(x, y):
    """The product of the transposed matrix `x` and `y`.

    XLA's takes up to twice as long where it is taller than wide: then it is computed the other way round, and turned in
    three axes because XLA would undo it in two.
    """
    tall, wide = x.shape[1], y.shape[1]
    if tall <= wide or wide > WIDE or tall % 8:
        return ops.matmul(ops.transpose(x), y)
    product = ops.reshape(ops.matmul(ops.transpose(y), x), (wide, tall // 8, 8))
    return ops.reshape(ops.transpose(product, (1, 2, 0)), (tall, wide))


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
