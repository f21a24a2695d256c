"""Deep Speech 2's row convolution."""

import keras
from keras import ops

from s2s_keras.ops.depthwise import depthwise_conv1d
from s2s_keras.ops.masks import apply_mask


@keras.saving.register_keras_serializable(package="s2s_keras")
class RowConvolution(keras.layers.Layer):
    """Convolution of every channel with a few frames around it, above a recurrent layer that only knows the past.

    Args:
        kernel_size: int, frames.
        left_padding: int, how many of them lie before the frame. `None` means `(kernel_size - 1) // 2`, as in
            OpenSeq2Seq; 0 looks ahead only, as in the paper.

    Call arguments:
        inputs: float (B, T, C).
        mask: bool (B, T) or None, True at real frames.

    Returns:
        float (B, T, C).

    Raises:
        ValueError: if a size is not positive, or `left_padding` is outside the kernel.

    Example:

    >>> import numpy as np
    >>> layer = RowConvolution(2, left_padding=0)
    >>> layer.build((None, None, 1))
    >>> layer.set_weights([np.ones((2, 1, 1), "float32")])
    >>> keras.ops.convert_to_numpy(layer(np.array([[[1.0], [2.0], [4.0]]], "float32")))[0, :, 0].tolist()
    [3.0, 6.0, 4.0]

    Reference:
        - [Deep Speech 2](https://arxiv.org/abs/1512.02595), section 3.7.
    """

    def __init__(self, kernel_size, left_padding=None, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(kernel_size, int) or kernel_size < 1:
            raise ValueError(f"`kernel_size` must be a positive integer. Received: kernel_size={kernel_size!r}.")
        self.kernel_size = kernel_size
        self.left_padding = (kernel_size - 1) // 2 if left_padding is None else left_padding
        if not 0 <= self.left_padding < kernel_size:
            raise ValueError(
                f"`left_padding` must be at least 0 and less than kernel_size={kernel_size}. "
                f"Received: left_padding={left_padding}."
            )
        self.supports_masking = True

    def build(self, input_shape):
        self.kernel = self.add_weight((self.kernel_size, input_shape[-1], 1), "glorot_normal", name="kernel")

    def call(self, inputs, mask=None):
        x = apply_mask(inputs, mask)
        x = ops.pad(x, [[0, 0], [self.left_padding, self.kernel_size - 1 - self.left_padding], [0, 0]])
        return self._convolve(x)

    def stream(self, signal, memory):
        """The same for the next frames of an endless sequence: see `s2s_keras.layers.streaming`."""
        signal = signal.replace(frames=apply_mask(signal.frames, signal.mask))
        return memory.convolve(signal, self.kernel_size, 1, self.left_padding, self._convolve)

    def _convolve(self, x):
        return depthwise_conv1d(x, self.kernel)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "kernel_size": self.kernel_size, "left_padding": self.left_padding}
