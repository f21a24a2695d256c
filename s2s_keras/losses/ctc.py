"""Connectionist temporal classification."""

import importlib

import keras
from keras import ops

from s2s_keras.ops.ctc import PADDED_THRESHOLD, alignable

_BACKENDS = ("tensorflow", "jax", "torch")


@keras.saving.register_keras_serializable(package="s2s_keras")
class CTC(keras.losses.Loss):
    """Negative log-likelihood of a label sequence, summed over all its alignments with the frames.

    All frames count: padded frames have to say blank with certainty (logit 0 for blank, -1e9 for every other token, as
    `s2s_keras.layers.BlankPadding` makes them). The value and the gradient are then those of the real frames alone.

    A label cannot be aligned if it needs more real frames than there are, counting one more for a blank between two
    equal tokens, if it holds an id outside the vocabulary, or if a token follows a 0. Such an utterance has loss 0 and
    gradient 0 and changes nothing; add `metrics.InfeasibleLabels()` to `compile` to see how many there are.

    Values, and gradients with respect to the logits, are computed in float32. There is no second derivative.

    Args:
        zero_infinity: bool. False gives infinity for labels that cannot be aligned; their gradient is zero all the
            same. Default True.
        normalize_by_label_length: bool, whether the loss of an utterance is divided by the number of its labels (by
            one for empty labels), as torch's `reduction="mean"` does. Default False.
        reduction: string or None, as in `keras.losses.Loss`. Default "sum_over_batch_size", the mean over utterances.
        name: string. Default "ctc".
        dtype: string or dtype policy, of the result. Default "float32" under every global policy.

    Call arguments:
        y_true: int (B, U), labels from 1 to V - 1, right-padded with 0. Empty labels are allowed.
        y_pred: float (B, T, V), logits, blank first.

    Returns:
        float scalar, or (B,) with `reduction=None`.

    Raises:
        ValueError: labels are not (B, U) or logits not (B, T, V) with at least two tokens.

    Example:

    >>> import numpy as np
    >>> logits = np.zeros((1, 2, 3), "float32")  # three tokens, all equally likely at two frames
    >>> loss = CTC()(np.array([[1, 0]]), logits)  # three of nine paths say 1: (1, 1), (0, 1) and (1, 0)
    >>> round(float(loss), 4) == round(float(np.log(3)), 4)
    True
    >>> float(CTC()(np.array([[1, 1]]), logits))  # would need three frames
    0.0

    Reference:
        Graves et al. 2006, Connectionist temporal classification, sections 4.1 and 4.2. `keras.losses.CTC` counts
        padded frames as real ones and gives another answer on each backend for labels that cannot be aligned;
        OpenSeq2Seq passes lengths and ignores labels longer than the frames, as the default does here.
    """

    def __init__(
        self,
        zero_infinity=True,
        normalize_by_label_length=False,
        reduction="sum_over_batch_size",
        name="ctc",
        dtype="float32",
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.zero_infinity = zero_infinity
        self.normalize_by_label_length = normalize_by_label_length

    def call(self, y_true, y_pred):
        _check_shapes(y_true.shape, y_pred.shape)
        labels = ops.cast(y_true, "int32")
        logits = ops.cast(y_pred, "float32")
        num_frames, vocabulary_size = ops.shape(logits)[1], logits.shape[2]
        losses = _kernel().ctc_loss(ops.clip(labels, 0, vocabulary_size - 1), logits)
        fits = alignable(labels, num_frames, vocabulary_size)
        infeasible = ops.logical_or(ops.logical_not(fits), losses > -PADDED_THRESHOLD)  # NaN of a broken model stays
        losses = ops.where(infeasible, 0.0 if self.zero_infinity else float("inf"), losses)
        if self.normalize_by_label_length:
            losses = losses / ops.cast(ops.maximum(ops.sum(ops.cast(labels > 0, "int32"), axis=1), 1), "float32")
        return losses

    def get_config(self):
        return {
            **super().get_config(),
            "zero_infinity": self.zero_infinity,
            "normalize_by_label_length": self.normalize_by_label_length,
            "dtype": self.dtype,
        }


def _kernel():
    backend = keras.backend.backend()
    if backend not in _BACKENDS:
        raise ValueError(f"CTC has kernels for the Keras backends {', '.join(_BACKENDS)}. Received: {backend}")
    return importlib.import_module(f"s2s_keras.losses._ctc_{backend}")


def _check_shapes(labels, logits):
    if len(labels) != 2:
        raise ValueError(
            "CTC expects labels `y_true` of shape (batch, labels), right-padded with 0. "
            f"Received: y_true.shape={tuple(labels)}"
        )
    if len(logits) != 3 or logits[2] is None or logits[2] < 2:
        raise ValueError(
            "CTC expects logits `y_pred` of shape (batch, frames, vocabulary) with a known vocabulary of blank and at "
            f"least one token. Received: y_pred.shape={tuple(logits)}"
        )
    if logits[1] == 0:
        raise ValueError(f"CTC expects at least one frame. Received: y_pred.shape={tuple(logits)}")
    if None not in (labels[0], logits[0]) and labels[0] != logits[0]:
        raise ValueError(
            "CTC expects as many label sequences as utterances. "
            f"Received: y_true.shape={tuple(labels)}, y_pred.shape={tuple(logits)}"
        )
