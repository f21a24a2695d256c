"""Batch normalization over real frames."""

import math

import keras
from keras import ops

from s2s_keras.ops.masks import apply_mask
from s2s_keras.ops.replicas import merge_moments


@keras.saving.register_keras_serializable(package="s2s_keras")
class MaskedBatchNormalization(keras.layers.Layer):
    """Batch normalization over time, and frequency if there is one, whose statistics count real frames only.

    Padding then changes nothing in training either: an utterance contributes the same to the mean and the variance
    alone or beside a longer one. The original counted padded frames as well; `real_frames_only=False` does that.
    Statistics are float32 under every dtype policy. They are those of the whole batch of all replicas where several
    train together, and a channel whose statistics are not finite leaves its moving statistics as they were.

    Args:
        momentum: float, how much of the moving statistics an update keeps.
        epsilon: float, added to the variance.
        real_frames_only: bool, whether the mask counts.

    Call arguments:
        inputs: float (B, T, C) or (B, T, F, C).
        training: bool. Batch statistics if true, moving statistics otherwise.
        mask: bool (B, T) or None, True at real frames.

    Returns:
        float, as `inputs`.

    Example:

    >>> import numpy as np
    >>> x = np.array([[[1.0], [3.0], [99.0]]], "float32")
    >>> y = MaskedBatchNormalization(epsilon=0.0)(x, training=True, mask=np.array([[True, True, False]]))
    >>> keras.ops.convert_to_numpy(y)[0, :2, 0].round(4).tolist()
    [-1.0, 1.0]

    Reference:
        - [Batch normalization](https://arxiv.org/abs/1502.03167). As in TensorFlow's fused kernel, which the original
          used, the moving variance is the unbiased one (N / (N - 1)); `keras.layers.BatchNormalization` keeps the
          biased one.
    """

    def __init__(self, momentum=0.9, epsilon=1e-3, real_frames_only=True, **kwargs):
        super().__init__(**kwargs)
        self.momentum = momentum
        self.epsilon = epsilon
        self.real_frames_only = real_frames_only
        self.supports_masking = True

    def build(self, input_shape):
        shape = (input_shape[-1],)
        self.gamma = self.add_weight(shape, "ones", name="gamma", dtype="float32", autocast=False)
        self.beta = self.add_weight(shape, "zeros", name="beta", dtype="float32", autocast=False)
        # What is assigned is the same on every replica: they need not exchange it once more.
        moving = {"trainable": False, "dtype": "float32", "autocast": False, "aggregation": "only_first_replica"}
        self.moving_mean = self.add_weight(shape, "zeros", name="moving_mean", **moving)
        self.moving_variance = self.add_weight(shape, "ones", name="moving_variance", **moving)

    def call(self, inputs, training=False, mask=None):
        x = ops.cast(inputs, "float32")
        if training and self.trainable:
            x = self._normalize(x, mask if self.real_frames_only else None)
        else:
            scale = self.gamma * ops.rsqrt(self.moving_variance + self.epsilon)
            x = x * scale + (self.beta - self.moving_mean * scale)
        return ops.cast(x, self.compute_dtype)

    def _normalize(self, inputs, mask):
        """Normalizes by the batch, as a matrix: sums over several axes take XLA longer on a CPU."""
        x = apply_mask(inputs, mask)  # not only out of the sums: the gradient of gamma reads every frame
        x = ops.reshape(x, (-1, x.shape[-1]))
        if mask is None:
            weights, count = ops.ones((1, 1), "float32"), ops.cast(ops.shape(x)[0], "float32")
        else:
            weights = ops.reshape(ops.cast(mask, "float32"), (-1, 1))
            weights = ops.repeat(weights, math.prod(inputs.shape[2:-1]), axis=0)
            count = ops.sum(weights)
        mean, variance = ops.unstack(_moments(x, weights, ops.maximum(count, 1.0)), 2)
        count, mean, variance = merge_moments(count, mean, variance, around=self.moving_mean)
        keep = ops.where(count > 0.0, self.momentum, 1.0)  # a batch may hold nothing but empty rows
        self._update(self.moving_mean, mean, keep)
        self._update(self.moving_variance, variance * (count / ops.maximum(count - 1.0, 1.0)), keep)
        scale = self.gamma * ops.rsqrt(variance + self.epsilon)
        return ops.reshape(x * scale + (self.beta - mean * scale), ops.shape(inputs))

    def _update(self, moving, batch, keep):
        batch = ops.stop_gradient(batch)
        updated = moving * keep + batch * (1.0 - keep)
        moving.assign(ops.where(ops.isfinite(batch), updated, ops.convert_to_tensor(moving)))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "real_frames_only": self.real_frames_only,
        }


def _moments(x, weights, count):
    """Mean and biased variance, (2, C), of the rows of (N, C) that weights (N, 1) count; the others are zero.

    The gradient is written out: it reads x once, and what the two passes over it left is not kept.
    """

    def moments(x, weights, count):
        mean = ops.sum(x, axis=0) / count
        variance = ops.sum(ops.square((x - mean) * weights), axis=0) / count

        def backward(*args, upstream=None):  # PyTorch gives the arguments first, and the gradient by name
            by_mean, by_variance = ops.unstack(args[0] if upstream is None else upstream, 2)
            slope = 2.0 * by_variance / count
            gradient = (x * slope + (by_mean / count - mean * slope)) * weights
            return gradient, ops.zeros_like(weights), ops.zeros_like(count)

        return ops.stack([mean, variance]), backward

    return ops.custom_gradient(moments)(x, weights, count)
