"""Layer and instance normalization over time."""

import keras
from keras import ops

from s2s_keras.ops.masks import apply_mask


@keras.saving.register_keras_serializable(package="s2s_keras")
class SequenceNormalization(keras.layers.Layer):
    """Normalization of each utterance by its own statistics over real frames, with a gain and an offset per channel.

    Use it where a batch is too small for batch normalization. Statistics are float32 under every dtype policy.

    Args:
        across_channels: bool. False: one mean and variance per channel, over time (instance normalization). True: one
            for the utterance, over time and channels (layer normalization as OpenSeq2Seq's encoders meant it).
        epsilon: float, added to the variance.

    Call arguments:
        inputs: float (B, T, C).
        mask: bool (B, T) or None, True at real frames.

    Returns:
        float (B, T, C).

    Example:

    >>> import numpy as np
    >>> y = SequenceNormalization()(np.array([[[1.0], [3.0]]], "float32"))
    >>> keras.ops.convert_to_numpy(y)[0, :, 0].round(4).tolist()
    [-1.0, 1.0]

    Reference:
        - [Layer normalization](https://arxiv.org/abs/1607.06450),
          [instance normalization](https://arxiv.org/abs/1607.08022). OpenSeq2Seq counted padded frames; here padding
          changes nothing.
    """

    def __init__(self, across_channels=False, epsilon=1e-6, **kwargs):
        super().__init__(**kwargs)
        self.across_channels = across_channels
        self.epsilon = epsilon
        self.supports_masking = True

    def build(self, input_shape):
        shape = (input_shape[-1],)
        self.gamma = self.add_weight(shape, "ones", name="gamma", dtype="float32", autocast=False)
        self.beta = self.add_weight(shape, "zeros", name="beta", dtype="float32", autocast=False)

    def call(self, inputs, mask=None):
        mask = ops.ones_like(inputs[..., 0], dtype="bool") if mask is None else mask
        x = apply_mask(ops.cast(inputs, "float32"), mask)
        count = ops.sum(ops.cast(mask, "float32"), axis=1)[:, None, None]
        mean = self._average(x, count)
        variance = self._average(ops.square(apply_mask(x - mean, mask)), count)
        x = (x - mean) * ops.rsqrt(variance + self.epsilon) * self.gamma + self.beta
        return ops.cast(x, self.compute_dtype)

    def _average(self, x, count):
        average = ops.sum(x, axis=1, keepdims=True) / ops.maximum(count, 1.0)
        return ops.mean(average, axis=2, keepdims=True) if self.across_channels else average

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "across_channels": self.across_channels, "epsilon": self.epsilon}
