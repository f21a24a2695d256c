"""A loss that keeps attention near the diagonal."""

import keras
from keras import ops

from s2s_keras.ops.alignments import guided_attention


@keras.saving.register_keras_serializable(package="s2s_keras")
class GuidedAttention(keras.layers.Layer):
    """Passes an alignment on and adds, in training, what it is away from the diagonal to the loss of the model.

    Speech follows its text from the beginning to the end. Attention learns that within a few hundred steps where it is
    told so, and seldom from little data where it is not.

    Args:
        weight: float, of the loss. Default 1.
        sharpness: float, the width of the diagonal, as a share of the sequence, within which little is lost.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: list of alignment, float (B, S, U), weights of the tokens at every step; step mask, bool (B, S), and
            token mask, bool (B, U), True at what is real.
        training: bool.

    Returns:
        The alignment.

    Raises:
        ValueError: `weight` is below 0 or `sharpness` not above 0.

    Example:

    >>> import numpy as np
    >>> mask = np.array([[True, True]])
    >>> layer = GuidedAttention(weight=2.0)
    >>> _ = layer([np.array([[[0.0, 1.0], [1.0, 0.0]]]), mask, mask], training=True)
    >>> round(float(layer.losses[0]), 3)
    1.912

    Reference:
        - [Efficiently trainable text-to-speech](https://arxiv.org/abs/1710.08969), section 4.1. The mean there is over
          all pairs of a step and a token; here over real steps, so that it does not fade in long texts.
    """

    def __init__(self, weight=1.0, sharpness=0.2, **kwargs):
        super().__init__(**kwargs)
        if weight < 0 or sharpness <= 0:
            raise ValueError(
                "Expected a weight of at least 0 and a sharpness above 0. Received: "
                f"weight={weight}, sharpness={sharpness}."
            )
        self.weight = weight
        self.sharpness = sharpness

    def call(self, inputs, training=False):
        alignment, step_mask, token_mask = inputs
        if training and self.weight:
            step_mask, token_mask = ops.cast(step_mask, "bool"), ops.cast(token_mask, "bool")
            self.add_loss(self.weight * guided_attention(alignment, step_mask, token_mask, self.sharpness))
        return alignment

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {**super().get_config(), "weight": self.weight, "sharpness": self.sharpness}
