"""Cross entropy over the real positions of sequences."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="s2s_keras")
class CrossEntropy(keras.losses.Loss):
    """Negative log-likelihood of the right token at every position, padding left out.

    The mean over a batch is the mean over its real positions: that of all tokens, however they are spread over
    sequences. The loss of one sequence is the sum over its positions divided by the average number of positions of the
    batch's sequences, so that weights of sequences count as they do in other losses. A sequence without a real position
    has loss 0 and gradient 0.

    Values are computed in float32.

    Args:
        padding: int, the label that is none.
        label_smoothing: float in [0, 1), the share of the target that is spread evenly over the vocabulary.
        reduction: string or None, as in `keras.losses.Loss`. Default "sum_over_batch_size".
        name: string. Default "cross_entropy".
        dtype: string or dtype policy, of the result. Default "float32" under every global policy.

    Call arguments:
        y_true: int (B, U), labels, `padding` where there is none.
        y_pred: float (B, U, V), logits.

    Returns:
        float scalar, or (B,) with `reduction=None`.

    Raises:
        ValueError: labels are not (B, U) or logits not (B, U, V), or `label_smoothing` is out of its range.

    Example:

    >>> import numpy as np
    >>> logits = np.log(np.array([[[0.5, 0.25, 0.25], [0.2, 0.2, 0.6]], [[0.1, 0.8, 0.1], [1, 1, 1]]]))
    >>> loss = CrossEntropy()(np.array([[1, 2], [1, 0]]), logits)
    >>> round(float(loss), 4) == round(float(-np.log([0.25, 0.6, 0.8]).mean()), 4)
    True

    Reference:
        - [Rethinking the inception architecture](https://arxiv.org/abs/1512.00567), section 7, for label smoothing.
          OpenSeq2Seq's `BasicSequenceLoss` divides by all positions, padded ones too, and its attention models do not
          train the end of a sentence; what is a label here is trained.
    """

    def __init__(
        self,
        padding=0,
        label_smoothing=0.0,
        reduction="sum_over_batch_size",
        name="cross_entropy",
        dtype="float32",
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(f"`label_smoothing` must be in [0, 1). Received: label_smoothing={label_smoothing}.")
        self.padding = padding
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        if len(y_true.shape) != 2 or len(y_pred.shape) != 3:
            raise ValueError(
                "CrossEntropy expects labels (batch, positions) and logits (batch, positions, vocabulary). Received: "
                f"y_true.shape={tuple(y_true.shape)}, y_pred.shape={tuple(y_pred.shape)}"
            )
        labels = ops.cast(y_true, "int32")
        real = labels != self.padding
        log_probs = ops.log_softmax(ops.cast(y_pred, "float32"), axis=-1)
        right = ops.take_along_axis(log_probs, ops.where(real, labels, 0)[..., None], axis=-1)[..., 0]
        if self.label_smoothing:
            right = (1.0 - self.label_smoothing) * right + self.label_smoothing * ops.mean(log_probs, axis=-1)
        losses = ops.sum(ops.where(real, -right, 0.0), axis=1)
        lengths = ops.sum(ops.cast(real, "float32"), axis=1)
        sequences = ops.sum(ops.cast(lengths > 0.0, "float32"))
        return losses * sequences / ops.maximum(ops.sum(lengths), 1.0)

    def get_config(self):
        return {
            **super().get_config(),
            "padding": self.padding,
            "label_smoothing": self.label_smoothing,
            "dtype": self.dtype,
        }
