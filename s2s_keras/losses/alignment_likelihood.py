"""The loss of attention that is told where to look."""

import keras
from keras import ops

_LEAST = 1e-6  # of the weight on what is right


@keras.saving.register_keras_serializable(package="s2s_keras")
class AlignmentLikelihood(keras.losses.Loss):
    """Minus the logarithm of the attention on the tokens that are being said, the mean over steps.

    Where a recognizer has told when each token of a recording is said, attention need not find it out: few recordings
    or little time are enough then. The Keras mask of the alignment says which steps are real.

    Args:
        reduction: string or None, as in `keras.losses.Loss`. Default "sum_over_batch_size".
        name: string. Default "alignment_likelihood".
        dtype: string or dtype policy, of the result. Default "float32" under every global policy.

    Call arguments:
        y_true: float (B, S, U), 1 at tokens that may be looked at, 0 elsewhere.
        y_pred: float (B, S, U), alignments.

    Returns:
        float scalar, or (B, S) with `reduction=None`.

    Example:

    >>> import numpy as np
    >>> loss = AlignmentLikelihood()(np.array([[[1, 1, 0]]]), np.array([[[0.25, 0.25, 0.5]]]))
    >>> round(float(loss), 4) == round(float(np.log(2)), 4)
    True
    """

    def __init__(self, reduction="sum_over_batch_size", name="alignment_likelihood", dtype="float32"):
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true, y_pred):
        weight = ops.sum(ops.cast(y_true, "float32") * ops.cast(y_pred, "float32"), axis=-1)
        return -ops.log(ops.maximum(weight, _LEAST))

    def get_config(self):
        return {**super().get_config(), "dtype": self.dtype}
