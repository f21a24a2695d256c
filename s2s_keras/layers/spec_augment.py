import keras
from keras import ops

from s2s_keras.ops.masks import apply_mask


@keras.saving.register_keras_serializable(package="s2s_keras")
class SpecAugment(keras.layers.Layer):
    """Hides random bands of frequencies and stretches of time during training.

    Args:
        num_freq_masks: Int, bands hidden in every utterance.
        freq_mask_width: Int, the width of a band is drawn from 0 to this many features, both included.
        num_time_masks: Int, stretches hidden in every utterance.
        time_mask_width: Int, the width of a stretch is drawn from 0 to this many frames, both included.
        time_mask_fraction: Float, no stretch is longer than this fraction of the utterance's real frames.
        seed: Int or `keras.random.SeedGenerator`.

    Call arguments:
        inputs: Features `(B, T, F)`, normalized, so that 0 is the mean.
        mask: Bool `(B, T)`, True = real frame. `None` takes every frame for real.
        training: Bool, does nothing unless True.

    Returns:
        `(B, T, F)` of the same dtype; hidden values are 0.

    Example:

    >>> import numpy as np
    >>> from s2s_keras.layers import SpecAugment
    >>> features = np.ones((2, 100, 64), "float32")
    >>> tuple(SpecAugment(seed=0)(features, training=True).shape)
    (2, 100, 64)

    Reference: Park et al., "SpecAugment" (2019), sections 2 and 4; without the time warp. OpenSeq2Seq skips a time mask
    that would not fit the utterance; here its width is capped.
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
        self.seed_generator = seed if isinstance(seed, keras.random.SeedGenerator) else keras.random.SeedGenerator(seed)

    def call(self, inputs, mask=None, training=False):
        if not training:
            return inputs
        batch, frames, features = ops.shape(inputs)
        ones = ops.ones((batch, frames), dtype="int32")
        lengths = ops.sum(ones if mask is None else ops.cast(mask, "int32"), axis=1, keepdims=True)
        kept = None
        if self.num_time_masks:
            limit = ops.cast(ops.cast(lengths, "float32") * self.time_mask_fraction, "int32")
            limit = ops.minimum(limit, self.time_mask_width)
            kept = self._kept(ops.arange(frames, dtype="int32"), lengths, limit, self.num_time_masks)
            inputs = apply_mask(inputs, kept)
        if self.num_freq_masks:
            size = ops.full_like(lengths, features)
            limit = ops.minimum(size, self.freq_mask_width)
            kept = self._kept(ops.arange(features, dtype="int32"), size, limit, self.num_freq_masks)
            inputs = ops.where(ops.expand_dims(kept, 1), inputs, ops.zeros_like(inputs))
        return inputs

    def _kept(self, positions, size, limit, count):
        """True `(B, N)` where none of `count` random stretches lies; `size` and `limit` are `(B, 1)` int32."""
        drawn = keras.random.uniform((2, ops.shape(size)[0], count), dtype="float32", seed=self.seed_generator)
        width = _integers(drawn[0], limit + 1)
        start = _integers(drawn[1], size - width + 1)
        positions = ops.reshape(positions, (1, 1, -1))
        start, stop = ops.expand_dims(start, -1), ops.expand_dims(start + width, -1)
        return ops.logical_not(ops.any(ops.logical_and(positions >= start, positions < stop), axis=1))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = super().get_config()
        names = ("num_freq_masks", "freq_mask_width", "num_time_masks", "time_mask_width", "time_mask_fraction", "seed")
        config.update({name: getattr(self, name) for name in names})
        return config


def _integers(uniform, size):
    """Turns numbers in [0, 1) into integers in [0, size)."""
    return ops.cast(ops.floor(uniform * ops.cast(size, "float32")), "int32")
