"""Which labels CTC can align with which logits."""

from keras import ops

PADDED_LOGIT = -1e9  # what the head gives every token but blank at padded frames
PADDED_THRESHOLD = PADDED_LOGIT / 2  # below it no sum of real logits ends up


def real_frames(logits):
    """The number of frames at which another token than blank is possible.

    Args:
        logits: float (B, T, V), blank first; padded frames have 0 at blank and -1e9 elsewhere.

    Returns:
        int32 (B,).

    Example:

    >>> import numpy as np
    >>> logits = np.array([[[0.0, 1.0], [0.0, -1e9], [0.0, -1e9]]], "float32")
    >>> ops.convert_to_numpy(real_frames(logits)).tolist()
    [1]
    """
    possible = ops.max(logits[..., 1:], axis=-1) > PADDED_THRESHOLD
    return ops.sum(ops.cast(possible, "int32"), axis=-1)


def alignable(labels, num_frames, vocabulary_size):
    """Whether CTC has an alignment: one frame for every label and one for a blank between equal neighbours.

    Args:
        labels: int (B, U), right-padded with 0.
        num_frames: int, or int (B,), the frames that may be used.
        vocabulary_size: int, token ids including blank.

    Returns:
        bool (B,). False too if a label is outside the vocabulary or follows a 0.

    Example:

    >>> import numpy as np
    >>> labels = np.array([[1, 2, 0], [1, 1, 0], [1, 7, 0], [0, 0, 0], [1, 0, 2]])
    >>> ops.convert_to_numpy(alignable(labels, 2, vocabulary_size=3)).astype(int).tolist()
    [1, 0, 0, 1, 0]
    """
    labels = ops.cast(labels, "int32")
    before, after = labels[:, :-1], labels[:, 1:]
    repeated = ops.logical_and(after > 0, before == after)
    needed = ops.sum(ops.cast(labels > 0, "int32"), axis=1) + ops.sum(ops.cast(repeated, "int32"), axis=1)
    gap = ops.any(ops.logical_and(after > 0, before <= 0), axis=1)
    malformed = ops.logical_or(gap, ops.any(labels >= vocabulary_size, axis=1))
    return ops.logical_and(needed <= num_frames, ops.logical_not(malformed))
