"""Convolution over time and frequency that ignores padding."""

import keras
from keras import ops

from s2s_keras.ops.masks import apply_mask


@keras.saving.register_keras_serializable(package="s2s_keras")
class MaskedConv2D(keras.layers.Layer):
    """2-D convolution over time and frequency whose output never depends on padded frames or on the padded length.

    As in `MaskedConv1D`, padded frames are set to zero first and the zero frames on the left are a property of the
    layer. Frequency is padded as TensorFlow's "SAME" does; its size is known when the layer is built.

    Args:
        filters: int, channels of the output.
        kernel_size: (int, int), frames and frequencies.
        strides: (int, int), likewise. The output has ceil(T / strides[0]) frames of ceil(F / strides[1]) frequencies.
        left_padding: int, zero frames put before the first frame. `None` means `(kernel_size[0] - strides[0]) // 2`,
            which is TensorFlow's "SAME" for lengths divisible by the stride, as OpenSeq2Seq arranged them.
        use_bias: bool.
        kernel_initializer: Keras initializer.

    Call arguments:
        inputs: float (B, T, F, C).
        mask: bool (B, T) or None, True at real frames.

    Returns:
        float (B, ceil(T / strides[0]), ceil(F / strides[1]), filters).

    Raises:
        ValueError: if a size is not a pair of positive integers, or `left_padding` is outside the kernel.

    Example:

    >>> import numpy as np
    >>> tuple(MaskedConv2D(8, kernel_size=(11, 41), strides=(2, 2))(np.zeros((1, 7, 64, 1), "float32")).shape)
    (1, 4, 32, 8)

    Reference:
        - [Deep Speech 2](https://arxiv.org/abs/1512.02595), section 3.3.
    """

    def __init__(
        self,
        filters,
        kernel_size,
        strides=(1, 1),
        left_padding=None,
        use_bias=False,
        kernel_initializer="glorot_normal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        kernel_size, strides = tuple(kernel_size), tuple(strides)
        for name, pair in {"kernel_size": kernel_size, "strides": strides, "filters": (filters, 1)}.items():
            if len(pair) != 2 or not all(isinstance(size, int) and size > 0 for size in pair):
                raise ValueError(
                    f"`filters` is a positive integer, `kernel_size` and `strides` are two: of time and of frequency. "
                    f"Received: {name}={pair[0] if name == 'filters' else pair!r}."
                )
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        default_padding = max(kernel_size[0] - strides[0], 0) // 2
        self.left_padding = default_padding if left_padding is None else left_padding
        if not 0 <= self.left_padding < kernel_size[0]:
            raise ValueError(
                f"`left_padding` must be at least 0 and less than the {kernel_size[0]} frames of the kernel. "
                f"Received: left_padding={left_padding}."
            )
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.supports_masking = True

    def build(self, input_shape):
        self.kernel = self.add_weight(
            (*self.kernel_size, input_shape[-1], self.filters), self.kernel_initializer, name="kernel"
        )
        if self.use_bias:
            self.bias = self.add_weight((self.filters,), "zeros", name="bias")

    def call(self, inputs, mask=None):
        time = (self.left_padding, self.kernel_size[0] - 1 - self.left_padding)
        return self._convolve(apply_mask(inputs, mask), time)

    def stream(self, signal, memory):
        """The same for the next frames of an endless sequence: see `s2s_keras.layers.streaming`."""
        signal = signal.replace(frames=apply_mask(signal.frames, signal.mask))
        return memory.convolve(signal, self.kernel_size[0], self.strides[0], self.left_padding, self._convolve)

    def _convolve(self, x, time=(0, 0)):
        width, stride, bins = self.kernel_size[1], self.strides[1], x.shape[2]
        frequency = max((-(-bins // stride) - 1) * stride + width - bins, 0)
        x = ops.pad(x, [[0, 0], time, [frequency // 2, frequency - frequency // 2], [0, 0]])
        x = ops.conv(x, self.kernel, self.strides, "valid")
        return x + self.bias if self.use_bias else x

    def compute_mask(self, inputs, mask=None):
        return None if mask is None else mask[:, :: self.strides[0]]

    def compute_output_shape(self, input_shape):
        time, bins = input_shape[1], input_shape[2]
        time = None if time is None else -(-time // self.strides[0])
        return (input_shape[0], time, -(-bins // self.strides[1]), self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "left_padding": self.left_padding,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
