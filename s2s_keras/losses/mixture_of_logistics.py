"""Likelihood of samples under mixtures of logistic distributions."""

import keras
from keras import ops

from s2s_keras.ops.logistics import split_mixture


@keras.saving.register_keras_serializable(package="s2s_keras")
class MixtureOfLogistics(keras.losses.Loss):
    """Negative log-likelihood of samples, whose distribution is a mixture of logistics, cut into equal steps.

    The steps are those of audio of so many bits; their probabilities add up to one. Values are computed in float32,
    by a formula that neither cancels nor overflows, so that no step needs an approximation.

    Args:
        num_classes: int, steps from -1 to 1. Default 65,536: audio of 16 bits.
        reduction: string or None, as in `keras.losses.Loss`. Default "sum_over_batch_size".
        name: string. Default "mixture_of_logistics".
        dtype: string or dtype policy, of the result. Default "float32" under every global policy.

    Call arguments:
        y_true: float (B, S), samples in [-1, 1].
        y_pred: float (B, S, 3 M), of M components: logits of their weights, then means, then logarithms of scales.

    Returns:
        float scalar, or (B, S) with `reduction=None`. A Keras mask of `y_pred` counts.

    Raises:
        ValueError: samples are not (B, S), or the last axis of `y_pred` cannot be divided by three.

    Example:

    >>> import numpy as np
    >>> loss = MixtureOfLogistics(num_classes=2, reduction=None)  # -1 or 1, as likely if the mean is 0
    >>> values = loss(np.array([[-1.0, 1.0]]), np.array([[[0.0, 0.0, -1.0], [0.0, 0.0, 0.5]]]))
    >>> ops.convert_to_numpy(ops.exp(-values)).round(3).tolist()
    [[0.5, 0.5]]

    Reference:
        - [PixelCNN++](https://arxiv.org/abs/1701.05517), section 2.1;
          [Parallel WaveNet](https://arxiv.org/abs/1711.10433), section 2.1. OpenSeq2Seq has no such output.
    """

    def __init__(
        self, num_classes=65536, reduction="sum_over_batch_size", name="mixture_of_logistics", dtype="float32"
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.num_classes = num_classes

    def call(self, y_true, y_pred):
        if len(y_true.shape) != 2 or len(y_pred.shape) != 3 or y_pred.shape[-1] % 3:
            raise ValueError(
                "MixtureOfLogistics expects samples (batch, samples) and parameters (batch, samples, 3 * components). "
                f"Received: y_true.shape={tuple(y_true.shape)}, y_pred.shape={tuple(y_pred.shape)}"
            )
        logits, means, log_scales = split_mixture(ops.cast(y_pred, "float32"))
        samples = ops.cast(y_true, "float32")[..., None]
        half = 1.0 / (self.num_classes - 1)
        sharpness = ops.exp(-log_scales)
        above = (samples - means + half) * sharpness
        below = (samples - means - half) * sharpness
        # sigmoid(above) - sigmoid(below) = sigmoid(above) sigmoid(-below) (1 - exp(below - above)); the outermost
        # steps reach to infinity.
        first, last = samples < -1.0 + half, samples > 1.0 - half
        log_probs = ops.where(last, 0.0, ops.log_sigmoid(above)) + ops.where(first, 0.0, ops.log_sigmoid(-below))
        width = ops.log(-ops.expm1(-2.0 * half * sharpness))
        log_probs = log_probs + ops.where(ops.logical_or(first, last), 0.0, width)
        return -ops.logsumexp(ops.log_softmax(logits, axis=-1) + log_probs, axis=-1)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes, "dtype": self.dtype}
