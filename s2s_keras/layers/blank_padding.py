"""The head's last layer: padded frames say blank."""

import keras
from keras import ops

IMPOSSIBLE = -1e9  # a logit that no probability survives, and still finite in float32


@keras.saving.register_keras_serializable(package="s2s_keras")
class BlankPadding(keras.layers.Layer):
    """Makes every padded frame emit blank with probability one, and ends the mask.

    The CTC loss over all frames then equals the loss over the real frames exactly, and no search needs lengths.

    Args:
        blank: int, the blank's token id.

    Call arguments:
        inputs: float (B, T, V), logits.
        mask: bool (B, T) or None, True at real frames.

    Returns:
        float32 (B, T, V): at padded frames 0 for blank and -1e9 for every other token.

    Example:

    >>> import numpy as np
    >>> logits = BlankPadding()(np.ones((1, 2, 3), "float32"), mask=np.array([[True, False]]))
    >>> keras.ops.convert_to_numpy(logits)[0].tolist()
    [[1.0, 1.0, 1.0], [0.0, -1000000000.0, -1000000000.0]]
    """

    def __init__(self, blank=0, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.blank = blank
        self.supports_masking = True

    def call(self, inputs, mask=None):
        if mask is None:
            return inputs
        blank = ops.one_hot(self.blank, inputs.shape[-1], dtype="float32")
        return ops.where(ops.expand_dims(mask, -1), inputs, (blank - 1.0) * -IMPOSSIBLE)

    def stream(self, signal, memory):
        """The same for the next frames of an endless sequence: see `s2s_keras.layers.streaming`."""
        return signal.replace(frames=self.call(signal.frames, signal.mask))

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "blank": self.blank}
