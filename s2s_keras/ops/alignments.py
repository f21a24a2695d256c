"""Losses and measures of attention alignments."""

from keras import ops


def guided_attention(alignment, step_mask, token_mask, sharpness=0.2):
    """How far attention is from the diagonal: the mean of alignment times distance over steps that are real.

    Args:
        alignment: float (B, S, U), each step's weights of the tokens.
        step_mask: bool (B, S), True at real steps.
        token_mask: bool (B, U), True at real tokens.
        sharpness: float, the width of the diagonal, as a fraction of the sequence, within which little is lost.

    Returns:
        float32 scalar in [0, 1].

    Example:

    >>> import numpy as np
    >>> mask = np.array([[True, True]])
    >>> straight, crossed = np.eye(2, dtype="float32")[None], np.eye(2, dtype="float32")[None, ::-1]
    >>> [round(float(guided_attention(a, mask, mask)), 3) for a in (straight, crossed)]
    [0.0, 0.956]

    Reference:
        - [Efficiently trainable text-to-speech](https://arxiv.org/abs/1710.08969), section 4.1.
    """
    steps, tokens = (_places(mask) for mask in (step_mask, token_mask))
    distance = tokens[:, None, :] - steps[:, :, None]
    weight = 1.0 - ops.exp(-ops.square(distance) / (2.0 * sharpness**2))
    real = ops.cast(step_mask, "float32")
    away = ops.sum(ops.where(token_mask[:, None], ops.cast(alignment, "float32") * weight, 0.0), axis=-1)
    return ops.sum(ops.where(step_mask, away, 0.0)) / ops.maximum(ops.sum(real), 1.0)


def _places(mask):
    """0, 1 / N, 2 / N, ... for each row's N real positions."""
    count = ops.cumsum(ops.cast(mask, "float32"), axis=1)
    return (count - 1.0) / ops.maximum(count[:, -1:], 1.0)
