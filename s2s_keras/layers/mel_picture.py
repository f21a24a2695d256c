"""A recording as a picture of fixed size, the front end of OpenSeq2Seq's speech commands."""

import keras
from keras import ops

from s2s_keras.layers.log_mel_spectrogram import LogMelSpectrogram

_FLOOR = 1e-5


@keras.saving.register_keras_serializable(package="s2s_keras")
class MelPicture(LogMelSpectrogram):
    """Log-mel features of `size` frames and as many filters, for networks that take pictures.

    A short recording lies in the middle, between frames of zeros; of a long one the middle is taken, in training a
    random part.

    Args:
        size: int, frames and mel filters.
        window_ms: float, length of a frame in milliseconds.
        hop_ms: float, distance between frames in milliseconds.
        **kwargs: `sample_rate`, `mel_scale`, `min_frequency`, `max_frequency`, `floor`, `window`, `fft_length`,
            `preemphasis`, `dither`, `gain`, `normalization`, `seed` of `LogMelSpectrogram`, with the original's values
            as defaults.

    Call arguments:
        inputs: list of audio, float (B, S) in [-1, 1], and audio_lengths, int (B,), samples.
        training: bool.

    Returns:
        float32 (B, size, size), without a mask.

    Example:

    >>> import numpy as np
    >>> picture = MelPicture(size=120)([np.zeros((2, 16000), "float32"), np.array([16000, 8000])])
    >>> tuple(picture.shape)
    (2, 120, 120)

    Reference: OpenSeq2Seq's speech commands: a second of 16 kHz makes 63 frames. There the crop of a long recording was
    random outside training, too.
    """

    def __init__(
        self,
        size=120,
        mel_scale="htk",
        floor=_FLOOR,
        window="hann_periodic",
        window_ms=64,
        hop_ms=16,
        preemphasis=0.0,
        dither=0.0,
        gain=1.0,
        normalization=None,
        **kwargs,
    ):
        kwargs.pop("num_mel_bins", None)  # of a config
        super().__init__(
            num_mel_bins=size,
            mel_scale=mel_scale,
            floor=floor,
            window=window,
            window_ms=window_ms,
            hop_ms=hop_ms,
            preemphasis=preemphasis,
            dither=dither,
            gain=gain,
            normalization=normalization,
            **kwargs,
        )
        self.size = size

    def power_to_features(self, power):
        return ops.log(ops.maximum(ops.matmul(power, self._filters), self.floor))

    def call(self, inputs, training=False):
        features = super().call(inputs, training=training)
        frames = self.frame_lengths(ops.cast(inputs[1], "int32"))
        before = (self.size - frames) // 2  # negative where frames are cut off
        if training:
            where = keras.random.uniform(ops.shape(frames), seed=self.seed_generator)
            cut = ops.cast(where * ops.cast(frames - self.size + 1, "float32"), "int32")
            before = ops.where(frames > self.size, -cut, before)
        source = ops.arange(self.size, dtype="int32") - ops.expand_dims(before, 1)
        inside = (source >= 0) & (source < ops.expand_dims(frames, 1))
        picture = ops.take_along_axis(features, ops.expand_dims(ops.where(inside, source, 0), -1), axis=1)
        return ops.where(ops.expand_dims(inside, -1), picture, 0.0)

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return (input_shape[0][0], self.size, self.size)

    def get_config(self):
        return {**super().get_config(), "size": self.size}
