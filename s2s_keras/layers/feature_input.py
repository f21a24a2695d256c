"""Where features computed elsewhere enter a model."""

import keras

from s2s_keras.ops.masks import apply_mask, sequence_mask


@keras.saving.register_keras_serializable(package="s2s_keras")
class FeatureInput(keras.layers.Layer):
    """Gives features computed outside the model the mask that a front end would have given them.

    Call arguments:
        inputs: list of features, float (B, T, F), and feature_lengths, int (B,).

    Returns:
        float (B, T, F) in the layer's compute dtype, zero at padded frames, with a Keras mask (B, T).

    Example:

    >>> import numpy as np
    >>> features = FeatureInput()([np.ones((1, 3, 1), "float32"), np.array([2])])
    >>> keras.ops.convert_to_numpy(features)[0, :, 0].tolist()
    [1.0, 1.0, 0.0]
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs):
        features, lengths = inputs
        return apply_mask(features, sequence_mask(lengths, features))

    def compute_mask(self, inputs, mask=None):
        features, lengths = inputs
        return sequence_mask(lengths, features)

    def compute_output_shape(self, input_shape):
        return input_shape[0]
