"""Where sequences leave a model."""

import keras
from keras import ops

from s2s_keras.ops.masks import apply_mask


@keras.saving.register_keras_serializable(package="s2s_keras")
class MaskedSum(keras.layers.Layer):
    """The float32 sum of sequences, zero at padded frames; their mask goes on, to the loss.

    Call arguments:
        inputs: float (B, T, C), or a list of such.
        mask: bool (B, T) or None, or a list of such, of which the first counts.

    Returns:
        float32 (B, T, C).

    Example:

    >>> import numpy as np
    >>> ops.convert_to_numpy(MaskedSum()(np.ones((1, 2, 1)), mask=np.array([[True, False]]))).tolist()
    [[[1.0], [0.0]]]
    """

    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.supports_masking = True

    def call(self, inputs, mask=None):
        terms = [ops.cast(x, "float32") for x in _as_list(inputs)]
        return apply_mask(sum(terms[1:], terms[0]), _as_list(mask)[0])

    def compute_mask(self, inputs, mask=None):
        return _as_list(mask)[0]

    def compute_output_shape(self, input_shape):
        return input_shape[0] if isinstance(input_shape, list) else input_shape


def _as_list(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]
