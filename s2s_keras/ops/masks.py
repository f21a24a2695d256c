"""Masks over time: boolean, (B, T), True where a frame is real."""

from keras import ops


def sequence_mask(lengths, reference):
    """The mask of right-padded sequences.

    Args:
        lengths: int (B,), the number of real frames of each sequence.
        reference: (B, T, ...), any tensor whose second axis is time. Only its shape is used; T may be unknown.

    Returns:
        bool (B, T), True where the frame is real.

    Example:

    >>> import numpy as np
    >>> from keras import ops
    >>> ops.convert_to_numpy(sequence_mask(np.array([1, 3]), np.zeros((2, 3, 5)))).astype(int).tolist()
    [[1, 0, 0], [1, 1, 1]]
    """
    lengths = ops.cast(lengths, "int32")
    plane = reference[(slice(None), slice(None)) + (0,) * (len(reference.shape) - 2)]
    positions = ops.cumsum(ops.ones_like(plane, dtype="int32"), axis=1)
    return positions <= lengths[:, None]


def apply_mask(x, mask):
    """Set padded frames of `x` (B, T, ...) to zero, whatever they hold (NaN included). `mask=None` changes nothing."""
    if mask is None:
        return x
    for _ in range(len(x.shape) - 2):
        mask = ops.expand_dims(mask, -1)
    return ops.where(mask, x, ops.zeros((), dtype=x.dtype))
