"""A convolution that adds to its input."""

import keras
from keras import ops

from s2s_keras.layers.masked_batch_normalization import MaskedBatchNormalization
from s2s_keras.layers.masked_conv1d import MaskedConv1D

EPSILON = 1.001e-5  # the least that TensorFlow's fused kernel takes


@keras.saving.register_keras_serializable(package="s2s_keras")
class ResidualConv1D(keras.layers.Layer):
    """x + dropout(ReLU(batch norm(convolution(x)))), for a whole sequence or for its next frame.

    Args:
        kernel_size: int, frames.
        causal: bool. A frame sees itself and those before; otherwise both sides.
        dropout: float, rate dropped in training.
        momentum: float, how much of the moving statistics an update keeps.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: float (B, T, C); or, where it is causal, a list of the next frame, float (B, C), and the cache.
        training: bool.
        mask: bool (B, T) or None, True at real frames.

    Returns:
        float (B, T, C); or a tuple of float (B, C) and the next cache.

    Example:

    >>> import numpy as np
    >>> layer, x = ResidualConv1D(3, causal=True), np.random.default_rng(0).normal(size=(1, 4, 2)).astype("float32")
    >>> y, cache = layer(x), layer.initial_cache(1, 2)
    >>> for n in range(4):
    ...     frame, cache = layer([x[:, n], cache])
    >>> np.allclose(*map(ops.convert_to_numpy, (frame, y[:, -1])), atol=1e-6)
    True

    Reference: the blocks of OpenSeq2Seq's Centaur, whose batch normalization counted padding as well.
    """

    def __init__(self, kernel_size, causal=False, dropout=0.0, momentum=0.95, **kwargs):
        super().__init__(**kwargs)
        self.kernel_size = kernel_size
        self.causal = causal
        self.dropout = dropout
        self.momentum = momentum
        self.supports_masking = True
        self.normalization = MaskedBatchNormalization(momentum, EPSILON, dtype=self.dtype_policy, name="normalization")
        self.dropout_layer = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, input_shape):
        channels = input_shape[0][-1] if isinstance(input_shape, list) else input_shape[-1]
        self.convolution = MaskedConv1D(
            channels,
            self.kernel_size,
            left_padding=self.kernel_size - 1 if self.causal else None,
            use_bias=True,
            dtype=self.dtype_policy,
            name="convolution",
        )
        self.convolution.build((None, None, channels))
        self.normalization.build((None, None, channels))

    def initial_cache(self, batch_size, channels):
        """The frames before the first, float (B, kernel_size - 1, channels), zeros."""
        return ops.zeros((batch_size, self.kernel_size - 1, channels), self.compute_dtype)

    def call(self, inputs, training=False, mask=None):
        if isinstance(inputs, (list, tuple)):
            frame, cache = inputs
            frames = ops.concatenate([cache, frame[:, None]], axis=1)
            kernel = ops.reshape(self.convolution.kernel, (-1, frame.shape[-1]))
            y = ops.matmul(ops.reshape(frames, (-1, kernel.shape[0])), ops.cast(kernel, self.compute_dtype))
            y = self.normalization((y + ops.cast(self.convolution.bias, self.compute_dtype))[:, None])[:, 0]
            return frame + ops.relu(y), frames[:, 1:]
        y = self.normalization(self.convolution(inputs, mask=mask), training=training, mask=mask)
        return inputs + self.dropout_layer(ops.relu(y), training=training)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        names = ("kernel_size", "causal", "dropout", "momentum")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
