"""How many utterances a CTC loss cannot learn from."""

import keras
from keras import ops

from s2s_keras.ops.ctc import alignable, real_frames


@keras.saving.register_keras_serializable(package="s2s_keras")
class InfeasibleLabels(keras.metrics.Metric):
    """Counts the utterances whose labels have no alignment with their frames: `losses.CTC` gives them loss zero.

    A few are harmless. Many say that labels do not belong to the audio, that the vocabulary is another one, or that the
    encoder's strides leave too few frames; training would go on and learn nothing from them.

    Args:
        name: string. Default "infeasible_labels".
        dtype: string or dtype policy. Default "float32" under every global policy.

    Call arguments:
        y_true: int (B, U), labels, right-padded with 0.
        y_pred: float (B, T, V), logits, blank first; padded frames have 0 for blank and -1e9 for every other token.
        sample_weight: float (B,) or None; an utterance counts as its weight.

    Returns:
        float scalar, the sum over all utterances since the last reset.

    Example:

    >>> import numpy as np
    >>> metric = InfeasibleLabels()
    >>> labels = np.array([[1, 2, 0], [1, 1, 0], [1, 2, 1]])  # need two, three (a blank between) and three frames
    >>> float(metric(labels, np.zeros((3, 2, 4), "float32")))
    2.0
    """

    def __init__(self, name="infeasible_labels", dtype="float32"):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), initializer="zeros", name="total")

    def update_state(self, y_true, y_pred, sample_weight=None):
        logits = ops.cast(y_pred, "float32")
        fits = alignable(y_true, real_frames(logits), logits.shape[-1])
        count = ops.cast(ops.logical_not(fits), self.dtype)
        if sample_weight is not None:
            count = count * ops.cast(ops.reshape(sample_weight, (-1,)), self.dtype)
        self.total.assign_add(ops.sum(count))

    def result(self):
        return ops.cast(self.total, self.dtype)
