"""Log-mel features, the front end of the recognizers."""

import keras
from keras import ops

from s2s_keras.layers.spectral_features import SpectralFeatures
from s2s_keras.ops.mel import mel_filter_bank

_FLOOR = 1e-20


@keras.saving.register_keras_serializable(package="s2s_keras")
class LogMelSpectrogram(SpectralFeatures):
    """Logarithm of the energy in mel filters, the usual input of a speech recognizer.

    Real frames only are read and normalized, so padding never changes a feature.

    Args:
        num_mel_bins: int, number of filters.
        mel_scale: "slaney" (filters of equal area, librosa's default) or "htk" (of equal height).
        min_frequency: float, lower edge of the first filter in hertz.
        max_frequency: float, upper edge of the last filter in hertz. `None` is half the sample rate.
        floor: float, energy added before the logarithm: 1e-20 as in OpenSeq2Seq and librosa, 2**-24 in NeMo.
        **kwargs: `sample_rate` (16000), `window` ("hann"), `window_ms` (20), `hop_ms` (10), `fft_length` (next power
            of two of the window), `preemphasis` (0.97), `dither` (1e-5, training only), `gain` ("peak" or a number),
            `normalization` ("per_feature", "per_feature_unbiased", "global", (mean, standard deviation) or `None`),
            `seed`; `SpectralFeatures` describes them.

    Call arguments:
        inputs: list of audio, float (B, S) in [-1, 1], and audio_lengths, int (B,), samples.
        training: bool, adds the dither.

    Returns:
        float32 (B, T, num_mel_bins), T = 1 + S // hop_length, zero at padded frames, with a Keras mask (B, T).

    Raises:
        ValueError: an unknown window, scale, gain or normalization, or a transform shorter than a frame.

    Example:

    >>> import numpy as np
    >>> audio = np.random.default_rng(0).normal(size=(2, 16000)).astype("float32")
    >>> features = LogMelSpectrogram(num_mel_bins=64)([audio, np.array([16000, 8000])])
    >>> tuple(features.shape)
    (2, 101, 64)

    Reference: OpenSeq2Seq's "logfbank" of its librosa backend, equal within 1e-3 on recordings. There the dither is
    also added outside training and a feature that does not vary becomes NaN.
    """

    def __init__(
        self, num_mel_bins=64, mel_scale="slaney", min_frequency=0.0, max_frequency=None, floor=_FLOOR, **kwargs
    ):
        super().__init__(**kwargs)
        self.num_mel_bins = num_mel_bins
        self.mel_scale = mel_scale
        self.min_frequency = min_frequency
        self.max_frequency = max_frequency
        self.floor = floor
        self._filters = mel_filter_bank(
            num_mel_bins, self.fft_length, self.sample_rate, mel_scale, min_frequency, max_frequency
        )

    @property
    def num_features(self):
        return self.num_mel_bins

    def power_to_features(self, power):
        return ops.log(ops.matmul(power, self._filters) + self.floor)

    def get_config(self):
        names = ("num_mel_bins", "mel_scale", "min_frequency", "max_frequency", "floor")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
