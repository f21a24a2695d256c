"""The loss of the end of speech."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="s2s_keras")
class StopTokenCrossEntropy(keras.losses.Loss):
    """Binary cross entropy of every frame's logit of whether speech has ended.

    Few frames are the end: a weight above 1 makes them count more. The Keras mask of the logits says which frames are
    real.

    Args:
        positive_weight: float, how often frames of the end count.
        reduction: string or None, as in `keras.losses.Loss`. Default "sum_over_batch_size".
        name: string. Default "stop_token_cross_entropy".
        dtype: string or dtype policy, of the result. Default "float32" under every global policy.

    Call arguments:
        y_true: float (B, T), 1 where speech has ended, 0 elsewhere.
        y_pred: float (B, T), logits.

    Returns:
        float scalar, or (B, T) with `reduction=None`.

    Raises:
        ValueError: if `positive_weight` is not above 0.

    Example:

    >>> import numpy as np
    >>> loss = StopTokenCrossEntropy(positive_weight=3.0)
    >>> value = loss(np.array([[0.0, 1.0]]), np.zeros((1, 2)))
    >>> round(float(value), 4) == round(float((np.log(2) + 3 * np.log(2)) / 2), 4)
    True

    Reference:
        - [Tacotron 2](https://arxiv.org/abs/1712.05884), section 2.2; the weight is ESPnet's `bce_pos_weight`.
    """

    def __init__(
        self, positive_weight=1.0, reduction="sum_over_batch_size", name="stop_token_cross_entropy", dtype="float32"
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if positive_weight <= 0.0:
            raise ValueError(f"`positive_weight` must be above 0. Received: positive_weight={positive_weight}.")
        self.positive_weight = positive_weight

    def call(self, y_true, y_pred):
        logits, ended = ops.cast(y_pred, "float32"), ops.cast(y_true, "float32")
        return self.positive_weight * ended * ops.softplus(-logits) + (1.0 - ended) * ops.softplus(logits)

    def get_config(self):
        return {**super().get_config(), "positive_weight": self.positive_weight, "dtype": self.dtype}
