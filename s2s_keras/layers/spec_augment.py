"""Masking of features during training."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="s2s_keras")
class SpecAugment(keras.layers.Layer):
    """Hides random bands of frequencies and stretches of time from the network during training.

    Every utterance has its own bands and stretches; stretches lie within its real frames.

    Args:
        num_freq_masks: int, bands hidden in every utterance.
        freq_mask_width: int, the width of a band is drawn from 0 to this many features, both included.
        num_time_masks: int, stretches hidden in every utterance.
        time_mask_width: int, the width of a stretch is drawn from 0 to this many frames, both included.
        time_mask_fraction: float in [0, 1], no stretch is longer than this fraction of the utterance's real frames.
        seed: int.
        **kwargs: `name`, `dtype` and `trainable`.

    Call arguments:
        inputs: float (B, T, F), normalized features, so that 0 is their mean.
        mask: bool (B, T), True where a frame is real; `None` takes every frame for real.
        training: bool, nothing is hidden unless it is True.

    Returns:
        float (B, T, F), 0 where hidden, in the layer's compute dtype. The mask goes on.

    Raises:
        ValueError: a negative number or width, or a fraction outside [0, 1].

    Example:

    >>> import numpy as np
    >>> layer = SpecAugment(num_freq_masks=1, freq_mask_width=27, num_time_masks=1, time_mask_width=70, seed=0)
    >>> hidden = keras.ops.convert_to_numpy(layer(np.ones((2, 500, 80), "float32"), training=True)) == 0
    >>> bool(hidden.all(axis=2).sum(axis=1).max() <= 70 and hidden.all(axis=1).sum(axis=1).max() <= 27)
    True

    Reference: Park et al., SpecAugment (2019), section 2, without the time warp. OpenSeq2Seq skips a time mask that is
    as long as the utterance; here `time_mask_fraction` caps it.
    """

    def __init__(
        self,
        num_freq_masks=2,
        freq_mask_width=6,
        num_time_masks=2,
        time_mask_width=50,
        time_mask_fraction=0.2,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.num_freq_masks = num_freq_masks
        self.freq_mask_width = freq_mask_width
        self.num_time_masks = num_time_masks
        self.time_mask_width = time_mask_width
        self.time_mask_fraction = time_mask_fraction
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        sizes = (num_freq_masks, freq_mask_width, num_time_masks, time_mask_width)
        if min(sizes) < 0 or not 0 <= time_mask_fraction <= 1:
            raise ValueError(
                "Expected numbers and widths of at least 0 and a time_mask_fraction from 0 to 1. Received "
                f"num_freq_masks={num_freq_masks}, freq_mask_width={freq_mask_width}, num_time_masks={num_time_masks}, "
                f"time_mask_width={time_mask_width}, time_mask_fraction={time_mask_fraction}."
            )

    def call(self, inputs, mask=None, training=False):
        if not training:
            return inputs
        batch, frames, features = ops.shape(inputs)
        if mask is None:
            mask = ops.ones((batch, frames), dtype="bool")
        lengths = ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True)
        hidden = []
        if self.num_time_masks:
            limit = ops.cast(ops.cast(lengths, "float32") * self.time_mask_fraction, "int32")
            limit = ops.minimum(limit, self.time_mask_width)
            hidden.append(self._draw(frames, lengths, limit, self.num_time_masks)[:, :, None])
        if self.num_freq_masks:
            bands = ops.full_like(lengths, features)
            limit = ops.minimum(bands, self.freq_mask_width)
            hidden.append(self._draw(features, bands, limit, self.num_freq_masks)[:, None, :])
        for piece in hidden:
            inputs = ops.where(piece, ops.zeros((), dtype=inputs.dtype), inputs)
        return inputs

    def _draw(self, size, real, limit, count):
        """bool (B, size), True in `count` stretches of at most `limit` (B, 1) within the first `real` (B, 1)."""
        chance = keras.random.uniform((2, ops.shape(real)[0], count), dtype="float32", seed=self.seed_generator)
        width = _scale(chance[0], limit)
        start = _scale(chance[1], real - width)[:, :, None]
        place = ops.arange(size, dtype="int32")[None, None]
        return ops.any(ops.logical_and(place >= start, place < start + width[:, :, None]), axis=1)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = super().get_config()
        names = ("num_freq_masks", "freq_mask_width", "num_time_masks", "time_mask_width", "time_mask_fraction", "seed")
        config.update({name: getattr(self, name) for name in names})
        return config


def _scale(chance, largest):
    """Integers from 0 to `largest`, both included, from numbers in [0, 1)."""
    drawn = ops.floor(chance * (ops.cast(largest, "float32") + 1.0))
    return ops.minimum(ops.cast(drawn, "int32"), largest)
