"""A mask that can be computed with."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="s2s_keras")
class MaskTensor(keras.layers.Layer):
    """The Keras mask of a tensor as a tensor, for what has to be told about padding outside of layers.

    Call arguments:
        inputs: (B, T, C).
        mask: bool (B, T) or None.

    Returns:
        bool (B, T), True everywhere if there is no mask.

    Example:

    >>> import numpy as np
    >>> mask = MaskTensor()(np.zeros((1, 2, 3)), mask=np.array([[True, False]]))
    >>> ops.convert_to_numpy(mask).astype(int).tolist()
    [[1, 0]]
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        return ops.ones_like(inputs[..., 0], dtype="bool") if mask is None else ops.cast(mask, "bool")

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_spec(self, inputs, mask=None):
        return keras.KerasTensor(inputs.shape[:2], dtype="bool")
