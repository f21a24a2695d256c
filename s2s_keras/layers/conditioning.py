"""What holds for a whole sequence, told at every position."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="s2s_keras")
class Conditioning(keras.layers.Layer):
    """A sequence with vectors, such as those of a speaker and a style, appended at every position.

    Call arguments:
        inputs: list of float (B, T, C) and of vectors, float (B, D) each.
        mask: list of bool (B, T) or None, and anything.

    Returns:
        float (B, T, C + D + ...), with the mask of the sequence.

    Example:

    >>> import numpy as np
    >>> tuple(Conditioning()([np.zeros((2, 5, 3)), np.zeros((2, 4))]).shape)
    (2, 5, 7)
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs):
        sequence, *vectors = inputs
        zeros = ops.zeros_like(sequence[..., :1])
        return ops.concatenate([sequence, *(zeros + ops.cast(x, sequence.dtype)[:, None] for x in vectors)], axis=-1)

    def compute_mask(self, inputs, mask=None):
        return mask[0] if isinstance(mask, (list, tuple)) else None

    def compute_output_shape(self, input_shape):
        sequence, *vectors = input_shape
        return (*sequence[:-1], sum(shape[-1] for shape in (sequence, *vectors)))
