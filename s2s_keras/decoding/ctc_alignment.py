"""Which frames say which label."""

import numpy as np


def ctc_alignment(logits, labels):
    """The most likely frames of known labels: the best of all CTC paths that read as `labels`.

    Args:
        logits: float (T, V), real frames of one utterance, blank first; unnormalized or log-probabilities.
        labels: sequence of int (U,), token ids without blanks.

    Returns:
        int array (U, 2): the first frame of each label, and the one after its last.

    Raises:
        ValueError: logits are not (T, V), a label is no token, or the labels need more frames than there are.

    Example:

    >>> ctc_alignment(10 * np.eye(3)[[0, 1, 1, 0, 2]], [1, 2]).tolist()
    [[1, 3], [4, 5]]

    Reference: the Viterbi path over the states of Graves et al., Connectionist temporal classification, 2006.
    """
    from s2s_keras.decoding import _alignment_kernel  # numba takes a second to import

    logits, labels = np.ascontiguousarray(logits, "float64"), np.asarray(labels, "int64").reshape(-1)
    if logits.ndim != 2:
        raise ValueError(f"Alignment expects logits of one utterance, (frames, vocabulary). Received: {logits.shape}.")
    if labels.size and not 0 < labels.min() <= labels.max() < logits.shape[1]:
        raise ValueError(f"Labels must lie in [1, {logits.shape[1] - 1}]; 0 is blank. Received: {labels.tolist()}.")
    needed = len(labels) + int(np.sum(labels[1:] == labels[:-1]))
    if needed > len(logits):
        raise ValueError(
            f"{len(labels)} labels need at least {needed} frames, repeats included. There are {len(logits)}."
        )
    if not labels.size:
        return np.zeros((0, 2), "int64")
    tokens = np.zeros(2 * len(labels) + 1, "int64")  # blanks around and between the labels
    tokens[1::2] = labels
    path = np.zeros(len(logits), "int64")
    _alignment_kernel.best_path(logits, tokens, path)
    states = np.arange(1, len(tokens), 2)
    return np.stack([np.searchsorted(path, states), np.searchsorted(path, states, side="right")], axis=1)
