"""Keras' layers for pictures, written so that XLA trains them fast on a CPU: see benchmarks/README.md, ResNet-50.

They are called as Keras' are because files of weights know layers by these names.
"""

import keras
from keras import ops

from s2s_keras.ops.products import channel_product


@keras.saving.register_keras_serializable(package="s2s_keras")
class Conv2D(keras.layers.Conv2D):
    """Keras' convolution, channels last; with a kernel of size 1 it is a product of two matrices.

    XLA's own takes several times as long for the gradient of such a kernel.
    """

    def convolution_op(self, inputs, kernel):
        # TensorFlow does the same by itself, and its exporters know convolutions better.
        if self.kernel_size != (1, 1) or self.groups > 1 or keras.backend.backend() == "tensorflow":
            return super().convolution_op(inputs, kernel)
        return channel_product(inputs[:, :: self.strides[0], :: self.strides[1]], kernel[0, 0])


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
        length = x.shape[axis]
        if self.padding == "same":
            count = -(-length // stride)
            missing = max((count - 1) * stride + size - length, 0)
            widths = [[0, 0]] * x.ndim
            widths[axis] = [missing // 2, missing - missing // 2]
            x = ops.pad(x, widths, constant_values=-float("inf"))
        else:
            count = (length - size) // stride + 1
        before, end = (slice(None),) * axis, (count - 1) * stride + 1
        parts = [x[(*before, slice(shift, shift + end, stride))] for shift in range(size)]
        largest = parts[0]
        for part in parts[1:]:
            largest = ops.maximum(largest, part)
        return largest
